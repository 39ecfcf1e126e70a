"""Runs and judgements in tables: Parquet, JSON lines, CSV and TSV, with one row a hit or a judgement.

Columns are found by the names in use in the field; ids are text (a whole number is read as its digits), never floats.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from harness.codes import Coded, code
from harness.data.files import read_bytes, read_text
from harness.errors import InputError, nearest
from harness.records import Floats, Qrels, Run

__all__ = ["DOC", "KINDS", "QUERY", "RELEVANCE", "SCORE", "Rows", "find_column", "read_parquet", "read_rows",
           "read_table_qrels", "read_table_run"]

KINDS = ("parquet", "jsonl", "csv")
QUERY = ("query_id", "query-id", "qid", "q_id", "query", "topic", "topic_id")
DOC = ("doc_id", "docid", "docno", "corpus-id", "corpus_id", "document_id", "did", "pid", "doc")
SCORE = ("score", "sim", "similarity")
RELEVANCE = ("relevance", "rel", "label", "grade", "judgment", "judgement", "score")


Record = TypeVar("Record", Run, Qrels)


class Rows(NamedTuple):
    """A table's columns as lists, and the line of the file that each row stood on (None: the row's own number)."""

    columns: Mapping[str, Sequence[Any]]
    lines: Sequence[int] | None


def read_table_run(kind: str, path: Path | str) -> Run:
    """Read a run of columns such as query_id, doc_id, score. Raises InputError by file, row and column."""
    if kind == "parquet":
        return Run.coded(*_triple(path, SCORE), source=path)
    return _built(Run.of, kind, path, SCORE)


def read_table_qrels(kind: str, path: Path | str) -> Qrels:
    """Read judgements of columns such as query_id, doc_id, relevance. Raises InputError by file, row and column."""
    if kind == "parquet":
        return Qrels.coded(*_triple(path, RELEVANCE), source=path)
    return _built(Qrels.of, kind, path, RELEVANCE)


def read_rows(kind: str, path: Path | str) -> Rows:
    """A JSON lines or CSV file as columns. CSV: a header, and a tab instead of commas where the header has one."""
    rows = _jsonl(path) if kind == "jsonl" else _csv(path)
    if not next(iter(rows.columns.values()), ()):
        raise InputError("no rows", where=path, expected="at least one row")
    return rows


def find_column(names: Iterable[str], aliases: Sequence[str], where: object) -> str:
    """The first alias that the table has. Raises InputError that names the nearest column."""
    present = list(names)
    for alias in aliases:
        if alias in present:
            return alias
    raise InputError("missing column", where=where, column=aliases[0], expected=" or ".join(aliases), found=present,
                     hint=nearest(aliases[0], present))


def _built(of: Callable[..., Record], kind: str, path: Path | str, value: Sequence[str]) -> Record:
    rows = read_rows(kind, path)
    query, doc, number = (find_column(rows.columns, aliases, path) for aliases in (QUERY, DOC, value))
    try:
        ids = [_ids(rows.columns[name], as_, path) for name, as_ in ((query, "query_id"), (doc, "doc_id"))]
        return of(*ids, _numbers(rows.columns[number], number, path), source=path)
    except InputError as error:
        row = error.row if error.row is None or rows.lines is None else rows.lines[error.row - 1]
        raise InputError(error.what, where=path, row=row, column=error.column, expected=error.expected,
                         found=error.found, hint=error.hint) from None


def _ids(values: Sequence[Any], column: str, where: object) -> list[Any]:
    ids = [str(value) if type(value) is int else value for value in values]
    blank = next((row for row, value in enumerate(ids, start=1) if isinstance(value, str) and value.isspace()), None)
    if blank is not None:
        raise _blank(column, where, blank, ids[blank - 1])
    return ids


def _blank(column: str, where: object, row: int, found: str) -> InputError:
    return InputError("not an id", where=where, row=row, column=column, expected="text that is not blank", found=found)


def _numbers(values: Sequence[Any], column: str, where: object) -> list[float]:
    numbers = []
    for row, value in enumerate(values, start=1):
        try:
            if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
                raise ValueError
            numbers.append(float(value))
        except (TypeError, ValueError, OverflowError):
            raise InputError("not a number", where=where, row=row, column=column, expected="a finite number",
                             found=value) from None
    return numbers


def _jsonl(path: Path | str) -> Rows:
    columns: dict[str, list[Any]] = {}
    lines: list[int] = []
    for line, text in enumerate(read_text(path).split("\n"), start=1):
        if not text.strip():
            continue
        try:
            record = json.loads(text, object_pairs_hook=_once)
        except _GivenTwiceError as error:
            raise InputError("key given twice", where=path, row=line, expected="each key once",
                             found=error.args[0]) from None
        except (ValueError, RecursionError):
            raise InputError("not JSON", where=path, row=line, expected="one JSON object a line", found=text) from None
        if not isinstance(record, dict):
            raise InputError("not a JSON object", where=path, row=line, expected="an object", found=record)
        for name in dict.fromkeys([*columns, *record]):
            columns.setdefault(name, [None] * len(lines)).append(record.get(name))
        lines.append(line)
    return Rows(columns, lines)


class _GivenTwiceError(Exception):
    """A key that stands twice in one JSON object: which of its values counts is not said."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        raise _GivenTwiceError(next(name for name in names if names.count(name) > 1))
    return record


def _csv(path: Path | str) -> Rows:
    text = read_text(path)
    header = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if "\t" in header else ",", strict=True)
    lines, records = [], []
    try:
        names = next(reader, [])
        if len(set(names)) < len(names):
            raise InputError("column given twice", where=path, row=1, expected="each name once", found=names)
        for record in reader:
            if record and len(record) != len(names):
                raise InputError("wrong number of fields", where=path, row=reader.line_num,
                                 expected=f"{len(names)} fields: {', '.join(names)}", found=record)
            if record:
                lines.append(reader.line_num)
                records.append(record)
    except csv.Error as error:
        raise InputError("not readable as CSV", where=path, row=reader.line_num, found=str(error)) from None
    return Rows(dict(zip(names, map(list, zip(*records, strict=True)), strict=False)), lines)


def _triple(path: Path | str, value: Sequence[str]) -> tuple[Coded, Coded, Floats]:
    table = read_parquet(path)
    query, doc, number = (find_column(table.column_names, aliases, path) for aliases in (QUERY, DOC, value))
    return _coded(table, query, path), _coded(table, doc, path), _floats(table, number, path)


def read_parquet(path: Path | str) -> Any:
    """An Arrow table; InputError where the file is none, is cut short, or has no rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(pa.py_buffer(read_bytes(path))))
    except (pa.ArrowException, OSError) as error:
        raise InputError("not readable as Parquet", where=path, expected="a Parquet file",
                         found=str(error).split("\n", 1)[0]) from None
    if not len(table):
        raise InputError("no rows", where=path, expected="at least one row")
    return table


def _coded(table: Any, name: str, where: object) -> Coded:
    import pyarrow as pa
    import pyarrow.compute as pc

    from harness.data.arrow import coded

    column, kind = table[name], table.schema.field(name).type
    inner = kind.value_type if pa.types.is_dictionary(kind) else kind
    text = pa.types.is_string(inner) or pa.types.is_large_string(inner) or pa.types.is_string_view(inner)
    if not (text or pa.types.is_integer(inner)):
        raise InputError("not an id", where=where, column=name, expected="text or whole numbers", found=str(inner))
    if column.null_count:
        raise InputError("not an id", where=where, row=_first_null(column), column=name, expected="non-empty text")
    column = column.cast(inner).cast(pa.string())
    if pc.any(pc.equal(pc.binary_length(column), 0)).as_py():
        return code(column.to_pylist(), name, where)  # which names the row
    found = coded(column.dictionary_encode())
    blank = [place for place, value in enumerate(found.ids) if value.isspace()]
    if blank:
        row = int(np.argmax(np.isin(found.codes, blank)))
        raise _blank(name, where, row + 1, found.ids[found.codes[row]])
    return found


def _floats(table: Any, name: str, where: object) -> Floats:
    import pyarrow as pa

    column, kind = table[name], table.schema.field(name).type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise InputError("not numeric", where=where, column=name, expected="numbers", found=str(kind))
    if column.null_count:
        raise InputError("not a number", where=where, row=_first_null(column), column=name, expected="a finite number")
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy())


def _first_null(column: Any) -> int:
    return int(np.argmax(column.is_null().to_numpy())) + 1
