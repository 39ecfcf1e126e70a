"""Files of white-space separated words, read as coded columns: a fast way for usual files, and an exact way.

The fast way (Arrow's CSV reader) only ever says yes. Where anything is unusual, the file is read again line by line,
split at ASCII white space as C's `isspace` has it, and either read all the same or refused by row and column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from harness.codes import Coded, code
from harness.data.arrow import MAX_ID, as_coded, distinct, plain
from harness.errors import InputError
from harness.records import Floats

__all__ = ["Layout", "read_columns"]

_BLOCK = 4 << 20
Record = TypeVar("Record")
Build = Callable[[Coded, Coded, Floats], Record]


class Layout(NamedTuple):
    """Which word of a line is what (from 0), and whether more words may follow."""

    words: tuple[str, ...]
    query: int
    doc: int
    value: int
    open_ended: bool


def read_columns(data: Any, layout: Layout, build: Build[Record], *, where: object) -> Record:
    """Read a buffer and `build` the record from its coded columns.

    Raises InputError with the line (from 1) and column of the first thing that is wrong; `where` names the file.
    """
    for attempt in (_as_it_is, _made_plain):
        try:
            return build(*_fast(*attempt(data), layout))
        except (_Unusual, InputError):
            continue
    lines, query, doc, value = _exact(bytes(data), layout, where)
    try:
        return build(code(query, "query_id", where), code(doc, "doc_id", where), np.array(value, dtype=np.float64))
    except InputError as error:
        row = None if error.row is None else lines[error.row - 1]
        raise InputError(error.what, where=where, row=row, column=error.column, expected=error.expected,
                         found=error.found) from None


class _Unusual(Exception):  # noqa: N818 - not an error: a reason to look closer
    """The fast way cannot be sure of this file."""


def _as_it_is(data: Any) -> tuple[Any, str]:
    return data, "\t" if b"\t" in bytes(memoryview(data)[:4096]) else " "


def _made_plain(data: Any) -> tuple[Any, str]:
    """Comments and blank edges gone, one space between words: what most unusual files need to be usual."""
    plain = re.sub(rb"(?m)^#.*$", b"", bytes(data)).translate(bytes.maketrans(b"\t\x0b\x0c", b"   "))
    while b"  " in plain:
        plain = plain.replace(b"  ", b" ")
    return plain.replace(b"\n ", b"\n").replace(b" \r\n", b"\n").replace(b" \n", b"\n").strip(), " "


def _fast(data: Any, delimiter: str, layout: Layout) -> tuple[Coded, Coded, Floats]:
    import pyarrow as pa
    from pyarrow import csv

    query, doc, value = (layout.words[place] for place in (layout.query, layout.doc, layout.value))
    types = {query: pa.string(), doc: pa.string(), value: pa.float64()}
    try:
        table = csv.read_csv(
            pa.BufferReader(pa.py_buffer(data)),
            read_options=csv.ReadOptions(column_names=list(layout.words), block_size=_BLOCK),
            parse_options=csv.ParseOptions(delimiter=delimiter, quote_char=False),
            convert_options=csv.ConvertOptions(include_columns=[*types], column_types=types, null_values=[]),
        )
    except pa.ArrowException:
        raise _Unusual from None
    if not len(table):
        raise _Unusual
    queries, docs = distinct(table[query]), distinct(table[doc])
    if not (plain(queries.ids) and plain(docs.ids)):
        raise _Unusual
    return as_coded(queries), as_coded(docs), table[value].to_numpy()


def _exact(data: bytes, layout: Layout, where: object) -> tuple[list[int], list[str], list[str], list[float]]:
    lines: list[int] = []
    query: list[str] = []
    doc: list[str] = []
    value: list[float] = []
    for line, words in _lines(data, layout, where):
        lines.append(line)
        query.append(_text(words[layout.query], where, line, layout.words[layout.query]))
        doc.append(_text(words[layout.doc], where, line, layout.words[layout.doc]))
        value.append(_number(words[layout.value], where, line, layout.words[layout.value]))
    if not lines:
        raise InputError("no rows", where=where, expected=" ".join(layout.words), found="nothing to read")
    return lines, query, doc, value


def _lines(data: bytes, layout: Layout, where: object) -> Iterator[tuple[int, Sequence[bytes]]]:
    if b"\x00" in data:
        raise InputError("not text", where=where, row=data.count(b"\n", 0, data.index(b"\x00")) + 1,
                         expected="UTF-8 text", found="a zero byte")
    expected = f"{len(layout.words)} words: {' '.join(layout.words)}"
    for line, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        if raw.startswith(b"#"):
            continue
        words = raw.split()
        if not words:
            continue
        if len(words) < len(layout.words) or (len(words) > len(layout.words) and not layout.open_ended):
            raise InputError("wrong number of words", where=where, row=line, expected=expected,
                             found=raw[:200].decode("utf-8", "replace"))
        yield line, words


def _text(word: bytes, where: object, line: int, column: str) -> str:
    if len(word) > MAX_ID:
        raise InputError("id too long", where=where, row=line, column=column, expected=f"at most {MAX_ID} bytes",
                         found=len(word))
    try:
        return word.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("not UTF-8 text", where=where, row=line, column=column, expected="UTF-8",
                         found=word[:40]) from None


def _number(word: bytes, where: object, line: int, column: str) -> float:
    try:
        value = float(word) if b"_" not in word else np.nan
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise InputError("not a finite number", where=where, row=line, column=column, expected="a finite number",
                         found=word[:80].decode("utf-8", "replace"))
    return value
