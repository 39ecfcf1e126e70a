"""Measures of latency: an order statistic of one stage, with a distribution-free interval, in milliseconds.

`p95 rerank_ms` is the 95th percentile of the trace's column `rerank_ms`; `retrieval` is encode plus search.
"""

from __future__ import annotations

import re

import numpy as np

from harness.errors import InputError, nearest
from harness.estimators.quantiles import quantile_interval
from harness.records import Floats, Trace
from harness.release.judge import Reading
from harness.release.observed import Trial
from harness.release.policy import Check

__all__ = ["EXAMPLES", "owns", "read", "stage_ms"]

EXAMPLES = ("p95 retrieval_ms", "p95 rerank_ms", "p95 total_ms", "p99 total_ms")
_NAME = re.compile(r"p(50|90|95|99|99\.9) ([a-z]+)_ms$")


def owns(measure: str) -> bool:
    """True for `pNN STAGE_ms`."""
    return _NAME.match(measure) is not None


def read(trial: Trial, check: Check) -> Reading:
    """The percentile over all requests of the trace, one request an observation."""
    matched = _NAME.match(check.measure)
    assert matched is not None
    if trial.candidate.trace is None:
        raise InputError("no latencies were recorded", where=trial.candidate.release,
                         expected="live parts, or `latency:` under recorded", found=check.measure)
    if check.slice not in {"all"}:
        raise InputError("latency is measured over all requests", where=check.id, expected="all", found=check.slice,
                         hint=nearest(check.slice, ["all"]))
    x = stage_ms(trial.candidate.trace, matched[2])
    estimate = quantile_interval(x, q=float(matched[1]) / 100.0, confidence=check.confidence)._replace(unit="ms")
    details: dict[str, float | str] = {"p50": float(np.median(x)), "max": float(x.max())}
    return Reading(estimate=estimate, details=details | dict(trial.details))


def stage_ms(trace: Trace, stage: str) -> Floats:
    """(n_requests,) latencies of a stage; `retrieval` = encode + search where those were timed apart."""
    if stage == "retrieval" and "retrieval" not in trace.stages:
        return np.asarray(trace.latency_ms("encode") + trace.latency_ms("search"), dtype=np.float64)
    return trace.latency_ms(stage)
