"""Accumulators obey their laws: merging is associative and commutative, the empty state is its identity."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import estimators
from harness.estimators.logged import LoggedRows
from harness.estimators.logged_units import LoggedUnits
from harness.estimators.moments import ClusterMoments, Moments
from harness.estimators.sketch import LatencySketch
from harness.estimators.slices import BySlice
from harness.estimators.tally import Tally
from harness.estimators.weighted import MassMoments, WeightedMoments
from harness.estimators.weights import TopWeights

Rows = list[tuple[float, str]]
ROWS: st.SearchStrategy[Rows] = st.lists(
    st.tuples(st.floats(0.0, 1e6, allow_subnormal=False), st.sampled_from("abcdef")), max_size=30
)


def numbers(rows: Rows) -> list[float]:
    return [x for x, _ in rows]


def names(rows: Rows) -> np.ndarray:
    return np.array([name for _, name in rows], dtype=str)


def same_moments(one: Moments, two: Moments) -> bool:
    """Equal but for rounding at the scale of the numbers summed."""
    scale = 1.0 + max(abs(one.mean), abs(two.mean)) + np.sqrt(max(one.m2, two.m2))
    pairs = ((one.mean, two.mean), (one.m2, two.m2), (one.m3, two.m3))
    return one.n == two.n and all(abs(a - b) <= 1e-9 * scale**power for power, (a, b) in enumerate(pairs, start=1))


def same_clusters(one: ClusterMoments, two: ClusterMoments) -> bool:
    return (
        one.ids.tolist() == two.ids.tolist()
        and one.counts.tolist() == two.counts.tolist()
        and np.allclose(one.means, two.means, rtol=1e-9, atol=1e-9)
    )


def same_sketch(one: LatencySketch, two: LatencySketch) -> bool:
    return one.buckets.tolist() == two.buckets.tolist() and one.counts.tolist() == two.counts.tolist()


def same_weights(one: TopWeights, two: TopWeights) -> bool:
    sums = np.allclose([one.total, one.squares], [two.total, two.squares], rtol=1e-12)
    return (one.keep, one.n) == (two.keep, two.n) and one.largest.tolist() == two.largest.tolist() and bool(sums)


def same_slices(one: BySlice[LatencySketch], two: BySlice[LatencySketch]) -> bool:
    return list(one.states) == list(two.states) and all(
        same_sketch(one.states[name], two.states[name]) for name in one.states
    )


def same_mass(one: MassMoments, two: MassMoments) -> bool:
    """Equal but for rounding at the scale of the mass and of the numbers (up to 1) it weighs."""
    return all(abs(a - b) <= 1e-9 * (1e-300 + max(one.mass, two.mass)) for a, b in zip(one, two, strict=True) if a != b)


def same_weighted(one: WeightedMoments, two: WeightedMoments) -> bool:
    pairs = ((one.first, two.first), (one.second, two.second), (one.third, two.third))
    return one.n == two.n and all(same_mass(a._replace(mean=0.0), b._replace(mean=0.0)) for a, b in pairs) and all(
        abs(a.mean - b.mean) <= 1e-9 for a, b in pairs
    )


def same_logged(one: LoggedRows, two: LoggedRows) -> bool:
    return (
        same_moments(one.rewards, two.rewards)
        and same_moments(one.products, two.products)
        and same_weighted(one.weighted, two.weighted)
        and same_weights(one.top, two.top)
    )


def same_units(one: LoggedUnits, two: LoggedUnits) -> bool:
    return one.ids.tolist() == two.ids.tolist() and np.allclose(one.sums, two.sums, rtol=1e-9, atol=1e-9)


def letters(rows: Rows) -> list[float]:
    return ["abcdef".index(name) / 5.0 for _, name in rows]


class Law(NamedTuple):
    """How to make a state of rows, its identity, when two states are the same, and how large a state is."""

    of: Callable[[Rows], Any]
    empty: Any
    same: Callable[[Any, Any], bool]
    size: Callable[[Any], int]
    most: int


CATALOGUE: dict[type, Law] = {
    Moments: Law(lambda rows: Moments.of(numbers(rows)), Moments(), same_moments, lambda state: 4, 4),
    ClusterMoments: Law(
        lambda rows: ClusterMoments.of(numbers(rows), names(rows)),
        ClusterMoments(),
        same_clusters,
        lambda state: len(state.ids),
        6,
    ),
    Tally: Law(
        lambda rows: Tally.of([x > 3.0 for x in numbers(rows)]), Tally(), lambda a, b: a == b, lambda state: 2, 2
    ),
    LatencySketch: Law(
        lambda rows: LatencySketch.of(numbers(rows)),
        LatencySketch(),
        same_sketch,
        lambda state: len(state.buckets),
        2074,
    ),
    TopWeights: Law(
        lambda rows: TopWeights.of(numbers(rows), keep=5),
        TopWeights(keep=5),
        same_weights,
        lambda state: len(state.largest),
        5,
    ),
    WeightedMoments: Law(
        lambda rows: WeightedMoments.of(letters(rows), numbers(rows)),
        WeightedMoments(),
        same_weighted,
        lambda state: 13,
        13,
    ),
    LoggedRows: Law(
        lambda rows: LoggedRows.of(letters(rows), [0.5] * len(rows), [x / 1e6 for x in numbers(rows)], keep=5),
        LoggedRows(top=TopWeights(keep=5)),
        same_logged,
        lambda state: len(state.top.largest),
        5,
    ),
    LoggedUnits: Law(
        lambda rows: LoggedUnits.of(letters(rows), [0.5] * len(rows), [x / 1e6 for x in numbers(rows)], names(rows)),
        LoggedUnits(),
        same_units,
        lambda state: len(state.ids),
        6,
    ),
    BySlice: Law(
        lambda rows: BySlice.of(numbers(rows), names(rows), into=LatencySketch.of),
        BySlice(),
        same_slices,
        lambda state: len(state.states),
        6,
    ),
}
every_accumulator = pytest.mark.parametrize("law", CATALOGUE.values(), ids=[kind.__name__ for kind in CATALOGUE])


def test_no_accumulator_escapes_its_laws():
    """Every public class of the room that has a merge stands in the catalogue of this file."""
    found = set()
    for module in pkgutil.iter_modules(estimators.__path__):
        room = importlib.import_module(f"harness.estimators.{module.name}")
        for name in getattr(room, "__all__", ()):
            thing = getattr(room, name)
            if isinstance(thing, type) and hasattr(thing, "merge") and not getattr(thing, "_is_protocol", False):
                found.add(thing)
    assert found == set(CATALOGUE)


@every_accumulator
@given(ROWS, ROWS, ROWS)
def test_merge_is_associative(law, a, b, c):
    """(a + b) + c is a + (b + c)."""
    one, two, three = law.of(a), law.of(b), law.of(c)
    assert law.same(one.merge(two).merge(three), one.merge(two.merge(three)))


@every_accumulator
@given(ROWS, ROWS)
def test_merge_is_commutative(law, a, b):
    """A + b is b + a."""
    assert law.same(law.of(a).merge(law.of(b)), law.of(b).merge(law.of(a)))


@every_accumulator
@given(ROWS)
def test_the_empty_state_changes_nothing(law, a):
    """The empty state is the identity on both sides, and is what an empty batch gives."""
    assert law.same(law.of(a).merge(law.empty), law.of(a))
    assert law.same(law.empty.merge(law.of(a)), law.of(a))
    assert law.same(law.of([]), law.empty)


@every_accumulator
@given(ROWS, st.integers(0, 30))
def test_a_batch_is_any_split_of_it(law, a, cut):
    """A batch in one piece or in two gives the same state."""
    assert law.same(law.of(a), law.of(a[:cut]).merge(law.of(a[cut:])))


@every_accumulator
@given(ROWS)
def test_a_state_does_not_grow_with_the_rows(law, a):
    """However often the same rows come, the state keeps to its bound."""
    state = law.of(a)
    for _ in range(4):
        state = state.merge(state).merge(law.of(a))
    assert law.size(state) <= law.most


@given(st.lists(st.floats(-1e6, 1e6)), st.lists(st.floats(-1e6, 1e6)))
def test_moments_merge_is_commutative_to_the_bit(a, b):
    """A + b is b + a, exactly: the order in which windows arrive leaves no trace."""
    assert Moments.of(a).merge(Moments.of(b)) == Moments.of(b).merge(Moments.of(a))


def test_a_merge_that_forgets_the_gap_is_caught():
    """The broken twin, which adds sums of squares without the gap between means, is not the whole batch."""
    one, two = Moments.of([0.0, 1.0]), Moments.of([10.0, 11.0])
    forgetful = Moments(4, (one.mean + two.mean) / 2, one.m2 + two.m2, one.m3 + two.m3)
    assert same_moments(one.merge(two), Moments.of([0.0, 1.0, 10.0, 11.0]))
    assert not same_moments(forgetful, Moments.of([0.0, 1.0, 10.0, 11.0]))


def test_moments_are_stable_at_a_billion_rows():
    """1e9 rows of 1e8 ± 1, merged by doubling, keep mean and variance where a sum of squares has lost both."""
    state = Moments.of([1e8 - 1.0, 1e8 + 1.0])
    for _ in range(29):
        state = state.merge(state)
    assert state.n == 2**30
    assert state.mean == 1e8
    assert state.m2 / state.n == pytest.approx(1.0, rel=1e-12)
    assert state.m3 / state.n == pytest.approx(0.0, abs=1e-9)
    squares = np.float64(state.n) * (1e16 + 1.0)
    assert squares / state.n - 1e16 != 1.0  # the textbook formula
