"""Distilling: a teacher's answers fitted by curves of 16 segments, and these rounded into int8 tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from harness.errors import InputError
from harness.routing.int8 import Int8Router
from harness.routing.piecewise import Curves, fit_curves
from harness.routing.routed import OUTPUTS, Monotone, Routed, checked_matrix, checked_names, signs_of
from harness.routing.tables import HALVES, LEVELS, TOP, Table, level_values

__all__ = ["Teacher", "distill", "fitted", "quantise"]

_MULTIPLIER = 2**15 - 1


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
    tables = {output: _table(one) for output, one in curves.items()}
    bounds = {output: _bound(curves[output], tables[output]) for output in tables}
    return Int8Router(names, tables, signs, bounds)


def _table(curves: Curves) -> Table:
    low, high = curves.values.min(axis=1), curves.values.max(axis=1)
    step = (high - low) / (2 * TOP)
    unit = float(step.max()) / _MULTIPLIER if step.max() > 0 else 1.0
    multipliers = np.ceil(step / unit - 1e-9).astype(np.int64).clip(0, _MULTIPLIER)
    middle, worth = (low + high) / 2, np.where(multipliers > 0, multipliers * unit, 1.0)
    values = np.rint((curves.values - middle[:, None]) / worth[:, None]).clip(-TOP, TOP)
    values[multipliers == 0] = 0
    bias = round((curves.bias + float(middle.sum())) / unit * HALVES)
    return Table(curves.knots, values.astype(np.int8), multipliers, bias, unit)


def _bound(curves: Curves, table: Table) -> float:
    """Sum over the curves of the most that a level's value can lie off its curve, by looking at each level's ends."""
    total = abs(curves.bias - _centre(curves, table))
    scale = table.unit / HALVES
    for row, held in zip(curves.values, level_values(table), strict=True):
        middle = (row.min() + row.max()) / 2
        ends = np.linspace(row[:-1], row[1:], LEVELS + 1, axis=1) - middle
        given = held.reshape(len(row) - 1, LEVELS) * scale
        total += float(np.maximum(abs(ends[:, :-1] - given), abs(ends[:, 1:] - given)).max())
    return float(total * (1 + 1e-9) + 1e-15)


def _centre(curves: Curves, table: Table) -> float:
    middle = (curves.values.min(axis=1) + curves.values.max(axis=1)) / 2
    return table.bias * table.unit / HALVES - float(middle.sum())
