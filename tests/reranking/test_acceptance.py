"""Acceptance counts changed first hits; the margin governs how many, and costs nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import InputError
from harness.reranking.acceptance import acceptance, cross_fitted_gaps, incumbent_gap, margin_for, with_margin
from harness.reranking.protocols import SCORE, rerank_order


def test_acceptance_is_per_query():
    """1 where the first hit changed, 0 where it stayed; ids and codes alike."""
    assert acceptance([1, 2, -1], [1, 3, -1]).tolist() == [0.0, 1.0, 0.0]
    assert acceptance(["a", "b"], ["b", "b"]).tolist() == [1.0, 0.0]
    with pytest.raises(InputError, match="do not pair"):
        acceptance([1, 2], [1])


def test_gap_is_what_the_challenger_wins_by():
    """Best new score less the incumbent's; 0 where the incumbent is the best; ties go to the higher code."""
    assert incumbent_gap([0.2, 0.9, 0.5], [3.0, 1.0, 2.0], [0, 1, 2]) == pytest.approx(0.7)
    assert incumbent_gap([0.9, 0.2], [3.0, 1.0], [0, 1]) == 0.0
    assert incumbent_gap([0.9, 0.2], [1.0, 1.0], [0, 1]) == pytest.approx(0.7)


def test_a_margin_keeps_the_incumbent_and_only_that():
    """Under the margin the incumbent stays first and the rest are as reranked; above it nothing is touched."""
    new, first, codes = np.array([0.2, 0.9, 0.5]), np.array([3.0, 1.0, 2.0]), np.arange(3)
    assert rerank_order(with_margin(new, first, codes, margin=0.8), codes).tolist() == [0, 1, 2]
    assert np.array_equal(with_margin(new, first, codes, margin=0.6), new)
    assert np.array_equal(with_margin(new, first, codes, margin=0.0), new)


@pytest.mark.parametrize("best", [1e-30, -1e-30, 1.0, -3e8, 0.0])
def test_a_kept_incumbent_is_first_in_float32(best):
    """At any size of score the lift survives the rounding that ranks."""
    new = np.array([best - 1.0, best])
    assert rerank_order(with_margin(new, [2.0, 1.0], [0, 1], margin=1e12), [0, 1])[0] == 0


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5])
def test_the_margin_lets_its_share_through(share, rng):
    """On the gaps it was fitted to, at most that share is above it, and the share less one query at least."""
    gaps = rng.exponential(size=200)
    above = np.mean(gaps > margin_for(gaps, share=share))
    assert share - 1 / 200 - 1e-12 <= above <= share


def test_few_challengers_need_no_margin():
    """Where fewer win than may, all that win are let through."""
    assert margin_for([0.0, 0.0, 0.0, 0.5], share=0.5) == 0.0


@pytest.mark.parametrize(("gaps", "share", "says"), [
    ([], 0.3, "gaps are wrong"), ([np.nan], 0.3, "gaps are wrong"), ([-0.1], 0.3, "gaps are wrong"),
    ([0.1], 0.0, "share out of range"), ([0.1], 1.1, "share out of range"), ([0.1], np.nan, "share out of range"),
])
def test_a_margin_needs_gaps_and_a_share(gaps, share, says):
    """No gaps, holes or impossible shares: no margin."""
    with pytest.raises(InputError, match=says):
        margin_for(gaps, share=share)


@pytest.mark.parametrize(("new", "first", "codes", "margin", "says"), [
    ([0.1], [0.1, 0.2], [1, 2], 0.1, "do not pair"), ([], [], [], 0.1, "do not pair"),
    ([np.nan], [0.1], [1], 0.1, "not finite"), ([0.1], [np.inf], [1], 0.1, "not finite"),
    ([0.1], [0.1], [1], -0.1, "margin out of range"), ([0.1], [0.1], [1], np.nan, "margin out of range"),
])
def test_bad_scores_are_refused(new, first, codes, margin, says):
    """Unpaired, empty and non-finite scores and margins are errors."""
    with pytest.raises(InputError, match=says):
        with_margin(new, first, codes, margin=margin)


class Memory:
    """Scores a row 1 if it was fitted on that row, else the first stage's score: knows by heart, and nothing else."""

    def fit(self, features, labels, groups):
        self.seen = {tuple(row) for row in features}
        return self

    def scores(self, features):
        return np.array([1e6 * (place + 1) if tuple(row) in self.seen else row[SCORE]
                         for place, row in enumerate(features)])


def test_gaps_come_from_models_that_did_not_see_the_cluster(rng):
    """A reranker that only remembers shows no gap held out, though it would show one on its own rows."""
    features, labels, sizes = rng.normal(size=(40, 3)), np.tile([0, 1], 20), np.full(10, 4)
    features[:, SCORE] = -np.arange(40.0)
    clusters = list("aabbccddee")
    assert not cross_fitted_gaps(Memory, features, labels, sizes, clusters).any()
    own = Memory().fit(features, labels, sizes)
    assert incumbent_gap(own.scores(features[:4]), features[:4, SCORE], np.arange(4)) == 3e6


def test_a_large_cluster_fills_a_fold_alone(rng):
    """The largest cluster is held out once, whole, and the others share the remaining folds."""
    held_out = []

    class Watch(Memory):
        def fit(self, features, labels, groups):
            held_out.append(10 - len(groups))
            return super().fit(features, labels, groups)

    cross_fitted_gaps(Watch, rng.normal(size=(20, 2)), np.tile([0, 1], 10), np.full(10, 2), list("aaaaaabcde"), folds=3)
    assert sorted(held_out) == [2, 2, 6]


@pytest.mark.parametrize(("clusters", "says"), [(["a"] * 4, "too few clusters"), (["a", "b"], "do not pair")])
def test_one_cluster_cannot_be_held_out(clusters, says, rng):
    """Without clusters to hold out there is no margin to fit."""
    with pytest.raises(InputError, match=says):
        cross_fitted_gaps(Memory, rng.normal(size=(8, 2)), np.tile([0, 1], 4), np.full(4, 2), clusters)
