"""From windows to a course: a measure of one arm, minute by minute, beside what the same minutes showed elsewhere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import attrgetter, is_
from typing import NamedTuple

import numpy as np

from harness.errors import InputError
from harness.estimators._check import Floats
from harness.monitor.measures import ESS, Measure, Minute
from harness.monitor.windows import RESOLUTION_S, Key, Window, minute_of

__all__ = ["BEFORE", "ERA", "LOOKBACK", "Arms", "Course", "Span", "Watch", "by_arm", "course", "era_starts",
           "era_weight", "spans_of", "watch_of"]

LOOKBACK = 5  # windows for which a value stands, as a sample of Prometheus does for five minutes
BEFORE = 1440  # windows before a rollout from which the memory of the series is known
ERA = 1440  # windows after which evidence begins anew
_LONGEST_ERA_S = 3 * 86_400  # whatever the resolution
_LEAST_LEVEL = 1e-12
Span = tuple[datetime, datetime]
Arms = Mapping[tuple[str, str, str], Mapping[datetime, Window]]


class Watch(NamedTuple):
    """Who is watched, against whom, since when.

    Attributes:
        release: Digest of the release that is watched.
        assignment: As which arm.
        since: When it began: what came before is another rollout's.
        reference: Digest of the stable release that it is held against; None where it serves alone.
        resolution_s: Seconds of a window.
        for_s: The longest `for` of its guards: no era is shorter.
        together: Whether each machine answers as both arms, by lot: then machines make no difference between them.
    """

    release: str
    assignment: str
    since: datetime
    reference: str | None = None
    resolution_s: int = RESOLUTION_S
    for_s: int = 0
    together: bool = False

    @property
    def start(self) -> datetime:
        """Beginning of the first window."""
        return minute_of(self.since, resolution_s=self.resolution_s)

    @property
    def era(self) -> int:
        """Windows of an era: a day of minutes, and never less than the longest `for`."""
        most = _LONGEST_ERA_S // self.resolution_s
        return max(min(ERA, most), -(-self.for_s // self.resolution_s) + LOOKBACK)


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
        era: Windows of an era.
        together: As in `Watch`.
        calm: The stable release's own minutes, whose memory counts where `before` is too short to show any.
    """

    place: np.ndarray[tuple[int], np.dtype[np.int64]]
    value: Floats
    n: Floats
    hits: Floats | None
    before: Floats
    paired: bool
    era: int = ERA
    together: bool = False
    calm: Floats | None = None


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


def spans_of(watch: Watch, now: datetime) -> list[Span]:
    """What of the windows a look needs, however long the watch is: this era and the one before, and what led up to it.

    >>> from datetime import UTC
    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> [(since.day, until.day) for since, until in spans_of(Watch("ab", "candidate", day), day + timedelta(days=20))]
    [(28, 1), (19, 21)]
    """
    step = timedelta(seconds=watch.resolution_s)
    now = minute_of(now, resolution_s=watch.resolution_s)
    era = max(int((now - watch.start) / step) - 1, 0) // watch.era
    seen = (watch.start + max(era - 1, 0) * watch.era * step, now)
    before = (watch.start - BEFORE * step, watch.start)
    return [seen] if watch.assignment == "stable" else [before, seen]


def era_weight(number: int) -> float:
    """The share of the miss rate that an era has: 3/4, 1/8, 1/24, 1/48, …, which sum to 1 over all that ever come.

    >>> era_weight(0), era_weight(1)
    (0.75, 0.125)
    """
    return 0.25 / (number * (number + 1)) if number else 0.75


def era_starts(place: np.ndarray[tuple[int], np.dtype[np.int64]], era: int) -> list[tuple[int, int]]:
    """Number of each era that is seen, the last two at most, and the index of its first look.

    >>> era_starts(np.array([0, 5, 12, 31]), 10)
    [(3, 3)]
    """
    last = int(place[-1]) // era
    found = [(number, int(np.searchsorted(place, number * era))) for number in (last - 1, last) if number >= 0]
    return [one for one in found if int(place[one[1]]) // era == one[0]]


def course(measure: Measure, name: str, arms: Arms, watch: Watch, now: datetime) -> Course:
    """The course of a measure on a slice, over the whole minutes of `spans_of` the watch.

    >>> from datetime import UTC
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
    spans = spans_of(watch, now)

    def arm(release: str | None, assignment: str) -> Mapping[datetime, Window]:
        there = {} if release is None else arms.get((release, assignment, name), {})
        return {at: one for at, one in there.items() if any(since <= at < until for since, until in spans)}

    own = arm(watch.release, watch.assignment)
    mine = _minutes(measure, own)
    stable = {} if measure.per_query else _minutes(measure, arm(watch.reference, "stable"))
    before: list[float] = []
    if measure.versus:
        twin = _minutes(measure, arm(watch.reference, watch.assignment))
        level = _level(measure, stable)
        mine, same = _less(mine, stable, level), _less(twin, stable, level)
        before = [one.value for at, one in same.items() if at < watch.since]
    elif watch.assignment != "stable":
        before = [one.value for one in stable.values()]
    shown = {at: one for at, one in mine.items() if at >= spans[-1][0]}
    if measure.name == ESS:
        shown = _over_mean(shown, own)
    return _course(shown, watch, before, [one.value for one in stable.values()], paired=bool(measure.versus))


def _course(shown: Mapping[datetime, Minute], watch: Watch, before: list[float], calm: list[float], *,
            paired: bool) -> Course:
    place = np.array([int((at - watch.start).total_seconds()) // watch.resolution_s for at in shown], dtype=np.int64)
    values = list(shown.values())
    hits = [one.hits for one in values if one.hits is not None]
    return Course(place, np.array([one.value for one in values], dtype=np.float64),
                  np.array([one.n for one in values], dtype=np.float64),
                  np.array(hits, dtype=np.float64) if values and len(hits) == len(values) else None,
                  np.array(before, dtype=np.float64), paired, watch.era,
                  watch.together, np.array(calm, dtype=np.float64))


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
