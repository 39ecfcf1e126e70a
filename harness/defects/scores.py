"""Defects that no measure of quality need notice: tied, doubled, absent scores; what was learnt or handed in again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.codes import trec_order
from harness.defects.catalogue import Dose, defect
from harness.defects.changes import with_tasks
from harness.records import Floats, Run, rank_within
from harness.release.observed import TaskObserved, Trial

__all__ = ["baseline_resubmitted", "constant_scores", "hits_duplicated", "leaked_judgements", "nan_scores"]


@defect("constant_scores", caught_by=lambda measure: measure.startswith("tied at cut@"), goes="up",
        signal="the share of queries whose cut falls between equal scores")
def constant_scores(trial: Trial, dose: Dose) -> Trial:
    """All hits of a share of the queries score the same, so that document ids decide: a scorer that answers 0."""

    def tied(task: TaskObserved) -> TaskObserved:
        chosen = dose.share(len(task.run.queries))[task.run.query]
        return replace(task, run=_scored(task.run, np.where(chosen, 0.0, task.run.score)))

    return with_tasks(trial, tied)


@defect("hits_duplicated", caught_by=lambda measure: measure == "duplicated hits", goes="up",
        signal="the number of hits that their query had before")
def hits_duplicated(trial: Trial, dose: Dose) -> Trial:
    """The first hit of a share of the queries stands a second time, in the place of the second: two shards answered."""

    def doubled(task: TaskObserved) -> TaskObserved:
        run = task.run
        place = np.flatnonzero((run.rank == 2) & dose.share(len(run.queries))[run.query])
        doc = run.doc.copy()
        doc[place] = run.doc[place - 1]
        return replace(task, run=Run(run.queries, run.docs, run.query, doc, run.score, run.rank))

    return with_tasks(trial, doubled)


@defect("nan_scores", caught_by=lambda measure: measure == "non-finite scores", goes="up",
        signal="the number of hits whose score is no number")
def nan_scores(trial: Trial, dose: Dose) -> Trial:
    """The hits of a share of the queries have NaN for a score: a division by a length of zero."""

    def spoilt(task: TaskObserved) -> TaskObserved:
        run = task.run
        chosen = dose.share(len(run.queries))[run.query]
        score = np.where(chosen, np.nan, run.score)
        return replace(task, run=Run(run.queries, run.docs, run.query, run.doc, score, run.rank))

    return with_tasks(trial, spoilt)


@defect("leaked_judgements", caught_by=lambda measure: measure == "leaked judgements", goes="up",
        signal="the number of judged pairs that the release was fitted on")
def leaked_judgements(trial: Trial, dose: Dose) -> Trial:
    """A share of the judged pairs was in the lists that the release learnt from: a fold read under another name."""

    def leaked(task: TaskObserved) -> TaskObserved:
        return task if task.leaked is None else replace(task, leaked=task.leaked | dose.share(len(task.leaked)))

    return with_tasks(trial, leaked)


@defect("baseline_resubmitted", caught_by=lambda measure: measure == "same as baseline", goes="up", grades=(1.0,),
        signal="1: every file and every ranking is the baseline's")
def baseline_resubmitted(trial: Trial, dose: Dose) -> Trial:
    """The baseline's files and rankings under the candidate's name: at severity 1 all, below a share of the files."""
    other = trial.baseline
    if other is None or not other.files:
        return trial
    names = sorted(set(other.files) | set(trial.candidate.files))
    taken = {name for name, chosen in zip(names, dose.share(len(names)), strict=True) if chosen}
    files = {name: digest for name, digest in trial.candidate.files.items() if name not in taken}
    files |= {name: other.files[name] for name in taken if name in other.files}
    candidate = replace(trial.candidate, files=files)
    if dose.severity == 1.0:
        tasks = {name: replace(task, run=other.tasks[name].run) if name in other.tasks else task
                 for name, task in candidate.tasks.items()}
        candidate = replace(candidate, tasks=tasks)
    return replace(trial, candidate=candidate)


def _scored(run: Run, score: Floats) -> Run:
    """The same hits under these scores, ranked as trec_eval ranks them."""
    order = trec_order(run.query, run.doc, score)
    order = np.arange(len(run)) if order is None else order
    return Run(run.queries, run.docs, run.query[order], run.doc[order], score[order], rank_within(run.query[order]))
