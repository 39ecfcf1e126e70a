"""A sum of piecewise-linear curves, one a signal, fitted to a teacher under the same promises of direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.records import Floats

__all__ = ["Curves", "fit_curves", "hat", "knots_of"]

_RIDGE = 1e-9  # beside variances of up to 1/4: what no row speaks of stays flat


class Curves(NamedTuple):
    """One output as a sum of curves.

    Attributes:
        knots: (F, segments + 1), ascending within a signal; beyond its ends a curve is level.
        values: (F, segments + 1) at the knots, in the output's unit.
        bias: Added to the sum.
    """

    knots: Floats
    values: Floats
    bias: float

    def at(self, matrix: Floats) -> Floats:
        """(n,) sums over (n, F) signals, in floating point."""
        parts = [np.interp(matrix[:, place], knots, values) for place, (knots, values)
                 in enumerate(zip(self.knots, self.values, strict=True))]
        return np.asarray(np.sum(parts, axis=0) + self.bias, dtype=np.float64)


def knots_of(column: Floats, *, segments: int, steps: Sequence[float] = ()) -> Floats:
    """(segments + 1,) strictly ascending places: about each step, or else quantiles; wide gaps are split for the rest.

    A step becomes a segment so narrow that no value of the column lies inside. Where there are more steps than
    segments can hold (each takes two), the places are quantiles. A constant column gets a unit span above it.

    >>> knots_of(np.array([0.0, 1.0, 1.0, 4.0]), segments=4).tolist()
    [0.0, 0.75, 1.0, 1.75, 4.0]
    """
    wanted = segments + 1
    found = np.unique(_about(column, steps) if 0 < 2 * len(steps) < segments
                      else np.quantile(column, np.linspace(0.0, 1.0, wanted)))
    if len(found) == 1:
        found = np.array([found[0], found[0] + max(1.0, abs(found[0]))])
    while len(found) < wanted:
        gap = int(np.argmax(np.diff(found)))
        middle = (found[gap] + found[gap + 1]) / 2
        if not found[gap] < middle < found[gap + 1]:
            raise InputError("a signal has no room for its segments", where="distill", expected=f"{wanted} knots",
                             found=found.tolist()[:4])
        found = np.insert(found, gap + 1, middle)
    return np.asarray(found, dtype=np.float64)


def _about(column: Floats, steps: Sequence[float]) -> Floats:
    """The column's ends and, for each step, it and a place a thousandth of the way to the next value beyond it."""
    values, at = np.unique(column), np.asarray(steps, dtype=np.float64)
    beyond = values[np.searchsorted(values, at, side="right").clip(max=len(values) - 1)]
    after = np.maximum(at + (beyond - at) / 1024, np.nextafter(at, np.inf))
    return np.concatenate([values[:1], at, after, values[-1:]])


def hat(column: Floats, knots: Floats) -> NDArray[np.float64]:
    """(n, len(knots) - 1) rise of the curve per unit step at each knot: what of each segment lies below the value."""
    low, high = knots[:-1], knots[1:]
    return np.clip((column[:, None] - low) / (high - low), 0.0, 1.0)


def fit_curves(matrix: Floats, target: Floats, *, signs: tuple[int, ...], segments: int,
               steps: Sequence[Sequence[float]]) -> Curves:
    """Least squares in the rises of all segments, those of promised signals kept from turning back.

    Args:
        matrix: (n, F) signals.
        target: (n,) the teacher's answers.
        signs: (F,) +1 never falls, -1 never rises, 0 free.
        segments: Of each curve.
        steps: (F,) for each signal the places where the teacher jumps; none where it is smooth or unknown.

    Returns:
        Curves with mean zero over the rows but for the bias.
    """
    knots = np.array([knots_of(column, segments=segments, steps=jumps)
                      for column, jumps in zip(matrix.T, steps, strict=True)])
    design = np.hstack([hat(column, places) for column, places in zip(matrix.T, knots, strict=True)])
    centre, middle = design.mean(axis=0), float(target.mean())
    rises = _solved(design - centre, target - middle, np.repeat(signs, segments))
    climbed = np.cumsum(rises.reshape(len(knots), segments), axis=1)
    values = np.concatenate([np.zeros((len(knots), 1)), climbed], axis=1)
    return Curves(knots, values, middle - float(centre @ rises))


def _solved(design: Floats, target: Floats, signs: NDArray[np.int64]) -> Floats:
    """Bounded least squares by its normal equations, which are small: as many unknowns as segments."""
    from scipy.optimize import lsq_linear

    gram = design.T @ design / len(design) + np.eye(design.shape[1]) * _RIDGE
    factor = np.linalg.cholesky(gram)
    right = np.linalg.solve(factor, design.T @ target / len(design))
    low, high = np.where(signs > 0, 0.0, -np.inf), np.where(signs < 0, 0.0, np.inf)
    found = lsq_linear(factor.T, right, bounds=(low, high), method="bvls", tol=1e-12)
    return np.asarray(np.clip(found.x, low, high), dtype=np.float64)
