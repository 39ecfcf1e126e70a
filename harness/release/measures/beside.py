"""Measures of a candidate beside its baseline, request by request and ranking by ranking.

`delta p95 total_ms` is the candidate's percentile minus the baseline's, both having served the same requests in turns;
`Jaccard@10 baseline` is the mean share of documents that the two first tens have in common, in [0, 1].
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.errors import InputError, nearest
from harness.estimators.quantiles import quantile_difference
from harness.estimators.resampling import bootstrap_ends
from harness.metrics.agreement import jaccard_at
from harness.records import Floats
from harness.release.findings import LEAST_N
from harness.release.judge import CrossCheck, Reading
from harness.release.measures.quality import reading_of, values_of
from harness.release.observed import Trial
from harness.release.policy import Check
from harness.release.studied.paired import PAIRED, PairedLatency

__all__ = ["EXAMPLES", "overlap_of", "overlaps", "owns", "read", "slower"]

EXAMPLES = ("delta p95 total_ms", "delta p99 total_ms", "Jaccard@10 baseline")
RESAMPLES = 2000
_OVERLAP = re.compile(r"Jaccard@([1-9]\d*) baseline$")


def owns(measure: str) -> bool:
    """True for `delta pNN STAGE_ms` and `Jaccard@k baseline`.

    >>> owns("delta p95 rerank_ms"), owns("Jaccard@5 baseline"), owns("delta nDCG@10"), owns("Jaccard@10")
    (True, True, False, False)
    """
    return slower(measure) or overlaps(measure)


def slower(measure: str) -> bool:
    """True for a difference of percentiles."""
    return PAIRED.match(measure) is not None


def overlaps(measure: str) -> bool:
    """True for the overlap with the baseline's ranking."""
    return _OVERLAP.match(measure) is not None


def read(trial: Trial, check: Check) -> Reading:
    """The difference over all requests, or the overlap over a slice's queries.

    Raises InputError without a baseline, without the paired study, or for a stage that either side lacks.
    """
    if overlaps(check.measure):
        return _overlap(trial, check)
    if check.slice != "all":
        raise InputError("latency is measured over all requests", where=check.id, expected="all", found=check.slice,
                         hint=nearest(check.slice, ["all"]))
    matched = PAIRED.match(check.measure)
    assert matched is not None
    from harness.release.studies import study  # loads live parts

    q = float(matched[1]) / 100.0
    after, before = study(trial, "paired", PairedLatency).both(matched[2])
    bound = check.limit is not None and check.limit.by != "value"
    name = f"p{matched[1]}"
    return Reading(
        quantile_difference(after, before, q, confidence=check.confidence, unit="ms"),
        min_n=LEAST_N["delta "] if bound else 0,
        cross=_resampled(after, before, q, check.confidence, trial.seed) if bound and len(after) > 1 else None,
        details={f"candidate {name}": float(np.quantile(after, q)), f"baseline {name}": float(np.quantile(before, q)),
                 "requests slower": float((after > before).mean())},
        note="" if trial.baseline is None else f"{trial.against}, the same requests in turns")


def overlap_of(trial: Trial, task_name: str | None, *, k: int) -> Floats:
    """(n_queries,) Jaccard of the first `k` of candidate and baseline, in judged order; 0 where one has no answer.

    Raises InputError without a baseline's ranking of the task.
    """
    if trial.baseline is None:
        raise InputError("an overlap needs a baseline", where=trial.candidate.release, expected="a baseline run")
    task, other = trial.candidate.task(task_name), trial.baseline.task(task_name)
    found = jaccard_at(task.run, other.run, k=k)
    shared = dict(zip(found.queries.tolist(), found.values.tolist(), strict=True))
    return np.array([shared.get(query, 0.0) for query in task.qrels.queries], dtype=np.float64)


def _overlap(trial: Trial, check: Check) -> Reading:
    matched = _OVERLAP.match(check.measure)
    assert matched is not None
    task = trial.candidate.task(check.task)
    mask = task.mask(check.slice)
    columns = {name: values_of(trial, name, check.task)[mask] for name, _ in check.any_with}
    columns[check.measure] = shared = overlap_of(trial, check.task, k=int(matched[1]))[mask]
    clusters = None if task.clusters is None else task.clusters[mask]
    reading = reading_of(columns, clusters, check, seed=trial.seed)
    details: dict[str, float | str] = {"same first hits": float((shared == 1.0).mean())} if len(shared) else {}
    return replace(reading, details=reading.details | details)


def _resampled(after: Floats, before: Floats, q: float, confidence: float, seed: int) -> CrossCheck:
    """The same difference over requests drawn again, both sides of a request together."""
    ends = bootstrap_ends(np.arange(len(after)), statistic=_difference(after, before, q), method="percentile",
                          rng=np.random.default_rng(seed), resamples=RESAMPLES, confidence=confidence)
    return CrossCheck(ends.estimate.low, ends.estimate.high, ends.low_se, ends.high_se, "percentile bootstrap of pairs")


def _difference(after: Floats, before: Floats, q: float) -> Callable[[Floats], Floats]:
    def statistic(rows: Floats) -> Floats:
        place = rows.astype(np.int64)
        found: Floats = np.quantile(after[place], q, axis=-1) - np.quantile(before[place], q, axis=-1)
        return found

    return statistic
