"""Before more is measured: how many observations would settle a bound.

Intervals shrink with the root of n. A finding's own `needed_n` asks for the n at which an interval like the one seen
would clear its limit if the value stays as it is: a chance of one in two. Here the effect is named and the chance too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harness.estimate import Estimate
from harness.estimators.rare import LOWER_BOUND_MIN_N
from harness.estimators.sample_size import needed_for_quantile
from harness.release.findings import least_n
from harness.release.measures.latency import owns as latency_owns
from harness.release.policy import Check, Limit

__all__ = ["POINT", "Bound", "Planned", "needed_rows"]

POINT = 0.01
_MOST = 1e12


def needed_rows(estimate: Estimate, limit: Limit, *, value: float | None = None, power: float = 0.8,
                least: int = 0) -> int | None:
    """Observations with which the limit is settled with probability `power`, if `value` is the truth.

    With the end of the interval that faces the limit a distance h from the value, at n observations, and the limit a
    gap g away: n ((z_c + z_p) / z_c * h / g)**2, z_c and z_p the normal quantiles of the interval's end and of the
    power. A limit `by: value` has no z_c. At power .5 it is the rule of a finding's `needed_n`.

    Args:
        estimate: What was measured, with its interval: h and n are read off it, dependence within clusters included.
        limit: What must be settled, either way: a value on the good side passes, one on the other is refused.
        value: The truth to plan for; the measured value by default.
        power: Inside (0, 1).
        least: Fewer never settle it, whatever their spread (rare big losses: 200).

    Returns:
        None where no number can be told: the value is the limit, nothing was measured, an end is infinite, or the
        interval has no width (a count over all there is).

    >>> needed_rows(Estimate(0.01, -0.01, 0.03, 200, 0.9, "t"), Limit("at_least", 0.0, "lcb"), power=0.5)
    800
    >>> needed_rows(Estimate(0.01, -0.01, 0.03, 200, 0.9, "t"), Limit("at_least", 0.0, "lcb"), power=0.8)
    1829
    """
    from scipy.special import ndtri

    truth = estimate.value if value is None else value
    gap = truth - limit.bound
    reach = estimate.value - estimate.low if gap > 0.0 else estimate.high - estimate.value
    if not (math.isfinite(gap) and math.isfinite(reach)) or gap == 0.0 or reach == 0.0 or estimate.n < 2:
        return None
    end = float(ndtri((1.0 + estimate.confidence) / 2.0))
    lead = 0.0 if limit.by == "value" else end
    rows = estimate.n * ((lead + max(0.0, float(ndtri(power)))) / end * reach / gap) ** 2
    if truth == estimate.value and not estimate.low < estimate.value < estimate.high:
        rows = estimate.n * reach / gap  # none or all were seen, and will be: the end falls with n, not with its root
    return None if rows > _MOST else max(least, 1, math.ceil(round(rows, 6)))


class Planned(NamedTuple):
    """One bound at one truth: `needed_n` settles it towards `to`, None where no number would.

    `measured` says that the truth is the measured value; `finding_n` is what the finding itself asks for.
    """

    gate: str
    measure: str
    where: str
    limit: str
    unit: str
    n: int
    clusters: int | None
    truth: float
    measured: bool
    to: str
    needed_n: int | None
    needed_clusters: int | None
    finding_n: int | None


@dataclass(frozen=True)
class Bound:
    """A gate decided by a bound, and what was measured for it.

    Attributes:
        check: The gate.
        estimate: The measured value with its interval.
        clusters: Clusters that the observations fell into, where they did.
        finding_n: The n that its finding asks for, where it is inconclusive.
    """

    check: Check
    estimate: Estimate
    clusters: int | None = None
    finding_n: int | None = None

    def rows(self, truths: Sequence[float] | None, *, power: float) -> list[Planned]:
        """One line a truth; without any, the measured value and, for shares, one point on the limit's good side."""
        assert self.check.limit is not None
        side = 1.0 if self.check.limit.direction == "at_least" else -1.0
        shares = self.estimate.unit == "1" and abs(self.check.limit.bound) <= 1.0
        point = [self.check.limit.bound + side * POINT] if shares else []
        values = [self.estimate.value, *point] if truths is None else list(truths)
        return [self._row(value, power) for value in values]

    def _row(self, truth: float, power: float) -> Planned:
        check, limit = self.check, self.check.limit
        assert limit is not None
        needed = needed_rows(self.estimate, limit, value=truth, power=power, least=_least(check, limit))
        per = self.clusters / self.estimate.n if self.clusters and self.estimate.n else None
        good = truth >= limit.bound if limit.direction == "at_least" else truth <= limit.bound
        return Planned(
            check.id, check.measure, " · ".join(filter(None, (check.task, check.slice))), str(limit),
            self.estimate.unit, self.estimate.n, self.clusters, truth, truth == self.estimate.value,
            "PASS" if good else "REFUSE", needed, None if needed is None or per is None else math.ceil(needed * per),
            self.finding_n)


def _least(check: Check, limit: Limit) -> int:
    """Fewer settle nothing: of a mean, for losses too rare to be seen; of a percentile, for want of an upper end."""
    if not latency_owns(check.measure):
        return max(least_n(check.measure, limit), LOWER_BOUND_MIN_N)
    q = float(check.measure[1:].partition(" ")[0].partition("/")[0]) / 100.0  # of p99/p50 the further tail
    return needed_for_quantile(q, 1.0, confidence=check.confidence) or 0
