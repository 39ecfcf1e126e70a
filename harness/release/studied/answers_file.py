"""`answers.jsonl`: every judged question as it was answered, in the form in which a user's own table is read.

What the gates measured follows from it: read back, it gives the same record to the bit. A row is an `AnsweredRow`; what
was not recorded is left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from harness.data.readers import SourceSpec, read_frame
from harness.data.store import atomic_write_text
from harness.errors import InputError
from harness.release.studied.answers_table import AnsweredRow, rows_of

__all__ = ["FILE", "read_answers", "write_answers"]

FILE = "answers.jsonl"


def write_answers(folder: Path, rows: Sequence[AnsweredRow]) -> Path:
    """Write `answers.jsonl` into a folder, whole or not at all. Returns the path. Raises InputError without a row."""
    if not rows:
        raise InputError("no rows", where=folder / FILE, expected="a row a question")
    lines = [json.dumps(row.model_dump(mode="json", exclude_none=True, exclude_defaults=True), ensure_ascii=False)
             for row in rows]
    return atomic_write_text(folder / FILE, "".join(f"{line}\n" for line in lines))


def read_answers(source: SourceSpec) -> list[AnsweredRow]:
    """Rows of a table of answers: Parquet, JSON lines or CSV; columns as `AnsweredRow` has them.

    Raises:
        InputError: As `rows_of`, by file, row and column.
    """
    frame = read_frame(source)
    where = next(iter(source.values())) if isinstance(source, dict) else source
    columns = [frame[name].tolist() for name in frame.columns]
    return rows_of([dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True)], where=where)
