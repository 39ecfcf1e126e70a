"""Measures of an index as it stands: agreement with an exhaustive search, norms, ids, balance of cells."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators.intervals import bootstrap_ends, mean_interval
from harness.release.findings import LEAST_N
from harness.release.judge import CrossCheck, Reading
from harness.release.observed import IndexObserved, Trial
from harness.release.policy import Check

__all__ = ["EXAMPLES", "MIN_QUERIES", "owns", "read"]

EXAMPLES = ("agreement@10", "norm error", "ids missing", "ids doubled", "largest cell share")
MIN_QUERIES = LEAST_N["agreement@"]
RESAMPLES = 2000


def owns(measure: str) -> bool:
    """True for the names in EXAMPLES."""
    return measure in EXAMPLES


def read(trial: Trial, check: Check) -> Reading:
    """One number off the index; all but the agreement are counted, not sampled, so their interval is a point."""
    index = trial.candidate.index
    if index is None:
        raise InputError("no index was observed", where=trial.candidate.release, expected="a live dense part",
                         found=check.measure)
    if check.measure == "agreement@10":
        return _agreement(index, check, trial.seed)
    value, n, unit = _COUNTS[check.measure](index)
    details: dict[str, float | str] = {}
    if check.measure == "largest cell share" and n:
        details = {"cells": float(len(index.cells)), "Gini": _gini(index.cells)}
    return Reading(Estimate(value, value, value, n, check.confidence, "counted", unit), details=details)


def _agreement(index: IndexObserved, check: Check, seed: int) -> Reading:
    x, clusters = index.agreement, index.clusters
    if not len(x) or np.isnan(x).any():  # an index without cells cannot be under-probed: no number, so no proof
        return Reading(Estimate(math.nan, -math.inf, math.inf, 0, check.confidence, "not measured"), MIN_QUERIES)
    bound = check.limit is not None and check.limit.by != "value"
    estimate = mean_interval(x, clusters=clusters, confidence=check.confidence, support=(0.0, 1.0))
    return Reading(estimate=estimate, min_n=MIN_QUERIES, cross=_resampled(index, check, seed) if bound else None,
                   details={"5th percentile of queries": float(np.quantile(x, 0.05)),
                            "queries under 0.5": float((x < 0.5).mean())})


def _resampled(index: IndexObserved, check: Check, seed: int) -> CrossCheck:
    ends = bootstrap_ends(index.agreement, clusters=index.clusters, confidence=check.confidence, resamples=RESAMPLES,
                          method="bca", rng=np.random.default_rng(seed))
    return CrossCheck(ends.estimate.low, ends.estimate.high, ends.low_se, ends.high_se, ends.estimate.method)


def _norm_error(index: IndexObserved) -> tuple[float, int, str]:
    errors = np.abs(index.norms.astype(np.float64) - 1.0)
    return (float(errors.max()) if len(errors) else math.nan), len(errors), "1"


def _missing(index: IndexObserved) -> tuple[float, int, str]:
    return float(index.size - len(np.intersect1d(index.ids, np.arange(index.size)))), index.size, "ids"


def _doubled(index: IndexObserved) -> tuple[float, int, str]:
    return float(len(index.ids) - len(np.unique(index.ids))), index.size, "ids"


def _largest_cell(index: IndexObserved) -> tuple[float, int, str]:
    total = int(index.cells.sum()) if len(index.cells) else 0
    return (float(index.cells.max() / total) if total else math.nan), total, "1"


def _gini(sizes: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    ordered = np.sort(sizes.astype(np.float64))
    ranks = np.arange(1, len(ordered) + 1)
    return float((2.0 * ranks - len(ordered) - 1.0) @ ordered / (len(ordered) * ordered.sum()))


_COUNTS: dict[str, Callable[[IndexObserved], tuple[float, int, str]]] = {
    "norm error": _norm_error, "ids missing": _missing, "ids doubled": _doubled, "largest cell share": _largest_cell,
}
