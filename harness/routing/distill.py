"""Distilling: a teacher's answers fitted by curves of 16 segments, and these rounded into int8 tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.records import Floats
from harness.routing.int8 import Int8Router
from harness.routing.piecewise import Curves, fit_curves
from harness.routing.routed import OUTPUTS, Monotone, Routed, checked_matrix, checked_names, signs_of
from harness.routing.tables import HALVES, LEVELS, TOP, Table, level_values

__all__ = ["Teacher", "distill", "fitted", "quantise"]

_MULTIPLIER = 2**15 - 1
_ROOM = 1.3  # a step may be this much above the least, where that rounds better


class Teacher(Protocol):
    """Whatever answers with `Routed` and says which way and where its answers move."""

    @property
    def monotone(self) -> Monotone:
        """Output → feature → sign."""
        ...

    def sums(self, features: Any) -> Routed:
        """(n, F) signals → answers, before they are held inside `SPANS`."""
        ...

    def steps(self, output: str) -> Sequence[Sequence[float]]:
        """(F,) for each signal where that output jumps; empty where it is smooth or unknown."""
        ...


def distill(teacher: Teacher, features: Any, names: Sequence[str], *, segments: int = 16) -> Int8Router:
    """The teacher as int8 tables, monotone where the teacher is.

    Args:
        teacher: A fitted `RouterTeacher`, or anything of its shape.
        features: (n, F) signals such as the router will see; no targets are needed.
        names: (F,) of the columns.
        segments: Of each curve, 1 to 64.

    Returns:
        A router whose `error_bound` says by how much rounding can move an answer.

    Raises:
        InputError: Bad features or names, fewer rows than segments, or a promise about a feature that is not there.

    >>> from harness.routing.teacher import RouterTeacher
    >>> signal = np.random.default_rng(0).random((400, 1))
    >>> teacher = RouterTeacher(trees=40).fit(signal, ("entropy",), signal[:, 0] ** 2, np.full(400, 2.0))
    >>> router = distill(teacher, signal, ("entropy",))
    >>> bool(abs(router.predict(signal).gain - teacher.predict(signal).gain).mean() < 0.02)
    True
    """
    return quantise(fitted(teacher, features, names, segments=segments), checked_names(names, where="distill"),
                    signs_of(teacher.monotone, tuple(names), where="distill"))


def fitted(teacher: Teacher, features: Any, names: Sequence[str], *, segments: int = 16) -> dict[str, Curves]:
    """Output → the curves before rounding; arguments and errors as `distill`."""
    signals = checked_names(names, where="distill")
    matrix = checked_matrix(features, signals, where="distill")
    if isinstance(segments, bool) or not isinstance(segments, int) or not 1 <= segments <= 64:
        raise InputError("option out of range", where="distill", column="segments", expected="1 to 64", found=segments)
    if len(matrix) <= segments:
        raise InputError("too few rows to distil from", where="distill", expected=f"more than {segments}",
                         found=len(matrix))
    signs = signs_of(teacher.monotone, signals, where="distill")
    sums = teacher.sums(matrix)
    return {output: fit_curves(matrix, getattr(sums, output), signs=signs[output], segments=segments,
                               steps=teacher.steps(output)) for output in OUTPUTS}


def quantise(curves: dict[str, Curves], names: tuple[str, ...], signs: dict[str, tuple[int, ...]]) -> Int8Router:
    """Curves as int8 tables; rounding keeps every promised direction, since it never swaps two numbers."""
    made = {output: _table(one) for output, one in curves.items()}
    bounds = {output: _bound(curves[output], *one) for output, one in made.items()}
    return Int8Router(names, {output: table for output, (table, _) in made.items()}, signs, bounds)


def _table(curves: Curves) -> tuple[Table, Floats]:
    """The rounded curves, and the (F,) values that entry 0 of each stands for, which the bias holds."""
    span = float(np.ptp(curves.values, axis=1).max())
    unit = span * _ROOM / (2 * TOP) / _MULTIPLIER if span > 0 else 1.0
    rounded = [_rounded(row, unit) for row in curves.values]
    values, multipliers, zeros = (np.array(column) for column in zip(*rounded, strict=True))
    bias = round((curves.bias + float(zeros.sum())) / unit * HALVES)
    return Table(curves.knots, values.astype(np.int8), multipliers.astype(np.int64), bias, unit), zeros


def _rounded(row: Floats, unit: float) -> tuple[NDArray[np.int64], int, float]:
    """(entries, multiplier, value of entry 0) of one curve: of many steps and zeros, those that err least."""
    middle = (row.min() + row.max()) / 2
    least = np.ceil(np.ptp(row) / (2 * TOP) / unit)
    if least < 1:
        return np.zeros(len(row), dtype=np.int64), 0, float(middle)
    sizes = np.unique(np.rint(least * np.linspace(1.0, _ROOM, 64))).clip(max=_MULTIPLIER)
    shifts = np.linspace(-0.5, 0.5, 16, endpoint=False)
    scaled = (row - middle) / (sizes[:, None, None] * unit) - shifts[:, None]  # (sizes, shifts, knots)
    entries = np.rint(scaled)
    worst = abs(scaled - entries).max(axis=2) * sizes[:, None]
    worst[abs(entries).max(axis=2) > TOP] = np.inf
    size, shift = np.unravel_index(int(np.argmin(worst)), worst.shape)
    zero = middle + shifts[shift] * sizes[size] * unit
    return entries[size, shift].astype(np.int64), int(sizes[size]), float(zero)


def _bound(curves: Curves, table: Table, zeros: Floats) -> float:
    """Sum over the curves of the most that a level's value can lie off its curve, by looking at each level's ends."""
    scale = table.unit / HALVES
    total = abs(curves.bias + float(zeros.sum()) - table.bias * scale)
    for row, held, zero in zip(curves.values, level_values(table), zeros, strict=True):
        ends = np.linspace(row[:-1], row[1:], LEVELS + 1, axis=1) - zero
        given = held.reshape(len(row) - 1, LEVELS) * scale
        total += float(np.maximum(abs(ends[:, :-1] - given), abs(ends[:, 1:] - given)).max())
    return float(total * (1 + 1e-9) + 1e-15)
