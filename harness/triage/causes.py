"""Likely causes: where on the way from question to answer the gold document, or the answer, was lost.

The first that applies counts. Of a release that answers: the gold document is not in the first stage's pool; it is
there and none of its passages was read; one was read and not cited; it was cited and the answer is off; it is right and
slow. Of a ranking: not in the pool; pushed out of the first ten by the second stage; never among them; not first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from harness.data.task import Task
from harness.errors import InputError
from harness.records import Floats, Run
from harness.release.studied.answers_rows import AnswersObserved
from harness.release.studied.answers_table import AnsweredRow

__all__ = ["CAUSES", "Case", "answered_cases", "counted", "domain_of", "ranked_cases", "worst",
           "worst_of"]

NOT_FOUND, NOT_READ, NOT_CITED = "gold not in the pool", "in the pool, not read", "read, not cited"
OFF, SLOW, SOUND = "cited, answer off", "slow", "sound"
PUSHED, BELOW, NOT_FIRST = "pushed out by the reranker", "in the pool, below the first ten", "found, not first"
CAUSES = (NOT_FOUND, NOT_READ, NOT_CITED, OFF, SLOW, PUSHED, BELOW, NOT_FIRST)
_RIGHT = 0.5  # token F1 from which on an answer is not off
_TOP = 10


class Case(NamedTuple):
    """One query: its value (token F1 of the answer, or of a ranking its measure), what is likely wrong, its time."""

    query_id: str
    cluster: str
    value: float
    cause: str
    ms: float = 0.0


def domain_of(cluster: str) -> str:
    """The package of a module.

    >>> domain_of("numpy.linalg"), domain_of("sport")
    ('numpy', 'sport')
    """
    return cluster.partition(".")[0]


def answered_cases(rows: Sequence[AnsweredRow], record: AnswersObserved, *, slow_ms: float) -> list[Case]:
    """A case a question, in order. Raises InputError where rows and record are of different questions.

    Args:
        rows: What became of each question: pool, passages that were shown, citations.
        record: Its figures, in the same order.
        slow_ms: From which time on an answer that is right is slow.
    """
    if [row.query_id for row in rows] != record.query_ids.tolist():
        raise InputError("rows and record are of different questions", where="triage", expected=f"{len(record)} rows",
                         found=len(rows))
    return [Case(row.query_id, str(cluster), float(f1), _answered(row, float(f1), float(ms), slow_ms), float(ms))
            for row, cluster, f1, ms in zip(rows, record.clusters, record.f1, record.total_ms, strict=True)]


def ranked_cases(run: Run, before: Run | None, task: Task, values: Floats) -> list[Case]:
    """A case a query of a task, in its order.

    Args:
        run: The final ranking.
        before: The first stage's, where a second follows it.
        task: Its queries and their judgements.
        values: (n,) the measure that is triaged, in [0, 1].
    """
    after = _lists(run)
    first = after if before is None else _lists(before)
    gold = _gold(task)
    return [Case(query, cluster, float(value), _ranked(after.get(query, []), first.get(query, []), gold[query]))
            for query, cluster, value in zip(task.query_ids, task.clusters, values, strict=True)]


def worst(cases: Sequence[Case], *, most: int = 20) -> list[Case]:
    """The cases that are not sound, the least value first, of equals the slowest, then by id.

    >>> [one.query_id for one in worst([Case("b", "m", 0.2, SLOW), Case("a", "m", 0.1, OFF), Case("c", "m", 1, SOUND)])]
    ['a', 'b']
    """
    held = [one for one in cases if one.cause != SOUND]
    return sorted(held, key=lambda one: (one.value, -one.ms, one.query_id))[:most]


def worst_of(cases: Sequence[Case], cause: str, *, most: int = 5) -> list[Case]:
    """The worst cases of one cause, as `worst` orders them."""
    return worst([one for one in cases if one.cause == cause], most=most)


def counted(cases: Sequence[Case]) -> dict[str, int]:
    """Cause → how many cases, in the order of the way; causes of none are left out."""
    found = Counter(one.cause for one in cases)
    return {cause: found[cause] for cause in CAUSES if found[cause]}


def _answered(row: AnsweredRow, f1: float, ms: float, slow_ms: float) -> str:
    gold = set(row.gold_docs or ())
    shown = row.passage_docs or ()
    docs = dict(zip(row.passage_ids or (), shown, strict=True))
    if row.pool is not None and not gold.intersection(row.pool):
        return NOT_FOUND
    if not gold.intersection(shown):
        return NOT_READ
    if not any(docs.get(one) in gold for one in row.cited or ()):
        return NOT_CITED
    if f1 < _RIGHT:
        return OFF
    return SLOW if ms > slow_ms else SOUND


def _ranked(after: list[str], first: list[str], gold: set[str]) -> str:
    if not gold.intersection(first):
        return NOT_FOUND
    if not gold.intersection(after[:_TOP]):
        return PUSHED if gold.intersection(first[:_TOP]) else BELOW
    return SOUND if after[0] in gold else NOT_FIRST


def _gold(task: Task) -> dict[str, set[str]]:
    """Query → its relevant documents."""
    found: dict[str, set[str]] = {query: set() for query in task.query_ids}
    graded = task.qrels
    for query, doc, grade in zip(graded.query, graded.doc, graded.relevance, strict=True):
        if grade > 0:
            found[str(graded.queries[query])].add(str(graded.docs[doc]))
    return found


def _lists(run: Run) -> dict[str, list[str]]:
    """Query → documents, best first."""
    found: dict[str, list[str]] = {}
    for place in np.lexsort((run.rank, run.query)):
        found.setdefault(str(run.queries[run.query[place]]), []).append(str(run.docs[run.doc[place]]))
    return found
