"""Defects of the second stage: switched off, its order turned round, its weights mixed up; and the one that hides.

Planted in records these stand for what happens in the parts; `harness.defects.live` does it to the parts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.defects.catalogue import Dose, defect
from harness.defects.changes import other_order, with_tasks
from harness.defects.ranking import is_ranking
from harness.records import Floats, Run
from harness.release.observed import Bools, TaskObserved, Trial

__all__ = ["hidden_slice", "inert_reranker", "reranker_inverted", "reranker_weights_permuted",
           "slice_worse_mean_better"]

DEPTH = 50  # hits that a second stage reorders, where nothing says otherwise


def _compares(measure: str) -> bool:
    return is_ranking(measure) and measure.startswith(("delta ", "lift "))


@defect("inert_reranker", caught_by=lambda measure: measure == "acceptance", goes="down",
        signal="the share of queries whose first hit the reranker changed")
def inert_reranker(trial: Trial, dose: Dose) -> Trial:
    """The reranker's order is thrown away for a share of the queries: a switch left off."""

    def inert(task: TaskObserved) -> TaskObserved:
        if task.before is None:
            return task
        return replace(task, run=_merged(task.run, task.before, dose.share(len(task.run.queries))))

    return with_tasks(trial, inert)


@defect("reranker_inverted", caught_by=_compares, goes="down",
        signal="the mean difference: what stood first stands last")
def reranker_inverted(trial: Trial, dose: Dose) -> Trial:
    """The first fifty hits of a share of the queries stand in reverse: a sign lost in an export."""

    def inverted(task: TaskObserved) -> TaskObserved:
        chosen = dose.share(len(task.run.queries))[task.run.query] & (task.run.rank <= DEPTH)
        place = np.where(chosen, -task.run.rank.astype(np.float64), task.run.rank)
        return replace(task, run=other_order(task.run, place))

    return with_tasks(trial, inverted)


@defect("reranker_weights_permuted", caught_by=_compares, goes="down",
        signal="the mean difference: the order knows nothing of the query")
def reranker_weights_permuted(trial: Trial, dose: Dose) -> Trial:
    """The first fifty hits of a share of the queries stand in random order: weights loaded into the wrong places."""

    def shuffled(task: TaskObserved) -> TaskObserved:
        chosen = dose.share(len(task.run.queries))[task.run.query] & (task.run.rank <= DEPTH)
        random = dose.rng(len(task.run)).random(len(task.run))  # in (0, 1): above whatever keeps its rank
        return replace(task, run=other_order(task.run, np.where(chosen, random, task.run.rank)))

    return with_tasks(trial, shuffled)


@defect("slice_worse_mean_better", caught_by=lambda measure: is_ranking(measure) and measure.startswith("delta "),
        goes="down", on_slices=True, signal="the mean difference on the slice, while that over all queries rises")
def slice_worse_mean_better(trial: Trial, dose: Dose) -> Trial:
    """Half of a share of the hard slice ranks what is relevant last; all of that share outside it ranks it first."""

    def traded(task: TaskObserved) -> TaskObserved:
        hard = hidden_slice(task)
        if hard is None:
            return task
        grade = _grades(task)
        worse = {query for query, is_hard in zip(task.qrels.queries, task.slices[hard], strict=True) if is_hard}
        in_slice = np.array([query in worse for query in task.run.queries], dtype=np.bool_)[task.run.query]
        n, half = len(task.run.queries), dose._replace(severity=dose.severity / 2.0)
        chosen = np.where(in_slice, half.share(n)[task.run.query], dose.share(n)[task.run.query])
        moved = np.where(in_slice, grade, -grade) * (len(task.run) + 1.0)
        return replace(task, run=other_order(task.run, np.where(chosen, moved, 0.0) + task.run.rank))

    return with_tasks(trial, traded)


def hidden_slice(task: TaskObserved) -> str | None:
    """The slice in which a loss can hide: the one named hard, else the smallest of at most half; None without one.

    >>> from fixtures.trials import sound
    >>> hidden_slice(sound(queries=20).candidate.task(None))
    'hard'
    """
    sizes = {name: int(mask.sum()) for name, mask in task.slices.items()}
    named = [name for name in sorted(sizes) if name.startswith("hard") and sizes[name]]
    small = sorted((size, name) for name, size in sizes.items() if 0 < 2 * size <= len(task.qrels.queries))
    return next(iter(named), small[0][1] if small else None)


def _grades(task: TaskObserved) -> Floats:
    """(n_hits,) grade of each hit, 0 where unjudged."""
    graded = {(task.qrels.queries[query], task.qrels.docs[doc]): float(grade) for query, doc, grade
              in zip(task.qrels.query, task.qrels.doc, task.qrels.relevance, strict=True)}
    return np.array([graded.get((task.run.queries[query], task.run.docs[doc]), 0.0)
                     for query, doc in zip(task.run.query, task.run.doc, strict=True)])


def _merged(run: Run, other: Run, use_other: Bools) -> Run:
    """`run`, but `other`'s hits for the chosen of `run`'s queries."""
    if not use_other.any():
        return run
    chosen = set(run.queries[use_other].tolist())
    keep = ~use_other[run.query]
    take = np.array([query in chosen for query in other.queries], dtype=np.bool_)[other.query]
    return Run.of(
        np.concatenate([run.queries[run.query[keep]], other.queries[other.query[take]]]).tolist(),
        np.concatenate([run.docs[run.doc[keep]], other.docs[other.doc[take]]]).tolist(),
        np.concatenate([-run.rank[keep].astype(np.float64), -other.rank[take].astype(np.float64)]),
        source="planted defect",
    )
