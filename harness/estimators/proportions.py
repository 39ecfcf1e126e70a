"""Intervals for a share: Wilson's, near nominal, and Clopper and Pearson's, never below it."""

from __future__ import annotations

import math

from harness.estimate import Estimate
from harness.estimators._check import count, level

__all__ = ["clopper_pearson", "wilson"]


def wilson(hits: float, n: float, *, confidence: float = 0.9) -> Estimate:
    """Wilson's score interval (JASA 22, 1927) of the share hits / n.

    (p + z²/2n -+ z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n), p = hits / n.

    Near nominal on average over shares, and up to a few points below it for single ones: use `clopper_pearson` where
    the promise must hold. No observation gives the interval (0, 1).

    Args:
        hits: 0 <= hits <= n, whole.
        n: Observations, whole.
        confidence: Two-sided; each end alone holds with (1 + confidence) / 2.

    Raises:
        InputError: Counts that are negative or not whole, hits above n, or confidence outside (0, 1).

    >>> wilson(9, 10).low < 0.9 < wilson(9, 10).high < 1.0
    True
    """
    from scipy.special import ndtri

    total, tail = count(n, "n"), level(confidence)
    successes = count(hits, "hits", most=total)
    if not total:
        return Estimate(math.nan, 0.0, 1.0, 0, confidence, "Wilson")
    share, square = successes / total, float(ndtri(tail)) ** 2 / total
    centre = (share + square / 2.0) / (1.0 + square)
    reach = math.sqrt(square * (share * (1.0 - share) + square / 4.0)) / (1.0 + square)
    low = 0.0 if successes == 0 else max(0.0, centre - reach)
    high = 1.0 if successes == total else min(1.0, centre + reach)
    return Estimate(share, low, high, total, confidence, "Wilson")


def clopper_pearson(hits: float, n: float, *, confidence: float = 0.9) -> Estimate:
    """Clopper & Pearson's exact interval (Biometrika 26, 1934) of the share hits / n; arguments as in `wilson`.

    Each end misses with at most (1 - confidence) / 2, whatever the share. No observation gives (0, 1). Quantiles of
    Beta(hits, n - hits + 1) and Beta(hits + 1, n - hits); `hits` and `n` whole, a share has no unit.

    Raises:
        InputError: Counts that are negative or not whole, hits above n, or confidence outside (0, 1).

    >>> round(clopper_pearson(0, 59, confidence=0.9).high, 3)  # the rule of three
    0.05
    """
    from scipy.special import betaincinv

    total, tail = count(n, "n"), level(confidence)
    successes = count(hits, "hits", most=total)
    if not total:
        return Estimate(math.nan, 0.0, 1.0, 0, confidence, "Clopper-Pearson")
    low = float(betaincinv(successes, total - successes + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, total - successes, 1.0 - tail)) if successes < total else 1.0
    return Estimate(successes / total, low, high, total, confidence, "Clopper-Pearson")
