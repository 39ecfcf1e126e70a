"""BEIR folders: `corpus.jsonl`, `queries.jsonl`, and judgements in `qrels/<split>.tsv`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.codes import code
from harness.data.tables import read_rows, read_table_qrels
from harness.errors import InputError, nearest
from harness.records import Qrels

__all__ = ["Beir", "Passage", "read_beir", "read_beir_qrels"]


class Passage(NamedTuple):
    """One document of a corpus; title and text may be empty."""

    doc_id: str
    title: str
    text: str


class Beir(NamedTuple):
    """A collection, and how well its parts fit each other."""

    passages: tuple[Passage, ...]
    queries: dict[str, str]
    qrels: Qrels

    @property
    def strays(self) -> tuple[str, ...]:
        """Judged documents that the corpus does not have: judgements that drifted from it."""
        known = {passage.doc_id for passage in self.passages}
        return tuple(doc for doc in self.qrels.docs.tolist() if doc not in known)


def read_beir(folder: Path | str, *, split: str | None = None) -> Beir:
    """Read a collection.

    Raises InputError for missing files and fields, ids given twice, and judgements of a query that does not exist.
    """
    root = Path(folder)
    ids, columns = _records(root, "corpus")
    titles = _texts(columns.get("title", [None] * len(ids)), root / "corpus.jsonl", "title")
    texts = _texts(columns.get("text", [None] * len(ids)), root / "corpus.jsonl", "text")
    query_ids, query_columns = _records(root, "queries")
    queries = dict(zip(query_ids, _texts(query_columns["text"], root / "queries.jsonl", "text"), strict=True))
    qrels = read_beir_qrels(root, split=split)
    for query in qrels.queries.tolist():
        if query not in queries:
            raise InputError("judged query does not exist", where=root / "qrels", expected="an _id of queries.jsonl",
                             found=query, hint=nearest(query, queries))
    return Beir(tuple(map(Passage, ids, titles, texts)), queries, qrels)


def read_beir_qrels(folder: Path | str, *, split: str | None = None) -> Qrels:
    """Judgements of one split: the one named, else `test`, else the only one there is."""
    present = {path.name.removesuffix(".gz").removesuffix(".tsv"): path
               for path in sorted(Path(folder, "qrels").glob("*.tsv*"))}
    name = split or ("test" if "test" in present or len(present) != 1 else next(iter(present)))
    if name not in present:
        raise InputError("no such split", where=Path(folder, "qrels"), expected=f"one of {sorted(present)}",
                         found=f"{name}.tsv", hint=nearest(name, present))
    return read_table_qrels("csv", present[name])


def _records(root: Path, name: str) -> tuple[list[str], dict[str, Sequence[Any]]]:
    path = next((path for path in (root / f"{name}.jsonl", root / f"{name}.jsonl.gz") if path.exists()),
                root / f"{name}.jsonl")
    rows = read_rows("jsonl", path)
    columns = dict(rows.columns)
    for required in ("_id", "text"):
        if required not in columns:
            raise InputError("missing field", where=path, column=required, expected="_id and text",
                             found=sorted(columns), hint=nearest(required, columns))
    ids = list(columns["_id"])
    found = code(ids, "_id", path)
    if len(found.ids) < len(ids):
        row = int(np.setdiff1d(np.arange(len(ids)), np.unique(found.codes, return_index=True)[1])[0])
        raise InputError("id given twice", where=path, row=None if rows.lines is None else rows.lines[row],
                         column="_id", expected="each id once", found=ids[row])
    return ids, columns


def _texts(values: Sequence[Any], where: object, column: str) -> list[str]:
    for row, value in enumerate(values, start=1):
        if value is not None and not isinstance(value, str):
            raise InputError("not text", where=where, row=row, column=column, expected="text", found=value)
    return [value or "" for value in values]
