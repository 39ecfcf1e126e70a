"""What a column must be before anything is computed from it: told by source, row and column where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError, nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LARGEST_GRADE", "Floats", "finite", "floats", "integral", "latencies", "numbers", "require", "same_length"]

Floats = NDArray[np.float64]
LARGEST_GRADE = 2**31 - 1


def floats(values: Any, column: str, source: object) -> Floats:
    """(n,) float64 column; InputError names the first row that is no number."""
    try:
        return np.array(values, dtype=np.float64)  # a copy: what the caller does to theirs later is not ours
    except (TypeError, ValueError, OverflowError):
        for row, value in enumerate(values):
            if not _is_number(value):
                raise InputError("not a number", where=source, row=row + 1, column=column, expected="a finite number",
                                 found=value) from None
        raise


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def integral(grades: Floats, source: object) -> None:
    """Refuse grades that are fractional or beyond 32 bits: a truncated grade is a wrong one."""
    wrong = np.flatnonzero((grades != np.rint(grades)) | (np.abs(grades) > LARGEST_GRADE))
    if wrong.size:
        raise InputError("grade is fractional or too large", where=source, row=int(wrong[0]) + 1, column="relevance",
                         expected="an integer", found=float(grades[wrong[0]]))


def same_length(source: object, **columns: Any) -> None:
    """Refuse columns that differ in length."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError("columns differ in length", where=source, expected="equal lengths", found=lengths)


def finite(values: Floats, column: str, source: object) -> None:
    """Refuse NaN and infinities."""
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise InputError("not finite", where=source, row=int(wrong[0]) + 1, column=column,
                         expected="a finite number", found=float(values[wrong[0]]))


def require(frame: pd.DataFrame, columns: Sequence[str], source: object) -> None:
    """Refuse a frame that lacks columns, all of them told at once; the nearest that it has to the first is named."""
    present = list(map(str, frame.columns))
    lacking = [column for column in columns if column not in present]
    if lacking:
        raise InputError("missing column" if len(lacking) == 1 else "missing columns", where=source,
                         column=", ".join(lacking), expected=", ".join(columns), found=present,
                         hint=nearest(lacking[0], present))


def numbers(frame: pd.DataFrame, column: str, source: object) -> Floats:
    """(n,) float64 values of a frame's column."""
    try:
        return frame[column].to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("not numeric", where=source, column=column, expected="numbers",
                         found=str(frame[column].dtype)) from None


def latencies(frame: pd.DataFrame, column: str, source: object) -> None:
    """Refuse latencies that are not finite or below 0 ms."""
    values = numbers(frame, column, source)
    finite(values, column, source)
    negative = np.flatnonzero(values < 0.0)
    if negative.size:
        row = int(negative[0])
        raise InputError("negative latency", where=source, row=row + 1, column=column, expected="≥ 0 ms",
                         found=float(values[row]))
