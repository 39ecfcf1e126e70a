"""An interval for the mean of bounded values that holds at every n, for every distribution."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from harness.estimate import Estimate
from harness.estimators._check import bounded, level, numbers

__all__ = ["empirical_bernstein"]


def empirical_bernstein(
    x: ArrayLike, *, support: tuple[float, float] = (0.0, 1.0), confidence: float = 0.9, unit: str = "1"
) -> Estimate:
    """Maurer & Pontil's empirical Bernstein interval (COLT 2009, theorem 4) of the mean of independent `x` (n,).

    Each end lies sqrt(2 v log(2/a) / n) + 7 r log(2/a) / (3 (n - 1)) from the mean: v the unbiased variance, r the
    support's width, a = (1 - confidence) / 2. Several times wider than the closed interval at small n, and never wrong
    more often than it says: rare losses included.

    Args:
        x: Numbers within `support`.
        support: Least and greatest possible value; ends are kept within it.
        confidence: Two-sided.
        unit: Of the values.

    Raises:
        InputError: A value outside `support` or NaN, no value at all, a support out of order, or confidence outside (0,
            1).

    >>> empirical_bernstein([1.0] * 500).low > 0.96
    True
    """
    tail, within = level(confidence), bounded(support)
    values = numbers(x, low=within[0], high=within[1])
    n, value = len(values), float(values.mean())
    if n < 2:
        return Estimate(value, *within, n, confidence, "under two units", unit)
    log, width = math.log(2.0 / tail), within[1] - within[0]
    reach = math.sqrt(2.0 * float(np.var(values, ddof=1)) * log / n) + 7.0 * width * log / (3.0 * (n - 1))
    low, high = max(within[0], value - reach), min(within[1], value + reach)
    return Estimate(value, low, high, n, confidence, "empirical Bernstein", unit)
