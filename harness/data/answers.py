"""Gold answers: what the authors of a collection would answer to its questions, beside the judgements of documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.data.bodies import body_of, fetch_body, store_body
from harness.data.readers import SourceSpec, read_frame
from harness.data.store import sha256_bytes
from harness.data.task import ascending
from harness.errors import InputError, nearest

__all__ = ["Golds", "read_golds"]

_NAME = "golds"


@dataclass(frozen=True, eq=False)
class Golds:
    """One gold answer a question, all columns in the order of `query_ids`.

    Attributes:
        query_ids: (n,) distinct ids, ascending.
        kinds: (n,) what is asked for: `parameter`, `return`, `raise`, or the user's own; "" where nothing is said.
        fields: (n,) the name asked about, as written (`axis`, `ValueError`); "" where none.
        texts: (n,) the answers, none empty.

    Raises:
        InputError: Columns of different length, ids out of order or repeated, an answer without a word.

    >>> Golds.of([("q2", "return", "", "A number."), ("q1", "parameter", "axis", "Where.")]).text("q2")
    'A number.'
    """

    query_ids: tuple[str, ...]
    kinds: tuple[str, ...]
    fields: tuple[str, ...]
    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        ascending(self.query_ids, "gold answers", "query id")
        for name in ("kinds", "fields", "texts"):
            if len(getattr(self, name)) != len(self.query_ids):
                raise InputError("columns differ in length", where="gold answers", column=name,
                                 expected=f"{len(self.query_ids)} values", found=len(getattr(self, name)))
        for row, text in enumerate(self.texts):
            if not isinstance(text, str) or not any(letter.isalnum() for letter in text):
                raise InputError("not an answer", where="gold answers", row=row + 1, column="texts",
                                 expected="at least one word", found=text)

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, str, str]]) -> Golds:
        """Rows of (query id, kind, field, text), in any order."""
        columns = tuple(zip(*sorted(rows), strict=True)) or ((), (), (), ())
        return cls(*columns)

    def text(self, query_id: str) -> str:
        """The gold answer to a question; `InputError` with the nearest id where there is none."""
        return self.texts[self.row(query_id)]

    def row(self, query_id: str) -> int:
        """Where a question stands, from 0; `InputError` with the nearest id where it does not."""
        place = self._rows.get(query_id)
        if place is None:
            raise InputError("no gold answer", where="gold answers", found=query_id,
                             hint=nearest(query_id, self.query_ids))
        return place

    def only(self, query_ids: Iterable[str]) -> Golds:
        """The answers of these questions, as far as there are any."""
        rows = [self._rows[query] for query in sorted(set(query_ids) & set(self.query_ids))]
        return Golds(*(tuple(column[row] for row in rows)
                       for column in (self.query_ids, self.kinds, self.fields, self.texts)))

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) over the canonical JSON of all columns."""
        return sha256_bytes(self._body())

    def save(self, folder: str | Path) -> None:
        """Write `golds.json` and, last, its header; equal answers give equal bytes."""
        store_body(Path(folder), _NAME, self._body(), f"{_NAME}.header", {"answers": len(self)})

    @classmethod
    def load(cls, folder: str | Path) -> Golds:
        """Read what `save` wrote; `InputError` where it is missing, torn or changed."""
        def parse(_: object, body: Mapping[str, list[str]]) -> Golds:
            return cls(*(tuple(body[name]) for name in ("query_ids", "kinds", "fields", "texts")))

        return fetch_body(Path(folder), _NAME, f"{_NAME}.header", parse)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.query_ids)}

    def _body(self) -> bytes:
        columns = {"query_ids": self.query_ids, "kinds": self.kinds, "fields": self.fields, "texts": self.texts}
        return body_of(columns, where="gold answers")

    def __len__(self) -> int:
        return len(self.query_ids)


def read_golds(source: SourceSpec) -> Golds:
    """Gold answers of a user's own table: columns `query_id` and `answer`, and `kind` and `field` where there are any.

    Raises:
        InputError: A column is missing, a question is answered twice, or an answer is empty.
    """
    frame = read_frame(source)
    where = next(iter(source.values())) if isinstance(source, Mapping) else source
    present = [str(column) for column in frame.columns]
    for column in ("query_id", "answer"):
        if column not in present:
            raise InputError("column missing", where=where, column=column, expected="query_id, answer",
                             found=", ".join(present), hint=nearest(column, present))
    empty = [""] * len(frame)
    columns = [frame[name].fillna("").astype(str).tolist() if name in frame.columns else empty
               for name in ("query_id", "kind", "field", "answer")]
    if not len(frame):
        raise InputError("no rows", where=where, expected="query_id, answer")
    return Golds.of(zip(*columns, strict=True))
