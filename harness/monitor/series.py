"""From windows to a course: a measure of one arm, minute by minute, beside what the same minutes showed elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter, is_
from typing import NamedTuple

import numpy as np

from harness.errors import InputError
from harness.estimators._check import Floats
from harness.monitor.measures import ESS, Measure, Minute
from harness.monitor.windows import RESOLUTION_S, Key, Window, minute_of

__all__ = ["LOOKBACK", "Arms", "Course", "Watch", "by_arm", "course", "watch_of"]

LOOKBACK = 5  # windows for which a value stands, as a sample of Prometheus does for five minutes
_LEAST_LEVEL = 1e-12
Arms = Mapping[tuple[str, str, str], Mapping[datetime, Window]]


class Watch(NamedTuple):
    """Who is watched, against whom, since when.

    Attributes:
        release: Digest of the release that is watched.
        assignment: As which arm.
        since: When it began: what came before is another rollout's.
        reference: Digest of the stable release that it is held against; None where it serves alone.
        resolution_s: Seconds of a window.
    """

    release: str
    assignment: str
    since: datetime
    reference: str | None = None
    resolution_s: int = RESOLUTION_S


class Course(NamedTuple):
    """A measure minute by minute.

    Attributes:
        place: (m,) number of each minute that shows something, from 0 at `Watch.since`; ascending.
        value: (m,) what it shows.
        n: (m,) observations behind it.
        hits: (m,) hits of a share; None for what is no share.
        before: (b,) the same of before the change: of the stable release on both arms, for differences; for the arm
            alone, of the stable release, by which the memory of the series is known.
        paired: Whether `before` is to be subtracted.
    """

    place: np.ndarray[tuple[int], np.dtype[np.int64]]
    value: Floats
    n: Floats
    hits: Floats | None
    before: Floats
    paired: bool


def watch_of(windows: Iterable[Key], release: str, assignment: str, *, reference: str | None = None,
             resolution_s: int = RESOLUTION_S) -> Watch:
    """A watch that begins with the first window of the arm. Raises InputError where there is none.

    >>> from datetime import UTC
    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> watch_of([Key("prod", "ab", "candidate", "all", day)], "ab", "candidate").since == day
    True
    """
    minutes = [key.minute for key in windows if (key.release, key.assignment) == (release, assignment)]
    if not minutes:
        raise InputError("nothing was observed", where="windows", expected=f"windows of {release[:12]} as {assignment}")
    return Watch(release, assignment, min(minutes), reference, resolution_s)


def by_arm(windows: Mapping[Key, Window]) -> Arms:
    """Windows by release, arm and slice, and there by minute, in order.

    >>> by_arm({})
    {}
    """
    found: dict[tuple[str, str, str], dict[datetime, Window]] = {}
    for key in sorted(windows, key=attrgetter("minute")):
        found.setdefault((key.release, key.assignment, key.slice), {})[key.minute] = windows[key]
    return found


def course(measure: Measure, name: str, arms: Arms, watch: Watch, now: datetime) -> Course:
    """The course of a measure on a slice, over the whole minutes from `watch.since` to `now`.

    >>> from datetime import UTC, timedelta
    >>> from harness.monitor.measures import measure_of
    >>> from harness.monitor.windows import windows_of
    >>> from harness.rollout.shapes import Observation
    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> seen = windows_of([Observation(day, "prod", "ab", "candidate", error=True)])
    >>> watch, now = Watch("ab", "candidate", day), day + timedelta(minutes=1)
    >>> found = course(measure_of("error rate"), "all", by_arm(seen), watch, now)
    >>> found.place.tolist(), found.value.tolist(), found.before.tolist()
    ([0], [1.0], [])
    """
    def arm(release: str | None, assignment: str) -> Mapping[datetime, Window]:
        return {} if release is None else arms.get((release, assignment, name), {})

    end = minute_of(now, resolution_s=watch.resolution_s)
    mine = _minutes(measure, arm(watch.release, watch.assignment))
    stable = {} if measure.per_query else _minutes(measure, arm(watch.reference, "stable"))
    before: list[float] = []
    if measure.versus:
        twin = _minutes(measure, arm(watch.reference, watch.assignment))
        level = _level(measure, stable)
        mine, same = _less(mine, stable, level), _less(twin, stable, level)
        before = [one.value for at, one in same.items() if at < watch.since]
    elif watch.assignment != "stable":
        before = [one.value for one in stable.values()]
    start = minute_of(watch.since, resolution_s=watch.resolution_s)
    shown = {at: one for at, one in mine.items() if start <= at < end}
    if measure.name == ESS:
        shown = _over_mean(shown, arm(watch.release, watch.assignment))
    return _course(shown, start, watch.resolution_s, before, paired=bool(measure.versus))


def _course(shown: Mapping[datetime, Minute], start: datetime, resolution_s: int, before: list[float], *,
            paired: bool) -> Course:
    place = np.array([int((at - start).total_seconds()) // resolution_s for at in shown], dtype=np.int64)
    values = list(shown.values())
    hits = [one.hits for one in values if one.hits is not None]
    return Course(place, np.array([one.value for one in values], dtype=np.float64),
                  np.array([one.n for one in values], dtype=np.float64),
                  np.array(hits, dtype=np.float64) if values and len(hits) == len(values) else None,
                  np.array(before, dtype=np.float64), paired)


def _minutes(measure: Measure, windows: Mapping[datetime, Window]) -> dict[datetime, Minute]:
    """What each minute shows; too little for a percentile waits for the next minutes, up to `LOOKBACK` of them."""
    found: dict[datetime, Minute] = {}
    waiting: list[Window] = []
    for at, one in windows.items():
        shown = _shown(measure, one, waiting)
        if shown is not None:
            found[at], waiting = shown, []
        elif measure.waits and one.requests.n:
            waiting = [*waiting, one][-(LOOKBACK - 1):]
    return found


def _shown(measure: Measure, window: Window, waiting: Sequence[Window]) -> Minute | None:
    """A minute of a window and those that wait for it, kept with it: both never change."""
    kept = window.shown.get(measure.name)
    if kept is not None and len(kept[0]) == len(waiting) and all(map(is_, kept[0], waiting)):
        found: Minute | None = kept[1]
        return found
    whole = window
    for earlier in waiting:
        whole = earlier.merge(whole)
    found = measure.read(whole)
    window.shown[measure.name] = (tuple(waiting), found)
    return found


def _less(one: Mapping[datetime, Minute], other: Mapping[datetime, Minute], level: float) -> dict[datetime, Minute]:
    """Differences of the minutes that both have, in units of `level`."""
    return {} if math.isnan(level) else {at: Minute((shown.value - other[at].value) / level, min(shown.n, other[at].n))
                                         for at, shown in one.items() if at in other}


def _level(measure: Measure, stable: Mapping[datetime, Minute]) -> float:
    """The stable release's level for `rise`, 1 for `delta`; what has no level cannot rise by a share of it."""
    if measure.versus != "rise":
        return 1.0
    total = sum(one.n for one in stable.values())
    mean = sum(one.value * one.n for one in stable.values()) / total if total else 0.0
    return abs(mean) if abs(mean) > _LEAST_LEVEL else float("nan")


def _over_mean(shown: Mapping[datetime, Minute], windows: Mapping[datetime, Window]) -> dict[datetime, Minute]:
    """Squared weights over the squared mean of all weights so far."""
    there = [windows[at].weights for at in shown]
    rows = sum(one.n for one in there)
    mean = sum(one.total for one in there) / rows if rows else 1.0
    return {at: one._replace(value=one.value / mean**2) for at, one in shown.items()}
