"""A log of decisions as a table of any format: its columns by name, in batches, checked as they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from math import isnan
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.columns import Floats, finite, floats
from harness.data.stream import Progress, parquet_columns, stream_parquet
from harness.data.tables import Rows, find_column, read_rows
from harness.errors import InputError

__all__ = ["LARGEST", "Batch", "LogTable", "column_of_labels", "column_of_numbers", "column_of_probabilities"]

BATCH = 1_000_000
_YES = {"True": "True", "False": "True", "true": "true", "false": "true"}
LARGEST = 1e45  # of a reward or a weight: their product's powers are float64 still


class Batch(NamedTuple):
    """Some rows of a log.

    Attributes:
        path: Of the file, for errors.
        columns: (rows,) values by name.
        place: From a row's index in the batch to its row in the file, from 1; in CSV and JSON lines its line.
    """

    path: Path | str
    columns: Mapping[str, NDArray[Any]]
    place: Callable[[int], int]

    def fault(self, what: str, name: str, at: int, expected: str, found: object = None) -> InputError:
        """The error that names file, row and column of the value at index `at`."""
        plain = found.item() if isinstance(found, np.generic) else found
        return InputError(what, where=self.path, row=self.place(at), column=name, expected=expected, found=plain)


class LogTable:
    """A `parquet`, `csv` or `jsonl` file of logged decisions. Parquet is streamed; the others are read once, whole."""

    def __init__(self, kind: str, path: Path | str) -> None:
        """Keep where it stands; nothing is read yet."""
        self.kind, self.path = kind, path

    @cached_property
    def _rows(self) -> Rows:
        return read_rows(self.kind, self.path)

    @cached_property
    def names(self) -> list[str]:
        """The columns of the file, in its order. InputError where it is no table, or where a name stands twice."""
        return parquet_columns(self.path) if self.kind == "parquet" else list(self._rows.columns)

    def batches(self, names: Sequence[str], progress: Progress | None = None) -> Iterator[Batch]:
        """The columns asked for, a million rows at a time. InputError for a column that is not there: the nearest."""
        wanted = [find_column(self.names, [name], self.path) for name in dict.fromkeys(names)]
        if self.kind != "parquet":
            columns = {name: np.array([*self._rows.columns[name], None], dtype=object)[:-1] for name in wanted}
            lines = self._rows.lines
            yield Batch(self.path, columns, lambda at: at + 1 if lines is None else lines[at])
            return
        start = 0
        for parts in stream_parquet(self.path, wanted, BATCH, progress=progress):
            columns = dict(zip(wanted, parts, strict=True))
            yield Batch(self.path, columns, lambda at, start=start: start + at + 1)  # type: ignore[misc]
            start += len(parts[0])

    def held(self, names: Sequence[str], progress: Progress | None = None) -> Batch:
        """All rows of these columns at once, for what no accumulator can do. InputError where there are no rows."""
        parts = list(self.batches(names, progress))
        if not parts:
            raise InputError("no rows", where=self.path, expected="at least one row")
        if len(parts) == 1:
            return parts[0]
        joined = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
        return Batch(self.path, joined, lambda at: at + 1)


def column_of_numbers(batch: Batch, name: str) -> Floats:
    """(rows,) finite float64 of at most 1e45; InputError by row for text, for what is missing, for NaN."""
    values = batch.columns[name]
    if values.dtype.kind in "OU":
        values = _numerals(batch, name, values)
    try:
        found = floats(values, name, batch.path)
        finite(found, name, batch.path)
    except InputError as error:
        if error.row is None:
            raise
        raise batch.fault(error.what, name, error.row - 1, error.expected or "a number", error.found) from None
    except ValueError:
        raise InputError("not numeric", where=batch.path, column=name, expected="numbers") from None
    large = np.flatnonzero(np.abs(found) > LARGEST)
    if large.size:
        raise batch.fault("too large", name, int(large[0]), f"at most {LARGEST:g}", float(found[large[0]]))
    return found


def _numerals(batch: Batch, name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Refuse what is missing, and what Python alone would read as a number ("1_0"); truth in words is 1 and 0."""
    for at, one in enumerate(values):
        if one is None or one == "":
            raise batch.fault("missing value", name, at, "a finite number")
        if isinstance(one, list | dict) or (isinstance(one, str) and "_" in one):
            raise batch.fault("not a number", name, at, "a finite number", one)
    yes = _YES.get(values[0]) if isinstance(values[0], str) else None
    return values == yes if yes and set(values.tolist()) <= {yes, "False", "false"} else values


def column_of_probabilities(batch: Batch, name: str, *, zero: bool) -> Floats:
    """(rows,) numbers from 0 to 1; an exact 0 only where `zero` may be."""
    found = column_of_numbers(batch, name)
    wrong = np.flatnonzero((found < 0.0) | (found > 1.0) | ((found == 0.0) & (not zero)))
    if wrong.size:
        at = int(wrong[0])
        raise batch.fault("not a probability", name, at, f"{'from' if zero else 'above'} 0 to 1", float(found[at]))
    return found


def column_of_labels(batch: Batch, name: str, expected: str) -> NDArray[Any]:
    """(rows,) whole numbers or text, none missing: slices, users, actions. `expected` is what the error asks for."""
    values = batch.columns[name]
    if values.dtype.kind in "iu":  # an unsigned hash may be more than int64 holds: then as text, in every batch alike
        return values.astype(np.str_) if values.dtype == np.uint64 else values
    if values.dtype.kind == "f":
        missing = np.isnan(values)
    elif values.dtype == object:
        missing = np.array([one is None or one == "" or (isinstance(one, float) and isnan(one)) for one in values])
        listed = next((at for at, one in enumerate(values) if isinstance(one, list | dict)), None)
        if listed is not None:
            raise batch.fault("not a label", name, listed, expected, values[listed])
    else:
        missing = values == "" if values.dtype.kind == "U" else np.zeros(len(values), dtype=np.bool_)
    if missing.any():
        raise batch.fault("missing value", name, int(np.argmax(missing)), expected)
    if values.dtype.kind == "f":  # each by itself: another batch may hold what is not whole
        distinct, code = np.unique(values, return_inverse=True)
        return np.array([str(int(one)) if one.is_integer() else str(one) for one in distinct.tolist()])[code]
    return values.astype(np.str_)
