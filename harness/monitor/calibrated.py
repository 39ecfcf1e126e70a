"""Calibration watched: the error over the longest window, above what a perfect model would score by chance.

The error is looked at each time its pairs have doubled, with a miss rate that falls as 1 / j (j + 1), so that all looks
together keep theirs. Each era begins anew with its own share of it, as in `evidence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from harness.monitor.evidence import Evidence
from harness.monitor.reliability import Reliabilities
from harness.monitor.series import Arms, Course, Watch, era_starts, era_weight, spans_of
from harness.release.policy import Limit
from harness.rollout.shapes import Guarded

__all__ = ["LEAST_PAIRS", "calibrated_course"]

LEAST_PAIRS = 200


def calibrated_course(guard: Guarded, arms: Arms, watch: Watch, now: datetime, *, alpha: float
                      ) -> tuple[Course, Evidence | None]:
    """Where pairs were stated, and what they show of a limit on the calibration error; None where there are none.

    Harm is shown from the doubling on at which the error's lower end was above the limit, until one at which it was
    not.

    >>> from datetime import UTC
    >>> from harness.release.policy import Limit
    >>> guard = Guarded("aece", "AECE", "all", Limit("at_most", 0.02, "ucb"))
    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> calibrated_course(guard, {}, Watch("ab", "candidate", day), day, alpha=0.05)[1] is None
    True
    """
    since, until = spans_of(watch, now)[-1]
    mine = {at: one for at, one in arms.get((watch.release, watch.assignment, guard.slice), {}).items()
            if since <= at < until and one.calibration.n}
    place = np.array([int((at - watch.start).total_seconds()) // watch.resolution_s for at in mine], dtype=np.int64)
    rows = np.array([one.calibration.n for one in mine.values()], dtype=np.float64)
    seen = Course(place, np.zeros(len(place)), rows, None, np.empty(0), paired=False, era=watch.era)
    if not mine:
        return seen, None
    states, harm = [one.calibration for one in mine.values()], np.zeros(len(place), dtype=bool)
    told = []
    for number, first in era_starts(place, watch.era):
        told.append(_doubled(states[first:], guard.limit, alpha * era_weight(number)))
        harm[first:] |= told[-1].harm
    return seen, told[0]._replace(harm=harm)


def _doubled(states: Sequence[Reliabilities], limit: Limit, alpha: float) -> Evidence:
    """One sequence: looked at whenever its pairs have doubled."""
    harm, state = np.zeros(len(states), dtype=bool), Reliabilities()
    looks, missed = 0, False
    for at, one in enumerate(states):
        state = state.merge(one)
        if state.n >= LEAST_PAIRS * 2**looks:
            looks += 1
            found = state.error(confidence=1.0 - 2.0 * alpha / (looks * (looks + 1))).estimate
            low, high = found.low, found.high
            missed = low > limit.bound if limit.direction == "at_most" else high < limit.bound
        harm[at] = missed
    last = state.error(confidence=1.0 - 2.0 * alpha / ((looks + 1) * (looks + 2))).estimate
    return Evidence(harm, last.value, last.low, last.high, state.n)
