"""The pool that a release is judged on, as it was and as it is: documents and queries that came, went and changed.

A snapshot holds digests and lengths, never texts, so that it may be kept beside a report.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from harness.data.canonical import strict_json
from harness.data.corpus import World
from harness.data.store import sha256_bytes
from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators.experiment_effects import mean_effect
from harness.estimators.proportions import clopper_pearson
from harness.records import Qrels

__all__ = ["DOCUMENTS", "SCHEMA", "Moved", "Pool", "moved", "pool_bytes", "pool_of", "pool_of_qrels", "read_pool"]

SCHEMA = "signoff-pool/1"
DOCUMENTS = "documents"
_LETTERS = 16
Pool = Mapping[str, Mapping[str, tuple[str, int]]]  # pool → id → (digest of the text, its words)


class Moved(NamedTuple):
    """How one pool differs from what it was.

    Attributes:
        pool: `documents`, or `queries of TASK`.
        came: Ids that were not there.
        went: Ids that are there no more.
        changed: Ids whose text, or judgements, are others now.
        stayed: Ids that are as they were.
        fresh: Share of today's pool that came or changed, with its interval: how much of what is judged is new.
        length: Mean words now less before, with its interval; infinite ends where nothing varies.
    """

    pool: str
    came: tuple[str, ...]
    went: tuple[str, ...]
    changed: tuple[str, ...]
    stayed: int
    fresh: Estimate
    length: Estimate

    @property
    def still(self) -> bool:
        """True where the pool is what it was."""
        return not (self.came or self.went or self.changed)


def pool_of(world: World) -> Pool:
    """The pool of a world: every document, and the queries of every task with their judgements."""
    pool = {DOCUMENTS: {one.id: _mark(one.text) for one in world.corpus.documents}}
    for name, task in world.tasks.items():
        judged = _judgements(task.qrels)
        pool[f"queries of {name}"] = {query: _mark(text, judged.get(query, ""))
                                      for query, text in zip(task.query_ids, task.texts, strict=True)}
    return pool


def pool_of_qrels(qrels: Qrels) -> Pool:
    """The pool of recorded files, as far as judgements tell: their queries, and the documents that they name.

    >>> sorted(pool_of_qrels(Qrels.of(["q"], ["d"], [1])))
    ['documents', 'queries of default']
    """
    judged = _judgements(qrels)
    return {DOCUMENTS: {str(doc): _mark("") for doc in qrels.docs.tolist()},
            "queries of default": {str(query): _mark("", judged[str(query)]) for query in qrels.queries.tolist()}}


def moved(before: Pool, after: Pool, *, confidence: float = 0.9) -> tuple[Moved, ...]:
    """What came, went and changed in each pool of `after`, and in pools that are gone.

    >>> old = {"documents": {"a": ("1", 2), "b": ("2", 3)}}
    >>> (one,) = moved(old, {"documents": {"b": ("9", 5), "c": ("3", 4)}})
    >>> one.came, one.went, one.changed, one.fresh.value
    (('c',), ('a',), ('b',), 1.0)
    """
    return tuple(_moved(name, before.get(name, {}), after.get(name, {}), confidence)
                 for name in dict.fromkeys([*after, *before]))


def pool_bytes(pool: Pool) -> bytes:
    """A snapshot's bytes: equal pools give equal bytes."""
    return (json.dumps({"schema": SCHEMA, "pools": pool}, ensure_ascii=False, sort_keys=True,
                       separators=(",", ":")) + "\n").encode()


def read_pool(raw: bytes, *, where: object = "pool") -> Pool:
    """A snapshot that `pool_bytes` wrote. Raises InputError where it is none."""
    value: Any = strict_json(raw, where=where)
    try:
        if set(value) != {"schema", "pools"} or value["schema"] != SCHEMA:
            raise LookupError(f"schema {value.get('schema')!r}")
        return {str(name): {str(key): (str(digest), int(words)) for key, (digest, words) in rows.items()}
                for name, rows in value["pools"].items()}
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise InputError("not a snapshot of a pool", where=where, expected=SCHEMA,
                         found=f"{type(error).__name__}: {error}") from None


def _moved(name: str, before: Mapping[str, tuple[str, int]], after: Mapping[str, tuple[str, int]],
           confidence: float) -> Moved:
    came = tuple(sorted(after.keys() - before.keys()))
    went = tuple(sorted(before.keys() - after.keys()))
    both = after.keys() & before.keys()
    changed = tuple(sorted(key for key in both if after[key][0] != before[key][0]))
    fresh = clopper_pearson(len(came) + len(changed), len(after), confidence=confidence)
    words = [[row[1] for row in side.values()] for side in (after, before)]
    if all(words):
        length = mean_effect(*words, confidence=confidence, unit="words").estimate
    else:
        length = Estimate(float("nan"), float("-inf"), float("inf"), 0, confidence, "one side is empty", "words")
    return Moved(name, came, went, changed, len(both) - len(changed), fresh, length)


def _judgements(qrels: Qrels) -> dict[str, str]:
    told: dict[str, list[str]] = {}
    for query, doc, grade in zip(qrels.query.tolist(), qrels.doc.tolist(), qrels.relevance.tolist(), strict=True):
        told.setdefault(str(qrels.queries[query]), []).append(f"{qrels.docs[doc]} {grade}")
    return {query: "\n".join(sorted(lines)) for query, lines in told.items()}


def _mark(text: str, beside: str = "") -> tuple[str, int]:
    return sha256_bytes(f"{text}\0{beside}".encode())[:_LETTERS], len(text.split())
