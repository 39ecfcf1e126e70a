"""Agreement of two runs: by set, and by rank with the top weighing most."""

from __future__ import annotations

import numpy as np
import pytest

from harness.data.dicts import run_of_dict
from harness.errors import InputError, UsageError
from harness.metrics.agreement import agreement, jaccard_at, rbo
from harness.records import Run
from tests.metrics import slow


def ranked(**rankings: str) -> Run:
    """A run from strings of one-letter documents, best first."""
    return run_of_dict({query: {doc: -float(rank) for rank, doc in enumerate(docs)}
                        for query, docs in rankings.items()})


def test_jaccard_counts_shared_documents_of_the_first_k() -> None:
    """Order within the first k does not matter; short rankings are as long as they are."""
    a, b = ranked(q1="abcd", q2="abc", q3="a"), ranked(q1="badc", q2="xyz", q4="a")
    assert jaccard_at(a, b, k=2).values.tolist() == [1, 0, 0, 0]
    assert jaccard_at(a, b, k=3).values.tolist() == [0.5, 0, 0, 0]
    assert jaccard_at(ranked(q="ab"), ranked(q="abcd"), k=10).values.tolist() == [0.5]
    assert jaccard_at(a, b, k=2).queries.tolist() == ["q1", "q2", "q3", "q4"]


@pytest.mark.parametrize("p", [0.1, 0.9, 0.99])
def test_rbo_meets_its_literal_definition(rng: np.random.Generator, p: float) -> None:
    """The sums over shared documents give equation 32 of the paper, also for rankings of unequal length."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    pairs = [("".join(rng.permutation(list(letters))[: rng.integers(1, 26)]),
              "".join(rng.permutation(list(letters))[: rng.integers(1, 26)])) for _ in range(40)]
    a, b = (ranked(**{f"q{row:02d}": pair[side] for row, pair in enumerate(pairs)}) for side in (0, 1))
    assert rbo(a, b, p=p).values == pytest.approx([slow.rbo_ext(*pair, p) for pair in pairs])


def test_rbo_of_the_same_disjoint_and_missing() -> None:
    """Equal rankings agree wholly, disjoint ones and ones that only one run has not at all."""
    a, b = ranked(q1="abc", q2="abc", q3="a"), ranked(q1="abc", q2="xyz", q4="a")
    assert rbo(a, b).values == pytest.approx([1, 0, 0, 0])
    assert rbo(a, a).mean == pytest.approx(1)


def test_rbo_weighs_the_top() -> None:
    """A swap at ranks 1 and 2 costs more than one at 9 and 10."""
    here = ranked(q="abcdefghij")
    assert rbo(here, ranked(q="bacdefghij")).mean < rbo(here, ranked(q="abcdefghji")).mean < 1


def test_the_spelling_picks_the_measure() -> None:
    """`Jaccard@3` and `RBO(p=0.5)` are read; a measure against judgements is refused."""
    a, b = ranked(q="abc"), ranked(q="abd")
    assert agreement(a, b, "Jaccard@3").mean == 0.5
    assert agreement(a, b, "RBO(p=0.5)").mean == rbo(a, b, p=0.5).mean
    with pytest.raises(UsageError, match="nDCG@10 is no measure of two runs"):
        agreement(a, b, "nDCG@10")


def test_bad_arguments_and_empty_runs_are_refused() -> None:
    """Two empty runs agree on nothing that could be measured."""
    a = ranked(q="ab")
    with pytest.raises(ValueError, match="not 0"):
        jaccard_at(a, a, k=0)
    with pytest.raises(ValueError, match=r"not 1\.0"):
        rbo(a, a, p=1.0)
    empty = Run.of([], [], [])
    with pytest.raises(InputError, match="two empty runs"):
        rbo(empty, empty)
    assert rbo(a, empty).values.tolist() == [0]
    assert jaccard_at(empty, a, k=5).values.tolist() == [0]
