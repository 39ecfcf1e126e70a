"""`propensity_calibration.csv`: of fitted propensities, what was said against what was seen, by model, action and bin.

A row's interval is Clopper and Pearson's at a joint confidence over the bins of its model and action, so that a reader
can reckon it again from the counts: a file whose intervals do not follow is refused.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.data.files import read_text
from harness.data.store import atomic_write_text
from harness.errors import InputError
from harness.estimators.propensity import propensity_calibration
from harness.estimators.proportions import clopper_pearson
from harness.release.studied.policy_log import PolicyLog

__all__ = ["ALPHA", "FILE", "CalibrationBin", "calibration_bins", "read_calibration", "write_calibration"]

FILE = "propensity_calibration.csv"
ALPHA, BINS = 0.05, 10  # of one model and action: the chance that sound propensities leave an interval
_HEAD = ("model", "action", "predicted", "hits", "n", "low", "high")


class CalibrationBin(NamedTuple):
    """One bin of equal mass.

    Attributes:
        model: The level that its propensities were fitted in.
        action: Whose probability it is.
        predicted: Mean probability said.
        hits: Rows that took the action.
        n: Rows.
        low: Lower end of the share that took it.
        high: Upper end.
    """

    model: str
    action: str
    predicted: float
    hits: int
    n: int
    low: float
    high: float


def calibration_bins(log: PolicyLog) -> tuple[CalibrationBin, ...]:
    """Every model and action in up to ten bins; none where nothing was fitted.

    >>> from fixtures.logs import sound_policies
    >>> len({(one.model, one.action) for one in calibration_bins(sound_policies())})
    6
    """
    if log.chances is None or log.groups is None:
        return ()
    found = []
    for model in np.unique(log.groups).tolist():
        rows = log.groups == model
        for at, action in enumerate(log.names):
            shown = propensity_calibration(log.chances[rows, at], log.taken[rows] == at, bins=BINS, alpha=ALPHA)
            found += [CalibrationBin(str(model), action, float(said), round(one.value * one.n), one.n, one.low,
                                     one.high) for said, one in zip(shown.predicted, shown.observed, strict=True)]
    return tuple(found)


def write_calibration(path: Path | str, rows: Sequence[CalibrationBin]) -> Path:
    """Write the bins, once they read back. Returns the path. Raises InputError as `read_calibration`."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(_HEAD)
    table.writerows([repr(value) if isinstance(value, float) else str(value) for value in row] for row in rows)
    _parsed(out.getvalue(), path)
    return atomic_write_text(path, out.getvalue())


def read_calibration(path: Path | str) -> tuple[CalibrationBin, ...]:
    """Read the bins and check them.

    Raises:
        InputError: Another header, a last line without an end, no rows, a row that is none, and an interval that does
            not follow from its counts: by file, row and column.
    """
    return _parsed(read_text(path), path)


def _parsed(text: str, path: Path | str) -> tuple[CalibrationBin, ...]:
    head, *lines = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    if tuple(head) != _HEAD:
        raise InputError("another header", where=path, expected=",".join(_HEAD), found=",".join(head))
    if not lines or not text.endswith("\n"):
        raise InputError("cut short", where=path, row=len(lines) + 1, expected="bins, and a line end")
    rows = tuple(_row(line, path, at) for at, line in enumerate(lines, start=2))
    bins = Counter((row.model, row.action) for row in rows)
    for at, row in enumerate(rows, start=2):
        due = clopper_pearson(row.hits, row.n, confidence=1.0 - ALPHA / bins[row.model, row.action])
        if not (math.isclose(due.low, row.low, abs_tol=1e-9) and math.isclose(due.high, row.high, abs_tol=1e-9)):
            raise InputError("does not follow from its counts", where=path, row=at, column="low, high",
                             expected=f"{due.low:.6g}, {due.high:.6g}", found=f"{row.low:.6g}, {row.high:.6g}")
    return rows


def _row(line: list[str], path: Path | str, at: int) -> CalibrationBin:
    try:
        model, action, predicted, hits, n, low, high = line
        row = CalibrationBin(model, action, float(predicted), int(hits), int(n), float(low), float(high))
    except ValueError as error:
        raise InputError("not a row of bins", where=path, row=at, expected=",".join(_HEAD), found=str(error)) from None
    if not (0.0 <= row.predicted <= 1.0 and 0 <= row.hits <= row.n and row.n > 0):
        raise InputError("out of bounds", where=path, row=at, expected="a probability, and hits of rows",
                         found=f"{row.predicted:g}, {row.hits} of {row.n}")
    return row
