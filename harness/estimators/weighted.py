"""The self-normalised mean of importance sampling in a state that merges: weighted moments to the third order.

V = Σ w r / Σ w moves with its own normaliser: row i's influence is w_i (r_i - V) / Σ w. Sums of squares and cubes of
it about any V follow from the moments of r under the weights w, w² and w³, so that a state of ten numbers, merged as
Chan et al. (1979) merge theirs, gives value, error and skewness, and never subtracts two large sums.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from numpy.typing import ArrayLike

from harness.estimate import Estimate
from harness.estimators._blocks import BlockSums, cross_sums
from harness.estimators._check import numbers, real, same_length
from harness.estimators.closed import Shape, Support, closed_interval

__all__ = ["MassMoments", "WeightedMoments"]

class MassMoments(NamedTuple):
    """Moments of a column under a mass: total mass, mean, mass-weighted squared and cubed deviations from it.

    >>> MassMoments(mass=4.0, mean=1.0, m2=8.0).about(0.0)
    (4.0, 12.0, 28.0)
    """

    mass: float = 0.0
    mean: float = 0.0
    m2: float = 0.0
    m3: float = 0.0

    def about(self, centre: float) -> tuple[float, float, float]:
        """First, second and third mass-weighted power sums of the deviations from `centre`.

        Raises:
            InputError: A centre that is not finite.
        """
        gap = self.mean - real(centre, "centre")
        second = self.m2 + self.mass * gap * gap
        return self.mass * gap, second, self.m3 + 3.0 * gap * self.m2 + self.mass * gap**3


def _merged(a: MassMoments, b: MassMoments) -> MassMoments:
    one, two = sorted((a, b), reverse=True)
    if not two.mass > 0.0:
        return one
    mass, gap = one.mass + two.mass, two.mean - one.mean
    p, q = one.mass / mass, two.mass / mass
    m2 = one.m2 + two.m2 + gap * gap * one.mass * q
    m3 = one.m3 + two.m3 + gap**3 * one.mass * q * (p - q) + 3.0 * gap * (p * two.m2 - q * one.m2)
    return MassMoments(mass, one.mean + gap * q, m2, m3)


@dataclass(frozen=True)
class WeightedMoments:
    """Rows, and the moments of their values under their weights' first, second and third powers.

    Value Σ w r / Σ w in the unit of the column (Swaminathan & Joachims 2015), merged after Chan et al. 1979.

    Attributes:
        n: Rows, those of weight 0 included.
        first: Moments under w.
        second: Moments under w².
        third: Moments under w³.

    >>> state = WeightedMoments.of([1.0, 0.0], [3.0, 1.0]).merge(WeightedMoments.of([1.0], [2.0]))
    >>> round(state.estimate().value, 12), round(state.ess, 12)
    (0.833333333333, 2.571428571429)
    """

    n: int = 0
    first: MassMoments = field(default_factory=MassMoments)
    second: MassMoments = field(default_factory=MassMoments)
    third: MassMoments = field(default_factory=MassMoments)

    @classmethod
    def of(cls, x: ArrayLike, weights: ArrayLike) -> WeightedMoments:
        """The state of a batch: `x` (n,) finite numbers, `weights` (n,) >= 0. An empty batch is the identity.

        Raises:
            InputError: NaN or infinite values, a weight that is negative or above 1e90, a product above it, or lengths
                that differ.
        """
        values, mass = numbers(x, least=0), numbers(weights, "weights", low=0.0, least=0)
        same_length(x=values, weights=mass)
        return cls.of_sums(cross_sums(values, mass)) if len(values) else cls()

    @classmethod
    def of_sums(cls, sums: BlockSums) -> WeightedMoments:
        """The state of the batch that gave these `cross_sums`."""
        rows, *moments = (sums.pooled(power) for power in range(4))
        return cls(int(rows[0]), *(MassMoments(*one) for one in moments))

    def merge(self, other: WeightedMoments) -> WeightedMoments:
        """The state of both batches together."""
        return WeightedMoments(
            self.n + other.n,
            _merged(self.first, other.first),
            _merged(self.second, other.second),
            _merged(self.third, other.third),
        )

    @property
    def ess(self) -> float:
        """Effective sample size, (Σ w)² / Σ w² rows (Kong 1992); 0 where all weights are 0."""
        return self.first.mass**2 / self.second.mass if self.second.mass > 0.0 else 0.0

    @property
    def error(self) -> float:
        """Standard error of the mean, √(Σ w² (x - V)²) / Σ w (Owen, ch. 9); NaN without weight."""
        if not self.first.mass > 0.0:
            return math.nan
        return math.sqrt(self.second.about(self.first.mean)[1]) / self.first.mass

    def estimate(self, *, confidence: float = 0.9, unit: str = "1", support: Support = None) -> Estimate:
        """The self-normalised mean with its skew-corrected interval, on ESS - 1 degrees of freedom.

        The error carries the factor √(ESS / (ESS - 1)), as the unbiased variance of ESS rows would. Options as in
        `closed.closed_interval`.
        """
        units = self.ess
        value = self.first.mean if self.first.mass > 0.0 else math.nan
        error = self.error * math.sqrt(units / (units - 1.0)) if units > 1.0 else math.inf
        return closed_interval(
            value, error, self.shape(), n=self.n, units=units, confidence=confidence, unit=unit, support=support,
            method="self-normalised, skew-corrected t",
        )  # fmt: skip

    def shape(self) -> Shape:
        """Third-order shape of the mean; its acceleration is 1 / (6 √k) for k rare rewards of equal weight."""
        centre, total = self.first.mean, self.first.mass
        pull, squares, _ = self.second.about(centre)
        if not squares > 0.0:
            return Shape()
        bend = pull / (total * math.sqrt(squares))
        return Shape(self.third.about(centre)[2] / squares / math.sqrt(squares) / 6.0, bias=-bend, curvature=-bend)
