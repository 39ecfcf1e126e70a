"""The dense kernels: gains in rank order in, one value per query out."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import UsageError
from harness.metrics import ranking
from harness.metrics.spec import EXPONENTIAL, parse
from tests.metrics import slow

GAINS = np.array([[3, 0, 2, 0], [0, 0, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1]])


def test_values_that_a_hand_can_check() -> None:
    """Small cases worked by hand."""
    assert ranking.dcg(GAINS, k=3)[0] == pytest.approx(3 + 2 / 2)
    assert ranking.dcg(GAINS, k=3, gain=EXPONENTIAL)[0] == pytest.approx(7 + 3 / 2)
    assert ranking.reciprocal_rank(GAINS).tolist() == [1, 0, 0.25, 1]
    assert ranking.reciprocal_rank(GAINS, k=3).tolist() == [1, 0, 0, 1]
    assert ranking.reciprocal_rank(GAINS, rel=2).tolist() == [1, 0, 0, 0]
    assert ranking.precision(GAINS, k=2).tolist() == [0.5, 0, 0, 1]
    assert ranking.precision(GAINS, k=8).tolist() == [0.25, 0, 0.125, 0.5]
    assert ranking.success(GAINS, k=3).tolist() == [1, 0, 0, 1]
    assert ranking.recall(GAINS, k=3, n_relevant=[4, 0, 1, 4]).tolist() == [0.5, 0, 0, 0.75]
    assert ranking.average_precision(GAINS, n_relevant=[2, 0, 2, 4]) == pytest.approx([(1 + 2 / 3) / 2, 0, 0.125, 1])
    assert ranking.ndcg(GAINS, k=4)[[1, 3]].tolist() == [0, 1]


def test_the_ideal_may_hold_what_was_not_found() -> None:
    """Normalised gain is a share of the best that the judgements allow, not of what came back."""
    assert ranking.ndcg([[1, 0]], k=2).tolist() == [1]
    assert ranking.ndcg([[1, 0]], k=2, ideal=[[0, 2, 1]]) == pytest.approx([1 / (2 + 1 / np.log2(3))])


def test_kernels_meet_their_literal_definitions(rng: np.random.Generator) -> None:
    """Every fast kernel gives what the textbook's loop gives."""
    gains = rng.integers(0, 4, (30, 12)) * (rng.random((30, 12)) < 0.4)
    for k in (1, 5, 12, 99):
        for gain, spelling in (("log2", f"nDCG@{k}"), (EXPONENTIAL, f"nDCG(dcg='exp-log2')@{k}")):
            assert ranking.dcg(gains, k=k, gain=gain) == pytest.approx(
                [slow.gain(row[:k].tolist(), parse(spelling)) for row in gains])


def test_inputs_stay_as_they_were() -> None:
    """A metric never changes what it is given."""
    gains = GAINS.copy()
    gains.flags.writeable = False
    ranking.ndcg(gains, k=3)
    ranking.average_precision(gains, n_relevant=np.array([2, 0, 2, 4]))


def test_unknown_gain_and_measure_are_refused() -> None:
    """A misspelt gain or a measure of two runs is an error, not a zero."""
    with pytest.raises(ValueError, match="exp-log2"):
        ranking.dcg(GAINS, k=3, gain="exp")
    empty = ranking.placed(GAINS)
    with pytest.raises(UsageError, match="Jaccard@5 is no measure of one run"):
        ranking.score(parse("Jaccard@5"), empty, empty, np.zeros(empty.n))
