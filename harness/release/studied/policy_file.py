"""`policy_values.csv`: four estimators a slice and the truth beside them, written whole, believed once it adds up.

Numbers are written so that they read back to the bit; an empty cell is what could not be had. Whether SNIPS and DR
agree must follow from their own values and intervals.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from harness.data.files import read_text
from harness.data.store import atomic_write_text
from harness.errors import InputError, nearest
from harness.estimate import Estimate
from harness.release.studied.policy_values import ESTIMATORS, Name, PolicyValue, agreement

__all__ = ["FILE", "read_values", "write_values"]

FILE = "policy_values.csv"
_HEAD = ("slice", "estimator", "value", "low", "high", "n", "ESS/N", "kappa", "agree", "truth", "error", "z")
_NUMBERS = ("value", "low", "high", "ESS/N", "kappa", "truth", "error", "z")
_SHARED = ("n", "ESS/N", "kappa", "agree", "truth")


def write_values(path: Path | str, rows: Sequence[PolicyValue]) -> Path:
    """Write the values, once they read back. Returns the path.

    Raises:
        InputError: As `read_values`: then nothing is written; a place that cannot be written.
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(_HEAD)
    table.writerows([_cell(value) for value in row] for row in rows)
    _parsed(out.getvalue(), path)
    return atomic_write_text(path, out.getvalue())


def read_values(path: Path | str) -> tuple[PolicyValue, ...]:
    """Read the values and check them.

    Raises:
        InputError: Another header, or a last line without an end; a number that is none, ESS/N outside 0 to 1, a value
            outside its interval, a z that is not the distance from the truth over its error; a slice without IPS and
            SNIPS, or with one of four twice; rows of a slice that differ in what is the slice's; an agreement that
            does not follow from the intervals: by file, row and column.
    """
    return _parsed(read_text(path), path)


def _parsed(text: str, path: Path | str) -> tuple[PolicyValue, ...]:
    head, *lines = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    if tuple(head) != _HEAD:
        wrong = next((name for name in head if name not in _HEAD), None)
        raise InputError("another header", where=path, expected=",".join(_HEAD), found=",".join(head),
                         hint=nearest(wrong, _HEAD) if wrong else None)
    if not text.endswith("\n"):
        raise InputError("cut short", where=path, row=len(lines) + 1, expected="a line end")
    rows = tuple(_row(line, path, at) for at, line in enumerate(lines, start=2))
    if not rows:
        raise InputError("no rows", where=path, expected="IPS and SNIPS of a slice")
    for name in dict.fromkeys(row.slice for row in rows):
        _one_slice([(at, row) for at, row in enumerate(rows, start=2) if row.slice == name], path)
    return rows


def _row(line: list[str], path: Path | str, at: int) -> PolicyValue:
    if len(line) != len(_HEAD):
        raise InputError("not a row of values", where=path, row=at, expected=f"{len(_HEAD)} cells", found=len(line))
    told = dict(zip(_HEAD, line, strict=True))
    if not (told["n"].isascii() and told["n"].isdecimal() and int(told["n"])):
        raise InputError("not a count", where=path, row=at, column="n", expected="at least 1", found=told["n"])
    value, low, high, share, kappa, truth, error, z = (_number(told[name], path, at, name) for name in _NUMBERS)
    if not (math.isnan(value) or low <= value <= high):
        raise InputError("lies outside its interval", where=path, row=at, column="value", found=value,
                         expected=f"{low:g} to {high:g}")
    due = (value - truth) / error if error > 0.0 else math.nan
    if not (math.isnan(due) and math.isnan(z)) and not math.isclose(due, z, rel_tol=1e-6, abs_tol=1e-12):
        raise InputError("does not follow from value, truth and error", where=path, row=at, column="z", found=z,
                         expected="empty" if math.isnan(due) else f"{due:.6g}")
    agree = told["agree"]
    if agree not in {"yes", "no", ""}:
        raise InputError("not an answer", where=path, row=at, column="agree", expected="yes, no, or empty", found=agree)
    return PolicyValue(told["slice"], _estimator(told["estimator"], path, at), value, low, high, int(told["n"]), share,
                       kappa, "yes" if agree == "yes" else "no" if agree == "no" else "", truth, error, z)


def _estimator(name: str, path: Path | str, at: int) -> Name:
    for one in ESTIMATORS:
        if one == name:
            return one
    raise InputError("no such estimator", where=path, row=at, column="estimator", expected=", ".join(ESTIMATORS),
                     found=name, hint=nearest(name, ESTIMATORS))


def _number(cell: str, path: Path | str, at: int, name: str) -> float:
    try:
        number = float(cell) if cell else math.nan
    except ValueError:
        number = math.nan
    if (cell and math.isnan(number)) or "_" in cell or (name == "ESS/N" and not 0.0 <= number <= 1.0):
        raise InputError("out of bounds", where=path, row=at, column=name, found=cell,
                         expected="0 to 1" if name == "ESS/N" else "empty, or a number")
    return number


def _one_slice(rows: Sequence[tuple[int, PolicyValue]], path: Path | str) -> None:
    """Each estimator once, what is the slice's the same in all of them, and the agreement that follows."""
    first, told = rows[0], [row.estimator for _, row in rows]
    if len(set(told)) < len(told) or not {"IPS", "SNIPS"} <= set(told):
        raise InputError("not each estimator once", where=path, row=first[0], column="estimator",
                         expected="IPS and SNIPS, and DR and DM where there is a model", found=", ".join(told))
    due = agreement({row.estimator: Estimate(row.value, row.low, row.high, row.n, 0.9, "") for _, row in rows})
    for at, row in rows:
        for name, one, other in zip(_SHARED, _of_slice(row), _of_slice(first[1]), strict=True):
            if one != other:
                raise InputError("differs within a slice", where=path, row=at, column=name, expected=other, found=one)
        if row.agree != due:
            raise InputError("does not follow from the intervals", where=path, row=at, column="agree",
                             expected=due or "empty", found=row.agree)


def _of_slice(row: PolicyValue) -> tuple[str, ...]:
    return tuple(map(_cell, (row.n, row.ess_share, row.kappa, row.agree, row.truth)))


def _cell(value: object) -> str:
    return "" if isinstance(value, float) and math.isnan(value) else repr(value) if isinstance(value, float) else str(
        value)
