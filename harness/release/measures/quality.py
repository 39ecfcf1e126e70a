"""Measures of ranking quality: one value per judged query, averaged over a slice, clustered where clusters are known.

`R@5` is the candidate's own mean; `delta R@5` the candidate minus the baseline, paired by query; `lift R@5` the final
ranking minus the first stage's, paired by query; `over last_vector R@5` the candidate minus a plain reference that it
must beat. `unanswered` and `unjudged@k` are shares; `acceptance` is the share of
queries whose first hit the reranker changed; `cosine>=0.5` the share of queries whose best hit is at least that near.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError, UsageError, nearest
from harness.estimate import Estimate
from harness.estimators.intervals import bootstrap_ends, mean_interval
from harness.estimators.rare import big_loser_share
from harness.metrics.evaluate import per_query, unjudged
from harness.metrics.spec import parse
from harness.records import Floats, Ids, Run
from harness.release.findings import LEAST_N
from harness.release.judge import Alternative, CrossCheck, Reading
from harness.release.observed import Observed, TaskObserved, Trial
from harness.release.policy import Check

__all__ = ["EXAMPLES", "MIN_N", "Rows", "bare", "owns", "read", "reading_of", "same_ranking", "values_of"]

Rows = NDArray[np.int64]

EXAMPLES = ("R@5", "RR", "RR@10", "Success@50", "nDCG@10", "AP", "P@10", "delta nDCG@10", "lift R@5",
            "over last_vector R@5", "acceptance", "unanswered", "unjudged@10", "cosine>=0.5")
MIN_N = LEAST_N["delta "]  # below, a lower bound is too high where a few lose much (`estimators.rare`)
RESAMPLES = 2000
_PREFIXES = ("delta ", "lift ", "over ")
_OVER = re.compile(r"over ([a-z_0-9]+) (.+)$")
_COSINE = re.compile(r"cosine>=(0(?:\.\d+)?|1(?:\.0+)?)$")
_UNJUDGED = re.compile(r"unjudged@([1-9]\d*)$")


def owns(measure: str) -> bool:
    """True for the names of this family, spelt as the field spells them."""
    name = bare(measure)
    if name in {"acceptance", "unanswered"} or _COSINE.match(name) or _UNJUDGED.match(name):
        return name == measure
    try:
        return not parse(name).compares_runs
    except (InputError, UsageError):
        return False


def read(trial: Trial, check: Check) -> Reading:
    """The mean over the slice, with its closed interval and, where a bound decides, a resampled one beside it."""
    task = trial.candidate.task(check.task)
    mask = task.mask(check.slice)
    columns = {name: values_of(trial, name, check.task)[mask]
               for name in (check.measure, *(name for name, _ in check.any_with))}
    clusters = None if task.clusters is None else task.clusters[mask]
    return replace(reading_of(columns, clusters, check, seed=trial.seed), note=_note(trial, check))


def reading_of(columns: Mapping[str, Floats], clusters: Ids | Rows | None, check: Check, *, seed: int) -> Reading:
    """The reading of per-query values: `columns` holds (n,) of the check's measure and of each that may speak for it.

    `clusters` are (n,) labels, or None; `seed` drives the resampled interval.
    """
    x = columns[check.measure]
    bound = check.limit is not None and check.limit.by != "value"
    paired = check.measure.startswith(_PREFIXES)
    least = MIN_N if paired or any(name.startswith(_PREFIXES) for name, _ in check.any_with) else 0
    return Reading(
        estimate=_interval(x, clusters, check.confidence, check.measure),
        min_n=least if bound else 0,
        cross=_resampled(x, clusters, check.confidence, seed) if bound and len(x) > 1 else None,
        alternatives=tuple(Alternative(name, _interval(columns[name], clusters, check.confidence, name), limit)
                           for name, limit in check.any_with),
        details=_details(x, clusters, check.confidence, paired=paired),
    )


def values_of(trial: Trial, measure: str, task_name: str | None) -> Floats:
    """(n_queries,) one value per judged query of the task, in judged order, before any slice is taken."""
    task = trial.candidate.task(task_name)
    if measure.startswith("delta "):
        other = _baseline(trial).task(task_name)
        if not np.array_equal(other.qrels.queries, task.qrels.queries):
            raise InputError("candidate and baseline are judged on different queries", where=f"task {task.name}",
                             expected=f"{len(task.qrels.queries)} queries", found=len(other.qrels.queries))
        return _values(task, task.run, bare(measure)) - _values(other, other.run, bare(measure))
    if measure.startswith("lift "):
        return _values(task, task.run, bare(measure)) - _values(task, _before(task), bare(measure))
    if matched := _OVER.match(measure):
        return _values(task, task.run, matched[2]) - _values(task, _reference(task, matched[1]), matched[2])
    return _values(task, task.run, measure)


def _values(task: TaskObserved, run: Run, measure: str) -> Floats:
    if measure == "acceptance":
        return _changed_first(task, run, _before(task))
    if measure == "unanswered":
        return 1.0 - np.isin(task.qrels.queries, run.queries[np.unique(run.query)]).astype(np.float64)
    if matched := _UNJUDGED.match(measure):
        return unjudged(run, task.qrels, k=int(matched[1]))
    if matched := _COSINE.match(measure):
        if task.best is None:
            raise InputError("no cosines were recorded", where=f"task {task.name}", expected="a dense first stage",
                             found=measure)
        return (task.best >= float(matched[1])).astype(np.float64)
    return per_query(run, task.qrels, parse(measure))


def _changed_first(task: TaskObserved, after: Run, before: Run) -> Floats:
    first = [dict(zip(run.queries[run.query[run.rank == 1]], run.docs[run.doc[run.rank == 1]], strict=True))
             for run in (after, before)]
    return np.array([float(first[0].get(query) != first[1].get(query)) for query in task.qrels.queries])


def _interval(x: Floats, clusters: Ids | Rows | None, confidence: float, measure: str) -> Estimate:
    if not len(x):
        return Estimate(np.nan, -np.inf, np.inf, 0, confidence, "nothing to average")
    if measure == "unanswered":  # a count over all judged queries, not a sample of them
        share = float(x.mean())
        return Estimate(share, share, share, len(x), confidence, "counted")
    # every measure here is a share, or a mean of shares
    support = (-1.0, 1.0) if measure.startswith(_PREFIXES) else (0.0, 1.0)
    return mean_interval(x, clusters=clusters, confidence=confidence, support=support)


def _resampled(x: Floats, clusters: Ids | Rows | None, confidence: float, seed: int) -> CrossCheck:
    ends = bootstrap_ends(x, clusters=clusters, confidence=confidence, resamples=RESAMPLES, method="bca",
                          rng=np.random.default_rng(seed))
    return CrossCheck(ends.estimate.low, ends.estimate.high, ends.low_se, ends.high_se, ends.estimate.method)


def _details(x: Floats, clusters: Ids | Rows | None, confidence: float, *, paired: bool) -> dict[str, float | str]:
    details: dict[str, float | str] = {} if clusters is None else {"clusters": float(len(np.unique(clusters)))}
    if paired and len(x):
        details |= {"queries worse": float((x < 0).mean()), "queries better": float((x > 0).mean()),
                    "largest loss": float(x.min()), **_losers(x, clusters, confidence)}
    return details


def _losers(x: Floats, clusters: Ids | Rows | None, confidence: float) -> dict[str, float]:
    """Share of queries, or of clusters by their mean, that lost .3 or more, and Clopper & Pearson's bound on it.

    What the lower bound of the mean cannot see: losses too rare to be in the sample (`estimators.rare`).
    """
    code = np.arange(len(x)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    found = big_loser_share(np.bincount(code, weights=x) / np.bincount(code), confidence=confidence)
    return {"big losers": found.value, "big losers, at most": found.high}


def same_ranking(one: Run, two: Run) -> bool:
    """Whether two runs rank the same documents in the same order for the same queries; scores may differ.

    >>> run = Run.of(["q", "q"], ["a", "b"], [2.0, 1.0])
    >>> same_ranking(run, Run.of(["q", "q"], ["a", "b"], [9.0, 8.0])), same_ranking(run, Run.of(["q"], ["a"], [2.0]))
    (True, False)
    """
    if len(one) != len(two):
        return False
    return bool((one.queries[one.query] == two.queries[two.query]).all()
                and (one.docs[one.doc] == two.docs[two.doc]).all())


def _note(trial: Trial, check: Check) -> str:
    if not check.measure.startswith("delta ") or trial.baseline is None:
        return ""
    same = same_ranking(trial.candidate.task(check.task).run, trial.baseline.task(check.task).run)
    return trial.against + (", which ranks the same: nothing was changed" if same else "")


def bare(measure: str) -> str:
    """The measure itself, without the prefix that says what it is compared with.

    >>> bare("delta nDCG@10"), bare("over last_vector R@5"), bare("RR")
    ('nDCG@10', 'R@5', 'RR')
    """
    if measure.startswith("over "):
        matched = _OVER.match(measure)
        return matched[2] if matched else measure
    return next((measure[len(prefix):] for prefix in _PREFIXES if measure.startswith(prefix)), measure)


def _reference(task: TaskObserved, name: str) -> Run:
    if name not in task.references:
        known = f"one of {', '.join(task.references)}" if task.references else "a task with references"
        raise InputError("no such reference", where=f"task {task.name}", expected=known, found=name,
                         hint=nearest(name, task.references))
    return task.references[name]


def _baseline(trial: Trial) -> Observed:
    if trial.baseline is None:
        raise InputError("a delta needs a baseline", where=trial.candidate.release, expected="a baseline run")
    return trial.baseline


def _before(task: TaskObserved) -> Run:
    if task.before is None:
        raise InputError("no ranking before the reranker", where=f"task {task.name}",
                         expected="a live reranker, or `before:` under recorded", found=None)
    return task.before
