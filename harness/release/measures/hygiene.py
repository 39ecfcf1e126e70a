"""Measures of what averages hide: ties at the cut, doubled hits, scores that are no numbers, leaked judgements.

A release can pass every measure of quality with any of these. All are counted over what was looked at, not sampled.
`same as baseline` is 1 where every file and every ranking is the baseline's: the old release under a new name.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from harness.errors import InputError, nearest
from harness.estimate import Estimate
from harness.records import Ids, Run
from harness.release.judge import Reading
from harness.release.measures.quality import same_ranking
from harness.release.observed import Bools, Observed, TaskObserved, Trial
from harness.release.policy import Check

__all__ = ["EXAMPLES", "NOT_RANKED", "owns", "read"]

EXAMPLES = ("tied at cut@10", "duplicated hits", "non-finite scores", "leaked judgements", "same as baseline")
NOT_RANKED = ("run_manifest.json", "run_manifest.yaml", "SHA256SUMS")  # they name the release and do nothing
_TIED = re.compile(r"tied at cut@([1-9]\d*)$")


def owns(measure: str) -> bool:
    """True for the names in EXAMPLES, and for the cut at any depth.

    >>> owns("tied at cut@5"), owns("duplicated hits"), owns("tied at cut@0")
    (True, True, False)
    """
    return measure in EXAMPLES or _TIED.match(measure) is not None


def read(trial: Trial, check: Check) -> Reading:
    """Count the fault; the note names the first queries or files that have it.

    Raises InputError where the release left nothing to look at: no training lists, no baseline's files.

    >>> from fixtures.trials import sound
    >>> from harness.release.policy import Limit
    >>> row = Check("gate", "duplicated hits", None, "all", Limit("at_most", 0.0, "value"))
    >>> read(sound(queries=20), row).estimate.value, read(sound(queries=20), row).estimate.n
    (0.0, 240)
    """
    if check.measure == "same as baseline":
        return _same(trial, check)
    task = trial.candidate.task(check.task)
    if matched := _TIED.match(check.measure):
        return _tied(task, check, int(matched[1]))
    if check.slice != "all":
        raise InputError("counted over the whole task", where=check.id, expected="all", found=check.slice,
                         hint=nearest(check.slice, ["all"]))
    at_fault, n, unit = _COUNTS[check.measure](task, trial.candidate.release)
    return Reading(_counted(float(len(at_fault)), n, check.confidence, unit), note=_first(at_fault))


def _tied(task: TaskObserved, check: Check, k: int) -> Reading:
    """Share of the slice's queries whose k-th and next hit score the same, as float32, trec_eval's precision."""
    run = task.run
    below = np.flatnonzero(run.rank == k + 1)
    single = run.score.astype(np.float32)
    tied = run.queries[run.query[below[single[below] == single[below - 1]]]]
    queries = task.qrels.queries[task.mask(check.slice)]
    at_fault = queries[np.isin(queries, tied)]
    share = len(at_fault) / len(queries) if len(queries) else np.nan
    return Reading(_counted(share, len(queries), check.confidence, "1"), note=_first(at_fault))


def _duplicated(task: TaskObserved, _: str) -> tuple[Ids, int, str]:
    run = task.run
    order = np.lexsort((run.doc, run.query))
    again = (np.diff(run.query[order]) == 0) & (np.diff(run.doc[order]) == 0)
    return run.queries[run.query[order][1:][again]], len(run), "hits"


def _non_finite(task: TaskObserved, _: str) -> tuple[Ids, int, str]:
    runs: list[Run] = [task.run, *([] if task.before is None else [task.before])]
    found = [run.queries[run.query[~np.isfinite(run.score)]] for run in runs]
    return np.concatenate(found), sum(map(len, runs)), "hits"


def _leaked(task: TaskObserved, release: str) -> tuple[Ids, int, str]:
    if task.leaked is None:
        raise InputError("nobody recorded what the release was fitted on", where=release,
                         expected="live parts, of which one is fitted on judgements", found="leaked judgements")
    counts: Bools = task.qrels.relevance > 0
    return task.qrels.queries[task.qrels.query[task.leaked & counts]], int(counts.sum()), "pairs"


def _same(trial: Trial, check: Check) -> Reading:
    """1 where files and rankings are all the baseline's; the note says how many of the files are."""
    ours, other = trial.candidate, trial.baseline
    if other is None or not other.files:
        raise InputError("no files of a baseline", where=ours.release, expected="a live manifest with a baseline",
                         found=check.measure)
    mine, theirs = _files(ours), _files(other)
    shared = [name for name in sorted(mine) if theirs.get(name) == mine[name]]
    both = sorted(set(ours.tasks) & set(other.tasks))
    same = mine == theirs and all(same_ranking(ours.tasks[name].run, other.tasks[name].run) for name in both)
    return Reading(_counted(float(same), len(mine), check.confidence, "1"),
                   note=f"{len(shared)} of {len(mine)} files are those of {other.release}")


def _files(one: Observed) -> dict[str, str]:
    return {name: digest for name, digest in one.files.items() if name.rpartition("/")[2] not in NOT_RANKED}


def _counted(value: float, n: int, confidence: float, unit: str) -> Estimate:
    return Estimate(value, value, value, n, confidence, "counted", unit)


def _first(names: Ids) -> str:
    return ", ".join(list(dict.fromkeys(map(str, names)))[:3])


_COUNTS: dict[str, Callable[[TaskObserved, str], tuple[Ids, int, str]]] = {
    "duplicated hits": _duplicated, "non-finite scores": _non_finite, "leaked judgements": _leaked,
}
