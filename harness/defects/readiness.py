"""Defects of readiness: evaluations that do not repeat, run for real in processes of their own; an unhealthy system."""

from __future__ import annotations

from dataclasses import replace

from harness.defects.catalogue import Dose, defect
from harness.defects.changes import of_study
from harness.release.health import HealthObserved
from harness.release.measures.readiness import DIFFERENCES, FAULTS, HEALTHY, REPEATED
from harness.release.studied.repeated import RepeatedObserved, by_question

__all__ = ["answers_by_set_order", "answers_from_warm_cache", "answers_unseeded", "unhealthy"]

_GRADES = (0.3, 1.0)
_REPEATED = of_study(REPEATED, RepeatedObserved)
_COUNTED = "questions whose evidence differs between two processes"


def _spoilt(record: RepeatedObserved, name: str, dose: Dose) -> RepeatedObserved:
    """For a share of the questions, what both processes wrote with the defect in their reader."""
    if name not in record.spoilt:
        return record
    first, second = (by_question(lines) for lines in record.spoilt[name])
    asked = sorted(first.keys() & second.keys())
    chosen = {query for query, hit in zip(asked, dose.share(len(asked)).tolist(), strict=True) if hit}

    def planted(lines: tuple[str, ...], spoilt: dict[str, str]) -> tuple[str, ...]:
        return tuple(spoilt[query] if query in chosen else line for query, line in by_question(lines).items())

    return replace(record, first=planted(record.first, first), second=planted(record.second, second))


@defect("answers_unseeded", caught_by=lambda measure: measure == DIFFERENCES, goes="up", grades=_GRADES,
        signal=_COUNTED)
@_REPEATED
def answers_unseeded(record: RepeatedObserved, dose: Dose) -> RepeatedObserved:
    """For a share of the questions passages are shuffled by a generator that nobody seeded."""
    return _spoilt(record, "answers_unseeded", dose)


@defect("answers_by_set_order", caught_by=lambda measure: measure == DIFFERENCES, goes="up", grades=_GRADES,
        signal=_COUNTED)
@_REPEATED
def answers_by_set_order(record: RepeatedObserved, dose: Dose) -> RepeatedObserved:
    """For a share of the questions passages come in the order of a set, which the seed of hashes decides."""
    return _spoilt(record, "answers_by_set_order", dose)


@defect("answers_from_warm_cache", caught_by=lambda measure: measure == DIFFERENCES, goes="up", grades=_GRADES,
        signal=_COUNTED)
@_REPEATED
def answers_from_warm_cache(record: RepeatedObserved, dose: Dose) -> RepeatedObserved:
    """For a share of the questions the second process finds in a cache what the first one left there."""
    return _spoilt(record, "answers_from_warm_cache", dose)


@defect("unhealthy", caught_by=lambda measure: measure == FAULTS, goes="up", grades=_GRADES,
        signal="checks of health that failed")
@of_study(HEALTHY, HealthObserved)
def unhealthy(record: HealthObserved, dose: Dose) -> HealthObserved:
    """A share of the checks fails: a variable that is not set, a file that is gone, a model that does not answer."""
    hit = dose.share(len(record.checks)).tolist()
    return HealthObserved(tuple(one._replace(good=False, said="out of order", do="mend it") if row else one
                                for one, row in zip(record.checks, hit, strict=True)))
