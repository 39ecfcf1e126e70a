"""Trials at the cost of milliseconds: what a check reads of a trial, kept by row and drawn from again.

Queries are drawn by cluster (a module whole), requests one by one; what is counted over all there is (ids, digests) is
not sampled and not drawn. A draw is read by the measure's own code and judged by the gate's own `judge`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any, NamedTuple, cast

import numpy as np

from harness.codes import Coded
from harness.defects.catalogue import Defect
from harness.records import Floats, Ids, Run, Trace
from harness.release.evidence import rounded
from harness.release.judge import Control, Finding, Reading, Verdict, judge
from harness.release.measures import family_of, quality, read
from harness.release.observed import IndexObserved, Observed, TaskObserved, Trial
from harness.release.policy import Check

__all__ = ["Draw", "Records", "Rows", "draw", "judged", "records_of", "reordered", "with_control"]

Rows = quality.Rows


class Draw(NamedTuple):
    """Rows drawn, and (n,) the unit that each belongs to: a unit drawn twice counts as two. None without clusters."""

    rows: Rows
    labels: Rows | None


@dataclass(frozen=True, eq=False)
class Records:
    """What one check reads of one trial.

    Attributes:
        sampled: What is drawn (`clusters of queries`, `queries`, `requests`); empty where the check counts.
        n: Rows.
        clusters: (n,) labels of the units that are drawn; None where each row is one.
        read: The reading of a draw; of all rows as they stand for None. The seed drives a resampled cross-check;
            without one there is none, and the number and its interval are the same.
        crossed: Whether there is a cross-check.
    """

    sampled: str
    n: int
    clusters: Ids | None
    read: Callable[[Draw | None, int | None], Reading]
    crossed: bool = False

    @property
    def clustered(self) -> bool:
        """Whether units hold more rows than one."""
        return self.clusters is not None

    @cached_property
    def units(self) -> tuple[Rows, Rows]:
        """(n,) rows, those of a unit together, and (n_units + 1,) where each unit starts among them."""
        if self.clusters is None:
            return np.arange(self.n), np.arange(self.n + 1)
        code = np.unique(self.clusters.astype(str), return_inverse=True)[1]
        return np.argsort(code, kind="stable"), np.concatenate([[0], np.cumsum(np.bincount(code))])


def draw(records: Records, rng: np.random.Generator) -> Draw | None:
    """As many units as there are, with replacement; None where nothing is sampled.

    >>> from fixtures.trials import sound
    >>> from harness.release.policy import Check, Limit
    >>> check = Check("gate", "R@5", None, "all", Limit("at_least", 0.9, "lcb"))
    >>> one = draw(records_of(sound(), check), np.random.default_rng(1))
    >>> len(one.rows), len(set(one.labels.tolist()))
    (600, 60)
    """
    if not records.sampled:
        return None
    order, starts = records.units
    units = len(starts) - 1
    chosen = rng.integers(units, size=units)
    if not records.clustered:
        return Draw(order[chosen], None)
    first, sizes = starts[chosen], np.diff(starts)[chosen]
    labels = np.repeat(np.arange(units), sizes)
    within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return Draw(order[first[labels] + within], labels)


def records_of(trial: Trial, check: Check) -> Records:
    """The rows that a check reads. Raises what the measure's own `read` raises where the trial lacks its input."""
    family = family_of(check.measure)
    if family == "quality":
        return _queries(trial, check)
    if check.measure == "agreement@10" and trial.candidate.index is not None:
        return _agreement(trial, check, trial.candidate.index)
    if family == "latency" and trial.candidate.trace is not None:
        return _requests(trial, check, trial.candidate.trace)
    counted = cache(lambda: read(trial, check))  # over all there is: every draw of it is itself
    return _records("", 0, None, lambda _drawn, _seed: counted())


def judged(check: Check, records: Records, broken: Records, defect: Defect, *, drawn: Draw | None = None,
           seed: int = 0) -> Finding:
    """The gate's finding on a draw, its planted defect drawn alongside: the code that judges a release, nothing less.

    >>> from fixtures.trials import sound
    >>> from harness.defects.owners import owner
    >>> from harness.release.policy import Check, Limit
    >>> check, trial = Check("gate", "R@5", None, "all", Limit("at_least", 0.9, "lcb")), sound()
    >>> broken = owner("R@5").plant(trial, 1.0)
    >>> judged(check, records_of(trial, check), records_of(broken, check), owner("R@5")).verdict.name
    'PASS'
    """
    twin = broken.read(drawn, None)
    finding = judge(check, rounded(with_control(records.read(drawn, None), twin, defect)))
    if finding.verdict is Verdict.INCONCLUSIVE or not records.crossed:  # a cross-check takes verdicts back, gives none
        return finding
    return judge(check, rounded(with_control(records.read(drawn, seed), twin, defect)))


def with_control(reading: Reading, broken: Reading, defect: Defect) -> Reading:
    """The reading with the same one of its planted defect beside it, as a gate shows it."""
    estimate = broken.estimate
    control = Control(defect.name, defect.grades[-1], estimate.value, estimate.low, estimate.high, estimate.n)
    alternatives = tuple(one._replace(broken=other.estimate)
                         for one, other in zip(reading.alternatives, broken.alternatives, strict=True))
    return replace(reading, control=control, alternatives=alternatives)


def reordered(trial: Trial, rng: np.random.Generator) -> Trial:
    """The same records with their rows in another order: nothing that may change a verdict."""
    one = trial.candidate
    index, trace, facts = one.index, one.trace, one.integrity
    tasks = {name: _shuffled_task(task, rng) for name, task in one.tasks.items()}
    if index is not None:
        stored, asked = rng.permutation(len(index.ids)), rng.permutation(len(index.agreement))
        norms = index.norms[stored] if len(index.norms) == len(stored) else rng.permutation(index.norms)
        index = replace(index, ids=index.ids[stored], norms=norms, cells=rng.permutation(index.cells),
                        agreement=index.agreement[asked], under_probed=index.under_probed[asked],
                        clusters=None if index.clusters is None else index.clusters[asked])
    if trace is not None:
        trace = Trace(trace.frame.iloc[rng.permutation(len(trace))].reset_index(drop=True))
    if facts is not None:
        facts = replace(facts, run_manifest=_shuffled(facts.run_manifest, rng), stated=_shuffled(facts.stated, rng),
                        found=_shuffled(facts.found, rng), replayed=_shuffled(facts.replayed, rng))
    candidate: Observed = replace(one, index=index, trace=trace, integrity=facts, tasks=tasks)
    return replace(trial, candidate=candidate)


def _queries(trial: Trial, check: Check) -> Records:
    task = trial.candidate.task(check.task)
    mask = task.mask(check.slice)
    columns: dict[str, Floats] = {name: quality.values_of(trial, name, check.task)[mask]
                                  for name in (check.measure, *(name for name, _ in check.any_with))}
    names = None if task.clusters is None else task.clusters[mask]

    plain = _uncrossed(check)

    def again(one: Draw | None, seed: int | None) -> Reading:
        drawn = columns if one is None else {name: x[one.rows] for name, x in columns.items()}
        return quality.reading_of(drawn, names if one is None else one.labels, plain if seed is None else check,
                                  seed=seed or 0)

    return _records("queries", int(mask.sum()), names, again, crossed=plain != check)


def _agreement(trial: Trial, check: Check, index: IndexObserved) -> Records:
    plain = _uncrossed(check)

    def again(one: Draw | None, seed: int | None) -> Reading:
        drawn = index
        if one is not None:  # numbers do for labels, and sort faster
            drawn = replace(index, agreement=index.agreement[one.rows], clusters=cast("Ids", one.labels))
        candidate = replace(trial.candidate, index=drawn)
        return read(replace(trial, seed=seed or 0, candidate=candidate), plain if seed is None else check)

    return _records("queries", len(index.agreement), index.clusters, again, crossed=plain != check)


def _requests(trial: Trial, check: Check, trace: Trace) -> Records:
    times = Trace(trace.frame[[f"{stage}_ms" for stage in trace.stages]])  # rows of numbers alone are drawn faster

    def again(one: Draw | None, _seed: int | None) -> Reading:
        drawn = times if one is None else Trace(times.frame.iloc[one.rows])
        return read(replace(trial, candidate=replace(trial.candidate, trace=drawn)), check)

    return _records("requests", len(trace), None, again)


def _uncrossed(check: Check) -> Check:
    """The check as if its value decided: measures resample only for the end of an interval."""
    limit = check.limit
    return check if limit is None or limit.by == "value" else replace(check, limit=replace(limit, by="value"))


def _records(what: str, n: int, clusters: Ids | None, again: Callable[[Draw | None, int | None], Reading], *,
             crossed: bool = False) -> Records:
    drawn = f"clusters of {what}" if clusters is not None else what
    return Records(drawn if n else "", n, clusters if n else None, again, crossed)


def _shuffled_task(task: TaskObserved, rng: np.random.Generator) -> TaskObserved:
    return replace(task, run=_shuffled_run(task.run, rng),
                   before=None if task.before is None else _shuffled_run(task.before, rng))


def _shuffled_run(run: Run, rng: np.random.Generator) -> Run:
    order = rng.permutation(len(run))
    return Run.coded(Coded(run.queries, run.query[order]), Coded(run.docs, run.doc[order]), run.score[order],
                     source="reordered rows")


def _shuffled(items: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    names = list(items)
    return {names[place]: items[names[place]] for place in rng.permutation(len(names))}
