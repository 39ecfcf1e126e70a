"""Requests with what a rerank of each would bring and cost: the columns that a gate is fitted to and judged on."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.columns import finite, floats, same_length
from harness.errors import InputError
from harness.records import Floats

__all__ = ["CHEAP", "EXIT", "FULL", "Decisions", "Requests"]

Decisions = NDArray[np.int8]
EXIT, CHEAP, FULL = 0, 1, 2
_SOURCE = "gate"


class Requests(NamedTuple):
    """One row a request, all columns (n,) float64.

    Attributes:
        entropy: Signal of the first stage, higher = less certain.
        predicted_gain: nDCG units, what the router expects of a rerank.
        gain: nDCG units in [-1, 1], what the full rerank brought.
        cost_ms: ≥ 0, what it took.
        cheap_gain: nDCG units, what the cheap stage brought; 0 where it does nothing.
        cheap_cost_ms: ≥ 0, what it took.
    """

    entropy: Floats
    predicted_gain: Floats
    gain: Floats
    cost_ms: Floats
    cheap_gain: Floats
    cheap_cost_ms: Floats

    @classmethod
    def of(cls, entropy: ArrayLike, predicted_gain: ArrayLike, gain: ArrayLike, cost_ms: ArrayLike, *,
           cheap_gain: ArrayLike | None = None, cheap_cost_ms: ArrayLike | None = None) -> Requests:
        """Checked copies of the columns; without a cheap stage its columns are 0: it brings and costs nothing.

        Raises:
            InputError: No rows, unequal lengths, values that are not finite, a negative cost, a gain outside [-1, 1]
                (percent are not nDCG units), or one of the cheap columns without the other.

        >>> Requests.of([0.9, 0.2], [0.1, 0.0], [0.2, 0.0], [1.5, 1.4]).cheap_gain.tolist()
        [0.0, 0.0]
        """
        if (cheap_gain is None) != (cheap_cost_ms is None):
            raise InputError("half a cheap stage", where=_SOURCE, expected="cheap_gain and cheap_cost_ms, or neither",
                             found="cheap_cost_ms" if cheap_gain is None else "cheap_gain")
        given: dict[str, Any] = {"entropy": entropy, "predicted_gain": predicted_gain, "gain": gain,
                                 "cost_ms": cost_ms, "cheap_gain": cheap_gain, "cheap_cost_ms": cheap_cost_ms}
        columns = {name: _column(values, name) for name, values in given.items() if values is not None}
        same_length(_SOURCE, **columns)
        none = np.zeros(len(columns["entropy"]))
        return cls(**{name: columns.get(name, none) for name in given})

    @property
    def n(self) -> int:
        """Number of requests."""
        return len(self.entropy)


def _column(values: Any, name: str) -> Floats:
    column = floats(values, name, _SOURCE)
    if column.ndim != 1 or not len(column):
        raise InputError("not a column", where=_SOURCE, column=name, expected="(n,) numbers, n at least 1",
                         found=column.shape)
    finite(column, name, _SOURCE)
    if name.endswith("_ms"):
        _within(column, name, 0.0, np.inf, "≥ 0 ms")
    elif name in ("gain", "cheap_gain"):
        _within(column, name, -1.0, 1.0, "nDCG units, -1 to 1")
    return column


def _within(column: Floats, name: str, low: float, high: float, expected: str) -> None:
    wrong = np.flatnonzero((column < low) | (column > high))
    if wrong.size:
        raise InputError("out of bounds", where=_SOURCE, row=int(wrong[0]) + 1, column=name, expected=expected,
                         found=float(column[wrong[0]]))
