"""Calibration watched: the error over the longest window, above what a perfect model would score by chance.

The error is looked at each time its pairs have doubled, with a miss rate that falls as 1 / j (j + 1), so that all looks
together keep theirs.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np

from harness.monitor.evidence import Evidence
from harness.monitor.reliability import Reliabilities
from harness.monitor.series import Arms, Course, Watch
from harness.monitor.windows import minute_of
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
    start, end = (minute_of(at, resolution_s=watch.resolution_s) for at in (watch.since, now))
    mine = {at: one for at, one in arms.get((watch.release, watch.assignment, guard.slice), {}).items()
            if start <= at < end and one.calibration.n}
    place = np.array([int((at - start).total_seconds()) // watch.resolution_s for at in mine], dtype=np.int64)
    rows = np.array([one.calibration.n for one in mine.values()], dtype=np.float64)
    seen = Course(place, np.zeros(len(place)), rows, None, np.empty(0), paired=False)
    if not mine:
        return seen, None
    harm, state = np.zeros(len(place), dtype=bool), Reliabilities()
    looks, missed = 0, False
    for at, one in enumerate(mine.values()):
        state = state.merge(one.calibration)
        if state.n >= LEAST_PAIRS * 2**looks:
            looks += 1
            found = state.error(confidence=1.0 - 2.0 * alpha / (looks * (looks + 1))).estimate
            low, high = found.low, found.high
            missed = low > guard.limit.bound if guard.limit.direction == "at_most" else high < guard.limit.bound
        harm[at] = missed
    last = state.error(confidence=1.0 - 2.0 * alpha / ((looks + 1) * (looks + 2))).estimate
    return seen, Evidence(harm, last.value, last.low, last.high, state.n)
