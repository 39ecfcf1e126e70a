"""Dual ascent on one price: what a unit of the limit is worth, and how far any rule could still do better.

The Lagrangian of "most gain within the limit" is max over rules of gain - λ (weight - limit). Over λ it is convex and
piecewise linear, so the exact ascent step is at hand: the price moves to where its two best rules tie. That ends
after finitely many steps, where a step of fixed length crawls or swings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.errors import InputError
from harness.records import Floats

__all__ = ["Ascent", "Step", "ascend"]

_MOST = 200  # steps; hulls of a million rules have a few dozen corners


class Step(NamedTuple):
    """One step of the ascent.

    Attributes:
        iteration: From 0.
        price: λ, nDCG units per unit of the limit; below 0 where a least share forces spending.
        slack: Limit less the weight of the best rule at this price; below 0 it overspends.
        dual: nDCG units; no rule, nor any mix of rules, within the limit brings more.
        gap: nDCG units by which the dual may still fall.
    """

    iteration: int
    price: float
    slack: float
    dual: float
    gap: float


class Ascent(NamedTuple):
    """Where the ascent ended.

    Attributes:
        place: Index of the best rule that keeps the limit.
        trace: Every step, the last one at the minimum of the dual.
    """

    place: int
    trace: tuple[Step, ...]


def ascend(gain: Floats, weight: Floats, *, low: float, high: float, tolerance: float = 1e-6) -> Ascent:
    """The rule of most gain with low ≤ weight ≤ high, and the price that the limit puts on weight.

    Args:
        gain: (m,) nDCG units that each rule brings.
        weight: (m,) what it spends.
        low: May be -inf.
        high: Not below `low`.
        tolerance: nDCG units within which the dual is at its minimum at the end.

    Raises:
        InputError: No rule spends within the limit, or the ascent does not end.

    >>> found = ascend(np.array([0.0, 0.3, 0.4]), np.array([0.0, 1.0, 2.0]), low=float("-inf"), high=1.5)
    >>> found.place, round(found.trace[-1].price, 3), round(found.trace[-1].dual, 3)
    (1, 0.1, 0.35)
    """
    within = np.flatnonzero((weight >= low) & (weight <= high))
    if not within.size:
        raise InputError("no rule keeps the limit", where="dual ascent", expected=f"spending from {low:g} to {high:g}",
                         found=f"{weight.min():g} to {weight.max():g}" if weight.size else "no rule")
    free = _best(gain, weight)
    if low <= weight[free] <= high:
        bound = high if np.isfinite(high) else float(weight[free])
        trace: tuple[Step, ...] = (Step(0, 0.0, float(bound - weight[free]), float(gain[free]), 0.0),)
    elif weight[free] > high:
        trace = _descend(gain, weight, high, free, tolerance)
    else:
        mirrored = _descend(gain, -weight, -low, free, tolerance)
        trace = tuple(step._replace(price=-step.price) for step in mirrored)
    return Ascent(int(within[_best(gain[within], weight[within])]), trace)


def _descend(gain: Floats, weight: Floats, limit: float, over: int, tolerance: float) -> tuple[Step, ...]:
    """Raise the price until the rule that overspends and the one that does not are worth the same, and best."""
    under = int(np.lexsort((-gain, weight))[0])
    trace: list[Step] = [Step(0, 0.0, float(limit - weight[over]), float(gain[over]), float(gain[over] - gain[under]))]
    while len(trace) < _MOST:
        price = float((gain[over] - gain[under]) / (weight[over] - weight[under]))
        worth = gain - price * (weight - limit)
        best, tie = int(np.argmax(worth)), float(max(worth[over], worth[under]))
        gap = max(float(worth[best]) - tie, 0.0)
        trace.append(Step(len(trace), price, float(limit - weight[best]), float(worth[best]), gap))
        if gap <= tolerance:
            return tuple(trace)
        over, under = (best, under) if weight[best] > limit else (over, best)
    raise InputError("the dual ascent does not end", where="dual ascent", expected=f"a gap of at most {tolerance:g}",
                     found=trace[-1].gap)


def _best(gain: Floats, weight: Floats) -> int:
    """Most gain; of equals the one that spends least, then the first."""
    return int(np.lexsort((weight, -gain))[0])
