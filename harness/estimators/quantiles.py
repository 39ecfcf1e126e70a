"""Intervals for a quantile by order statistics: they hold for any continuous distribution, and hold for ties too."""

from __future__ import annotations

import math
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators._check import Floats, count, level, numbers, same_length, share

__all__ = ["quantile_difference", "quantile_interval", "quantile_ranks"]

DifferenceMethod = Literal["union", "mover"]


def quantile_interval(x: ArrayLike, q: float, *, confidence: float = 0.9, unit: str = "1") -> Estimate:
    """The q-quantile of independent `x` (n,) between two of its order statistics (David & Nagaraja 2003, 7.1).

    The l-th smallest value lies above the quantile with probability P(Bin(n, q) < l): the largest l for which that is
    at most (1 - confidence) / 2 is the lower end; the upper end mirrors it. An end that no order statistic can hold
    is infinite: the p95 needs 59 values for an upper end at one-sided 95 %.

    Args:
        x: Finite numbers.
        q: Inside (0, 1).
        confidence: Two-sided; each end alone holds with at least (1 + confidence) / 2.
        unit: Of the values.

    Returns:
        The value is the linear quantile (numpy's default), moved to the nearer end where it lies outside; under two
        values both ends are infinite.

    Raises:
        InputError: NaN or infinite values, none at all; q or confidence outside (0, 1).

    >>> quantile_interval(range(1, 101), 0.5).low, quantile_interval(range(1, 101), 0.5).high
    (42.0, 59.0)
    >>> quantile_interval(range(58), 0.95).high, quantile_interval(range(59), 0.95).high
    (inf, 58.0)
    """
    values, place, tail = np.sort(numbers(x)), share(q, "q"), level(confidence)
    low, high = _ends(values, place, tail)
    # Far in the tail of few values the interpolated quantile falls short of its own bound; the bound then speaks.
    value = float(np.clip(np.quantile(values, place), low, high))
    return Estimate(value, low, high, len(values), confidence, "order statistics", unit)


def _ends(values: Floats, q: float, tail: float) -> tuple[float, float]:
    below, above = quantile_ranks(len(values), q, tail)
    low = float(values[below - 1]) if below else -math.inf
    return low, (float(values[above - 1]) if above <= len(values) else math.inf)


def quantile_ranks(n: int, q: float, tail: float) -> tuple[int, int]:
    """Ranks, from 1, of the order statistics that enclose the q-quantile at miss rate `tail` each.

    0 and n + 1 where no rank will do: always under two values. Low: the largest l with P(Bin(n, q) < l) <= tail; high
    mirrors it (David & Nagaraja 2003, 7.1).

    Raises:
        InputError: n that is no whole number of at least 0; q or tail outside (0, 1).

    >>> quantile_ranks(100, 0.5, 0.05)
    (42, 59)
    """
    size, place, miss = count(n, "n"), share(q, "q"), share(tail, "tail")
    if size < 2:
        return 0, size + 1
    return _rank(size, place, miss), size + 1 - _rank(size, 1.0 - place, miss)


def _rank(n: int, q: float, tail: float) -> int:
    """The largest l with P(Bin(n, q) < l) <= tail, from 1, or 0 if there is none."""
    from scipy.special import bdtr, bdtrik

    guess = bdtrik(tail, n, q)
    start = 0 if math.isnan(guess) else max(0, int(guess) - 2)
    limit = tail * (1.0 + 1e-12)  # equal but for rounding counts as equal
    rank = start
    while rank < n and float(bdtr(rank, n, q)) <= limit:
        rank += 1
    return rank


def quantile_difference(
    after: ArrayLike,
    before: ArrayLike,
    q: float,
    *,
    confidence: float = 0.9,
    method: DifferenceMethod = "mover",
    unit: str = "1",
) -> Estimate:
    """The difference of two q-quantiles, after - before, over the same n requests (for latency: paired, in order).

    `mover` adds the distances to the ends of the two `quantile_interval`s in quadrature, less what the pairs share (Zou
    & Donner, Statistics in Medicine 27, 2008); what they share is how far they exceed their own quantiles together,
    shrunk by 1 / sqrt(n) so that equal columns keep a width. Each end misses .00 to .05 for .05. `union` joins opposite
    ends at half the miss rate each (Bonferroni): it holds whatever the law, at twice the width. Both are infinite where
    an order statistic is missing. `after`, `before`: (n,) finite, in `unit`; the value is their quantiles' difference.

    Raises:
        InputError: As `quantile_interval`; lengths that differ, or an unknown method.

    >>> quantile_difference([x + 5.0 for x in range(200)], range(200), 0.5).value
    5.0
    """
    one, two, place, tail = numbers(after, "after"), numbers(before, "before"), share(q, "q"), level(confidence)
    same_length(after=one, before=two)
    if method not in get_args(DifferenceMethod):
        raise InputError("unknown method", where="method", expected="union or mover", found=method)
    value = float(np.quantile(one, place) - np.quantile(two, place))
    low, high = (_union if method == "union" else _mover)(one, two, place, tail)
    return Estimate(value, low, high, len(one), confidence, f"order statistics, {method}", unit)


def _union(one: Floats, two: Floats, q: float, tail: float) -> tuple[float, float]:
    (low_one, high_one), (low_two, high_two) = (_ends(np.sort(column), q, tail / 2.0) for column in (one, two))
    return low_one - high_two, high_one - low_two


def _mover(one: Floats, two: Floats, q: float, tail: float) -> tuple[float, float]:
    (low_one, high_one), (low_two, high_two) = (_ends(np.sort(column), q, tail) for column in (one, two))
    at_one, at_two = float(np.quantile(one, q)), float(np.quantile(two, q))
    above_one, above_two = one > at_one, two > at_two
    spread = math.sqrt(float(above_one.var() * above_two.var()))
    shared = float((above_one & above_two).mean() - above_one.mean() * above_two.mean())
    alike = max(0.0, shared / spread) * (1.0 - len(one) ** -0.5) if spread > 0.0 else 0.0

    def reach(left: float, right: float) -> float:
        if math.isinf(left) or math.isinf(right):
            return math.inf
        return math.sqrt(max(0.0, left**2 + right**2 - 2.0 * alike * left * right))

    value = at_one - at_two
    return value - reach(at_one - low_one, high_two - at_two), value + reach(high_one - at_one, at_two - low_two)
