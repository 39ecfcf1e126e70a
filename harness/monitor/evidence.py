"""What a course proves at every look: bounds that hold though one looks each minute and each minute remembers the last.

Values are freed of what a minute remembers of the one before, e_t = (x_t - g x_{t-1}) / (1 - g), with g the memory of
the stable release's own minutes: these are independent draws with the mean of x where the series is AR(1), and their
spread is that of the long run. Student's sequence over them (`estimators.sequential_means`) holds at every look. A
share must besides be refused by its counts (`rate_process`), so that rare errors, which no normal law describes, are
never taken for proof. What two pods differ by anyway is measured before the change and taken off; where it was not
measured, and the arms do not run on the same pods, a difference between them proves nothing, neither harm nor its lack.

A release that turns bad late would hide behind its good hours: sequences begin anew each ten minutes, and share the
miss rate as 1/2, 1/4, 1/12, … (1 / 2k(k + 1)), so that all of them together keep it. So does a watch that goes on for
weeks: each era, a day of minutes, has sequences of its own and a share of its own (`series.era_weight`), and only those
of this era and the one before are asked. So what a look reads and remembers does not grow, and all looks keep the rate.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.estimators._check import Floats
from harness.estimators.moments import Moments
from harness.estimators.sequential_blocks import block_length, block_means, lag_correlation
from harness.estimators.sequential_means import student_sequence
from harness.estimators.sequential_rates import rate_process, rate_sequence
from harness.estimators.sketch import RELATIVE_ERROR
from harness.monitor.series import Course, era_starts, era_weight
from harness.release.policy import Limit

__all__ = ["RESTART", "Bools", "Evidence", "evidence_of", "memory_of"]

RESTART = 10  # looks after which another sequence begins
TUNED_FOR = 10  # looks at which the interval is narrowest: a rollback is wanted soon or not at all
_BLOCK, _LONG, _FEW = 60, 480, 12
_KEPT = 150  # sequences: somewhat more than a day of minutes, the longest `for` there is
_UNKNOWN, _MOST = 0.5, 0.95
Bools = NDArray[np.bool_]


class Evidence(NamedTuple):
    """What was shown.

    Attributes:
        harm: (m,) whether the limit was missed for certain, at each look.
        value: Mean over the span that is told.
        low: Lower end at the last look, over that span.
        high: Upper end.
        n: Observations of that span.
        baseline: Minutes before the change that were taken off; 0 where there were none.
        unknown: Whether what the arms' machines differ by was needed and is not known: then nothing is shown.
    """

    harm: Bools
    value: float
    low: float
    high: float
    n: int
    baseline: int = 0
    unknown: bool = False


class _Offset(NamedTuple):
    """What differed before the change: its mean, how well it is known, over how many minutes."""

    mean: float = 0.0
    reach: float = 0.0
    minutes: int = 0


class _Terms(NamedTuple):
    """What all sequences of a course share; `memory` is None where it must be read off the course itself."""

    limit: Limit
    support: tuple[float, float] | None
    memory: float | None
    offset: _Offset


class _Span(NamedTuple):
    """One sequence: its share of the miss rate, its ends at the last look, what it showed at each."""

    start: int
    alpha: float
    low: float
    high: float
    harm: Bools


def evidence_of(course: Course, limit: Limit, *, support: tuple[float, float] | None, alpha: float) -> Evidence:
    """What a course of at least one look shows of a limit, at every look so far.

    Args:
        course: As from `series.course`.
        limit: Of the policy; its bound in the unit of the course.
        support: Least and greatest value of one observation, if there are such.
        alpha: Chance that a mean within the limit is ever said to miss it, over all looks and restarts; the other end
            of the interval misses with as much.

    Raises nothing for a course with a look.
    """
    sources = (course.before, course.before[:0] if course.calm is None else course.calm)
    memory = next((memory_of(one) for one in sources if len(one) >= _FEW), None)
    terms = _Terms(limit, support, memory, _offset(course, memory, alpha))
    if course.paired and not (course.together or terms.offset.minutes):
        value = float(course.value @ course.n / course.n.sum())
        return Evidence(np.zeros(len(course.place), dtype=bool), value, -math.inf, math.inf, int(course.n.sum()),
                        unknown=True)
    share = alpha / 2.0 if terms.offset.minutes else alpha
    starts = _starts(course.place, course.era)
    spans = [_span(course, start, share * weight, terms) for start, weight in starts]
    harm = np.zeros(len(course.place), dtype=bool)
    for one in spans:
        harm[one.start:] |= one.harm
    told = next((one for one in spans if one.harm[-1]), spans[0])
    rows = course.n[told.start:]
    value = float(course.value[told.start:] @ rows / rows.sum()) - terms.offset.mean
    low, high = _ends(course, told, support)
    return Evidence(harm, value, low, high, int(rows.sum()), terms.offset.minutes)


def memory_of(before: Floats) -> float | None:
    """The memory g in [0, .95] of a series of at least three values: that of an AR(1) with as much long-run variance.

    The larger of the first autocorrelation, with two standard errors more, and of what means of `_BLOCK` values show
    where there are eight of them: a slow series under fast noise has little of the first. None for a constant.

    >>> memory_of(np.array([1.0, -1.0] * 200)), memory_of(np.zeros(20))
    (0.0, None)
    """
    f = lag_correlation(before)
    if math.isnan(f):
        return None
    found = f + 2.0 / math.sqrt(len(before))
    if len(before) >= _LONG:
        ratio = _BLOCK * float(np.var(block_means(before, _BLOCK), ddof=1) / np.var(before, ddof=1))
        found = max(found, (ratio - 1.0) / (ratio + 1.0))
    return float(min(max(found, 0.0), _MOST))


def _ends(course: Course, told: _Span, support: tuple[float, float] | None) -> tuple[float, float]:
    """The ends that are told: of a share no narrower than its counts allow, and within what can be."""
    low, high = told.low, told.high
    if course.hits is not None:
        hits, trials = course.hits[told.start:].sum(), course.n[told.start:].sum()
        exact = rate_sequence([hits], [trials], confidence=1.0 - 2.0 * told.alpha)
        low, high = min(low, float(exact.low[0])), max(high, float(exact.high[0]))
    least, most = (-math.inf, math.inf) if support is None else support
    return min(max(low, least), most), min(max(high, least), most)


def _offset(course: Course, memory: float | None, alpha: float) -> _Offset:
    """What is taken off a difference: nothing where too few minutes before the change are known."""
    before = course.before
    if not course.paired or len(before) < 3:
        return _Offset()
    size = block_length(memory or 0.0)
    if len(before) < 4 * size:
        return _Offset()
    found = Moments.of(block_means(before, size)).estimate(confidence=1.0 - alpha)
    return _Offset(found.value, max(found.high - found.value, found.value - found.low), len(before))


def _starts(place: NDArray[np.int64], era: int) -> list[tuple[int, float]]:
    """Index of the first look of each sequence and its weight, which sum to 1 over all that ever come.

    Of an era, its whole and each `RESTART` minutes; of those, the last ones: a promise on all of them is one on some.
    """
    whole, late = [], []
    for number, first in era_starts(place, era):
        share = 0.5 * era_weight(number)
        whole.append((first, share))
        last = min(int(place[-1]) - number * era, era - 1)
        begins = np.searchsorted(place, number * era + np.arange(0, last + 1, RESTART))
        late += [(int(begins[k]), share / (k * (k + 1))) for k in range(1, len(begins))]
    return whole + late[-_KEPT:]


def _span(course: Course, start: int, alpha: float, terms: _Terms) -> _Span:
    values, rows = course.value[start:], course.n[start:]
    limit, support, memory, offset = terms
    g = _own(values) if memory is None else memory
    freed = _freed(course.place[start:], values, g)
    looks = np.arange(1, len(freed) + 1)
    mean = np.cumsum(freed) / looks
    spread = np.sqrt(np.maximum(np.cumsum(freed**2) / looks - mean**2, 0.0))
    spread = np.maximum(spread, _least(mean, looks, np.cumsum(rows), support))
    factor = _factor(1 << (len(freed) - 1).bit_length(), alpha)[: len(freed)]
    reach = np.multiply(factor, spread, out=np.full(len(freed), np.inf), where=np.isfinite(factor))
    low, high = mean - reach - offset.mean - offset.reach, mean + reach - offset.mean + offset.reach
    harm = high < limit.bound if limit.direction == "at_least" else low > limit.bound
    if course.hits is not None and harm.any():
        harm[harm] = _counted(np.cumsum(course.hits[start:])[harm], np.cumsum(rows)[harm], limit, alpha)
    return _Span(start, alpha, float(low[-1]), float(high[-1]), harm)


def _own(values: Floats) -> float:
    """The memory of a short series by itself, with a standard error more."""
    if len(values) < _FEW:
        return _UNKNOWN
    f = lag_correlation(values)
    return 0.0 if math.isnan(f) else min(max(f + 1.0 / math.sqrt(len(values)), 0.0), _MOST)


def _freed(place: NDArray[np.int64], values: Floats, g: float) -> Floats:
    """Values less what is remembered of the one before, on the scale of the values; the first one as it is."""
    kept = np.append(0.0, g ** np.diff(place).astype(np.float64))
    last = np.append(0.0, values[:-1])
    return np.asarray((values - kept * last) / (1.0 - kept))


def _least(mean: Floats, looks: NDArray[np.int64], rows: Floats, support: tuple[float, float] | None) -> Floats:
    """Spread that a look has at least: what never varied yet may have missed one rare observation, or is rounded."""
    if support is None:
        return np.asarray(RELATIVE_ERROR * np.abs(mean))
    return np.asarray((support[1] - support[0]) / 2.0 * np.sqrt(looks) / rows)


@lru_cache(maxsize=1024)  # of a look and a few guards: more would grow by the era
def _factor(looks: int, alpha: float) -> Floats:
    """Half width of Student's sequence per unit of the plug-in spread, at each of so many looks."""
    x = np.resize([1.0, -1.0], looks)
    found = student_sequence(x, confidence=1.0 - 2.0 * alpha, tuned_for=TUNED_FOR)
    n = np.arange(1, looks + 1)
    spread = np.sqrt(np.maximum(1.0 - (np.cumsum(x) / n) ** 2, 1e-300))
    return np.asarray((found.high - found.value) / spread)


def _counted(hits: Floats, trials: Floats, limit: Limit, alpha: float) -> Bools:
    """Looks at which the counts alone refuse the limit."""
    most, events = (limit.bound, hits) if limit.direction == "at_most" else (1.0 - limit.bound, trials - hits)
    if most <= 0.0:
        return np.asarray(events > 0)
    if most >= 1.0:
        return np.zeros(len(events), dtype=bool)
    return np.asarray(rate_process(events, trials, most).log_e >= -math.log(alpha))
