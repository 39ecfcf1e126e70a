"""Power sums of a column under its weights, in one pass of blocks that stay in the cache.

The sums of a block are about a centre of its own, and are moved to the batch's afterwards: no two large sums are ever
subtracted, and no power of a whole column is ever held.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.errors import InputError
from harness.estimators._check import LARGEST, Floats

__all__ = ["BlockSums", "cross_sums", "product_sums"]

BLOCK = 32_768  # rows: 256 kB a column
CANCELS = 1e-3  # a difference at least this share of its parts keeps 12 digits
PASCAL = np.array([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0], [1.0, 2.0, 1.0, 0.0], [1.0, 3.0, 3.0, 1.0]])
LAG = np.maximum(np.subtract.outer(np.arange(4), np.arange(4)), 0)


class BlockSums(NamedTuple):
    """Power sums of b blocks under m masses, in the units of the column and its masses.

    Attributes:
        centres: (b,) values near which each block lies.
        sums: (b, m, 4) of mass times d^k, k from 0 to 3, with d the deviations from the block's centre.
    """

    centres: Floats
    sums: Floats

    def pooled(self, at: int) -> tuple[float, float, float, float]:
        """Mass, mean, squared and cubed deviations from it of all blocks together under mass `at`; 0 without mass."""
        sums, apart = self.sums[:, at], self.centres - self.centres[0]
        mass = float(sums[:, 0].sum())
        if not mass > 0.0:
            return 0.0, 0.0, 0.0, 0.0
        shift = float((sums[:, 1] + sums[:, 0] * apart).sum()) / mass
        powers = (apart - shift)[:, np.newaxis] ** np.arange(4)
        _, first, second, third = (float(one) for one in np.einsum("bi,bki->k", sums, PASCAL * powers[:, LAG]))
        gap = first / mass  # what rounding left
        m2 = max(0.0, second - mass * gap * gap)
        return mass, float(self.centres[0]) + shift + gap, m2, third - 3.0 * gap * m2 - mass * gap**3


def cross_sums(x: Floats, weights: Floats) -> BlockSums:
    """Sums of w^j d^k, j and k from 0 to 3, about each block's weighted mean: masses 1, w, w² and w³.

    Args:
        x: (n,) finite float64, n >= 1.
        weights: (n,) finite float64, >= 0.

    Raises:
        InputError: The greatest weight times the greatest value has no cube that a float64 holds.

    >>> cross_sums(np.array([1.0, 3.0]), np.array([3.0, 1.0])).pooled(1)
    (4.0, 1.5, 3.0, 3.0)
    """
    starts, power, deviation = range(0, len(x), BLOCK), np.ones((3, BLOCK)), np.ones((4, BLOCK))
    found = BlockSums(np.empty(len(starts)), np.empty((len(starts), 4, 4)))
    with np.errstate(over="ignore", invalid="ignore"):
        for at, start in enumerate(starts):
            rows = min(BLOCK, len(x) - start)
            mass, away = weights[start : start + rows], deviation[:, :rows]
            found.centres[at] = _deviations(x[start : start + rows], mass, away)
            one, square, cube = power[:, :rows]
            np.multiply(mass, mass, out=square)
            np.multiply(square, mass, out=cube)
            for j, column in enumerate((one, mass, square, cube)):
                np.matmul(away, column, out=found.sums[at, j])
        _refuse_size(x, weights, found)
    return found


def _deviations(x: Floats, mass: Floats, away: Floats) -> float:
    """Fill rows 1 to 3 of `away` with the powers of the deviations of `x` from its weighted mean, which is returned."""
    np.subtract(x, x[0], out=away[1])
    total = float(mass.sum())
    centre = float(x[0]) + (float(mass @ away[1]) / total if total > 0.0 else 0.0)  # that of equal values is theirs
    np.subtract(x, centre, out=away[1])  # from what was rounded: the first power tells what that took
    np.multiply(away[1], away[1], out=away[2])
    np.multiply(away[2], away[1], out=away[3])
    return centre


def _refuse_size(x: Floats, weights: Floats, found: BlockSums) -> None:
    """Raise where weight times value may have no cube: no value is beyond its block's centre and root of squares."""
    reach = np.abs(found.centres) + np.sqrt(found.sums[:, 0, 2])
    if float(reach.max()) * float(found.sums[:, 1, 0].max()) <= LARGEST:
        return
    if max(-float(x.min()), float(x.max())) * float(weights.max()) > LARGEST:
        raise InputError("weight times value is too large", where="weights", expected=f"at most {LARGEST:g}")


def product_sums(x: Floats, weights: Floats, known: BlockSums) -> BlockSums:
    """Sums of d^k, k from 0 to 3, of the products w x, about each block's mean: one mass, 1.

    Read off the `cross_sums` that are `known` of the same columns, as w x = w d + w c; a block where that would cancel
    (products that differ by little beside their size) is summed again from its rows.

    >>> x, weights = np.array([1.0, 3.0]), np.array([3.0, 3.0])
    >>> product_sums(x, weights, cross_sums(x, weights)).pooled(0)
    (2.0, 6.0, 18.0, 0.0)
    """
    rows, c = known.sums[:, 0, 0], known.centres
    mass, square, cube = (known.sums[:, power] for power in (1, 2, 3))
    first = mass[:, 1] + c * mass[:, 0]
    second = square[:, 2] + 2.0 * c * square[:, 1] + c**2 * square[:, 0]
    third = cube[:, 3] + 3.0 * c * cube[:, 2] + 3.0 * c**2 * cube[:, 1] + c**3 * cube[:, 0]
    mean = first / rows
    m2 = second - mean * first
    found = BlockSums(mean, np.stack([rows, np.zeros(len(c)), m2, third - mean * (second + 2.0 * m2)], axis=1)[:, None])
    size = square[:, 2] + 2.0 * np.abs(c * square[:, 1]) + c**2 * square[:, 0]
    for at in np.flatnonzero(m2 < CANCELS * size):
        here = slice(at * BLOCK, at * BLOCK + int(rows[at]))
        found.centres[at], found.sums[at, 0] = _about_mean(x[here] * weights[here])
    return found


def _about_mean(column: Floats) -> tuple[float, tuple[float, float, float, float]]:
    """The mean of (n,) values, and the sums of d^k about it."""
    centre = float(column[0]) + float((column - column[0]).mean())
    away = column - centre
    square = away * away
    return centre, (float(len(column)), float(away.sum()), float(square.sum()), float(square @ away))
