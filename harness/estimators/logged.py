"""A log's audit in a state that merges: what IPS, SNIPS and the judgement of the weights need, and no more.

The same state sees a file of any length batch by batch, one partition of a cluster, or one window of a live system.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from numpy.typing import ArrayLike

from harness.estimate import Estimate
from harness.estimators.counterfactual import logged_rows
from harness.estimators.moments import Moments
from harness.estimators.overlap import ESS_FLOOR, WeightCheck, check_state
from harness.estimators.weighted import WeightedMoments
from harness.estimators.weights import TopWeights

__all__ = ["Audit", "LoggedRows"]

BLOCK = 32_768  # rows whose powers stay in the cache
KEEP = 10_000  # the whole tail of 1.1e7 rows; of more rows, the largest 10,000


class Audit(NamedTuple):
    """What a log says of the target policy, and whether it may be believed.

    Attributes:
        ips: Mean of w r.
        snips: Σ w r / Σ w.
        logged: Mean reward of the policy that wrote the log.
        check: The weights, judged.
        rewarded: Effective number of rows behind the value, (Σ w r)² / Σ (w r)²: what 46 clicks are worth after
            weighting. 0 where nothing was earned.
    """

    ips: Estimate
    snips: Estimate
    logged: Estimate
    check: WeightCheck
    rewarded: float

    @property
    def reach(self) -> float:
        """Half the width of SNIPS' interval as a share of its value: smaller differences cannot be told."""
        value = abs(self.snips.value)
        return (self.snips.high - self.snips.low) / 2.0 / value if value > 0.0 else float("inf")


@dataclass(frozen=True)
class LoggedRows:
    """Rewards, weights, and their product, as accumulators.

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
        """
        earned, weights = logged_rows(reward, propensity, target, least=0)
        rewards, products = Moments(), Moments()
        for start in range(0, len(earned), BLOCK):
            some, carried = earned[start : start + BLOCK], weights[start : start + BLOCK]
            rewards, products = rewards.merge(Moments.of(some)), products.merge(Moments.of(some * carried))
        return cls(rewards, products, WeightedMoments.of(earned, weights), TopWeights.of(weights, keep=keep))

    def merge(self, other: LoggedRows) -> LoggedRows:
        """The state of both batches together."""
        return LoggedRows(
            self.rewards.merge(other.rewards), self.products.merge(other.products),
            self.weighted.merge(other.weighted), self.top.merge(other.top),
        )  # fmt: skip

    def audit(self, *, floor: float = ESS_FLOOR, confidence: float = 0.9, unit: str = "1") -> Audit:
        """Estimates with their intervals, and the judgement of the weights at the given ESS/N floor."""
        products = self.products
        square = products.n * products.mean**2
        total = products.m2 + square
        return Audit(
            products.estimate(confidence=confidence, unit=unit),
            self.weighted.estimate(confidence=confidence, unit=unit),
            self.rewards.estimate(confidence=confidence, unit=unit),
            check_state(self.top, floor=floor),
            products.n * square / total if total > 0.0 else 0.0,
        )
