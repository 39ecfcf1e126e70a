"""A task: queries with judgements, each with its fold, its cluster, its slices, and what must not count as a hit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.data.bodies import body_of, fetch_body, store_body
from harness.data.store import sha256_bytes
from harness.errors import InputError, nearest
from harness.records import Qrels

__all__ = ["FIT", "JUDGE", "Bools", "Positions", "Task", "ascending"]

FIT, JUDGE = "fit", "judge"
Positions = NDArray[np.int64]
Bools = NDArray[np.bool_]
Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Task:
    """Queries with judgements, all columns in the order of `query_ids`.

    Attributes:
        name: `see_also`, `known_item`, `reading_order`, or the user's.
        query_ids: (n,) distinct ids, ascending.
        texts: (n,) query texts; for sequences the joined titles of the context.
        own: (n,) position of the document that the query was made of, to be removed from its hits; -1 for none. For
            sequences the last document of the context (`removed` gives all of the context).
        qrels: judgements of these queries and of no others.
        clusters: (n,) the unit that is resampled: the query's module.
        fold: (n,) `fit` or `judge`: what may be learnt from, and what may be judged on.
        slices: name → (n,) bool.
        contexts: (n,) positions of the documents before, oldest first, all equally long; None unless a sequence task.
    """

    name: str
    query_ids: tuple[str, ...]
    texts: tuple[str, ...]
    own: Positions
    qrels: Qrels
    clusters: tuple[str, ...]
    fold: tuple[str, ...]
    slices: dict[str, Bools] = field(default_factory=dict)
    contexts: tuple[tuple[int, ...], ...] | None = None

    def __post_init__(self) -> None:
        where = f"task {self.name}"
        if not re.fullmatch(r"[\w-][\w.-]*", self.name):
            raise InputError("not a task name", expected="letters, digits, _ . -", found=self.name)
        ascending(self.query_ids, where, "query id")
        _equal_lengths(self, where)
        for value in sorted(set(self.fold) - {FIT, JUDGE}):
            raise InputError("no such fold", where=where, expected="fit or judge", found=value)
        for stray in sorted(set(self.qrels.queries.tolist()) - set(self.query_ids)):
            hint = nearest(stray, self.query_ids)
            raise InputError("judgement of an unknown query", where=where, found=stray, hint=hint)

    @property
    def removed(self) -> Positions:
        """(n, width) positions to be removed from each query's hits, -1 where none: `own`, or the whole context."""
        if self.contexts is None:
            return self.own[:, None]
        width = len(self.contexts[0]) if self.contexts else 1
        return np.asarray(self.contexts, dtype=np.int64).reshape(len(self), width)

    def fit(self) -> Task:
        """The part that parts of a release may learn from."""
        return self.only(self._in_fold(FIT))

    def judge(self) -> Task:
        """The part that gates judge on."""
        return self.only(self._in_fold(JUDGE))

    def only(self, keep: Bools) -> Task:
        """The task of the queries where `keep` (n,) is true, judgements filtered with them."""
        kept = np.flatnonzero(keep)
        ids = _take(self.query_ids, kept)
        return replace(
            self, query_ids=ids, texts=_take(self.texts, kept), own=self.own[kept],
            qrels=_qrels_of(self.qrels, set(ids)),
            clusters=_take(self.clusters, kept), fold=_take(self.fold, kept),
            slices={name: mask[kept] for name, mask in self.slices.items()},
            contexts=None if self.contexts is None else _take(self.contexts, kept),
        )

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) over the canonical JSON of everything in the task."""
        return sha256_bytes(self._body())

    def save(self, folder: str | Path) -> None:
        """Write `<name>.json` and, last, its header `<name>.header.json`; equal tasks give equal bytes."""
        store_body(Path(folder), self.name, self._body(), f"{self.name}.header", {"name": self.name})

    @classmethod
    def load(cls, folder: str | Path, name: str) -> Task:
        """Read what `save` wrote; `InputError` where it is missing, torn or changed."""
        return fetch_body(Path(folder), name, f"{name}.header", lambda _, body: _task_of(body))

    def _in_fold(self, fold: str) -> Bools:
        return np.asarray([value == fold for value in self.fold], dtype=np.bool_)

    def _body(self) -> bytes:
        qrels = self.qrels
        columns = {
            "name": self.name, "query_ids": self.query_ids, "texts": self.texts, "own": self.own.tolist(),
            "qrels": [qrels.queries[qrels.query].tolist(), qrels.docs[qrels.doc].tolist(), qrels.relevance.tolist()],
            "clusters": self.clusters, "fold": self.fold, "contexts": self.contexts,
            "slices": {name: np.flatnonzero(mask).tolist() for name, mask in self.slices.items()},
        }
        return body_of(columns, where=f"task {self.name}")

    def __len__(self) -> int:
        return len(self.query_ids)


def ascending(ids: Sequence[str], where: str, what: str) -> None:
    """Refuse ids that are empty, repeated or out of order."""
    for row, name in enumerate(ids):
        if not isinstance(name, str) or not name:
            raise InputError(f"not a {what}", where=where, row=row + 1, expected="non-empty text", found=name)
        if row and name == ids[row - 1]:
            raise InputError(f"duplicate {what}", where=where, row=row + 1, expected="each id once", found=name)
        if row and name < ids[row - 1]:
            raise InputError(f"{what} out of order", where=where, row=row + 1, expected="ascending ids", found=name)


def _equal_lengths(task: Task, where: str) -> None:
    lengths = {"texts": len(task.texts), "own": len(task.own), "clusters": len(task.clusters), "fold": len(task.fold)}
    lengths |= {f"slice {name}": len(mask) for name, mask in task.slices.items()}
    lengths |= {} if task.contexts is None else {"contexts": len(task.contexts)}
    for name, length in lengths.items():
        if length != len(task.query_ids):
            expected = f"{len(task.query_ids)} values"
            raise InputError("columns differ in length", where=where, column=name, expected=expected, found=length)
    if task.contexts and len(set(map(len, task.contexts))) > 1:
        raise InputError("contexts differ in length", where=where, column="contexts", expected="one width for all")


def _take(values: Sequence[Item], rows: Iterable[int]) -> tuple[Item, ...]:
    return tuple(values[row] for row in rows)


def _qrels_of(qrels: Qrels, ids: set[str]) -> Qrels:
    wanted = np.asarray([name in ids for name in qrels.queries], dtype=np.bool_)
    rows = wanted[qrels.query] if len(qrels.queries) else np.zeros(0, dtype=np.bool_)
    queries, docs = qrels.queries[qrels.query[rows]], qrels.docs[qrels.doc[rows]]
    return Qrels.of(queries.tolist(), docs.tolist(), qrels.relevance[rows])


def _task_of(body: dict[str, Any]) -> Task:
    count = len(body["query_ids"])
    slices = {name: np.zeros(count, dtype=np.bool_) for name in body["slices"]}
    for name, rows in body["slices"].items():
        slices[name][rows] = True
    contexts = body["contexts"]
    return Task(
        body["name"], tuple(body["query_ids"]), tuple(body["texts"]), np.asarray(body["own"], dtype=np.int64),
        Qrels.of(*body["qrels"], source=f"task {body['name']}"), tuple(body["clusters"]), tuple(body["fold"]), slices,
        None if contexts is None else tuple(tuple(context) for context in contexts),
    )
