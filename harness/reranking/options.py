"""Options arrive from manifests and saved files: each is checked where it enters, and named where it is wrong."""

from __future__ import annotations

import math
from typing import Any

from harness.errors import InputError

__all__ = ["flag", "number", "whole"]


def whole(value: object, name: str, *, low: int = 1) -> int:
    """An int from `low` on.

    >>> whole(32, "hidden")
    32
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise _wrong(name, f"a whole number from {low}", value)
    return value


def number(value: Any, name: str, *, high: float = math.inf) -> float:
    """A finite number from 0 to `high`."""
    real = isinstance(value, int | float) and not isinstance(value, bool)
    if not real or not math.isfinite(value) or not 0.0 <= value <= high:
        raise _wrong(name, "a finite number from 0" + ("" if high == math.inf else f" to {high:g}"), value)
    return float(value)


def flag(value: object, name: str) -> bool:
    """A real true or false, not something that counts as one."""
    if not isinstance(value, bool):
        raise _wrong(name, "true or false", value)
    return value


def _wrong(name: str, expected: str, found: object) -> InputError:
    return InputError("option out of range", where="reranker", column=name, expected=expected, found=found)
