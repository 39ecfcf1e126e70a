"""A log of decisions, of any length and any column names, folded into its audit, whole and by slice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.columns import finite, floats
from harness.data.stream import Progress, stream_parquet
from harness.data.tables import find_column, read_rows
from harness.errors import InputError, UsageError
from harness.estimators.logged import Audit, LoggedRows
from harness.estimators.overlap import ESS_FLOOR

__all__ = ["ALL", "MOST_SLICES", "Audits", "audit_log"]

ALL = "all"
MOST_SLICES = 1000
BATCH = 1_000_000

Audits = Mapping[str, Audit]
Place = Callable[[int], int]
"""From a row's index in its batch to its row in the file."""


class _Batch(NamedTuple):
    columns: Mapping[str, NDArray[Any]]
    place: Place


def audit_log(
    kind: str,
    path: Path | str,
    *,
    reward: str,
    propensity: str,
    target: str,
    by: str | None = None,
    floor: float = ESS_FLOOR,
    confidence: float = 0.9,
    progress: Progress | None = None,
) -> dict[str, Audit]:
    """The audit of a `parquet`, `csv` or `jsonl` log: of all rows under `all`, then by slice in order of name.

    Raises InputError by file, row and column: what is missing, no number, or no probability; a log in which the target
    policy takes none of the logged actions is not an error but a refusal in its audit.
    """
    if len({reward, propensity, target}) < 3:
        raise UsageError("audit: reward, propensity and target are three columns")
    states: dict[str, LoggedRows] = {}
    names = list(dict.fromkeys([reward, propensity, target, *([by] if by else [])]))
    lows = {reward: "", propensity: "above 0", target: "from 0"}
    for batch in _batches(kind, path, names, progress):
        rows = tuple(_numbers(batch, name, path, low=low) for name, low in lows.items())
        _fold(states, rows, _parts(batch, by, path))
        if len(states) > MOST_SLICES + 1:
            raise InputError("not a slice", where=path, column=by, expected=f"at most {MOST_SLICES} values")
    return {name: states[name].audit(floor=floor, confidence=confidence) for name in _in_order(states, path)}


def _in_order(states: Mapping[str, LoggedRows], path: Path | str) -> list[str]:
    if ALL not in states:
        raise InputError("no rows", where=path, expected="at least one row")
    return [ALL, *sorted(states.keys() - {ALL})]


def _fold(
    states: dict[str, LoggedRows], rows: tuple[NDArray[np.float64], ...], parts: Mapping[str, NDArray[np.bool_] | slice]
) -> None:
    for name, here in parts.items():
        state = LoggedRows.of(*(column[here] for column in rows))
        states[name] = states[name].merge(state) if name in states else state


def _batches(kind: str, path: Path | str, names: list[str], progress: Progress | None) -> Iterator[_Batch]:
    if kind == "parquet":
        start = 0
        for columns in stream_parquet(path, names, BATCH, progress=progress):
            yield _Batch(dict(zip(names, columns, strict=True)), lambda at, start=start: start + at + 1)  # type: ignore[misc]
            start += len(columns[0])
        return
    rows = read_rows(kind, path)
    found = {name: rows.columns[find_column(rows.columns, [name], path)] for name in names}
    lines = rows.lines
    yield _Batch({name: np.asarray(column, dtype=object) for name, column in found.items()},
                 lambda at: at + 1 if lines is None else lines[at])  # fmt: skip


def _parts(batch: _Batch, by: str | None, path: Path | str) -> dict[str, NDArray[np.bool_] | slice]:
    """Which rows of a batch are whose: all of them, and those of each slice, as `column=value`."""
    parts: dict[str, NDArray[np.bool_] | slice] = {ALL: slice(None)}
    if by is None:
        return parts
    values = batch.columns[by]
    missing = np.array([value is None or value == "" for value in values]) if values.dtype == object else values == ""
    if values.dtype.kind in "OU" and missing.any():
        raise InputError("missing value", where=path, row=batch.place(int(np.argmax(missing))), column=by,
                         expected="the name of a slice")  # fmt: skip
    names = values.astype(str)
    return parts | {f"{by}={name}": names == name for name in np.unique(names).tolist()}


def _numbers(batch: _Batch, name: str, path: Path | str, *, low: str = "") -> NDArray[np.float64]:
    """A column of numbers; of probabilities, where their low end is said."""
    values = batch.columns[name]
    if values.dtype == object:  # "1_0" is a number to Python alone
        values = np.array(["?" if isinstance(one, str) and "_" in one else one for one in values], dtype=object)
    try:
        found = floats(values, name, path)
        finite(found, name, path)
    except InputError as error:
        row = None if error.row is None else batch.place(error.row - 1)
        raise InputError(error.what, where=path, row=row, column=name, expected=error.expected,
                         found=error.found) from None  # fmt: skip
    under = found <= 0.0 if low == "above 0" else found < 0.0
    wrong = np.flatnonzero(under | (found > 1.0)) if low else np.empty(0, dtype=np.intp)
    if wrong.size:
        raise InputError("not a probability", where=path, row=batch.place(int(wrong[0])), column=name,
                         expected=f"{low} to 1", found=float(found[wrong[0]]))  # fmt: skip
    return found
