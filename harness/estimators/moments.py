"""Accumulators whose merge is the whole: moments of a column, and of a column in clusters.

`of(batch)` makes a state, `merge` joins two, `estimate` reads one. Merging is associative and commutative, the
empty state is its identity, and a state's size does not grow with the rows (Chan et al. 1979; Pébay 2008).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators._check import Floats, Labels, labels, numbers, same_length
from harness.estimators.closed import Shape, Support, closed_interval, effective_units, ratio_shape

__all__ = ["ClusterMoments", "Moments"]


@dataclass(frozen=True)
class Moments:
    """Count, mean, and sums of squared and cubed deviations from it.

    Merged by the pairwise formulas of Chan et al. (1979) and Pébay (2008), in the unit of the column.

    >>> ten = Moments.of(range(10))
    >>> Moments.of([0, 1, 2]).merge(Moments.of([3, 4, 5])) == Moments.of(range(6)), ten.merge(Moments()) == ten
    (True, True)
    >>> ten.estimate(unit="rows").value
    4.5
    """

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0
    m3: float = 0.0

    @classmethod
    def of(cls, x: ArrayLike) -> Moments:
        """The state of a batch `x` (n,) of finite numbers; an empty batch is the identity.

        Raises:
            InputError: NaN or infinite values, or not one dimension.
        """
        values = numbers(x, least=0)
        if not len(values):
            return cls()
        shifted = values - values[0]  # keeps the digits of values that differ little from a large mean
        centre = float(shifted.mean())
        deviation = shifted - centre
        squared = deviation * deviation
        return cls(len(values), float(values[0]) + centre, float(squared.sum()), float((squared * deviation).sum()))

    def merge(self, other: Moments) -> Moments:
        """The state of both batches together."""
        one, two = sorted((self, other), key=lambda state: (state.n, state.mean, state.m2, state.m3), reverse=True)
        if not two.n:
            return one
        n, gap = one.n + two.n, two.mean - one.mean
        share_one, share_two = one.n / n, two.n / n
        m2 = one.m2 + two.m2 + gap * gap * one.n * share_two
        m3 = one.m3 + two.m3 + gap**3 * one.n * share_two * (share_one - share_two)
        m3 += 3.0 * gap * (share_one * two.m2 - share_two * one.m2)
        return Moments(n, one.mean + gap * share_two, m2, m3)

    @property
    def variance(self) -> float:
        """Unbiased variance; NaN under two observations."""
        return self.m2 / (self.n - 1) if self.n > 1 else math.nan

    def estimate(self, *, confidence: float = 0.9, unit: str = "1", support: Support = None) -> Estimate:
        """The mean with its closed interval; options as in `closed.closed_interval`."""
        error = math.sqrt(self.variance / self.n) if self.n > 1 else math.inf
        shape = self.plug_in()[1]
        value = self.mean if self.n else math.nan
        return closed_interval(
            value, error, shape, n=self.n, units=self.n, confidence=confidence, unit=unit, support=support
        )

    def plug_in(self) -> tuple[int, Shape, float]:
        """Units, shape, and the standard error with the plug-in variance (0 without variation)."""
        if not self.m2 > 0.0:
            return self.n, Shape(), 0.0
        return self.n, Shape(self.m3 / self.m2 / math.sqrt(self.m2) / 6.0), math.sqrt(self.m2) / self.n


def _no_ids() -> Labels:
    return np.empty(0, dtype=np.int64)


def _no_counts() -> NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)


def _no_means() -> Floats:
    return np.empty(0, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class ClusterMoments:
    """Count and mean of each cluster, by ascending cluster id: rows of one cluster count as one independent unit.

    The mean over rows is a ratio of sums over clusters (Cochran 1977, ch. 6), in the unit of the values.

    Attributes:
        ids: (n_clusters,) distinct labels, ascending.
        counts: (n_clusters,) rows of each, >= 1.
        means: (n_clusters,) mean of each.

    >>> whole = ClusterMoments.of([0.1, 0.3, 0.2, 0.9], ["io", "io", "stats", "fft"])
    >>> part = ClusterMoments.of([0.3, 0.9], ["io", "fft"]).merge(ClusterMoments.of([0.1, 0.2], ["io", "stats"]))
    >>> part.ids.tolist(), part.counts.tolist(), round(part.estimate().value, 12) == round(whole.estimate().value, 12)
    (['fft', 'io', 'stats'], [1, 2, 1], True)
    """

    ids: Labels = field(default_factory=_no_ids)
    counts: NDArray[np.int64] = field(default_factory=_no_counts)
    means: Floats = field(default_factory=_no_means)

    @classmethod
    def of(cls, x: ArrayLike, clusters: ArrayLike) -> ClusterMoments:
        """The state of a batch: `x` (n,) finite numbers, `clusters` (n,) labels, all text or all whole numbers.

        Raises:
            InputError: As `Moments.of`; labels missing or of two kinds, or lengths that differ.
        """
        values, names = numbers(x, least=0), labels(clusters)
        same_length(x=values, clusters=names)
        if not len(values):
            return cls()
        return cls(*_grouped(names, np.ones(len(values), dtype=np.int64), values))

    def merge(self, other: ClusterMoments) -> ClusterMoments:
        """The state of both batches together: clusters of the same id are one.

        Raises:
            InputError: Labels of two kinds.
        """
        if not len(self.ids) or not len(other.ids):
            return self if len(self.ids) else other
        if self.ids.dtype.kind != other.ids.dtype.kind:
            raise InputError(
                "labels of two kinds", where="clusters", expected=self.ids.dtype.name, found=other.ids.dtype.name
            )
        joined = (np.concatenate([getattr(self, name), getattr(other, name)]) for name in ("ids", "counts", "means"))
        return ClusterMoments(*_grouped(*joined))

    @property
    def n(self) -> int:
        """Rows in all clusters."""
        return int(self.counts.sum())

    def estimate(self, *, confidence: float = 0.9, unit: str = "1", support: Support = None) -> Estimate:
        """The mean over rows, its interval robust to dependence within clusters.

        A ratio of two sums over clusters, linearised: cluster g's influence is n_g (mean_g - mean). The variance is
        the jackknife's over clusters, which knows that a large cluster pulls the mean to itself; the degrees of
        freedom are (sum n_g)**2 / sum n_g**2 - 1, those of as many clusters of equal size (Kish). With equal
        clusters both are the textbook's. Options as in `closed.closed_interval`.
        """
        rows, units = self.n, len(self.ids)
        if not units:
            return closed_interval(
                math.nan, math.inf, Shape(), n=0, units=0, confidence=confidence, unit=unit, support=support
            )
        value, influence = _ratio(self.counts, self.means)
        error, shape = ratio_shape(self.counts, influence)
        return closed_interval(
            value,
            error,
            shape,
            n=rows,
            units=effective_units(self.counts),
            confidence=confidence,
            unit=unit,
            support=support,
            method=f"skew-corrected t, {units} clusters",
        )

    def plug_in(self) -> tuple[int, Shape, float]:
        """Clusters, shape, and the linearised standard error with the plug-in variance (0 without variation)."""
        if not len(self.ids):
            return 0, Shape(), 0.0
        influence = _ratio(self.counts, self.means)[1]
        error = math.sqrt(float(influence @ influence)) / self.n
        return len(self.ids), ratio_shape(self.counts, influence)[1], error


def _grouped(names: Labels, counts: NDArray[np.int64], means: Floats) -> tuple[Labels, NDArray[np.int64], Floats]:
    """Cells of the same name pooled: names ascending, their counts, their means about the first mean."""
    ids, code = np.unique(names, return_inverse=True)
    total = np.bincount(code, weights=counts, minlength=len(ids))
    origin = means[0]
    pooled = np.bincount(code, weights=(means - origin) * counts, minlength=len(ids)) / total
    return ids, total.astype(np.int64), origin + pooled


def _ratio(counts: NDArray[np.int64], means: Floats) -> tuple[float, Floats]:
    """The mean over rows and each cluster's influence on it, which sum to 0."""
    gaps = means - means[0]
    centre = float((counts * gaps).sum() / counts.sum())
    return float(means[0]) + centre, counts * (gaps - centre)
