"""What must be known of importance weights to trust them, in a state that merges: sums, and the largest M."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import InputError
from harness.estimators._check import Floats, count, numbers

__all__ = ["TopWeights", "largest_of"]

LONG = 30_000  # rows, under which a sample saves nothing
STEP = 64  # one weight in so many tells about where the largest begin


def largest_of(weights: ArrayLike, most: int) -> Floats:
    """The `most` largest of `weights` (n,), or all where there are fewer: descending, in their unit.

    A definition, without source.

    Raises:
        InputError: A weight that is NaN or infinite, or `most` under 1.

    >>> largest_of(np.array([2.0, 9.0, 4.0]), 2).tolist()
    [9.0, 4.0]
    """
    values, kept = numbers(weights, "weights", least=0), count(most, "most", least=1)
    top = _likely(values, kept) if len(values) > LONG else values
    if len(top) < kept:
        top = values
    if len(top) > kept:
        top = np.partition(top, len(top) - kept)[-kept:]
    return np.asarray(np.sort(top)[::-1])


def _likely(weights: Floats, most: int) -> Floats:
    """Of a long column, the rows that a sample says hold the `most` largest: all of them, wherever it has so many."""
    sample = weights[::STEP]
    rank = int(1.3 * most / STEP) + 20
    if rank >= len(sample) // 2:
        return weights
    least = np.partition(sample, len(sample) - rank)[len(sample) - rank]
    return weights[np.flatnonzero(weights >= least)]


def _none() -> Floats:
    return np.empty(0, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class TopWeights:
    """Count, sum and sum of squares of weights, and the largest of them, from which the tail is judged.

    Weights have no unit; ESS = (Σ w)² / Σ w² (Kong 1992), M of Vehtari et al. 2024.

    Attributes:
        keep: M, how many of the largest are kept: the size of the state.
        n: Rows.
        total: Sum of weights.
        squares: Sum of squared weights.
        largest: (<= M,) the largest, descending.

    >>> state = TopWeights.of([1.0, 1.0, 6.0], keep=2).merge(TopWeights.of([2.0, 0.0], keep=2))
    >>> state.largest.tolist(), state.largest_share
    ([6.0, 2.0], 0.6)
    """

    keep: int = 1000
    n: int = 0
    total: float = 0.0
    squares: float = 0.0
    largest: Floats = field(default_factory=_none)

    @classmethod
    def of(cls, weights: ArrayLike, *, keep: int = 1000) -> TopWeights:
        """The state of a batch (n,) of weights >= 0; an empty batch is the identity.

        Raises:
            InputError: A weight that is negative, NaN or infinite, or `keep` under 1.
        """
        values, most = numbers(weights, "weights", low=0.0, least=0), count(keep, "keep", least=1)
        return cls(most, len(values), float(values.sum()), float(values @ values), largest_of(values, most))

    def merge(self, other: TopWeights) -> TopWeights:
        """The state of both batches together; both must keep the same number.

        Raises:
            InputError: A state that keeps another number.
        """
        if self.keep != other.keep:
            raise InputError("states of two sizes", where="keep", expected=str(self.keep), found=other.keep)
        top = largest_of(np.concatenate([self.largest, other.largest]), self.keep)
        return TopWeights(self.keep, self.n + other.n, self.total + other.total, self.squares + other.squares, top)

    @property
    def ess_share(self) -> float:
        """Effective sample size over n, (sum w)**2 / (n sum w**2) (Kong 1992); NaN where all weights are 0."""
        return self.total**2 / (self.n * self.squares) if self.squares > 0.0 else math.nan

    @property
    def largest_share(self) -> float:
        """Share of the whole weight that one row holds; NaN where all weights are 0."""
        return float(self.largest[0]) / self.total if self.total > 0.0 else math.nan
