"""A log's audit in a state that merges: what IPS, SNIPS and the judgement of the weights need, and no more.

The same state sees a file of any length batch by batch, one partition of a cluster, or one window of a live system.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from numpy.typing import ArrayLike

from harness.estimate import Estimate
from harness.estimators._blocks import BlockSums, cross_sums, product_sums
from harness.estimators._check import count
from harness.estimators.counterfactual import logged_rows
from harness.estimators.moments import Moments
from harness.estimators.overlap import ESS_FLOOR, WeightCheck, check_state
from harness.estimators.weighted import WeightedMoments
from harness.estimators.weights import TopWeights, largest_of

__all__ = ["LEAST_CARRIED", "RARE_PROMISES", "Audit", "LoggedRows"]

RARE_PROMISES = {2: (0.041, 0.164), 4: (0.049, 0.105), 8: (0.063, 0.089), 15: (0.060, 0.071), 60: (0.060, 0.043)}
"""Rewarded rows expected after weighting: P(low > truth) and P(high < truth) of SNIPS' interval, nominally .05 each.

4,000 rows, weights Gamma(.4) of mean 1 (ESS/N .29), rare rewards of 1; measured again by `tests/worlds`.
"""

LEAST_CARRIED = 5.0  # reached with about ten rewarded rows; below, an end misses up to three times as often as said

KEEP = 10_000  # the whole tail of 1.1e7 rows; of more rows, the largest 10,000


class Audit(NamedTuple):
    """What a log says of the target policy, and whether it may be believed.

    Attributes:
        ips: Mean of w r.
        snips: Σ w r / Σ w.
        logged: Mean reward of the policy that wrote the log.
        check: The weights, judged.
        carried: How many rare rewards of equal weight would skew the interval as much, 1 / (36 a²) with a its
            acceleration; infinite for a symmetric one. Under `LEAST_CARRIED` one end misses more than it says.
        rewarded: Effective number of rows behind the value, (Σ w r)² / Σ (w r)²: what 46 clicks are worth after
            weighting. 0 where nothing was earned.

    >>> found = LoggedRows.of([1, 0] * 200, [0.5] * 400, [0.5] * 400).audit()
    >>> found.doubts, round(found.reach, 2)
    ((), 0.08)
    """

    ips: Estimate
    snips: Estimate
    logged: Estimate
    check: WeightCheck
    carried: float
    rewarded: float

    @property
    def doubts(self) -> tuple[str, ...]:
        """Why it cannot be told whether the value may be used: those of the weights, and those of its interval."""
        low, high = self.snips.low, self.snips.high
        if not (math.isfinite(low) and math.isfinite(high)):
            return (*self.check.doubts, f"{self.check.n} rows bound nothing")
        if self.snips.method == "no variation seen":
            return (*self.check.doubts, "no two rewards with weight differ: nothing shows how far others may lie")
        if self.carried < LEAST_CARRIED:
            end = "upper" if high - self.snips.value > self.snips.value - low else "lower"
            like = f"the interval is as skewed as that of {self.carried:.1f} rare rewards"
            return (*self.check.doubts, f"{like}: its {end} end misses too often")
        return self.check.doubts

    @property
    def reach(self) -> float:
        """Half the width of SNIPS' interval as a share of its value: smaller differences cannot be told."""
        value = abs(self.snips.value)
        return (self.snips.high - self.snips.low) / 2.0 / value if value > 0.0 else float("inf")


@dataclass(frozen=True)
class LoggedRows:
    """Rewards, weights, and their product, as accumulators.

    Mean of w r (Horvitz & Thompson 1952) and Σ w r / Σ w (Swaminathan & Joachims 2015), in the unit of the reward.

    >>> one = LoggedRows.of([1, 0], [0.5, 0.5], [0.5, 0.5])
    >>> one.merge(one).audit().snips.value
    0.5
    """

    rewards: Moments = field(default_factory=Moments)
    products: Moments = field(default_factory=Moments)
    weighted: WeightedMoments = field(default_factory=WeightedMoments)
    top: TopWeights = field(default_factory=lambda: TopWeights(KEEP))

    @classmethod
    def of(
        cls, reward: ArrayLike, propensity: ArrayLike, target: ArrayLike, *, keep: int = KEEP
    ) -> LoggedRows:
        """The state of a batch: columns (n,) as `counterfactual.snips` takes them, `keep` as in `TopWeights`.

        An empty batch is the identity; one without overlap is a state like any other, judged when all are merged.

        Raises:
            InputError: As `counterfactual.snips`, row by row; `keep` under 1.
        """
        earned, weights = logged_rows(reward, propensity, target, least=0)
        most = count(keep, "keep", least=1)
        if not len(earned):
            return cls(top=TopWeights(most))
        sums = cross_sums(earned, weights)
        weighted = WeightedMoments.of_sums(sums)
        top = TopWeights(most, weighted.n, weighted.first.mass, weighted.second.mass, largest_of(weights, most))
        return cls(_plain(sums), _plain(product_sums(earned, weights, sums)), weighted, top)

    def merge(self, other: LoggedRows) -> LoggedRows:
        """The state of both batches together."""
        return LoggedRows(
            self.rewards.merge(other.rewards), self.products.merge(other.products),
            self.weighted.merge(other.weighted), self.top.merge(other.top),
        )  # fmt: skip

    def audit(self, *, floor: float = ESS_FLOOR, confidence: float = 0.9, unit: str = "1") -> Audit:
        """Estimates with their intervals, and the judgement of the weights at the given ESS/N floor.

        Raises:
            InputError: A floor outside [0, 1], or confidence outside (0, 1).
        """
        products, bend = self.products, self.weighted.shape().acceleration
        square = products.n * products.mean**2
        total = products.m2 + square
        return Audit(
            products.estimate(confidence=confidence, unit=unit),
            self.weighted.estimate(confidence=confidence, unit=unit),
            self.rewards.estimate(confidence=confidence, unit=unit),
            check_state(self.top, floor=floor),
            1.0 / (36.0 * bend**2) if bend else math.inf,
            products.n * square / total if total > 0.0 else 0.0,
        )


def _plain(sums: BlockSums) -> Moments:
    """Moments of a column under its first mass, 1."""
    rows, *moments = sums.pooled(0)
    return Moments(int(rows), *moments)
