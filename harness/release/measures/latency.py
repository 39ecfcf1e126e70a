"""Measures of latency: an order statistic of one stage, with a distribution-free interval, in milliseconds.

`p95 rerank_ms` is the 95th percentile of the trace's column `rerank_ms`; `retrieval` is encode plus search.
`p99/p50 total_ms` is the ratio of two percentiles: the same on any machine, and large where some requests found a
cache cold that the trace calls warm. `p99/p95 total_ms` is the same of the tail alone.
"""

from __future__ import annotations

import re

import numpy as np

from harness.errors import InputError, nearest
from harness.estimate import Estimate
from harness.estimators.quantiles import quantile_interval
from harness.records import Floats, Trace
from harness.release.judge import Reading
from harness.release.observed import Trial
from harness.release.policy import Check

__all__ = ["EXAMPLES", "compares", "owns", "read", "stage_ms"]

EXAMPLES = ("p95 retrieval_ms", "p95 rerank_ms", "p95 total_ms", "p99 total_ms", "p99/p50 total_ms", "p99/p95 total_ms")
_NAME = re.compile(r"p(50|90|95|99|99\.9)(?:/p(50|95))? ([a-z]+)_ms$")


def owns(measure: str) -> bool:
    """True for `pNN STAGE_ms`, and for `pNN/p50 STAGE_ms` and `pNN/p95 STAGE_ms` of a higher percentile.

    What a reader took is no stage of the trace: `p95 answer_ms` is the answers' own.

    >>> owns("p95 rerank_ms"), owns("p99/p95 total_ms"), owns("p50/p95 total_ms"), owns("p42 total_ms")
    (True, True, False, False)
    """
    matched = _NAME.match(measure)
    if matched is None or matched[3] == "answer":
        return False
    return matched[2] is None or float(matched[1]) > float(matched[2])


def compares(measure: str) -> bool:
    """True for the ratio of two percentiles."""
    return owns(measure) and "/" in measure


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
    x, high = stage_ms(trial.candidate.trace, matched[3]), float(matched[1]) / 100.0
    if compares(check.measure):
        estimate = _ratio(x, high, float(matched[2]) / 100.0, check.confidence)
    else:
        estimate = quantile_interval(x, q=high, confidence=check.confidence)._replace(unit="ms")
    details: dict[str, float | str] = {"p50": float(np.median(x)), "max": float(x.max())}
    return Reading(estimate=estimate, details=details | dict(trial.details))


def _ratio(x: Floats, high: float, low: float, confidence: float) -> Estimate:
    """Each percentile at half the miss rate, so that both hold together at the whole (Bonferroni)."""
    each = (1.0 + confidence) / 2.0
    top, middle = (quantile_interval(x, q=q, confidence=each) for q in (high, low))
    if middle.value <= 0.0:  # a clock too coarse to divide by
        return Estimate(np.nan, -np.inf, np.inf, len(x), confidence, "ratio of order statistics")
    low_end = top.low / middle.high if top.low > 0.0 else 0.0
    high_end = top.high / middle.low if middle.low > 0.0 else np.inf
    return Estimate(top.value / middle.value, low_end, high_end, len(x), confidence, "ratio of order statistics")


def stage_ms(trace: Trace, stage: str) -> Floats:
    """(n_requests,) latencies of a stage; `retrieval` = encode + search where those were timed apart."""
    if stage == "retrieval" and "retrieval" not in trace.stages:
        return np.asarray(trace.latency_ms("encode") + trace.latency_ms("search"), dtype=np.float64)
    return trace.latency_ms(stage)
