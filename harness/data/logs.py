"""A log of decisions, of any length and any column names, folded into its audit, whole and by slice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.columns import finite, floats
from harness.data.stream import Progress, stream_parquet
from harness.data.tables import find_column, read_rows
from harness.errors import InputError
from harness.estimators.logged import Audit, LoggedRows
from harness.estimators.overlap import ESS_FLOOR

__all__ = ["ALL", "MOST_SLICES", "Audits", "audit_log"]

ALL = "all"
MOST_SLICES = 1000
BATCH = 1_000_000

Audits = Mapping[str, Audit]
Batch = tuple[NDArray[Any], ...]


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
    columns = [reward, propensity, target, *([by] if by else [])]
    states: dict[str, LoggedRows] = {}
    start = 0
    for batch in _batches(kind, path, columns, progress):
        _fold(states, batch, columns, path, start)
        start += len(batch[0])
    if not start:
        raise InputError("no rows", where=path, expected="at least one row")
    whole = {ALL: states.pop(ALL)}
    return {name: one.audit(floor=floor, confidence=confidence) for name, one in {**whole, **_sorted(states)}.items()}


def _sorted(states: Mapping[str, LoggedRows]) -> dict[str, LoggedRows]:
    return dict(sorted(states.items()))


def _batches(kind: str, path: Path | str, columns: list[str], progress: Progress | None) -> Iterator[Batch]:
    if kind == "parquet":
        yield from stream_parquet(path, list(dict.fromkeys(columns)), BATCH, progress=progress)
        return
    rows = read_rows(kind, path)
    names = [find_column(rows.columns, [name], path) for name in columns]
    yield tuple(np.asarray(rows.columns[name], dtype=object) for name in names)


def _fold(states: dict[str, LoggedRows], batch: Batch, columns: list[str], path: Path | str, start: int) -> None:
    """Add a batch, whole and by slice; what is wrong in it is told by its row in the file."""
    reward, propensity, target = (_numbers(batch[at], columns[at], path, start) for at in range(3))
    _probabilities(propensity, columns[1], path, start, least="above 0")
    _probabilities(target, columns[2], path, start, least="from 0")
    parts = {ALL: np.ones(len(reward), dtype=bool)}
    if len(batch) > 3:
        names = batch[3].astype(str)
        for name in np.unique(names).tolist():
            parts[f"{columns[3]}={name}"] = names == name
    for name, here in parts.items():
        states[name] = states.get(name, LoggedRows()).merge(LoggedRows.of(reward[here], propensity[here], target[here]))
    if len(states) > MOST_SLICES + 1:
        raise InputError("not a slice", where=path, column=columns[3], expected=f"at most {MOST_SLICES} values",
                         found=len(states) - 1)  # fmt: skip


def _numbers(values: NDArray[Any], column: str, path: Path | str, start: int) -> NDArray[np.float64]:
    try:
        found = floats(values, column, path)
        finite(found, column, path)
    except InputError as error:
        row = None if error.row is None else start + error.row
        raise InputError(error.what, where=path, row=row, column=column, expected=error.expected,
                         found=error.found) from None  # fmt: skip
    return found


def _probabilities(values: NDArray[np.float64], column: str, path: Path | str, start: int, *, least: str) -> None:
    low = values <= 0.0 if least == "above 0" else values < 0.0
    wrong = np.flatnonzero(low | (values > 1.0))
    if wrong.size:
        raise InputError("not a probability", where=path, row=start + int(wrong[0]) + 1, column=column,
                         expected=f"{least} to 1", found=float(values[wrong[0]]))  # fmt: skip
