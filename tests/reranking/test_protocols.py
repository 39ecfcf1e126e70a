"""The order of reranked hits, and what a reranker refuses to look at."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import InputError
from harness.records import Run
from harness.reranking.protocols import checked_features, checked_lists, rerank_order


def test_order_is_the_order_of_a_run(rng):
    """Scores, float32 ties and codes rank here exactly as in a Run of the same documents."""
    scores = np.round(rng.normal(size=40), 1) + 1e-12 * rng.normal(size=40)
    codes = rng.permutation(40)
    run = Run.of(["q"] * 40, [f"d{code:02d}" for code in codes], scores)
    assert [f"d{codes[place]:02d}" for place in rerank_order(scores, codes)] == run.docs[run.doc].tolist()


def test_order_of_nothing_is_nothing():
    """An empty list stays empty."""
    assert rerank_order([], []).tolist() == []


@pytest.mark.parametrize(("scores", "codes", "says"), [
    ([0.1, np.nan], [1, 2], "row 2: a score is not finite"),
    ([0.1, np.inf], [1, 2], "not finite"),
    ([0.1], [1, 2], "differ in length"),
])
def test_order_refuses_what_it_cannot_rank(scores, codes, says):
    """NaN never sinks silently to the end of a list."""
    with pytest.raises(InputError, match=says):
        rerank_order(scores, codes)


@pytest.mark.parametrize(("features", "width", "says"), [
    ([1.0, 2.0], None, r"expected \(n, F\)"),
    ([[1.0, 2.0]], 3, r"expected \(n, 3\)"),
    ([[1.0, 2.0], [np.nan, 1.0]], 2, "row 2, column 0: a feature is not finite"),
])
def test_features_are_checked(features, width, says):
    """Wrong shapes and holes are named by row and column."""
    with pytest.raises(InputError, match=says):
        checked_features(features, width=width)


@pytest.mark.parametrize(("labels", "groups", "says"), [
    ([0, 1], [3], "labels do not fit"),
    ([0, -1, 1], [3], "labels do not fit"),
    ([0, np.nan, 1], [3], "labels do not fit"),
    ([0, 1, 1], [2], "do not add up"),
    ([0, 1, 1], [3, 0], "do not add up"),
    ([1, 1, 1], [3], "nothing to learn"),
])
def test_lists_are_checked(labels, groups, says):
    """Labels and sizes that do not fit, or that teach nothing, are refused before any fit."""
    with pytest.raises(InputError, match=says):
        checked_lists(np.zeros((3, 2)), labels, groups)
