"""Losses too rare to be in the sample: what no interval of a mean can see, and the bound that can.

A mean's lower bound is honest only if the sample holds some of the losses. Where a share p of queries loses much,
n queries hold none with probability (1 - p)**n, and then every bound, closed or resampled, is too high.
"""

from __future__ import annotations

from numpy.typing import ArrayLike

from harness.estimate import Estimate
from harness.estimators._check import numbers, real
from harness.estimators.proportions import clopper_pearson

__all__ = ["LOWER_BOUND_MIN_N", "LOWER_BOUND_TABLE", "big_loser_share"]

LOWER_BOUND_MIN_N = 200
"""Least n at which a mean's one-sided 95 % lower bound is believed; under it a gate says INCONCLUSIVE."""

LOWER_BOUND_TABLE = {
    50: (0.207, 0.207),
    100: (0.058, 0.137),
    200: (0.048, 0.099),
    400: (0.044, 0.077),
    1000: (0.049, 0.068),
}
"""n: P(lower bound > truth), nominally .05, of the skew-corrected bound and of the plain t bound.

The world: 3 % of queries lose .6, half of the rest move by a normal of sd .05. `tests/worlds` measures it again. At
n = 50 the sample holds no loser one time in five (.97**50 = .22), and no method can know. The gate's interval is
widened to the t interval's under `LOWER_BOUND_MIN_N`, which does not mend that: hence the least n.
"""


def big_loser_share(delta: ArrayLike, *, loss: float = 0.3, confidence: float = 0.9) -> Estimate:
    """Share of queries that lose at least `loss`, with Clopper & Pearson's interval: its high end is the promise.

    #{delta <= -loss} / n (Clopper & Pearson 1934), a share without unit.

    Args:
        delta: (n,) changes per query, after - before, of a measure where higher is better.
        loss: What counts as big, > 0, in the measure's unit.
        confidence: Two-sided; each end alone holds with at least (1 + confidence) / 2.

    Raises:
        InputError: NaN or infinite values, none at all, a loss not above 0, or confidence outside (0, 1).

    >>> big_loser_share([0.0] * 97 + [-0.6] * 3).value
    0.03
    """
    values, loss = numbers(delta, "delta"), real(loss, "loss", above=0.0)
    found = clopper_pearson(int((values <= -loss).sum()), len(values), confidence=confidence)
    return found._replace(method=f"Clopper-Pearson, losses of {loss:g} or more")
