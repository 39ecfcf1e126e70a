"""Int8 tables of piecewise-linear curves, and what each of their levels adds up to."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.records import Floats

__all__ = ["HALVES", "LEVELS", "TOP", "Table", "edges_of", "falls", "level_values"]

LEVELS = 16  # of each segment
HALVES = 2 * LEVELS  # a level's value is taken at its middle: in 32nds
TOP = 127  # largest entry of a table; -128 is left out, so that negation stays inside


class Table(NamedTuple):
    """One output in integers.

    Attributes:
        knots: (F, segments + 1) strictly ascending: where the signals' segments begin and end.
        values: (F, segments + 1) int8 within ± TOP, at the knots.
        multipliers: (F,) int64 ≥ 0: units a step of each curve.
        bias: In 32nds of the unit.
        unit: What a step is worth in the output's own unit, > 0.
    """

    knots: Floats
    values: NDArray[np.int8]
    multipliers: NDArray[np.int64]
    bias: int
    unit: float


def edges_of(knots: Floats) -> Floats:
    """(segments x LEVELS - 1,) inner edges of the levels: 16 equal steps within each segment."""
    steps = np.arange(LEVELS) / LEVELS
    inner = knots[:-1, None] + np.diff(knots)[:, None] * steps
    return np.asarray(inner.ravel()[1:], dtype=np.float64)


def level_values(table: Table) -> NDArray[np.int64]:
    """(F, segments x LEVELS) what each level of each curve adds, in 32nds of the unit."""
    values = table.values.astype(np.int64)
    place = np.arange(LEVELS, dtype=np.int64)
    low, high = values[:, :-1, None], values[:, 1:, None]
    middle = low * (HALVES - 1 - 2 * place) + high * (2 * place + 1)
    return np.asarray(middle.reshape(len(values), -1) * table.multipliers[:, None], dtype=np.int64)


def falls(table: Table, signs: tuple[int, ...]) -> list[tuple[int, int]]:
    """(signal, level) of every level from which the next one moves against the promised sign; empty where none does.

    A level rises with its signal and the curves are summed, so looking at each level of each curve is looking at every
    input: an empty list is a proof.

    >>> bent = Table(np.array([[0.0, 1.0, 2.0]]), np.array([[0, 4, 3]], np.int8), np.array([1]), 0, 1.0)
    >>> falls(bent, (1,))[0]
    (0, 16)
    """
    steps = np.diff(level_values(table), axis=1) * np.asarray(signs, dtype=np.int64)[:, None]
    return [(int(signal), int(level)) for signal, level in np.argwhere(steps < 0)]
