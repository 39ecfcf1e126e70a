"""Tables of one's own: passages with what a lexical index was given, few-shots, and who was shown which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.data.readers import read_frame
from harness.errors import InputError, nearest
from harness.generation.passages import Passages
from harness.generation.prefix_leaks import Held, texts_held
from harness.generation.shapes import Passage, Shot
from harness.records import Ids
from harness.release.schema import Source

__all__ = ["read_passages", "read_picks", "read_shots"]

_PASSAGE = ("id", "doc", "text")
_ALSO = ("domain", "section", "field", "prefix", "indexed", "kept_for")


def read_passages(source: Source, folder: Path, *, removed: bool = False) -> tuple[Passages, Held | None]:
    """A table of passages, and what the lexical index holds where a column `indexed` says what it was given.

    Columns `id`, `doc` and `text`; `domain`, `section`, `field`, `prefix`, `indexed`, and `kept_for`: the id of the
    passage that stands for one that was taken out as a near-duplicate, empty for one that is shown. Where how many were
    `removed` is judged the last is needed too: without it their number is unknown, and not 0.

    Raises:
        InputError: A column that is missing or unknown, no rows, an empty id, an id that stands twice, a `kept_for`
            that is not there.
    """
    rows, named = _rows(source, folder, (*_PASSAGE, "kept_for") if removed else _PASSAGE, _ALSO)
    places = {name: place for place, name in enumerate(sorted({row["doc"] for row in rows}))}
    held, gone = list[tuple[Passage, str]](), list[tuple[Passage, str]]()
    for row in rows:
        kept = row.get("kept_for", "")
        one = Passage(row["id"], row["doc"], places[row["doc"]], row.get("section", ""), row.get("field", ""),
                      row.get("prefix", ""), row["text"], row.get("domain", ""))
        (gone if kept else held).append((one, kept or row.get("indexed", "")))
    passages = Passages(tuple(one for one, _ in held), tuple(gone))
    return passages, texts_held([text for _, text in held]) if "indexed" in named else None


def read_shots(source: Source, folder: Path, *, key: str = "id") -> list[Shot]:
    """A table of questions and answers: columns `key`, `question`, `answer`, by ascending id.

    Raises:
        InputError: A column that is missing or unknown, no rows, an empty id, an id that stands twice.
    """
    rows, _ = _rows(source, folder, (key, "question", "answer"), ())
    return sorted((Shot(row[key], row["question"], row["answer"]) for row in rows), key=lambda one: one.id)


def read_picks(source: Source, folder: Path) -> Ids:
    """(runs, questions, k) ids of the shots each question was shown: columns `query_id`, `run`, `shots` (a list).

    Fewer shots than the most are filled with "", so that one less is a difference.

    Raises:
        InputError: Fewer than two runs, a run without a question that another has, a question twice in a run.
    """
    path, frame = _frame(source, folder, ("query_id", "run", "shots"), ())
    told: dict[str, dict[str, list[str]]] = {}
    for at, (query, run, shots) in enumerate(zip(frame["query_id"], frame["run"], frame["shots"], strict=True), 1):
        if not isinstance(shots, list | tuple | np.ndarray):
            raise InputError("not a list", where=path, row=at, column="shots", expected="ids of shots", found=shots)
        if str(query) in told.setdefault(str(run), {}):
            raise InputError("a question stands twice in a run", where=path, row=at, column="query_id",
                             expected="each once", found=f"{query} in {run}")
        told[str(run)][str(query)] = [str(one) for one in shots]
    queries = sorted({query for run in told.values() for query in run})
    for name, run in told.items():
        if missing := sorted(set(queries) - set(run)):
            raise InputError("a question is missing from a run", where=path, column="query_id",
                             expected=missing[0], found=f"run {name} without it")
    most = max((len(shots) for run in told.values() for shots in run.values()), default=0)
    full = [[[*run[query], *[""] * (most - len(run[query]))] for query in queries] for run in told.values()]
    return np.array(full, dtype=object).reshape(len(told), len(queries), most)


def _rows(source: Source, folder: Path, needed: Sequence[str], also: Sequence[str]
          ) -> tuple[list[dict[str, str]], list[str]]:
    path, frame = _frame(source, folder, needed, also)
    rows, seen = list(_texts(frame)), set[str]()
    for at, row in enumerate(rows, start=1):
        name = row[needed[0]]
        if not name or name in seen:
            raise InputError("an id that is empty or stands twice", where=path, row=at, column=needed[0],
                             expected="each id once", found=name)
        seen.add(name)
    return rows, [str(name) for name in frame.columns]


def _frame(source: Source, folder: Path, needed: Sequence[str], also: Sequence[str]) -> tuple[Path, pd.DataFrame]:
    ((kind, name),) = source.spec.items()
    frame = read_frame({kind: folder / name})
    there = [str(column) for column in frame.columns]
    for column in needed:
        if column not in there:
            raise InputError("no such column", where=folder / name, column=column, expected=", ".join(needed),
                             found=", ".join(there), hint=nearest(column, there))
    for column in there:
        if column not in (*needed, *also):
            known = (*needed, *also)
            raise InputError("unknown column", where=folder / name, found=column, hint=nearest(column, known),
                             expected=", ".join(known))
    if not len(frame):
        raise InputError("no rows", where=folder / name, expected="a row each")
    return folder / name, frame


def _texts(frame: pd.DataFrame) -> Iterator[dict[str, str]]:
    columns: Mapping[str, list[Any]] = {str(name): frame[name].tolist() for name in frame.columns}
    for row in zip(*columns.values(), strict=True):
        yield {name: "" if value is None or value != value else str(value)  # noqa: PLR0124 - NaN
               for name, value in zip(columns, row, strict=True)}
