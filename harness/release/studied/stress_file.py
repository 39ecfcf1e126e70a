"""`stress_report.csv`: what each kind of perturbation did, written whole, believed once it reads back.

A row is one measure of one kind in one task, with the interval of its clusters; an empty cell is what could not be
measured. Numbers are written so that they read back to the bit.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.data.files import read_text
from harness.data.store import atomic_write_text
from harness.errors import InputError, nearest
from harness.estimate import Estimate
from harness.release.measures.stressed import DELTA, JACCARD, LOSS, SIGN, STABILITY
from harness.release.observed import Bools
from harness.release.studied.stress_figures import mean_of, signs_of, stability_of
from harness.release.studied.stress_rows import StressObserved

__all__ = ["CONFIDENCE", "FILE", "PERTURBED", "PLAIN", "StressRow", "read_stress", "stress_rows", "write_stress"]

FILE = "stress_report.csv"
CONFIDENCE = 0.9
_SEED = 0  # of the report: the same record gives the same bytes, whoever writes it
PLAIN, PERTURBED = "plain nDCG@10", "perturbed nDCG@10"
_RANGES = {PLAIN: (0.0, 1.0), PERTURBED: (0.0, 1.0), JACCARD: (0.0, 1.0), DELTA: (-1.0, 1.0), LOSS: (-1.0, 1.0),
           SIGN: (0.0, 1.0), STABILITY: (0.0, 1.0)}


class StressRow(NamedTuple):
    """One measure of one kind: n rows (of `SIGN`: material pairs), value and both ends of its interval."""

    task: str
    kind: str
    measure: str
    n: int
    value: float
    low: float
    high: float


def stress_rows(record: StressObserved) -> list[StressRow]:
    """Every measure of every kind and family, task by task; what is asked as it is has no overlap and no loss.

    >>> from fixtures.stressed import stressed_of
    >>> sorted({row.measure for row in stress_rows(stressed_of(queries=60)) if row.kind == "synonym"})[:2]
    ['perturbed nDCG@10', 'plain nDCG@10']
    """
    found = []
    for task in sorted(set(record.tasks.tolist())):
        here = record.tasks == task
        for kind in record.names:
            rows = record.rows(kind, task) & here
            if rows.any():
                found += [StressRow(task, kind, name, one.n, one.value, one.low, one.high)
                          for name, one in _measured(record, rows)]
    return found


def write_stress(folder: Path, record: StressObserved) -> Path:
    """Write `stress_report.csv` into a folder, whole or not at all, read back before it counts. Returns the path.

    Raises:
        InputError: As `read_stress`.
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(StressRow._fields)
    table.writerows([_cell(value) for value in row] for row in stress_rows(record))
    path = folder / FILE
    _parsed(out.getvalue(), path)
    return atomic_write_text(path, out.getvalue())


def read_stress(path: Path | str) -> tuple[StressRow, ...]:
    """Read a report and check it.

    Raises:
        InputError: Another header, no rows, an unknown measure, a number that is none or out of its range, a value
            outside its interval, the same row twice: by file, row and column.
    """
    return _parsed(read_text(path), path)


def _measured(record: StressObserved, rows: Bools) -> Iterator[tuple[str, Estimate]]:
    clusters, altered = record.clusters[rows], bool(record.altered[rows].any())
    columns = {PLAIN: record.plain, PERTURBED: record.stressed}
    if altered:
        columns |= {JACCARD: record.overlap, LOSS: record.plain - record.stressed}
    compared = not np.isnan(record.baseline_stressed[rows]).any()
    if compared:
        columns[DELTA] = record.stressed - record.baseline_stressed
    for name, values in columns.items():
        yield name, mean_of(values[rows], clusters, confidence=CONFIDENCE, signed=name in {LOSS, DELTA})
    if compared and altered:
        yield SIGN, signs_of(record, rows, confidence=CONFIDENCE)
        yield STABILITY, stability_of(record, rows, confidence=CONFIDENCE, rng=np.random.default_rng(_SEED))


def _parsed(text: str, path: Path | str) -> tuple[StressRow, ...]:
    head, *lines = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    if tuple(head) != StressRow._fields:
        raise InputError("another header", where=path, expected=",".join(StressRow._fields), found=",".join(head))
    if not lines:
        raise InputError("no rows", where=path, expected="a row a kind and measure")
    rows = tuple(_row(line, path, at) for at, line in enumerate(lines, start=2))
    keys = [row[:3] for row in rows]
    for at, key in enumerate(keys, start=2):
        if key in keys[: at - 2]:
            raise InputError("the same row twice", where=path, row=at, expected="each measure once a kind and task",
                             found=", ".join(key))
    return rows


def _row(line: list[str], path: Path | str, at: int) -> StressRow:
    if len(line) != len(StressRow._fields):
        raise InputError("not a row of the report", where=path, row=at, expected=f"{len(StressRow._fields)} cells",
                         found=len(line))
    task, kind, measure, n, *cells = line
    if measure not in _RANGES:
        raise InputError("no such measure", where=path, row=at, column="measure", expected=", ".join(_RANGES),
                         found=measure, hint=nearest(measure, _RANGES))
    if not n.isdecimal():
        raise InputError("not a count", where=path, row=at, column="n", expected="a whole number", found=n)
    value, low, high = (_number(cell, _RANGES[measure], path, at, name)
                        for cell, name in zip(cells, ("value", "low", "high"), strict=True))
    if not (math.isnan(value) or low <= value <= high):
        raise InputError("lies outside its interval", where=path, row=at, column="value",
                         expected=f"{low:g} to {high:g}", found=value)
    return StressRow(task, kind, measure, int(n), value, low, high)


def _number(cell: str, limits: tuple[float, float], path: Path | str, at: int, name: str) -> float:
    try:
        number = float(cell) if cell else math.nan
    except ValueError:
        number = math.inf
    if number < limits[0] or number > limits[1] or (cell and math.isnan(number)):
        raise InputError("out of bounds", where=path, row=at, column=name, found=cell,
                         expected=f"empty, or a number from {limits[0]:g} to {limits[1]:g}")
    return number


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return "" if math.isnan(value) else repr(float(value))
