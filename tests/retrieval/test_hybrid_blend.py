"""Two rankings blended by score: what each leg says, and what it leaves open."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import InputError
from harness.retrieval.hybrid import blend
from harness.retrieval.protocols import Hits


def test_a_blend_orders_by_the_sum_of_scores():
    """Lexical scores as shares of their best, dense ones as they are; what a leg lacks counts as its last hit."""
    words = Hits(np.array([[3, 1, -1]]), np.array([[6.0, 3.0, -np.inf]], np.float32))
    vectors = Hits(np.array([[1, 2, 3]]), np.array([[0.9, 0.6, 0.2]], np.float32))
    found = blend(words, vectors, k=4, weights=(0.5, 1.0))
    assert found.codes.tolist() == [[1, 2, 3, -1]]  # 0.25 + 0.9, 0.25 + 0.6, 0.5 + 0.2
    assert np.allclose(found.scores[0, :3], [1.15, 0.85, 0.7]) and found.scores[0, 3] == -np.inf


def test_a_blend_of_an_empty_leg_is_the_other():
    """A query without a known word, or without a vector, still has hits; without either it has none."""
    none = Hits(np.full((1, 2), -1), np.full((1, 2), -np.inf, np.float32))
    some = Hits(np.array([[4, 2]]), np.array([[0.8, 0.4]], np.float32))
    assert blend(none, some, k=2).codes.tolist() == blend(some, none, k=2).codes.tolist() == [[4, 2]]
    assert blend(none, none, k=2).codes.tolist() == [[-1, -1]]


def test_a_shorter_blend_is_the_start_of_a_longer_one():
    """The depth that is asked for changes no order."""
    rng = np.random.default_rng(3)
    legs = [Hits(np.array([rng.permutation(50)[:20] for _ in range(30)]),
                 -np.sort(-rng.random((30, 20)).astype(np.float32), axis=1)) for _ in range(2)]
    assert np.array_equal(blend(*legs, k=30).codes[:, :7], blend(*legs, k=7).codes)


@pytest.mark.parametrize("scores", [[0.0, -1.0], [-1.0, -3.0]])
def test_lexical_scores_without_a_best_above_nothing_keep_their_order(scores):
    """A leg whose best is 0 or less is not divided by it, which would be no number or turn the order round."""
    words = Hits(np.array([[1, 2]]), np.array([scores], np.float32))
    found = blend(words, Hits(np.array([[1, 2]]), np.array([[0.1, 0.1]], np.float32)), k=2)
    assert found.codes.tolist() == [[1, 2]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("leg", [0, 1])
def test_a_score_that_is_no_number_is_refused(bad, leg):
    """A hit without a score has no place in an order; where there is no hit nothing is asked of the score."""
    legs = [Hits(np.array([[1, 2, -1]]), np.array([[1.0, 0.5, np.nan]], np.float32)) for _ in range(2)]
    assert blend(*legs, k=2, weights=(0.0, 1.0)).codes.tolist() == [[1, 2]]
    legs[leg].scores[0, 1] = bad
    with pytest.raises(InputError, match=f"{('lexical', 'dense')[leg]} leg.*hit 2"):
        blend(*legs, k=2)
