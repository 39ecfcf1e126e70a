"""A whole study: which jobs a release's gates need, and their results put together gate by gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from harness.defects.owners import named, owner_of
from harness.defects.power import GatePower, NoOps, Tally, severities
from harness.defects.power_pool import Job, worked
from harness.defects.power_trials import FEWEST, Setting, costly, draws_of, point_of, reorderings
from harness.defects.trials import judged, records_of
from harness.errors import InputError
from harness.release.judge import Verdict
from harness.release.measures import PROPERTIES, family_of
from harness.release.observed import Trial
from harness.release.policy import Check

__all__ = ["Size", "Study", "Variant", "bare", "examine", "reordered_variants", "study_of", "unstudied"]


class Size(NamedTuple):
    """How much is tried: trials a severity; draws, reorderings and rebuilds of the release itself."""

    trials: int = 200
    draws: int = 300
    reorderings: int = 20
    rebuilds: int = 20
    quick: bool = False


class Study(NamedTuple):
    """One gate's jobs: each of `points` gives a `Point`, each of `noops` (kind, job) a `Tally`."""

    start: GatePower
    points: tuple[Job, ...] = ()
    noops: tuple[tuple[str, Job], ...] = ()


class Variant(NamedTuple):
    """A job that shows whole no-op candidates to many gates: it gives a list of `Verdicts`."""

    kind: str
    job: Job


def study_of(trial: Trial, check: Check, size: Size, *, defect: str | None = None) -> Study:
    """The jobs of one gate that reads records; `defect` instead of the one that the gate is shown."""
    try:
        one = named(defect) if defect is not None else owner_of(check)
    except InputError as error:
        return unstudied(check, str(error))
    records = records_of(trial, check)
    found = judged(check, records, records_of(one.plant(trial, one.grades[-1]), check), one, seed=trial.seed)
    start = _start(check)._replace(defect=one.name, sampled=records.sampled, observed=found.verdict,
                                   n=found.reading.estimate.n)
    if found.verdict is Verdict.REFUSE:
        return Study(start._replace(note="the release itself is refused here"))
    tried = severities(one.grades, quick=size.quick, costly=costly(check))
    points = tuple(Job(point_of, (check, one.name, severity)) for severity in tried)
    noops = (("drawn again", Job(draws_of, (check, one.name, size.draws))),) if records.sampled else ()
    return Study(start, points, noops)


def unstudied(check: Check, note: str, *, defect: str | None = None) -> Study:
    """A gate that cannot be examined, and why."""
    return Study(_start(check)._replace(defect=defect, note=note))


def reordered_variants(studies: Sequence[Study], checks: Mapping[str, Check], size: Size) -> list[Variant]:
    """The records in other orders: a few times for gates that draw, as often as draws for those that count."""
    shown = [(checks[one.start.gate], one.start.defect) for one in studies
             if one.points and one.start.defect and family_of(checks[one.start.gate].measure) != PROPERTIES]
    drawn = {one.start.gate for one in studies if one.start.sampled}
    sampled = [gate for gate in shown if gate[0].id in drawn]
    slow = [gate for gate in shown if gate[0].id not in drawn and costly(gate[0])]
    facts = [gate for gate in shown if gate not in sampled and gate not in slow]
    made: list[Variant] = []
    for gates, many, step in ((sampled, size.reorderings, 1), (slow, FEWEST, 5), (facts, size.draws, 50)):
        made += [Variant("reordered", Job(reorderings, (gates, first, min(step, many - first))))
                 for first in range(0, many if gates else 0, step)]
    return made


def examine(studies: Sequence[Study], variants: Sequence[Variant], setting: Setting, *, processes: int,
            done: Callable[[], object] = lambda: None) -> list[GatePower]:
    """Run all jobs and put each gate's results together, in the order of `studies`."""
    own = [job for study in studies for job in (*study.points, *(job for _, job in study.noops))]
    jobs = [*(variant.job for variant in variants), *own]
    results = worked(jobs, setting, processes=processes, done=done)
    seen = [(variant.kind, verdicts) for variant, many in zip(variants, results, strict=False) for verdicts in many]
    mine = iter(results[len(variants):])
    found = []
    for study in studies:
        points = tuple(next(mine) for _ in study.points)
        noops = [NoOps(kind, next(mine)) for kind, _ in study.noops]
        noops += [NoOps(kind, Tally.of([one[study.start.gate] for other, one in seen
                                        if other == kind and study.start.gate in one]))
                  for kind in dict.fromkeys(kind for kind, _ in seen)]
        found.append(study.start._replace(points=points, noops=tuple(one for one in noops if one.tally.n)))
    return found


def bare(trial: Trial) -> Trial:
    """The trial without live parts, which do not travel to other processes."""
    other = trial.baseline
    return replace(trial, candidate=replace(trial.candidate, live=None),
                   baseline=None if other is None else replace(other, live=None))


def _start(check: Check) -> GatePower:
    nominal = round((1.0 - check.confidence) / 2.0, 12)
    limit = str(check.limit) if check.limit else "its own"
    where = " · ".join(filter(None, (check.task, check.slice)))
    return GatePower(check.id, check.measure, where, limit, None, "", nominal, None, 0)
