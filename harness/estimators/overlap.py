"""Whether importance weights can carry an estimate at all: three refusals, of which no two make up for the third.

There are real logs with κ and largest share in order whose effective sample is 7 % of the rows, and others that pass
on ESS while one row is a tenth of the answer.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from harness.estimate import Estimate
from harness.estimators._check import ROUNDING, numbers, share
from harness.estimators.closed import Shape, closed_interval
from harness.estimators.psis import Tail, tail_of, tail_rows
from harness.estimators.weights import TopWeights

__all__ = ["ESS_FLOOR", "MEAN_CONFIDENCE", "MOST_SHARE", "WeightCheck", "check_state", "check_weights", "mean_weight"]

ESS_FLOOR = 0.2
MOST_SHARE = 0.05
MEAN_CONFIDENCE = 0.99  # many slices are looked at: a doubt should mean something


class WeightCheck(NamedTuple):
    """What n weights can carry.

    Attributes:
        n: Rows.
        ess_share: Effective sample size over n; NaN without weight.
        largest_share: Share of the whole weight in one row; NaN without weight.
        tail: κ, its limit, or why there is none and the bound.
        mean: Mean weight with its interval at `MEAN_CONFIDENCE`; 1 where propensities fit the log and overlap is whole.
        refusals: Why an estimate from these weights must not be used, a sentence each; empty if it may.
        doubts: Why this cannot be told, a sentence each.

    >>> found = check_weights([0.4, 1.2] * 300)
    >>> round(found.ess_share, 2), round(found.unlogged_share.value, 2)
    (0.8, 0.2)
    """

    n: int
    ess_share: float
    largest_share: float
    tail: Tail
    mean: Estimate
    refusals: tuple[str, ...]
    doubts: tuple[str, ...]

    @property
    def unlogged_share(self) -> Estimate:
        """Share of the target policy on actions that the log could not have taken: 1 - E[w] if propensities are right.

        A log shows π(a|x) of logged actions alone; what is missing of the mean weight's 1 is what the target does where
        the behaviour never went.
        """
        one = self.mean
        return Estimate(
            max(0.0, 1.0 - one.value), max(0.0, 1.0 - one.high), max(0.0, 1.0 - one.low), one.n, one.confidence,
            "1 - mean weight",
        )  # fmt: skip


def check_weights(
    weights: ArrayLike, *, floor: float = ESS_FLOOR, most_share: float = MOST_SHARE, bound: float | None = None
) -> WeightCheck:
    """Judge importance weights (n,), >= 0: ESS/N under `floor`, one row above `most_share`, or κ over its limit.

    κ is undefined for bounded or tied weights; there the bound (the largest weight that can occur) is held to
    `most_share` instead. Too few rows for κ, or a mean weight whose interval excludes 1, are doubts. ESS = (Σ w)² / Σ
    w² (Kong 1992); κ and its limit: Vehtari et al. 2024.

    Args:
        weights: π(a_i|x_i) / propensity_i.
        floor: Within [0, 1].
        most_share: Inside (0, 1).
        bound: Greatest weight that can occur, if known.

    Raises:
        InputError: Weights that are negative, NaN or infinite, or none; a floor or share out of its range; a bound
            under the largest weight.

    >>> check_weights([1.0] * 99 + [90.0]).refusals[0]
    'ESS/N 0.0436 is under the floor of 0.2'
    >>> check_weights([0.0, 2.0] * 200).refusals
    ()
    """
    values = numbers(weights, "weights", low=0.0)
    state = TopWeights.of(values, keep=tail_rows(len(values)) + 1)
    return check_state(state, floor=floor, most_share=most_share, bound=bound)


def check_state(
    state: TopWeights, *, floor: float = ESS_FLOOR, most_share: float = MOST_SHARE, bound: float | None = None
) -> WeightCheck:
    """The same from a merged state; see `check_weights`.

    (Σ w)² / Σ w² after Kong 1992, κ after Vehtari et al. 2024; `bound` is a weight, without unit.

    Raises:
        InputError: A floor or share out of its range, or a bound under the largest weight.

    >>> check_state(TopWeights()).refusals
    ('no rows',)
    """
    least, most = share(floor, "floor", closed=True), share(most_share, "most_share")
    tail, mean = tail_of(state, bound=bound), mean_weight(state)
    refusals, doubts = [], []
    if tail.why == "no weight":
        refusals.append("no overlap: the target policy takes none of the logged actions" if state.n else "no rows")
    else:
        refusals += _refusals(state, tail, least, most)
        doubts += _doubts(tail, mean)
    return WeightCheck(
        state.n, state.ess_share, state.largest_share, tail, mean, tuple(refusals), tuple(doubts)
    )


def _refusals(state: TopWeights, tail: Tail, floor: float, most: float) -> list[str]:
    found = []
    if not state.ess_share >= floor:
        found.append(f"ESS/N {state.ess_share:.3g} is under the floor of {floor:g}")
    if not state.largest_share <= most:
        found.append(f"one row holds {state.largest_share:.1%} of the weight, more than {most:g}")
    elif tail.by_bound and not tail.bound / state.total <= most:
        found.append(f"one row could hold {tail.bound / state.total:.1%} of the weight, more than {most:g}")
    if tail.kappa >= tail.limit:
        found.append(f"κ {tail.kappa:.2f} is not under its limit of {tail.limit:.2f}")
    return found


def _doubts(tail: Tail, mean: Estimate) -> list[str]:
    found = []
    if tail.why == "too few rows":
        found.append(f"{tail.n} rows are too few to judge the tail")
    if not mean.low <= 1.0 <= mean.high:
        side = "propensities too small" if mean.low > 1.0 else "propensities too large, or actions never logged"
        found.append(f"mean weight {mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}] excludes 1: {side}")
    return found


def mean_weight(state: TopWeights, *, confidence: float = MEAN_CONFIDENCE) -> Estimate:
    """E[w] with an interval by Student's t from the state's sums; ends are kept >= 0.

    Σ w / n -+ t s / √n (Student 1908), without unit.

    Raises:
        InputError: Confidence outside (0, 1).

    >>> mean_weight(TopWeights.of([1.0, 0.5, 1.5] * 100)).value
    1.0
    """
    n = state.n
    if not n:
        return Estimate(math.nan, 0.0, math.inf, 0, confidence, "under two units")
    value = state.total / n
    about = state.squares - state.total * value
    spread = (about if about > ROUNDING * state.squares else 0.0) / max(1, n - 1)  # equal weights leave their rounding
    error = float(np.sqrt(spread / n))
    found = closed_interval(value, error, Shape(), n=n, units=n, confidence=confidence, method="t")
    return found._replace(low=max(0.0, found.low))
