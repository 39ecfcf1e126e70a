"""Acceptance: how often the reranker's word counts at rank 1, and a margin it must win by.

The score gap between the reranker's favourite and the first stage's is the signal that best foretells a gain; a
challenger that wins by less than the margin leaves the incumbent first and the rest as reranked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.records import Floats
from harness.reranking.protocols import SCORE, Reranker, checked_lists

__all__ = ["acceptance", "cross_fitted_gaps", "incumbent_gap", "margin_for", "with_margin"]


def acceptance(before_top1: Any, after_top1: Any) -> Floats:
    """1 where a query's first hit changed, else 0: (n_queries,); its mean is the share of answers accepted.

    Args:
        before_top1: (n_queries,) first hits of the first stage, codes or ids; -1 for none.
        after_top1: (n_queries,) first hits after reranking, same queries in the same order.

    >>> acceptance([3, 5, 9], [3, 6, 9]).tolist()
    [0.0, 1.0, 0.0]
    """
    before, after = np.asarray(before_top1), np.asarray(after_top1)
    if before.ndim != 1 or before.shape != after.shape:
        raise InputError("first hits do not pair", where="acceptance", expected=f"{before.shape}", found=after.shape)
    return np.asarray(before != after, dtype=np.float64)


def incumbent_gap(new_scores: Any, first_scores: Any, codes: Any) -> float:
    """How far the reranker's best score is above the score it gives the first stage's favourite; 0 for its own."""
    new, place = _incumbent(new_scores, first_scores, codes)
    return float(new.max() - new[place])


def cross_fitted_gaps(make: Callable[[], Reranker], features: Any, labels: Any, groups: Any, clusters: Sequence[str],
                      *, folds: int = 2) -> Floats:
    """(n_queries,) `incumbent_gap`s, each by a reranker that saw no query of the same cluster.

    Args:
        make: A new, unfitted reranker.
        features: (n, F), lists one after another, column 0 the first-stage score.
        labels: (n,) grades.
        groups: (n_queries,) list sizes.
        clusters: (n_queries,) names, such as modules; each falls whole into one fold, the largest first, into the
            fold that holds least.
        folds: How many parts; each is held out once.
    """
    matrix, label, sizes = checked_lists(features, labels, groups)
    if len(clusters) != len(sizes):
        raise InputError("clusters do not pair", where="cross_fitted_gaps", expected=f"{len(sizes)} names",
                         found=len(clusters))
    part = _parts(clusters, folds)
    rows, ends = np.repeat(part, sizes), np.cumsum(sizes)
    gaps = np.empty(len(sizes), dtype=np.float64)
    for fold in np.unique(part):
        model = make().fit(matrix[rows != fold], label[rows != fold], sizes[part != fold])
        for query in np.flatnonzero(part == fold):
            mine = matrix[ends[query] - sizes[query]:ends[query]]
            gaps[query] = incumbent_gap(model.scores(mine), mine[:, SCORE], np.arange(len(mine)))
    return gaps


def _parts(clusters: Sequence[str], folds: int) -> NDArray[np.int64]:
    names, code, counts = np.unique(np.asarray(clusters, dtype=str), return_inverse=True, return_counts=True)
    if not 2 <= folds <= len(names):
        raise InputError("too few clusters to hold some out", where="cross_fitted_gaps", found=len(names),
                         expected=f"at least {max(folds, 2)} different names for {folds} folds")
    part, load = np.empty(len(names), dtype=np.int64), np.zeros(folds)
    for name in np.argsort(-counts, kind="stable"):
        part[name] = int(load.argmin())
        load[part[name]] += counts[name]
    return part[code]


def margin_for(gaps: Any, *, share: float) -> float:
    """The margin that lets about `share` of queries change their first hit: a quantile of `incumbent_gap`s ≥ 0.

    Fit it on queries that the reranker was not fitted to: on its own it is surer of itself. Where fewer than `share` of
    the gaps are above 0 the margin is 0.
    """
    gap = np.asarray(gaps, dtype=np.float64)
    if gap.ndim != 1 or not gap.size or not np.isfinite(gap).all() or (gap < 0).any():
        raise InputError("gaps are wrong", where="margin_for", expected="finite numbers ≥ 0, one or more",
                         found=gap.shape)
    if not 0.0 < share <= 1.0:
        raise InputError("share out of range", where="margin_for", expected="in (0, 1]", found=share)
    return float(np.quantile(gap, 1.0 - share, method="higher"))


def with_margin(new_scores: Any, first_scores: Any, codes: Any, *, margin: float) -> Floats:
    """The new scores, with the incumbent lifted to the top where no challenger beats it by more than `margin`.

    Args:
        new_scores: (n,) the reranker's.
        first_scores: (n,) the first stage's; its best (higher code where equal) is the incumbent.
        codes: (n,) document codes.
        margin: In units of the new scores, ≥ 0; 0 changes nothing.
    """
    if not (np.isfinite(margin) and margin >= 0.0):
        raise InputError("margin out of range", where="with_margin", expected="a finite number ≥ 0", found=margin)
    new, place = _incumbent(new_scores, first_scores, codes)
    lifted = new.copy()
    best = float(new.max())
    if 0.0 < best - new[place] <= margin:
        # one step of float32, the precision that ranks: above the best, and no more than that
        lifted[place] = np.nextafter(np.float32(best), np.float32(np.inf))
    return lifted


def _incumbent(new_scores: Any, first_scores: Any, codes: Any) -> tuple[Floats, int]:
    new = np.asarray(new_scores, dtype=np.float64)
    first, code = np.asarray(first_scores, dtype=np.float32), np.asarray(codes, dtype=np.int64)
    if new.ndim != 1 or not new.size or not new.shape == first.shape == code.shape:
        raise InputError("scores do not pair", where="acceptance", expected="three equal lengths ≥ 1",
                         found=[new.shape, first.shape, code.shape])
    if not (np.isfinite(new).all() and np.isfinite(first).all()):
        raise InputError("a score is not finite", where="acceptance", expected="finite numbers")
    return new, max(zip(first.tolist(), code.tolist(), range(len(code)), strict=True))[2]
