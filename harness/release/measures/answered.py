"""Measures of a reader's answers: what they say, what they rest on, and what they cost.

| measure | its number |
|---|---|
| `answer precision`, `answer recall`, `answer F1` | mean token overlap with the gold answer (SQuAD's) |
| `faithfulness` | mean share of an answer's content tokens that the passages it cites say |
| `oracle_retrieval_hit_prefilter` | share of questions whose gold document the first stage found, before any filter |
| `reader_used_gold` | share of questions whose answer cites a passage of a gold document |
| `delta` before any of these | candidate minus baseline on the same questions |
| `p95 answer_ms`, `embedding ms` | 95th percentile of question to answer, and of the question's vector |
| `answer p95 ratio` | the candidate's p95 over the baseline's |
| `answer throughput ratio` | questions answered in a second, candidate over baseline |
| `retry share` | repeated calls of all calls; a question read without a call counts as one that was not repeated |
| `hard time-outs` | questions whose answer did not come in time |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.errors import InputError, nearest
from harness.estimate import Estimate
from harness.estimators.proportions import clopper_pearson
from harness.estimators.quantiles import quantile_difference, quantile_interval
from harness.estimators.ratios import ratio_interval
from harness.records import Floats
from harness.release.judge import Reading
from harness.release.measures.quality import reading_of
from harness.release.observed import Trial
from harness.release.policy import Check
from harness.release.studied.answers_rows import AnswersObserved

__all__ = ["COLUMNS", "EMBEDDING", "EXAMPLES", "MEANS", "P95", "P95_RATIO", "RETRIES", "STUDY", "THROUGHPUT",
           "TIMEOUTS", "owns", "read"]

STUDY = "answered"
COLUMNS = {"answer precision": "precision", "answer recall": "recall", "answer F1": "f1",
           "faithfulness": "faithfulness", "oracle_retrieval_hit_prefilter": "hit", "reader_used_gold": "used_gold"}
P95, EMBEDDING, P95_RATIO = "p95 answer_ms", "embedding ms", "answer p95 ratio"
THROUGHPUT, RETRIES, TIMEOUTS = "answer throughput ratio", "retry share", "hard time-outs"
MEANS = (*COLUMNS, *(f"delta {name}" for name in COLUMNS))
EXAMPLES = (*MEANS, P95, EMBEDDING, P95_RATIO, THROUGHPUT, RETRIES, TIMEOUTS)
_DELTA, _Q = "delta ", 0.95


def owns(measure: str) -> bool:
    """True for the names in EXAMPLES.

    >>> owns("delta answer F1"), owns("p95 answer_ms"), owns("answer f1"), owns("delta retry share")
    (True, True, False, False)
    """
    return measure in EXAMPLES


def read(trial: Trial, check: Check) -> Reading:
    """Read one measure off the study; means take a slice, what a machine took is measured over all questions.

    Raises InputError without the study, for a slice it does not know, for a column that was not measured, and for a
    comparison without a baseline.
    """
    from harness.release.studies import study  # loads live parts

    record = study(trial, STUDY, AnswersObserved)
    if check.measure in MEANS:
        return _mean(record, check, trial.seed)
    if check.slice != "all":
        raise InputError("is measured over all questions", where=check.id, expected="all", found=check.slice,
                         hint=nearest(check.slice, ["all"]))
    return _OVER_ALL[check.measure](record, check)


def _mean(record: AnswersObserved, check: Check, seed: int) -> Reading:
    rows = record.rows(check.slice)
    for name, _ in check.any_with:
        if name not in MEANS:
            raise InputError("cannot speak for the row", where=check.id, expected=f"one of {', '.join(MEANS)}",
                             found=name, hint=nearest(name, MEANS))
    columns = {name: _values(record, name)[rows] for name in (check.measure, *(name for name, _ in check.any_with))}
    return reading_of(columns, record.clusters[rows], check, seed=seed)


def _values(record: AnswersObserved, measure: str) -> Floats:
    """(n,) values of a mean's name, `delta` or not."""
    column = COLUMNS[measure.removeprefix(_DELTA)]
    if measure.startswith(_DELTA):
        return record.column(column) - record.against.column(column)
    return record.column(column)


def _percentile(column: str) -> Callable[[AnswersObserved, Check], Reading]:
    def reading(record: AnswersObserved, check: Check) -> Reading:
        x = record.column(column)
        return Reading(quantile_interval(x, q=_Q, confidence=check.confidence, unit="ms"),
                       details={"p50": float(np.median(x)), "max": float(x.max())})

    return reading


def _p95_ratio(record: AnswersObserved, check: Check) -> Reading:
    """The difference of the logarithms' percentiles, turned back: order statistics keep their places."""
    after, before = record.column("total_ms"), record.against.column("total_ms")
    details: dict[str, float | str] = {"candidate p95": float(np.quantile(after, _Q)),
                                       "baseline p95": float(np.quantile(before, _Q))}
    if not (after.min() > 0.0 and before.min() > 0.0):  # a clock too coarse to divide by
        return Reading(Estimate(np.nan, -np.inf, np.inf, len(after), check.confidence, "ratio of order statistics"),
                       details=details)
    logs = quantile_difference(np.log(after), np.log(before), _Q, confidence=check.confidence)
    value, low, high = (float(np.exp(end)) for end in logs[:3])
    return Reading(Estimate(value, low, high, logs.n, check.confidence, f"{logs.method}, of logarithms"),
                   details=details)


def _throughput(record: AnswersObserved, check: Check) -> Reading:
    after, before = record.column("total_ms"), record.against.column("total_ms")
    details: dict[str, float | str] = {
        f"{side} a second": 1e3 / float(x.mean()) if x.any() else np.nan
        for side, x in (("candidate", after), ("baseline", before))}
    if len(after) < 2 or not after.any():
        return Reading(Estimate(np.nan, 0.0, np.inf, len(after), check.confidence, "too few rows"), details=details)
    found = ratio_interval(before, after, clusters=record.clusters, confidence=check.confidence)
    return Reading(found, details=details)


def _retries(record: AnswersObserved, check: Check) -> Reading:
    """The wider, at each end, of the interval by question and Clopper and Pearson's of as many calls.

    What makes a call fail is no module's: questions count by themselves.
    """
    retried, calls = record.column("retries"), np.maximum(record.column("calls"), 1.0)
    exact = clopper_pearson(float(retried.sum()), float(calls.sum()), confidence=check.confidence)
    wide = exact
    if len(retried) > 1 and retried.any():
        wide = ratio_interval(retried, calls, confidence=check.confidence)
    low, high = max(0.0, min(exact.low, wide.low)), min(1.0, max(exact.high, wide.high))
    return Reading(exact._replace(low=low, high=high, method="Clopper-Pearson, by question"),
                   details={"calls": float(record.column("calls").sum()), "repeated": float(retried.sum())})


def _timeouts(record: AnswersObserved, check: Check) -> Reading:
    count = float(record.column("timed_out").sum())
    return Reading(Estimate(count, count, count, len(record), check.confidence, "counted", "questions"))


def _slowest(reader: Callable[[AnswersObserved, Check], Reading]) -> Callable[[AnswersObserved, Check], Reading]:
    def reading(record: AnswersObserved, check: Check) -> Reading:
        return replace(reader(record, check), note="questions in turns, one at a time")

    return reading


_OVER_ALL: dict[str, Callable[[AnswersObserved, Check], Reading]] = {
    P95: _percentile("total_ms"), EMBEDDING: _percentile("embedding_ms"), P95_RATIO: _slowest(_p95_ratio),
    THROUGHPUT: _slowest(_throughput), RETRIES: _retries, TIMEOUTS: _timeouts}
