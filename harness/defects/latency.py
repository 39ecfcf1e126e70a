"""Defects of latency: slow throughout, slow in the tail, cold where it says warm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.defects.catalogue import Dose, defect
from harness.records import Trace
from harness.release.measures.latency import compares, owns
from harness.release.observed import Trial

__all__ = ["cold_as_warm", "far_tail", "slow_tail", "slow_throughout"]


@defect("slow_throughout", caught_by=lambda measure: measure.startswith("p50 ") and owns(measure), goes="up",
        signal="the upper bound of the median")
def slow_throughout(trial: Trial, dose: Dose) -> Trial:
    """Every request takes up to a thousand times as long: a debug build, a machine that swaps."""
    return _slower(trial, dose, share=1.0, factor=999.0)


def _of_the_tail(measure: str) -> bool:
    """A ratio to the p95, which a tail that reaches it does not move."""
    return compares(measure) and "/p95 " in measure


@defect("cold_as_warm", caught_by=lambda measure: compares(measure) and not _of_the_tail(measure), goes="up",
        signal="the ratio of the high percentile to the low one")
def cold_as_warm(trial: Trial, dose: Dose) -> Trial:
    """A tenth of the requests found the cache cold (up to a hundred times as long) and is labelled warm."""
    return _slower(trial, dose, share=0.1, factor=99.0)


@defect("far_tail", caught_by=_of_the_tail, goes="up", signal="the ratio of the high percentile to the p95")
def far_tail(trial: Trial, dose: Dose) -> Trial:
    """Three requests in a hundred take up to a hundred times as long: the p95 does not see them."""
    return _slower(trial, dose, share=0.03, factor=99.0)


@defect("slow_tail", caught_by=lambda measure: owns(measure) and not measure.startswith("p50 ")
        and not _of_the_tail(measure), goes="up",
        signal="the upper bound of the percentile")
def slow_tail(trial: Trial, dose: Dose) -> Trial:
    """A fifth of the requests takes up to a thousand times as long: a lock, a cold page, a noisy neighbour."""
    return _slower(trial, dose, share=0.2, factor=999.0)


def _slower(trial: Trial, dose: Dose, *, share: float, factor: float) -> Trial:
    trace = trial.candidate.trace
    if trace is None:
        return trial
    frame, n = trace.frame.copy(), len(trace)
    slow = dose.rng(n).permutation(n) < share * n
    for stage in trace.stages:
        column = frame[f"{stage}_ms"].to_numpy(dtype=np.float64)
        frame[f"{stage}_ms"] = np.where(slow, (column + dose.severity) * (1.0 + factor * dose.severity), column)
    return replace(trial, candidate=replace(trial.candidate, trace=Trace(frame)))
