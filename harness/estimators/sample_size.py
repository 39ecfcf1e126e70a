"""How many observations would settle what these left open."""

from __future__ import annotations

import math
from collections.abc import Callable

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators._check import level, real, share

__all__ = ["needed_for_mean", "needed_for_quantile", "needed_for_share", "needed_n"]

MOST = 10**12  # beyond this no one will collect them: not settled


def needed_n(estimate: Estimate, limit: float) -> int | None:
    """Observations after which an estimate like this one would have `limit` outside its interval.

    Intervals shrink with the root of n: with the value v and the end that faces the limit b a distance h from it, n (h
    / |v - b|)**2. At that n the chance is about one in two, if v is the truth. A limit already outside needs no more
    than n. The rule is the same for PASS and REFUSE, for at_least and at_most: only the facing end matters. `limit` in
    the estimate's unit; plain algebra, without source.

    Returns:
        None where nothing can be said: the value is the limit itself, NaN, or without a finite facing end.

    Raises:
        InputError: A limit that is not finite.

    >>> needed_n(Estimate(0.01, -0.01, 0.03, 200, 0.9, "t"), 0.0)
    800
    """
    gap = estimate.value - real(limit, "limit")
    reach = estimate.value - estimate.low if gap > 0.0 else estimate.high - estimate.value
    if not (math.isfinite(gap) and math.isfinite(reach)) or gap == 0.0 or estimate.n < 1:
        return None
    need = estimate.n * (reach / gap) ** 2
    return None if need > MOST else max(1, math.ceil(round(need, 6)))


def needed_for_mean(gap: float, sd: float, *, confidence: float = 0.9, power: float = 0.5) -> int | None:
    """Observations for a bound to clear a limit `gap` away from the true mean, with probability `power`.

    ((z_confidence + z_power) sd / gap)**2 by normal theory, each end at (1 + confidence) / 2. `sd` is the standard
    deviation of one observation; with clusters of size m and intra-class correlation r, that times sqrt(1 + (m - 1) r).
    `gap` and `sd` in one unit (Lachin 1981; the factor of clusters: Kish 1965).

    Raises:
        InputError: A gap or sd that is not finite, sd under 0; confidence or power outside (0, 1).

    >>> needed_for_mean(0.02, 0.2, power=0.8)
    619
    """
    from scipy.special import ndtri

    tail, chance = level(confidence), share(power, "power")
    for name, number in (("gap", gap), ("sd", sd)):
        if real(number, name) < 0.0 and name == "sd":
            raise InputError("out of bounds", where=name, expected="a finite number, sd >= 0", found=number)
    if gap == 0.0:
        return None
    need = ((float(ndtri(1.0 - tail)) + max(0.0, float(ndtri(chance)))) * sd / gap) ** 2
    return None if need > MOST else max(2, math.ceil(need))


def needed_for_share(truth: float, limit: float, *, confidence: float = 0.9) -> int | None:
    """Trials after which Clopper & Pearson's bound clears `limit` if the observed share is `truth`.

    `truth`, `limit`: shares; about the least n whose Beta quantile clears it (Clopper & Pearson 1934).

    Raises:
        InputError: Truth or limit outside [0, 1], or confidence outside (0, 1).

    >>> needed_for_share(1.0, 0.95)
    59
    """
    from harness.estimators.proportions import clopper_pearson

    rate, bound = share(truth, "truth", closed=True), share(limit, "limit", closed=True)

    def cleared(n: int) -> bool:
        found = clopper_pearson(math.floor(rate * n) if rate > bound else math.ceil(rate * n), n, confidence=confidence)
        return found.low >= bound if rate > bound else found.high <= bound

    return None if rate == bound else _first(cleared)


def needed_for_quantile(q: float, share_below: float, *, confidence: float = 0.9) -> int | None:
    """Values after which the order-statistic bound of the q-quantile clears a limit that a share of values lies below.

    `share_below` is the observed share of values at or under the limit. Above q the upper end must come under the
    limit, below q the lower end over it: the same question as whether that share differs from q. As
    `needed_for_share(share_below, q)` (David & Nagaraja 2003, 7.1).

    Raises:
        InputError: q or confidence outside (0, 1), or a share outside [0, 1].

    >>> needed_for_quantile(0.95, 1.0)
    59
    """
    below = share(share_below, "share_below", closed=True)
    return needed_for_share(below, share(q, "q"), confidence=confidence)


def _first(cleared: Callable[[int], bool]) -> int | None:
    """About the least n that is cleared: doubling, then halving (whole hits make the edge a little ragged)."""
    high = 1
    while not cleared(high):
        if high > MOST:
            return None
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if cleared(middle) else (middle, high)
    return high
