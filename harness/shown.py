"""How a record of many numbers shows itself: one short line, whatever it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

__all__ = ["brief"]

_LONGEST = 40  # letters of a value that is shown as it is
_LINE = 200


def brief(record: Any) -> str:
    """The `__repr__` of a dataclass whose fields are large: shapes of arrays, sizes of what is long, in one line.

    >>> import numpy as np
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Rows:
    ...     ms: np.ndarray
    ...     text: str
    ...     alpha: float = 0.05
    ...     __repr__ = brief
    >>> Rows(np.zeros((8400, 10)), "x" * 99)
    Rows(ms=(8400, 10) float64, text=99 letters, alpha=0.05)
    """
    name = type(record).__name__
    line = f"{name}({', '.join(f'{one.name}={_value(getattr(record, one.name))}' for one in fields(record))})"
    return line if len(line) <= _LINE else f"{line[: _LINE - 2]}…)"


def _value(value: Any) -> str:
    shape, kind = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and kind is not None:
        return f"{tuple(shape)} {kind}"
    if isinstance(value, str):
        return repr(value) if len(value) <= _LONGEST else f"{len(value):,} letters"
    if isinstance(value, Mapping):
        return f"{len(value):,} entries"
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, (tuple, list)) and not hasattr(value, "_fields"):
        return f"{len(value):,} of {type(value[0]).__name__}" if value else "()"
    return type(value).__name__
