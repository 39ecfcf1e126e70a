"""`counterfactual_audit_fixed.csv`: the audit before and after stratification, written whole, believed once it adds up.

Numbers are written so that they read back to the bit; an empty cell is what could not be measured. A verdict must be
the one that follows from its row's numbers.
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
from harness.release.studied.audited import CHECKLIST, AuditRow, Terms, verdict

__all__ = ["FILE", "read_audit", "write_audit"]

FILE = "counterfactual_audit_fixed.csv"
_HEAD = ("slice", "stage", "n", "effect", "low", "high", "p", "ESS/N", "kappa", "verdict")
_BOUNDS = {"effect": (0.0, math.inf), "low": (0.0, math.inf), "high": (0.0, math.inf), "p": (0.0, 1.0),
           "ESS/N": (0.0, 1.0), "kappa": (-math.inf, math.inf)}
_STAGES = ("before", "after")


def write_audit(path: Path | str, rows: Sequence[AuditRow], *, terms: Terms = CHECKLIST) -> Path:
    """Write an audit, then read it back: what does not hold is taken away again. Returns the path.

    Raises:
        InputError: As `read_audit`; a place that cannot be written.
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(_HEAD)
    table.writerows([_cell(value) for value in row] for row in rows)
    _parsed(out.getvalue(), path, terms)
    return atomic_write_text(path, out.getvalue())


def read_audit(path: Path | str, *, terms: Terms = CHECKLIST) -> tuple[AuditRow, ...]:
    """Read an audit and check it.

    Raises:
        InputError: Another header; a number that is none or out of its range, a value outside its interval; a slice
            without its row before or after, or with two; a verdict that does not follow: by file, row and column.
    """
    return _parsed(read_text(path), path, terms)


def _parsed(text: str, path: Path | str, terms: Terms) -> tuple[AuditRow, ...]:
    head, *lines = list(csv.reader(io.StringIO(text, newline=""))) or [[]]
    if tuple(head) != _HEAD:
        wrong = next((name for name in head if name not in _HEAD), None)
        raise InputError("another header", where=path, expected=",".join(_HEAD), found=",".join(head),
                         hint=nearest(wrong, _HEAD) if wrong else None)
    rows = tuple(_row(line, path, at, terms) for at, line in enumerate(lines, start=2))
    _paired(rows, path)
    return rows


def _row(line: list[str], path: Path | str, at: int, terms: Terms) -> AuditRow:
    if len(line) != len(_HEAD):
        raise InputError("not a row of the audit", where=path, row=at, expected=f"{len(_HEAD)} cells", found=len(line))
    told = dict(zip(_HEAD, line, strict=True))
    if told["stage"] not in _STAGES:
        raise InputError("no such stage", where=path, row=at, column="stage", expected="before or after",
                         found=told["stage"], hint=nearest(told["stage"], _STAGES))
    if not told["n"].isdecimal() or not int(told["n"]):
        raise InputError("not a count", where=path, row=at, column="n", expected="at least 1", found=told["n"])
    effect, low, high, p, share, kappa = (_number(told[name], path, at, name) for name in _BOUNDS)
    row = AuditRow(told["slice"], "before" if told["stage"] == "before" else "after", int(told["n"]),
                   effect, low, high, p, share, kappa, "INCONCLUSIVE")
    if not (math.isnan(row.effect) or row.low <= row.effect <= row.high):
        raise InputError("lies outside its interval", where=path, row=at, column="effect",
                         expected=f"{row.low:g} to {row.high:g}", found=row.effect)
    due = verdict(row, terms)
    if told["verdict"] != due:
        raise InputError("does not follow from its numbers", where=path, row=at, column="verdict", expected=due,
                         found=told["verdict"])
    return row._replace(verdict=due)


def _number(cell: str, path: Path | str, at: int, name: str) -> float:
    low, high = _BOUNDS[name]
    try:
        number = float(cell) if cell else math.nan
    except ValueError:
        number = math.nan if "_" in cell else -math.inf
    if (cell and math.isnan(number)) or number < low or number > high or "_" in cell:
        raise InputError("out of bounds", where=path, row=at, column=name, found=cell,
                         expected=f"empty, or a number from {low:g} to {high:g}")
    return number


def _paired(rows: Sequence[AuditRow], path: Path | str) -> None:
    """Every slice stands once before and once after; an audit of nothing is none."""
    if not rows:
        raise InputError("no rows", where=path, expected="a slice before and after")
    places = [(row.slice, row.stage) for row in rows]
    for at, (name, stage) in enumerate(places, start=2):
        other = "after" if stage == "before" else "before"
        if places.count((name, stage)) > 1 or (name, other) not in places:
            raise InputError("not one row before and one after", where=path, row=at, column="slice",
                             expected="each slice once a stage", found=f"{name}, {stage}")


def _cell(value: object) -> str:
    return "" if isinstance(value, float) and math.isnan(value) else repr(value) if isinstance(value, float) else str(
        value)
