"""Intervals for the mean of bounded values that hold at every look at once, however often one looks.

A confidence sequence misses its mean, at any look of an endless stream, with at most 1 - confidence; so one may look
after each value and stop when it pleases. What they ask is that each value lies in a known range and has, given those
before it, the same mean: independence is enough and more than is needed. Where minutes depend on each other, see
`sequential_blocks`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.estimate import Estimate
from harness.estimators._check import Floats, bounded, count, level, numbers, real, share

__all__ = ["ConfidenceSequence", "EProcess", "bernstein_sequence", "betting_sequence", "betting_wealth"]

BERNSTEIN_CAP = 0.5
BET_CAP = 0.5  # the part of the wealth that one value can lose


class ConfidenceSequence(NamedTuple):
    """An interval for each look.

    Attributes:
        value: (looks,) point estimates.
        low: (looks,) lower ends; -inf where nothing is promised yet.
        high: (looks,) upper ends.
        n: (looks,) observations so far.
        confidence: Two-sided, of all looks together; each end alone holds with (1 + confidence) / 2.
        method: How it was made.
        unit: Of the value.

    >>> found = bernstein_sequence([1.0] * 100)
    >>> found.at(-1).n, found.excludes(0.5)
    (100, 12)
    """

    value: Floats
    low: Floats
    high: Floats
    n: NDArray[np.int64]
    confidence: float
    method: str
    unit: str = "1"

    def at(self, look: int) -> Estimate:
        """The estimate at one look, from 0; -1 is the last.

        Raises:
            InputError: A look that there is not.
        """
        at = count(look, "look", least=-len(self.n), most=len(self.n) - 1)
        value, low, high = (float(column[at]) for column in (self.value, self.low, self.high))
        return Estimate(value, low, high, int(self.n[at]), self.confidence, self.method, self.unit)

    def excludes(self, null: float) -> int | None:
        """The first look, from 0, whose interval leaves `null` out; None if none does.

        Raises:
            InputError: A null that is not finite.
        """
        at = real(null, "null")
        return _first((self.low > at) | (self.high < at))


class EProcess(NamedTuple):
    """Evidence against a null hypothesis at each look: under it, the chance ever to exceed 1 / alpha is at most alpha.

    Attributes:
        log_e: (looks,) natural logarithms of the e-values.
        n: (looks,) observations so far.
        method: How it was made.

    >>> found = betting_wealth([1.0] * 10, 0.5)
    >>> found.alarm(0.05), bool(found.p[-1] < 0.05), found.alarm(1e-9) is None
    (7, True, True)
    """

    log_e: Floats
    n: NDArray[np.int64]
    method: str

    def alarm(self, alpha: float) -> int | None:
        """The first look, from 0, with e >= 1 / alpha (Ville's inequality); None if there is none.

        Raises:
            InputError: Alpha outside (0, 1).
        """
        return _first(self.log_e >= -math.log(share(alpha, "alpha")))

    @property
    def p(self) -> Floats:
        """(looks,) p-values that hold at every look: the least of 1 and 1 / the greatest e so far."""
        return np.exp(-np.maximum(np.maximum.accumulate(self.log_e), 0.0))


def _first(true: NDArray[np.bool_]) -> int | None:
    return int(np.argmax(true)) if true.any() else None


def bernstein_sequence(
    x: ArrayLike, *, support: tuple[float, float] = (0.0, 1.0), confidence: float = 0.9, unit: str = "1"
) -> ConfidenceSequence:
    """Predictable plug-in empirical Bernstein sequence (Waudby-Smith & Ramdas, JRSS-B 86, 2024, theorem 2).

    Sum(l x) / sum(l) -+ (log(1/a) + sum((x - m)**2 (-log(1 - l) - l))) / sum(l) with bets
    l = sqrt(2 log(1/a) / (v t log(1 + t))), at most .5, where m and v are the mean and variance of the values before
    and a = (1 - confidence) / 2. In closed form and O(n); `betting_sequence` is narrower.

    Args:
        x: (n,) numbers within `support`, in order of arrival.
        support: Least and greatest possible value; ends are kept within it.
        confidence: Two-sided, of all looks together.
        unit: Of the values.

    Returns:
        One look per value; ends only ever move inwards. Ends that cross say that the mean has not stayed the same.

    Raises:
        InputError: A value outside `support` or NaN, no value at all, a support out of order, or confidence outside (0,
            1).

    >>> found = bernstein_sequence([0.0, 1.0] * 500)
    >>> round(float(found.low[-1]), 2), round(float(found.high[-1]), 2)
    (0.44, 0.56)
    """
    scaled, (low, high) = _scaled(x, support)
    log = -math.log(level(confidence))
    means, bets = _bets(scaled, log)
    bets = np.minimum(bets, BERNSTEIN_CAP)
    total = np.cumsum(bets)
    centre = np.cumsum(bets * scaled) / total
    reach = (log + np.cumsum((scaled - means) ** 2 * (-np.log1p(-bets) - bets))) / total
    ends = (np.maximum.accumulate(np.clip(centre - reach, 0.0, 1.0)),
            np.minimum.accumulate(np.clip(centre + reach, 0.0, 1.0)))  # fmt: skip
    return _unscaled(scaled, ends, (low, high), confidence=confidence, method="empirical Bernstein sequence", unit=unit)


def betting_sequence(
    x: ArrayLike,
    *,
    support: tuple[float, float] = (0.0, 1.0),
    confidence: float = 0.9,
    grid: int = 400,
    unit: str = "1",
) -> ConfidenceSequence:
    """Hedged capital sequence (Waudby-Smith & Ramdas 2024, theorem 3): means against which a gambler grew rich are out.

    The wealth of a bet that the mean lies above m falls as m rises, so that a grid point that is out takes all below
    with it: the grid costs up to 1 / `grid` of the support in width and nothing in coverage. O(n grid).

    Args:
        x: (n,) numbers within `support`, in order of arrival.
        support: Least and greatest possible value.
        confidence: Two-sided, of all looks together.
        grid: Means that are tried, evenly over the support.
        unit: Of the values.

    Raises:
        InputError: A value outside `support` or NaN, no value at all, a support out of order, confidence outside (0,
            1), or a grid under 2.

    >>> found = betting_sequence([0.0, 1.0] * 500)
    >>> bool(found.high[-1] - found.low[-1] < 0.14), found.excludes(0.7) is not None
    (True, True)
    """
    scaled, within = _scaled(x, support)
    tail = level(confidence)
    low, high = np.zeros(len(scaled)), np.ones(len(scaled))
    bets = _bets(scaled, -math.log(tail))[1]
    steps = count(grid, "grid", least=2)
    for step in range(1, steps):
        mean = step / steps
        above, below = _log_wealth(scaled, bets, mean), _log_wealth(1.0 - scaled, bets, 1.0 - mean)
        low[_from_first(above >= -math.log(tail))] = mean  # later means are higher
        free = _from_first(below >= -math.log(tail))
        high[free] = np.minimum(high[free], mean)
    return _unscaled(scaled, (low, high), within, confidence=confidence, method="betting sequence", unit=unit)


def betting_wealth(
    x: ArrayLike, null: float, *, support: tuple[float, float] = (0.0, 1.0), alpha: float = 0.05
) -> EProcess:
    """Evidence that the mean of bounded `x` (n,) is above `null`: a martingale where it is `null`, else falling below.

    The product of 1 + l_t (x_t - null), l_t from the values before (Waudby-Smith & Ramdas 2024), x scaled. The bets
    are tuned to an alarm at `alpha`, and valid at every other. Turn the sign of x, null and support for the other
    side.

    Args:
        x: (n,) numbers within `support`, in order of arrival.
        null: Inside `support`.
        support: Least and greatest possible value.
        alpha: Miss rate that the bets are tuned to.

    Raises:
        InputError: A value outside `support` or NaN, no value at all, a support out of order, a null that is not inside
            it, or alpha outside (0, 1).

    >>> betting_wealth([0.9, 0.8, 1.0] * 20, 0.5).alarm(0.05)
    8
    """
    scaled, (low, high) = _scaled(x, support)
    null = real(null, "null", above=low, below=high)
    bets = _bets(scaled, -math.log(share(alpha, "alpha")))[1]
    wealth = _log_wealth(scaled, bets, (null - low) / (high - low))
    return EProcess(wealth, np.arange(1, len(scaled) + 1), "betting")


def _scaled(x: ArrayLike, support: tuple[float, float]) -> tuple[Floats, tuple[float, float]]:
    low, high = within = bounded(support)
    return (numbers(x, low=low, high=high) - low) / (high - low), within


def _bets(scaled: Floats, log: float) -> tuple[Floats, Floats]:
    """Mean before each value, and the bet on it: both know only the past, which is what makes the promise hold."""
    n = np.arange(1, len(scaled) + 1)
    means = (0.5 + np.cumsum(scaled)) / (n + 1)
    variances = (0.25 + np.cumsum((scaled - means) ** 2)) / (n + 1)
    before, spread = np.append(0.5, means[:-1]), np.append(0.25, variances[:-1])
    return before, np.sqrt(2.0 * log / (spread * n * np.log1p(n)))


def _log_wealth(scaled: Floats, bets: Floats, mean: float) -> Floats:
    return np.cumsum(np.log1p(np.minimum(bets, BET_CAP / mean) * (scaled - mean)))


def _from_first(out: NDArray[np.bool_]) -> slice:
    """The looks from the first true one on: what is out once stays out."""
    return slice(int(np.argmax(out)) if out.any() else len(out), None)


def _unscaled(
    scaled: Floats,
    ends: tuple[Floats, Floats],
    within: tuple[float, float],
    *,
    confidence: float,
    method: str,
    unit: str,
) -> ConfidenceSequence:
    n, width = np.arange(1, len(scaled) + 1), within[1] - within[0]
    value, low, high = (within[0] + width * column for column in (np.cumsum(scaled) / n, *ends))
    return ConfidenceSequence(value, low, high, n, confidence, method, unit)
