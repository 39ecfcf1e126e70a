"""Paired differences: bands, reach and pairing."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import InputError
from harness.report.comparison import Column, compare, decision_of, gravest

KEY = ("default", "nDCG@10")


def column(values: np.ndarray, *, first: int = 0) -> Column:
    """Values of queries `first`, `first` + 1, …, clusters of four."""
    names = np.array([f"q{first + i}" for i in range(len(values))], dtype=object)
    return Column(names, values, np.array([f"c{i // 4}" for i in range(len(values))], dtype=object))


@pytest.mark.parametrize(("delta", "decision"), [
    (0.0, "plan"), (0.0199, "plan"), (0.02, "tune"), (-0.02, "tune"), (0.05, "tune"), (0.0501, "hold"), (-0.3, "hold"),
])
def test_the_bands_of_the_checklist(delta: float, decision: str) -> None:
    """Under 2 points plan, 2 to 5 tune, over 5 hold, whichever way it went."""
    assert decision_of(delta) == decision


def test_a_difference_of_subtraction_stays_in_its_band() -> None:
    """0.80 - 0.75 is 5 points, though floating point makes it a little more."""
    assert 0.80 - 0.75 > 0.05
    assert decision_of(0.80 - 0.75) == "tune"


def test_no_number_is_no_plan() -> None:
    """NaN has no decision."""
    with pytest.raises(InputError):
        decision_of(float("nan"))


def test_pairs_are_made_by_query_and_not_by_place(rng: np.random.Generator) -> None:
    """Shuffling one side changes nothing; pairing by place would have."""
    values = rng.uniform(0, 1, 200)
    before, after = column(values), column(values + 0.03)
    order = rng.permutation(200)
    assert after.clusters is not None
    shuffled = Column(after.queries[order], after.values[order], after.clusters[order])
    straight, mixed = compare({KEY: before}, {KEY: after})[0], compare({KEY: before}, {KEY: shuffled})[0]
    assert straight.delta == mixed.delta
    assert (mixed.better, mixed.worse, mixed.decision) == (200, 0, "tune")
    assert np.count_nonzero(shuffled.values < before.values) > 50


def test_the_reach_names_what_the_interval_leaves_open(rng: np.random.Generator) -> None:
    """A noisy 2 points may be anything; the same 2 points on a hundred times the queries are settled."""
    def reach(n: int) -> tuple[str, ...]:
        before = rng.uniform(0.3, 0.7, n)
        return compare({KEY: column(before)}, {KEY: column(before + 0.03 + rng.normal(0, 0.2, n))})[0].reach

    assert reach(40) == ("plan", "tune", "hold")
    assert reach(20_000) == ("tune",)


def test_one_query_settles_nothing() -> None:
    """A single pair has no interval, so every decision stays open."""
    one = compare({KEY: column(np.array([0.5]))}, {KEY: column(np.array([0.5]))})[0]
    assert (one.decision, one.reach) == ("plan", ("plan", "tune", "hold"))


def test_absence_is_counted(rng: np.random.Generator) -> None:
    """Queries of one side only are left out and counted; no common query or measure is an error."""
    before, after = column(rng.uniform(0, 1, 30)), column(rng.uniform(0, 1, 30), first=10)
    one = compare({KEY: before}, {KEY: after})[0]
    assert (one.delta.n, one.left_out) == (20, 20)
    with pytest.raises(InputError, match="no query on both sides"):
        compare({KEY: before}, {KEY: column(np.ones(3), first=99)})
    with pytest.raises(InputError, match="nothing to compare"):
        compare({KEY: before}, {("other", "AP"): after})


def test_a_query_given_twice_is_an_error() -> None:
    """Two values for one query cannot be paired."""
    twice = Column(np.array(["q", "q"], dtype=object), np.array([0.1, 0.2]))
    with pytest.raises(InputError, match="twice"):
        compare({KEY: twice}, {KEY: twice})


def test_the_gravest_decision_speaks(rng: np.random.Generator) -> None:
    """One measure that must hold holds the whole; nothing compared is held too."""
    values = rng.uniform(0.2, 0.6, 50)
    other = ("default", "AP")
    found = compare({other: column(values), KEY: column(values)}, {other: column(values), KEY: column(values + 0.2)})
    assert gravest(found) == "hold"
    assert gravest([]) == "hold"
