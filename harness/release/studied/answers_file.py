"""`answers.jsonl`: every judged question as it was answered, in the form in which a user's own table is read.

What the gates measured follows from it: read back, it gives the same record to the bit. The first line counts the rows
and holds their digest, every other is an `AnsweredRow`; what was not recorded is left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.data.canonical import strict_json
from harness.data.files import read_text
from harness.data.readers import SourceSpec, read_frame
from harness.data.store import atomic_write_text, sha256_bytes
from harness.errors import InputError
from harness.release.studied.answers_table import AnsweredRow, rows_of

__all__ = ["FILE", "read_answers", "read_written", "write_answers"]

FILE = "answers.jsonl"
_HEAD = re.compile(r'\{"answers": (\d+), "sha256": "([0-9a-f]{64})"\}')


def write_answers(folder: Path, rows: Sequence[AnsweredRow]) -> Path:
    """Write `answers.jsonl` into a folder, whole or not at all. Returns the path. Raises InputError without a row."""
    if not rows:
        raise InputError("no rows", where=folder / FILE, expected="a row a question")
    body = "".join(json.dumps(row.model_dump(mode="json", exclude_none=True, exclude_defaults=True)) + "\n"
                   for row in rows)
    head = json.dumps({"answers": len(rows), "sha256": sha256_bytes(body.encode("utf-8"))})
    return atomic_write_text(folder / FILE, f"{head}\n{body}")


def read_written(path: Path | str) -> list[AnsweredRow]:
    """Rows of a file that `write_answers` wrote.

    Raises:
        InputError: Not such a file, other rows than its first line says, or any that cannot be.
    """
    head, _, body = read_text(path).partition("\n")
    matched = _HEAD.fullmatch(head)
    if matched is None:
        raise InputError("not a file of answers", where=path, row=1, expected='{"answers": N, "sha256": "…"}',
                         found=head[:80])
    if matched[2] != (digest := sha256_bytes(body.encode("utf-8"))):
        raise InputError("not the answers that were written", where=path, expected=matched[2], found=digest)
    rows = rows_of([strict_json(line, where=path) for line in body.splitlines()], where=path)
    if len(rows) != int(matched[1]):
        raise InputError("another number of answers", where=path, row=1, expected=matched[1], found=len(rows))
    return rows


def read_answers(source: SourceSpec) -> list[AnsweredRow]:
    """Rows of a table of answers: Parquet, JSON lines or CSV; columns as `AnsweredRow` has them. Or a file of ours.

    Raises:
        InputError: As `rows_of` and `read_written`, by file, row and column.
    """
    where = next(iter(source.values())) if isinstance(source, Mapping) else source
    if Path(where).name == FILE and _HEAD.fullmatch(read_text(where).partition("\n")[0]):
        return read_written(where)
    frame = read_frame(source, texts=("answer", "question", "gold_answers"))  # 42 is an answer, and 1.0 is not 1
    columns = [frame[name].tolist() for name in frame.columns]
    return rows_of([dict(zip(frame.columns, row, strict=True)) for row in zip(*columns, strict=True)], where=where)
