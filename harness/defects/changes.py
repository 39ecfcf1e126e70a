"""Where a change is made: in a trial's tasks, its index, its facts of identity; and how hits are moved in a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import TypeVar

import numpy as np

from harness.defects.catalogue import Change, Dose
from harness.records import Floats, Ints, Run, rank_within
from harness.release.observed import Bools, IndexObserved, IntegrityObserved, TaskObserved, Trial

__all__ = ["coded", "of_study", "other_order", "with_index", "with_integrity", "with_record", "with_tasks"]

Record = TypeVar("Record")


def with_tasks(trial: Trial, change: Callable[[TaskObserved], TaskObserved]) -> Trial:
    """The trial with each of the candidate's tasks changed.

    >>> from fixtures.trials import sound
    >>> with_tasks(sound(queries=20), lambda task: replace(task, best=None)).candidate.task(None).best is None
    True
    """
    tasks = {name: change(task) for name, task in trial.candidate.tasks.items()}
    return replace(trial, candidate=replace(trial.candidate, tasks=tasks))


def with_index(trial: Trial, change: Callable[[IndexObserved], IndexObserved]) -> Trial:
    """The trial with the candidate's index changed; as it was where none was observed."""
    index = trial.candidate.index
    return trial if index is None else replace(trial, candidate=replace(trial.candidate, index=change(index)))


def with_integrity(trial: Trial, change: Callable[[IntegrityObserved], IntegrityObserved]) -> Trial:
    """The trial with the candidate's facts of identity changed; as it was where none were observed."""
    facts = trial.candidate.integrity
    return trial if facts is None else replace(trial, candidate=replace(trial.candidate, integrity=change(facts)))


def with_record(trial: Trial, dose: Dose, study: str, kind: type[Record], change: Callable[[Record, Dose], Record]
                ) -> Trial:
    """The trial with the candidate's record of a study changed; without one, or at severity 0, the trial itself."""
    found = trial.candidate.studies.get(study)
    if not isinstance(found, kind) or dose.severity == 0.0:
        return trial
    return trial.with_study(study, change(found, dose))


def of_study(study: str, kind: type[Record]) -> Callable[[Callable[[Record, Dose], Record]], Change]:
    """A change of a study's record as one of the trial, as `with_record` makes it; the docstring stays its own."""

    def over(change: Callable[[Record, Dose], Record]) -> Change:
        @wraps(change)
        def changed(trial: Trial, dose: Dose) -> Trial:
            return with_record(trial, dose, study, kind, change)

        return changed

    return over


def coded(run: Run, query: Ints, keep: Bools) -> Run:
    """The kept hits of a run under other queries' codes, each query's in the order they had.

    Args:
        run: The run.
        query: (n_hits,) codes into `run.queries`.
        keep: (n_hits,) which hits stay.

    >>> run = Run.of(["q1", "q2"], ["a", "b"], [2.0, 1.0])
    >>> swapped = coded(run, np.array([1, 0], dtype=np.int32), np.ones(2, dtype=np.bool_))
    >>> swapped.docs[swapped.doc].tolist()
    ['b', 'a']
    """
    order = np.argsort(query[keep], kind="stable")
    codes = query[keep][order]
    return Run(run.queries, run.docs, codes, run.doc[keep][order], run.score[keep][order], rank_within(codes))


def other_order(run: Run, place: Floats) -> Run:
    """The same hits, each query's by ascending `place` (n_hits,); scores stay at the ranks where they stood.

    >>> run = other_order(Run.of(["q", "q"], ["a", "b"], [2.0, 1.0]), np.array([2.0, 1.0]))
    >>> run.docs[run.doc].tolist(), run.score.tolist()
    (['b', 'a'], [2.0, 1.0])
    """
    order = np.lexsort((place, run.query))
    return Run(run.queries, run.docs, run.query, run.doc[order], run.score, run.rank)
