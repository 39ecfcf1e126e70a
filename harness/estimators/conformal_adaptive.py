"""Adaptive conformal prediction: a miss rate that is steered, so that coverage holds under any drift.

Each score meets a threshold from the scores before it, at a miss rate a_t; then a_{t+1} = a_t + rate (a - e_t), with
e_t = 1 at a miss (Gibbs & Candès, NeurIPS 2021). Because a_t stays within [-rate, 1 + rate], the share of misses over
any T rows in order differs from a by at most (max(a_1, 1 - a_1) + rate) / (T rate): no assumption on the data at all.
What it does not promise is coverage in each stretch: read `worst_stretch`.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.estimators._check import Floats, count, numbers, share
from harness.estimators.conformal import SLACK

__all__ = ["AdaptiveRun", "adaptive", "adaptive_slack"]


class AdaptiveRun(NamedTuple):
    """What was promised before each row was seen, and whether it held.

    Attributes:
        thresholds: (n,) in the score's unit; +inf where everything is covered, -inf where nothing is.
        levels: (n,) the steered miss rates a_t.
        covered: (n,) whether the row's score was at most its threshold.

    >>> run = adaptive([1.0, 2.0, 3.0] * 100, coverage=0.9)
    >>> round(run.coverage, 2), round(run.endless, 2), run.worst_stretch(50) <= run.coverage
    (0.98, 0.03, True)
    """

    thresholds: Floats
    levels: Floats
    covered: NDArray[np.bool_]

    @property
    def coverage(self) -> float:
        """Share of rows covered; NaN without rows."""
        return float(self.covered.mean()) if len(self.covered) else math.nan

    @property
    def endless(self) -> float:
        """Share of rows that only an infinite threshold covered; NaN without rows. Coverage bought so is empty."""
        return float((self.thresholds == math.inf).mean()) if len(self.covered) else math.nan

    def worst_stretch(self, width: int) -> float:
        """The least coverage of any `width` rows in a row.

        Raises:
            InputError: A width that is no whole number from 1 to the rows there are.
        """
        size = count(width, "width", least=1, most=max(1, len(self.covered)))
        held = np.concatenate([[0], np.cumsum(self.covered)])
        return float((held[size:] - held[:-size]).min() / size) if len(self.covered) else math.nan


def adaptive_slack(rows: int, *, coverage: float = 0.95, rate: float = 0.01) -> float:
    """How far the coverage of `rows` rows may lie from the promised one, in any world.

    (max(a, 1 - a) + rate) / (rows rate), a share of rows, with a = 1 - coverage (Gibbs & Candès, NeurIPS 2021).

    Raises:
        InputError: Rows that are no whole number of at least 1; coverage or rate outside (0, 1).

    >>> adaptive_slack(4032, coverage=0.95, rate=0.01) < 0.025
    True
    """
    promised, step = share(coverage, "coverage"), share(rate, "rate")
    return (max(promised, 1.0 - promised) + step) / (count(rows, "rows", least=1) * step)


def adaptive(scores: ArrayLike, *, coverage: float = 0.95, rate: float = 0.01, window: int = 500) -> AdaptiveRun:
    """Adaptive conformal inference over `scores` (n,) in order of time.

    a_{t+1} = a_t + rate (1 - coverage - e_t), e_t = 1 at a miss (Gibbs & Candès, NeurIPS 2021).

    Args:
        scores: Finite, larger where the prediction is worse; each predicted from what came before.
        coverage: Promised over the whole run within `adaptive_slack`, inside (0, 1).
        rate: Step of the miss rate, inside (0, 1); larger adapts faster and scatters more.
        window: Latest scores that a threshold is drawn from, at least 1.

    Raises:
        InputError: A score that is NaN or infinite, coverage or rate outside (0, 1), a window under 1.

    >>> run = adaptive([0.0] * 200 + [5.0] * 200, coverage=0.9, rate=0.05)
    >>> abs(run.coverage - 0.9) <= adaptive_slack(400, coverage=0.9, rate=0.05)
    True
    """
    values = numbers(scores, "scores", least=0)
    target, step, most = 1.0 - share(coverage, "coverage"), share(rate, "rate"), count(window, "window", least=1)
    thresholds, levels = np.empty(len(values)), np.empty(len(values))
    latest: deque[float] = deque()
    ordered: list[float] = []
    level = target
    for at, value in enumerate(values.tolist()):
        levels[at], thresholds[at] = level, _threshold(ordered, level)
        level += step * (target - (value > thresholds[at]))
        latest.append(value)
        insort(ordered, value)
        if len(latest) > most:
            del ordered[bisect_left(ordered, latest.popleft())]
    return AdaptiveRun(thresholds, levels, values <= thresholds)


def _threshold(ordered: list[float], level: float) -> float:
    """The conformal threshold at a miss rate that may have left (0, 1)."""
    rank = math.ceil((len(ordered) + 1) * (1.0 - level) - SLACK)
    if level <= 0.0 or rank > len(ordered):
        return math.inf
    return -math.inf if rank < 1 else ordered[rank - 1]
