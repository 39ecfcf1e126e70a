"""A surrogate that learns from requests as they finish: its thresholds steered, warm and cold apart.

Each request meets a threshold from the scores of those before it, at a miss rate that falls after a miss and rises
after a hit (Gibbs & Candès, NeurIPS 2021): over any T requests of a state the share of misses differs from the promise
by `adaptive_slack` at most, whatever the machine does. `estimators.conformal_adaptive` is the same over a whole series.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import InputError
from harness.estimators.conformal import cqr_scores, needed_for_threshold, split_threshold
from harness.latency.features import CACHE, STATES, checked_ms, checked_row

if TYPE_CHECKING:
    from harness.latency.surrogate import LatencySurrogate

__all__ = ["AdaptiveSurrogate", "SteeredThreshold"]


class SteeredThreshold:
    """One threshold, steered by what finishes.

    Args:
        start: Serves until as many have finished as a threshold needs.
        coverage: Promised over any long run, inside (0, 1).
        rate: Step of the miss rate, inside (0, 1).
        window: Latest scores that the threshold is drawn from, at least 1.

    >>> steered = SteeredThreshold(math.inf, coverage=0.9, rate=0.05, window=100)
    >>> held = [steered.finished(score) for score in [0.0] * 100 + [5.0] * 100]
    >>> sum(held), steered.value
    (189, 5.0)
    """

    def __init__(self, start: float, *, coverage: float, rate: float = 0.01, window: int = 500) -> None:
        if not 0.0 < coverage < 1.0 or not 0.0 < rate < 1.0 or window < 1:
            raise InputError("out of bounds", where="adaptation", found=(coverage, rate, window),
                             expected="coverage and rate inside (0, 1), a window of at least 1")
        self._start, self._target, self._rate, self.level = start, 1.0 - coverage, rate, 1.0 - coverage
        self._latest: deque[float] = deque(maxlen=window)
        self._needed = needed_for_threshold(coverage)

    @property
    def value(self) -> float:
        """The threshold that the next score meets; infinite where everything is covered, -inf where nothing is."""
        if self.level <= 0.0:
            return math.inf
        if self.level >= 1.0:
            return -math.inf
        found = split_threshold(np.array(self._latest), coverage=1.0 - self.level)
        return self._start if math.isinf(found) and len(self._latest) < self._needed else found

    def finished(self, score: float) -> bool:
        """Whether the score was covered, told before it moves the threshold."""
        held = score <= self.value
        self.level += self._rate * (self._target - (not held))
        self._latest.append(score)
        return held


class AdaptiveSurrogate:
    """A surrogate whose intervals follow the requests that finish; the boosters stay as they were fitted.

    Args:
        surrogate: Whose thresholds serve until enough have finished.
        rate: Step of the miss rate, inside (0, 1): larger adapts faster and scatters more.
        window: Latest requests of a state that its threshold is drawn from.
    """

    def __init__(self, surrogate: LatencySurrogate, *, rate: float = 0.01, window: int = 500) -> None:
        known = dict(zip(surrogate.thresholds.groups.tolist(), surrogate.thresholds.values.tolist(), strict=True))
        self.surrogate = surrogate
        self.steered = {state: SteeredThreshold(known.get(state, math.inf), coverage=surrogate.coverage, rate=rate,
                                                window=window) for state in STATES}

    def interval(self, row: Any) -> tuple[float, float]:
        """Low and high milliseconds of one request, (10,) features, as things stand; low never exceeds high.

        Raises:
            InputError: Features that cannot be read.
        """
        matrix = checked_row(row)
        low, high = self.surrogate.ends(matrix)
        reach, middle = self._of(matrix).value, (low[0] + high[0]) / 2.0
        return math.exp(min(low[0] - reach, middle)), math.exp(max(high[0] + reach, middle))

    def finished(self, row: Any, ms: float) -> bool:
        """Hand in what a request took; whether its interval had covered it.

        Raises:
            InputError: Features or a latency that cannot be read.
        """
        matrix = checked_row(row)
        low, high = self.surrogate.ends(matrix)
        return self._of(matrix).finished(float(cqr_scores(np.log(checked_ms([ms], 1)), low, high)[0]))

    def _of(self, matrix: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> SteeredThreshold:
        return self.steered[STATES[int(matrix[0, CACHE])]]
