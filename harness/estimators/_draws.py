"""Resampled sums in chunks: never more than a few megabytes at a time, and ties drawn once.

Drawing N units from N with replacement gives each distinct unit a multinomial count, so that tied units need one
draw between them. Where ties are few and N is large, a single column is cut into levels: the counts of the levels
are drawn exactly, and the sum of what is left inside them as a normal with its exact mean and variance. What that
neglects, the skewness inside a level, is orders below Monte-Carlo error.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.estimators._check import Floats

__all__ = ["chunks", "index_rows", "resampled_sums"]

CELLS = 2_000_000  # drawn at a time: 16 MB of float64
TIE_GAIN = 16  # a multinomial cell costs about as much as this many single draws
LEVELS = 96


def chunks(resamples: int, width: int) -> Iterator[int]:
    """Sizes of the chunks into which `resamples` rows of `width` cells are cut."""
    step = max(1, min(resamples, CELLS // max(width, 1)))
    for start in range(0, resamples, step):
        yield min(step, resamples - start)


def index_rows(units: int, resamples: int, rng: np.random.Generator) -> Iterator[NDArray[np.int32]]:
    """Rows of `units` indices below `units`, drawn with replacement."""
    for rows in chunks(resamples, units):
        yield rng.integers(0, units, size=(rows, units), dtype=np.int32)


def resampled_sums(columns: Floats, resamples: int, rng: np.random.Generator) -> Floats:
    """Column sums of `resamples` samples with replacement of the rows of `columns` (units, r): (resamples, r)."""
    units = len(columns)
    distinct, times = np.unique(columns, axis=0, return_counts=True)
    if columns.shape[1] == 1 and len(distinct) > LEVELS and units >= LEVELS * TIE_GAIN:
        return _by_counts(*_levels(columns[:, 0]), resamples, rng)
    if len(distinct) * TIE_GAIN <= units:
        return _by_counts(distinct, np.zeros(len(distinct)), times, resamples, rng)
    drawn = [
        np.stack([column.take(index).sum(axis=1) for column in columns.T], axis=1)
        for index in index_rows(units, resamples, rng)
    ]
    return np.concatenate(drawn)


def _levels(values: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Level means (levels, 1), variances within (levels,), and sizes.

    Ties fall whole into one level. Levels hold equal shares of the count and of the squared deviation together, so
    that far values, which make the skewness, are cut finely.
    """
    distinct, code, times = np.unique(values, return_inverse=True, return_counts=True)
    squares = times * (distinct - values.mean()) ** 2
    mass = np.cumsum(times / len(values) + squares / squares.sum()) / 2.0
    level = np.unique(np.minimum(mass * LEVELS, LEVELS - 1).astype(np.intp), return_inverse=True)[1][code]
    sizes = np.bincount(level)
    means = np.bincount(level, weights=values) / sizes
    return means[:, None], np.bincount(level, weights=(values - means[level]) ** 2) / sizes, sizes


def _by_counts(
    means: Floats, variances: Floats, sizes: NDArray[np.int64], resamples: int, rng: np.random.Generator
) -> Floats:
    units = int(sizes.sum())
    sums = np.empty((resamples, means.shape[1]))
    done = 0
    for rows in chunks(resamples, len(sizes)):
        counts = rng.multinomial(units, sizes / units, size=rows).astype(np.float64)
        sums[done : done + rows] = counts @ means
        if variances.any():
            sums[done : done + rows, 0] += np.sqrt(counts @ variances) * rng.standard_normal(rows)
        done += rows
    return sums
