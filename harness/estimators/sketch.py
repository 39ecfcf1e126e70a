"""Latency quantiles from counts in log buckets: mergeable, of bounded size, each value known to one per cent.

Bucket k holds values in (g**(k - 1), g**k] with g = (1 + e) / (1 - e): its middle 2 g**k / (g + 1) is within a
relative error e of each of them (Masson, Rim & Lee, DDSketch, VLDB 2019).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.estimate import Estimate
from harness.estimators._check import level, numbers, share
from harness.estimators.quantiles import quantile_ranks

__all__ = ["RELATIVE_ERROR", "LatencySketch"]

RELATIVE_ERROR = 0.01
GROWTH = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR)
SMALLEST, LARGEST = 1e-6, 1e12  # in ms: under a nanosecond is 0; thirty years is an error
FLOOR = math.floor(math.log(SMALLEST, GROWTH))


def _empty() -> NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class LatencySketch:
    """Counts per bucket; at most 2,074 buckets, whatever the rows.

    The buckets of DDSketch (Masson, Rim & Lee 2019), in the unit of the values.

    Attributes:
        buckets: (m,) distinct bucket numbers, ascending; the lowest holds 0 to `SMALLEST`.
        counts: (m,) values in each, >= 1.

    >>> slow = LatencySketch.of([4.0] * 90 + [80.0] * 10)
    >>> 79.2 <= slow.merge(slow).quantile(0.95).value <= 80.8
    True
    """

    buckets: NDArray[np.int64] = field(default_factory=_empty)
    counts: NDArray[np.int64] = field(default_factory=_empty)

    @classmethod
    def of(cls, latency_ms: ArrayLike) -> LatencySketch:
        """The state of a batch (n,) of latencies in ms, 0 to 1e12; an empty batch is the identity.

        Raises:
            InputError: A latency that is negative, NaN or above 1e12 ms.
        """
        values = numbers(latency_ms, "latency_ms", low=0.0, high=LARGEST, least=0)
        place = np.ceil(np.log(np.maximum(values, SMALLEST)) / math.log(GROWTH)).astype(np.int64)
        place[values <= SMALLEST] = FLOOR
        buckets, counts = np.unique(place, return_counts=True)
        return cls(buckets, counts.astype(np.int64))

    def merge(self, other: LatencySketch) -> LatencySketch:
        """The state of both batches together."""
        buckets, code = np.unique(np.concatenate([self.buckets, other.buckets]), return_inverse=True)
        counts = np.zeros(len(buckets), dtype=np.int64)
        np.add.at(counts, code, np.concatenate([self.counts, other.counts]))
        return LatencySketch(buckets, counts)

    @property
    def n(self) -> int:
        """Values counted."""
        return int(self.counts.sum())

    def quantile(self, q: float, *, confidence: float = 0.9, unit: str = "ms") -> Estimate:
        """The q-quantile, within `RELATIVE_ERROR`, between bucket edges that enclose its order-statistic interval.

        Each end is as far out as its bucket allows, so that the promise of `quantiles.quantile_interval` stands.
        Under two values both ends are infinite; of none the value is NaN.

        Raises:
            InputError: q or confidence outside (0, 1).
        """
        place, tail, n = share(q, "q"), level(confidence), self.n
        if not n:
            return Estimate(math.nan, -math.inf, math.inf, 0, confidence, "log buckets", unit)
        below, above = quantile_ranks(n, place, tail)
        low = self._edges(below)[0] if below else -math.inf
        high = self._edges(above)[1] if above <= n else math.inf
        under, over = self._edges(max(1, math.ceil(place * n - 1e-9)))
        middle = 0.0 if over <= SMALLEST else 2.0 * over / (GROWTH + 1.0)
        return Estimate(min(max(middle, under), over), low, high, n, confidence, "log buckets", unit)

    def _edges(self, rank: int) -> tuple[float, float]:
        """Lower and upper edge of the bucket that holds the `rank`-th smallest value, from 1."""
        at = int(self.buckets[int(np.searchsorted(np.cumsum(self.counts), rank))])
        return (0.0, SMALLEST) if at == FLOOR else (GROWTH ** (at - 1), GROWTH**at)
