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

BLOCK = 8192  # rows: 64 kB a column
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
    if max(-float(x.min()), float(x.max())) * float(weights.max()) > LARGEST:
        raise InputError("weight times value is too large", where="weights", expected=f"at most {LARGEST:g}")
    starts, power, deviation = range(0, len(x), BLOCK), np.ones((3, BLOCK)), np.ones((4, BLOCK))
    centres, sums = np.empty(len(starts)), np.empty((len(starts), 4, 4))
    for at, start in enumerate(starts):
        rows = min(BLOCK, len(x) - start)
        mass, away = weights[start : start + rows], deviation[:, :rows]
        np.subtract(x[start : start + rows], x[start], out=away[1])  # equal values leave exactly 0
        total = float(mass.sum())
        shift = float(mass @ away[1]) / total if total > 0.0 else 0.0
        away[1] -= shift
        centres[at] = x[start] + shift
        np.multiply(away[1], away[1], out=away[2])
        np.multiply(away[2], away[1], out=away[3])
        one, square, cube = power[:, :rows]
        np.multiply(mass, mass, out=square)
        np.multiply(square, mass, out=cube)
        for j, column in enumerate((one, mass, square, cube)):
            np.matmul(away, column, out=sums[at, j])
    return BlockSums(centres, sums)


def product_sums(x: Floats, weights: Floats) -> BlockSums:
    """Sums of d^k, k from 0 to 3, of the products w x, about each block's mean: one mass, 1.

    Columns (n,) as in `cross_sums`, whose check of their size is not made again.

    >>> product_sums(np.array([1.0, 3.0]), np.array([3.0, 3.0])).pooled(0)
    (2.0, 6.0, 18.0, 0.0)
    """
    starts, deviation = range(0, len(x), BLOCK), np.empty((2, BLOCK))
    centres, sums = np.empty(len(starts)), np.empty((len(starts), 1, 4))
    for at, start in enumerate(starts):
        rows = min(BLOCK, len(x) - start)
        away, square = deviation[:, :rows]
        np.multiply(x[start : start + rows], weights[start : start + rows], out=away)
        first = float(away[0])
        away -= first
        shift = float(away.sum()) / rows
        away -= shift
        np.multiply(away, away, out=square)
        centres[at], sums[at, 0] = first + shift, (rows, away.sum(), square.sum(), square @ away)
    return BlockSums(centres, sums)
