"""Defects of latency."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.defects.catalogue import defect
from harness.records import Trace
from harness.release.measures.latency import owns
from harness.release.observed import Trial

__all__ = ["slow_tail", "slow_throughout"]


@defect("slow_throughout", caught_by=lambda measure: measure.startswith("p50 ") and owns(measure))
def slow_throughout(trial: Trial, severity: float) -> Trial:
    """Every request takes up to a thousand times as long: a debug build, a machine that swaps."""
    return _slower(trial, severity, share=1.0)


@defect("slow_tail", caught_by=owns)
def slow_tail(trial: Trial, severity: float) -> Trial:
    """A fifth of the requests takes up to a thousand times as long: a lock, a cold page, a noisy neighbour."""
    return _slower(trial, severity, share=0.2)


def _slower(trial: Trial, severity: float, *, share: float) -> Trial:
    trace = trial.candidate.trace
    if trace is None:
        return trial
    frame = trace.frame.copy()
    slow = np.random.default_rng(len(frame)).permutation(len(frame)) < share * len(frame)
    for stage in trace.stages:
        column = frame[f"{stage}_ms"].to_numpy(dtype=np.float64)
        frame[f"{stage}_ms"] = np.where(slow, (column + severity) * (1.0 + 999.0 * severity), column)
    return replace(trial, candidate=replace(trial.candidate, trace=Trace(frame)))
