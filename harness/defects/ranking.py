"""Defects of rankings: hits given to the wrong query, queries left unanswered, a reranker that does nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.defects.catalogue import defect
from harness.records import Run, rank_within
from harness.release.measures.quality import owns
from harness.release.observed import TaskObserved, Trial

__all__ = ["answers_to_another_query", "distant_hits", "inert_reranker", "queries_dropped", "unknown_documents"]


def _is_ranking(measure: str) -> bool:
    special = measure in {"acceptance", "unanswered"} or measure.startswith(("cosine>=", "unjudged@"))
    return owns(measure) and not special


@defect("answers_to_another_query", caught_by=_is_ranking)
def answers_to_another_query(trial: Trial, severity: float) -> Trial:
    """A share of the queries gets the hits of another query of that share: a batch whose rows were mixed up."""
    return _tasks(trial, lambda task: replace(task, run=_rotated(task.run, severity)))


@defect("queries_dropped", caught_by=lambda measure: measure == "unanswered")
def queries_dropped(trial: Trial, severity: float) -> Trial:
    """A share of the queries has no hits at all: time-outs that nobody counted."""
    return _tasks(trial, lambda task: replace(task, run=_without(task.run, severity)))


@defect("unknown_documents", caught_by=lambda measure: measure.startswith("unjudged@"))
def unknown_documents(trial: Trial, severity: float) -> Trial:
    """A share of the documents is renamed since the judgements were made."""

    def renamed(task: TaskObserved) -> TaskObserved:
        docs = np.array([f"{name}~moved" if chosen else name
                         for name, chosen in zip(task.run.docs, _share(len(task.run.docs), severity), strict=True)],
                        dtype=object)
        order = np.argsort(docs)
        places = np.empty_like(order)
        places[order] = np.arange(len(order))
        run = Run(task.run.queries, docs[order], task.run.query, places[task.run.doc].astype(np.int32), task.run.score,
                  task.run.rank)
        return replace(task, run=run)

    return _tasks(trial, renamed)


@defect("inert_reranker", caught_by=lambda measure: measure == "acceptance")
def inert_reranker(trial: Trial, severity: float) -> Trial:
    """The reranker's order is thrown away for a share of the queries: a switch left off."""

    def inert(task: TaskObserved) -> TaskObserved:
        if task.before is None:
            return task
        kept = _share(len(task.run.queries), severity)
        return replace(task, run=_merged(task.run, task.before, kept))

    return _tasks(trial, inert)


@defect("distant_hits", caught_by=lambda measure: measure.startswith("cosine>="))
def distant_hits(trial: Trial, severity: float) -> Trial:
    """The best cosine falls towards zero for every query: an encoder and an index that no longer match."""
    return _tasks(trial, lambda task: replace(task, best=None if task.best is None else task.best * (1.0 - severity)))


def _tasks(trial: Trial, change: object) -> Trial:
    assert callable(change)
    tasks = {name: change(task) for name, task in trial.candidate.tasks.items()}
    return replace(trial, candidate=replace(trial.candidate, tasks=tasks))


def _share(n: int, severity: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(n,) the first `severity` share of a fixed shuffle, so that a larger severity breaks a superset."""
    order = np.random.default_rng(n).permutation(n)
    chosen = np.zeros(n, dtype=np.bool_)
    chosen[order[: round(severity * n)]] = True
    return chosen


def _rotated(run: Run, severity: float) -> Run:
    # In shuffled order: neighbours by id are often about the same thing, and their hits half right.
    chosen = np.random.default_rng(len(run.queries)).permutation(np.flatnonzero(_share(len(run.queries), severity)))
    target = np.arange(len(run.queries))
    target[chosen] = np.roll(chosen, 1)
    return _coded(run, target[run.query].astype(np.int32), np.ones(len(run), dtype=np.bool_))


def _without(run: Run, severity: float) -> Run:
    return _coded(run, run.query, ~_share(len(run.queries), severity)[run.query])


def _merged(run: Run, other: Run, use_other: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Run:
    """`run`, but `other`'s hits for the chosen of `run`'s queries."""
    chosen = set(run.queries[use_other].tolist())
    keep = ~use_other[run.query]
    take = np.array([query in chosen for query in other.queries], dtype=np.bool_)[other.query]
    return Run.of(
        np.concatenate([run.queries[run.query[keep]], other.queries[other.query[take]]]).tolist(),
        np.concatenate([run.docs[run.doc[keep]], other.docs[other.doc[take]]]).tolist(),
        np.concatenate([-run.rank[keep].astype(np.float64), -other.rank[take].astype(np.float64)]),
        source="planted defect",
    )


def _coded(run: Run, query: np.ndarray[tuple[int], np.dtype[np.int32]],
           keep: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Run:
    order = np.argsort(query[keep], kind="stable")
    codes = query[keep][order]
    return Run(run.queries, run.docs, codes, run.doc[keep][order], run.score[keep][order], rank_within(codes))
