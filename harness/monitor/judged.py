"""Judged queries as a service meets them: by their text, with what it takes to ask and to score them as gates do."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.corpus import World
from harness.data.task import Task
from harness.errors import SignoffError
from harness.metrics.ranking import count, placed, score
from harness.metrics.spec import MetricSpec, parse
from harness.release.stages import MODULE_TASKS

__all__ = ["Judged", "judged_of", "plain_text", "scored", "values_of"]

_SINGLE = {"nDCG", "RR", "AP", "R", "P", "Success"}


@dataclass(frozen=True, eq=False)
class Judged:
    """A query with judgements.

    Attributes:
        query: Its id.
        text: What is asked.
        own: Id of the document that it was made of, to be left out of its hits; None for none.
        module: What a second stage may know of where it was asked; None for nothing.
        grades: Document id → grade.
        slices: Slices that it belongs to.
    """

    query: str
    text: str
    own: str | None
    module: str | None
    grades: Mapping[str, int]
    slices: tuple[str, ...]


def judged_of(world: World, tasks: Collection[str] = ()) -> dict[str, Judged]:
    """The queries that gates judge on, by their `plain_text`; of equal texts, the first.

    `tasks` are those that a policy names; of none, every task of query texts.
    """
    found: dict[str, Judged] = {}
    for name, task in world.tasks.items():
        if task.contexts is None and (not tasks or name in tasks):
            judge = task.judge()
            grades = _grades(judge)
            for place, text in enumerate(judge.texts):
                found.setdefault(plain_text(text), _judged(world, judge, place, grades.get(judge.query_ids[place], {})))
    return found


def scored(measures: Iterable[str]) -> dict[str, MetricSpec]:
    """Those of a policy's measures that one answer to one judged query has a value of, by their spelling.

    >>> sorted(scored(["R@5", "delta nDCG@10", "p95 total_ms", "R@5"]))
    ['R@5']
    """
    found = {}
    for name in measures:
        try:
            spec = parse(name)
        except SignoffError:
            continue
        if spec.name in _SINGLE:
            found[name] = spec
    return found


def values_of(judged: Judged, answer: Sequence[str], specs: Mapping[str, MetricSpec]) -> dict[str, float]:
    """What an answer to a judged query is worth by each measure, in [0, 1].

    >>> query = Judged("q", "text", None, None, {"b": 1, "x": 2}, ())
    >>> values_of(query, ["a", "b"], scored(["RR", "R@5"]))
    {'RR': 0.5, 'R@5': 0.5}
    """
    found = placed(np.array([[judged.grades.get(name, 0) for name in answer]], dtype=np.int64).reshape(1, -1))
    ideal = placed(np.array([sorted(judged.grades.values(), reverse=True)], dtype=np.int64).reshape(1, -1))
    return {name: float(score(spec, found, ideal, count(ideal))[0]) for name, spec in specs.items()}


def plain_text(text: str) -> str:
    """A query's text as two people would both type it: small letters, single spaces.

    >>> plain_text("  Sorted   lists ")
    'sorted lists'
    """
    return " ".join(text.casefold().split())


def _judged(world: World, task: Task, place: int, grades: Mapping[str, int]) -> Judged:
    own = int(task.own[place])
    return Judged(task.query_ids[place], task.texts[place], None if own < 0 else world.corpus.ids[own],
                  task.clusters[place] if task.name in MODULE_TASKS else None, grades,
                  tuple(name for name, mask in task.slices.items() if mask[place]))


def _grades(task: Task) -> dict[str, dict[str, int]]:
    """Query → document → grade; what is not relevant has none."""
    qrels, found = task.qrels, dict[str, dict[str, int]]()
    for query, doc, grade in zip(qrels.query.tolist(), qrels.doc.tolist(), qrels.relevance.tolist(), strict=True):
        if grade > 0:
            found.setdefault(qrels.queries[query], {})[qrels.docs[doc]] = grade
    return found
