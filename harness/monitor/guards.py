"""Guards: the signed limits held against windows, at one moment. Pure: guards, windows and a moment in, readings out.

In order: (1) nothing observed for `LOOKBACK` windows is `missing`: it holds and alerts, and is never a pass (of a
percentile, where requests come but are too few for one, twice as many: else it would come and go with each); (2) a
guard is beyond its limit where that is shown: by the far end of an interval that holds at every look (`evidence`), or,
for a guard by value that does not roll back, by the value of the last `LOOKBACK` windows; (3) it fires when it was
beyond at every evaluation for as long as its `for`, and one good evaluation, or a missing one, begins that time again;
(4) two or more critical guards that fire are an emergency; (5) what is near its limit, or beyond it but not for long
enough or not for certain, warns.

A rollback needs proof of harm: the point estimate never rolls back, and a bound that merely does not clear the limit
yet holds the ramp (`rollout.ramp`). The miss rate `alpha` is that of all guards that may roll back together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from harness.estimate import Estimate
from harness.estimators._check import Floats
from harness.monitor.calibrated import calibrated_course
from harness.monitor.evidence import Bools, Evidence, evidence_of
from harness.monitor.measures import AECE, ESS, Measure, measure_of
from harness.monitor.series import LOOKBACK, Arms, Course, Watch, by_arm, course
from harness.monitor.windows import Key, Window, minute_of
from harness.release.judge import Verdict, verdict_of
from harness.release.policy import Limit
from harness.rollout.shapes import Guarded, Reading, State

__all__ = ["ALPHA", "LEAST_QUERIES", "near", "readings", "watching"]

ALPHA = 0.05
LEAST_QUERIES = 200  # of fewer judged queries a lower bound is no proof that nothing was lost
_GRAVE = {"critical", "emergency"}


class _Scene(NamedTuple):
    """What was seen, at which moment, of whom."""

    arms: Arms
    now: datetime
    watch: Watch


class _Shown(NamedTuple):
    """A guard's evidence before its `for` and its neighbours are looked at."""

    guard: Guarded
    evidence: Evidence | None
    since: datetime | None
    fires: bool
    fresh: bool
    absent: str


def readings(guards: Sequence[Guarded], windows: Mapping[Key, Window], now: datetime, *, watch: Watch,
             alpha: float = ALPHA) -> list[Reading]:
    """What every guard shows at a moment, in the guards' order.

    Args:
        guards: The release's, from `presets` or the signed manifest.
        windows: Of the environment: the watched arm's since `watch.since`, and the stable release's beside and before.
        now: The moment; the window it lies in is not over and not read.
        watch: Who is watched.
        alpha: Chance, over all looks, that any guard with `then: rollback` fires though its limit is kept; every other
            guard has as much for itself.

    Raises: InputError for a measure that no window can hold, or a moment without an offset.

    >>> from datetime import UTC
    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> guard = Guarded("errors", "error rate", "all", Limit("at_most", 0.01, "ucb"), then="rollback")
    >>> readings([guard], {}, day, watch=Watch("ab", "candidate", day))[0].state
    'missing'
    """
    rolling = sum(one.then == "rollback" for one in guards)
    scene = _Scene(by_arm(windows), now, watching(guards, watch))
    shown = [_shown(one, scene, alpha / rolling if one.then == "rollback" else alpha) for one in guards]
    grave = sum(one.fires and one.guard.severity in _GRAVE for one in shown)
    return [_reading(one, now, crowd=grave, spoken=_spoken(one.guard, scene, alpha)) for one in shown]


def watching(guards: Sequence[Guarded], watch: Watch) -> Watch:
    """A watch that looks back for long enough for the longest `for` of its guards.

    >>> from datetime import UTC
    >>> guard = Guarded("g", "error rate", "all", Limit("at_most", 0.01, "ucb"), for_s=172_800)
    >>> watching([guard], Watch("ab", "candidate", datetime(2025, 3, 1, tzinfo=UTC))).era
    2885
    """
    return watch._replace(for_s=max((one.for_s for one in guards), default=0))


def near(guard: Guarded, value: float) -> bool:
    """Whether a value is within the warning distance of the limit, or beyond it.

    >>> guard = Guarded("p95", "p95 total_ms", "all", Limit("at_most", 120.0, "ucb"))
    >>> near(guard, 107.0), near(guard, 108.0), near(guard, 130.0)
    (False, True, True)
    """
    limit = guard.limit
    reach = 0.1 * abs(limit.bound) if guard.warn_within is None else guard.warn_within
    room = value - limit.bound if limit.direction == "at_least" else limit.bound - value
    return room < 0.0 or (reach > 0.0 and room <= reach + 1e-12 * abs(limit.bound))


def _shown(guard: Guarded, scene: _Scene, alpha: float) -> _Shown:
    measure, lately = measure_of(guard.measure), _requests(guard, scene)
    seen, evidence = _evidence(guard, measure, scene, alpha)
    (_, now, watch), absent = scene, _absent(measure, lately)
    if evidence is None:
        return _Shown(guard, None, None, fires=False, fresh=False, absent=absent)
    span = minute_of(now, resolution_s=watch.resolution_s) - watch.start
    last = int(span.total_seconds()) // watch.resolution_s - 1
    fresh, beyond = _timeline(seen.place, evidence.harm, last, LOOKBACK * (1 + (measure.waits and lately > 0)))
    if not beyond[-1]:
        return _Shown(guard, evidence, None, fires=False, fresh=bool(fresh[-1]), absent=absent)
    good = np.flatnonzero(~beyond)
    first = int(seen.place[0]) + (int(good[-1]) + 1 if len(good) else 0)
    since = watch.start + timedelta(seconds=(first + 1) * watch.resolution_s)
    fires = (last - first) * watch.resolution_s >= guard.for_s
    others = (replace(guard, measure=name, limit=limit, others=()) for name, limit in guard.others)
    fires = fires and all(_shown(one, scene, alpha).fires for one in others)
    return _Shown(guard, evidence, since, fires, fresh=True, absent=absent)


def _requests(guard: Guarded, scene: _Scene) -> int:
    """Requests of the watched arm in the last `LOOKBACK` windows."""
    (arms, now, watch) = scene
    until = minute_of(now, resolution_s=watch.resolution_s)
    since = until - timedelta(seconds=LOOKBACK * watch.resolution_s)
    there = arms.get((watch.release, watch.assignment, guard.slice), {})
    return sum(one.requests.n for at, one in there.items() if since <= at < until)


def _absent(measure: Measure, lately: int) -> str:
    """Why a measure shows nothing."""
    if not lately:
        return f"nothing was observed in the last {LOOKBACK} windows"
    told = f"{lately:,} request{'s' * (lately > 1)} in the last {LOOKBACK} windows, "
    return told + (f"{measure.least} needed for one value" if lately < measure.least else "none that shows it")


def _spoken(guard: Guarded, scene: _Scene, alpha: float) -> bool:
    """Whether an alternative is shown to be kept: then it speaks for the guard, as it would at the gate."""
    for name, limit in guard.others:
        one = _shown(replace(guard, measure=name, limit=limit, others=()), scene, alpha)
        found = one.evidence
        if found is not None and one.fresh and verdict_of(Estimate(
                found.value, found.low, found.high, found.n, 1.0 - 2.0 * alpha, "live"), limit) is Verdict.PASS:
            return True
    return False


def _evidence(guard: Guarded, measure: Measure, scene: _Scene, alpha: float) -> tuple[Course, Evidence | None]:
    if measure.name == AECE:
        return calibrated_course(guard, scene.arms, scene.watch, scene.now, alpha=alpha)
    seen = course(measure, guard.slice, scene.arms, scene.watch, scene.now)
    if not len(seen.place):
        return seen, None
    limit = _turned(guard.limit) if measure.name == ESS else guard.limit
    found = evidence_of(seen, limit, support=measure.support, alpha=alpha)
    recent = _recent(seen)
    if guard.limit.by == "value":
        found = found._replace(value=float(recent[-1]))
        if guard.then != "rollback":
            found = found._replace(harm=np.array([_misses(one, limit) for one in recent]))
    if measure.name == ESS:
        found = found._replace(value=1.0 / found.value, low=1.0 / max(found.high, 1e-300),
                               high=1.0 / found.low if found.low > 1.0 else 1.0)
    if measure.waits and not measure.versus:  # a time, or a ratio of two, is no less than nothing
        found = found._replace(low=max(found.low, 0.0))
    if measure.per_query and found.n < LEAST_QUERIES:
        found = found._replace(low=-math.inf)
    return seen, found


def _turned(limit: Limit) -> Limit:
    """A limit of ESS/N as one of the mean squared weight over the squared mean: its inverse."""
    bound = 1.0 / limit.bound if limit.bound > 0.0 else math.inf
    return replace(limit, direction="at_most" if limit.direction == "at_least" else "at_least", bound=bound)


def _recent(seen: Course) -> Floats:
    """(m,) mean over the last `LOOKBACK` windows, at each look."""
    rows, total = np.append(0.0, np.cumsum(seen.n)), np.append(0.0, np.cumsum(seen.n * seen.value))
    first = np.searchsorted(seen.place, seen.place - LOOKBACK, side="right")
    upto = np.arange(1, len(seen.place) + 1)
    return np.asarray((total[upto] - total[first]) / (rows[upto] - rows[first]))


def _misses(value: float, limit: Limit) -> bool:
    return value < limit.bound if limit.direction == "at_least" else value > limit.bound


def _timeline(place: np.ndarray[tuple[int], np.dtype[np.int64]], harm: Bools, last: int, lasts: int
              ) -> tuple[Bools, Bools]:
    """From the first look to window `last`: whether there is a value not older than `lasts`, and it is beyond."""
    minutes = np.arange(place[0], last + 1)
    at = np.searchsorted(place, minutes, side="right") - 1
    fresh = (at >= 0) & (minutes - place[np.maximum(at, 0)] < lasts)
    return fresh, fresh & harm[np.maximum(at, 0)]


def _reading(one: _Shown, now: datetime, *, crowd: int, spoken: bool) -> Reading:
    guard, found = one.guard, one.evidence
    if found is None or not one.fresh:
        return Reading(guard, "missing", None, None, None, 0, None,
                       f"{guard.measure} on {guard.slice}: {one.absent}")
    state: State = "ok"
    if one.fires:
        state = "emergency" if guard.severity == "emergency" or (crowd > 1 and guard.severity in _GRAVE) else "critical"
    elif one.since is not None or found.unknown or near(guard, found.value):
        state = "warning"
    return Reading(guard, state, found.value, found.low, found.high, found.n, one.since, _reason(one, state, now),
                   spoken)


def _lately(guard: Guarded) -> str:
    return f" over the last {LOOKBACK} windows," if guard.limit.by == "value" else ""


def _end(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else "–"


def _reason(one: _Shown, state: State, now: datetime) -> str:
    guard, found = one.guard, one.evidence
    assert found is not None
    ends = f"[{_end(found.low)}, {_end(found.high)}]" + (" since the start" if guard.limit.by == "value" else "")
    words = f"{guard.measure} on {guard.slice} {found.value:.6g}{_lately(guard)} {ends}, "
    words += f"limit {guard.limit}, n {found.n:,}"
    if found.baseline:
        words += f", less {found.baseline} windows before"
    if found.unknown:
        words += ": no proof either way, since what the arms' machines differ by is not known (docs/monitor.md, Pods)"
    if one.since is None:
        return words if found.unknown or state == "ok" else f"{words}: near the limit"
    lasted = (now - one.since).total_seconds()
    return f"{words}: beyond it for {lasted:.0f} of {guard.for_s} s"
