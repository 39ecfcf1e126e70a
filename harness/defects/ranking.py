"""Defects of rankings: hits given to the wrong query, queries left unanswered, rankings cut short."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.defects.catalogue import Dose, defect
from harness.defects.changes import coded, with_tasks
from harness.metrics.evaluate import per_query
from harness.metrics.spec import parse
from harness.records import Floats, Run
from harness.release.measures.quality import bare, owns
from harness.release.observed import Bools, TaskObserved, Trial

__all__ = ["answered_only_where_easy", "answers_to_another_query", "distant_hits", "ids_shuffled", "is_ranking",
           "queries_dropped", "run_truncated", "unknown_documents"]

_DEEP = 20  # a measure that looks at least this far must notice that one hit a query is left


def is_ranking(measure: str) -> bool:
    """True for measures of where the relevant documents stand.

    >>> is_ranking("delta nDCG@10"), is_ranking("unanswered")
    (True, False)
    """
    special = measure in {"acceptance", "unanswered"} or measure.startswith(("cosine>=", "unjudged@"))
    return owns(measure) and not special


def _looks_deep(measure: str) -> bool:
    """Absolute measures that count what stands far down."""
    if not is_ranking(measure) or bare(measure) != measure:
        return False
    spec = parse(measure)
    return spec.name in {"R", "Success"} and (spec.k or 0) >= _DEEP


@defect("answers_to_another_query", caught_by=is_ranking, goes="down",
        signal="the mean over the slice: hits are relevant to another query")
def answers_to_another_query(trial: Trial, dose: Dose) -> Trial:
    """A share of the queries gets the hits of another query of that share: a batch whose rows were mixed up."""
    return with_tasks(trial, lambda task: replace(task, run=_rotated(task.run, dose)))


@defect("ids_shuffled", caught_by=lambda measure: is_ranking(measure) and not measure.startswith("lift "), goes="down",
        signal="the mean over the slice: hits are named after other documents")
def ids_shuffled(trial: Trial, dose: Dose) -> Trial:
    """A share of the documents answers under the id of another of that share: an index whose id map was mixed up."""
    return with_tasks(trial, lambda task: replace(task, run=_renamed(task.run, dose)))


@defect("run_truncated", caught_by=_looks_deep, goes="down",
        signal="the mean over the slice: what stood further down is gone")
def run_truncated(trial: Trial, dose: Dose) -> Trial:
    """Every ranking loses its lower end, a share of its hits; one hit stays."""

    def cut(task: TaskObserved) -> TaskObserved:
        kept = np.maximum(1, np.ceil((1.0 - dose.severity) * task.run.hits))[task.run.query]
        return replace(task, run=coded(task.run, task.run.query, task.run.rank <= kept))

    return with_tasks(trial, cut)


@defect("queries_dropped", caught_by=lambda measure: measure == "unanswered", goes="up",
        signal="the share of judged queries without a hit")
def queries_dropped(trial: Trial, dose: Dose) -> Trial:
    """A share of the queries has no hits at all: time-outs that nobody counted."""
    return with_tasks(trial, lambda task: replace(task, run=_without(task.run, dose.share(len(task.run.queries)))))


@defect("answered_only_where_easy", caught_by=lambda measure: measure == "unanswered", goes="up",
        signal="the share of judged queries without a hit; measures of quality count each as 0")
def answered_only_where_easy(trial: Trial, dose: Dose) -> Trial:
    """The share of the queries that is answered worst is not answered at all: a benchmark read off the rest."""

    def dropped(task: TaskObserved) -> TaskObserved:
        value = dict(zip(task.qrels.queries, per_query(task.run, task.qrels, "RR"), strict=True))
        hardest = np.argsort([value.get(query, np.inf) for query in task.run.queries], kind="stable")
        gone = np.zeros(len(task.run.queries), dtype=np.bool_)
        gone[hardest[: round(dose.severity * len(gone))]] = True
        return replace(task, run=_without(task.run, gone))

    return with_tasks(trial, dropped)


@defect("unknown_documents", caught_by=lambda measure: measure.startswith("unjudged@"), goes="up",
        signal="the share of the first hits that nobody judged")
def unknown_documents(trial: Trial, dose: Dose) -> Trial:
    """A share of the documents is renamed since the judgements were made."""

    def renamed(task: TaskObserved) -> TaskObserved:
        docs = np.array([f"{name}~moved" if chosen else name
                         for name, chosen in zip(task.run.docs, dose.share(len(task.run.docs)), strict=True)],
                        dtype=object)
        order = np.argsort(docs)
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        run = Run(task.run.queries, docs[order], task.run.query, places[task.run.doc].astype(np.int32), task.run.score,
                  task.run.rank)
        return replace(task, run=run)

    return with_tasks(trial, renamed)


@defect("distant_hits", caught_by=lambda measure: measure.startswith("cosine>="), goes="down",
        signal="the share of queries whose best hit is near enough")
def distant_hits(trial: Trial, dose: Dose) -> Trial:
    """The best cosine falls towards zero for every query: an encoder and an index that no longer match."""

    def farther(best: Floats | None) -> Floats | None:
        return None if best is None else best * (1.0 - dose.severity)

    return with_tasks(trial, lambda task: replace(task, best=farther(task.best)))


def _rotated(run: Run, dose: Dose) -> Run:
    # In shuffled order: neighbours by id are often about the same thing, and their hits half right.
    n = len(run.queries)
    chosen = dose.rng(n).permutation(np.flatnonzero(dose.share(n)))
    target = np.arange(n)
    target[chosen] = np.roll(chosen, 1)
    return coded(run, target[run.query].astype(np.int32), np.ones(len(run), dtype=np.bool_))


def _renamed(run: Run, dose: Dose) -> Run:
    n = len(run.docs)
    chosen = dose.rng(n).permutation(np.flatnonzero(dose.share(n)))
    name = np.arange(n, dtype=np.int32)
    name[chosen] = np.roll(chosen, 1)
    return Run(run.queries, run.docs, run.query, name[run.doc], run.score, run.rank)


def _without(run: Run, gone: Bools) -> Run:
    return coded(run, run.query, ~gone[run.query])
