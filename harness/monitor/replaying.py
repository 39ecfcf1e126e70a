"""Recorded traffic once more, under a simulated clock: windows, guards and the ramp as they would have worked live.

The clock is the trace's own: it jumps from window to window, and at each look knows what was observed before it. The
recorded split of traffic cannot be changed by what the ramp decides; after a rollback the rest is not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from harness.errors import InputError
from harness.monitor.guards import ALPHA, readings
from harness.monitor.series import Watch
from harness.monitor.windows import RESOLUTION_S, Key, Window, minute_of, windows_of
from harness.release.rollout_terms import Rollout
from harness.rollout.ramp import step
from harness.rollout.ramp_state import RampState, criteria_of
from harness.rollout.shapes import Decision, Guarded, Observation, Reading

__all__ = ["LOOKS", "Event", "Replayed", "replay"]

LOOKS = 300  # at most, unless it is said how often to look: a week in seconds


class Event(NamedTuple):
    """Something that changed: a guard's state, or what the ramp does."""

    at: datetime
    what: str
    state: str
    reason: str


@dataclass(frozen=True)
class Replayed:
    """What a replay came to.

    Attributes:
        observations: Rows of the trace that were seen.
        looks: How often it was looked.
        events: What changed, in order of time.
        readings: Of the last look.
        ramp: The ramp at its end; None where there was none.
        rolled_back: When a guard that rolls back first fired; None where none did.
        by: That guard.
        windows: Everything that was seen.
        unseen: Rows after the rollback, or the ramp's end: the replay stops there.
    """

    observations: int
    looks: int
    events: tuple[Event, ...]
    readings: tuple[Reading, ...]
    ramp: RampState | None = None
    rolled_back: datetime | None = None
    by: str | None = None
    windows: Mapping[Key, Window] = field(default_factory=dict, repr=False)
    unseen: int = 0


@dataclass
class _Run:
    """A replay under way."""

    guards: tuple[Guarded, ...]
    watch: Watch
    alpha: float
    ramp: RampState | None
    windows: dict[Key, Window] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    last: dict[str, str] = field(default_factory=dict)
    found: tuple[Reading, ...] = ()
    looks: int = 0

    def add(self, batch: Sequence[Observation]) -> None:
        for key, window in windows_of(batch, resolution_s=self.watch.resolution_s).items():
            self.windows[key] = self.windows[key].merge(window) if key in self.windows else window

    def look(self, now: datetime) -> Reading | None:
        """Look at a moment; the reading that rolls back, if one does."""
        asked = self.guards if self.ramp is None else (*self.guards, *criteria_of(self.ramp))
        self.found = tuple(readings(asked, self.windows, now, watch=self.watch, alpha=self.alpha))
        self.looks += 1
        for one in self.found:
            self._note(now, one.guard.name, one.state, one.reason)
        if self.ramp is not None:
            self.ramp, decision = step(self.ramp, self.found, now)
            self._decided(now, decision)
        return next((one for one in self.found if one.guard.then == "rollback"
                     and one.state in {"critical", "emergency"}), None)

    def _decided(self, now: datetime, decision: Decision) -> None:
        self._note(now, "ramp", f"{decision.action} {decision.percent:g} %", decision.reason)

    def _note(self, now: datetime, what: str, state: str, reason: str) -> None:
        if self.last.get(what, "ok") != state:
            self.events.append(Event(now, what, state, reason))
            self.last[what] = state


def replay(observations: Sequence[Observation], guards: Sequence[Guarded], *, since: datetime | None = None,
           rollout: Rollout | None = None, resolution_s: int = RESOLUTION_S, every_s: int | None = None,
           alpha: float = ALPHA, together: bool = False, pace: Callable[[datetime], object] = lambda _: None
           ) -> Replayed:
    """Run a trace through windows, guards and a ramp.

    Args:
        observations: In order of time; the candidate's, and the stable release's where it was recorded.
        guards: What is watched.
        since: When the candidate's watch begins, by default at the first of its rows; what lies before tells how much
            a minute remembers of the last, and what the pods differ by.
        rollout: A ramp, begun at `since`.
        resolution_s: Seconds of a window.
        every_s: Seconds from look to look; by default as many windows as make at most `LOOKS` looks.
        alpha: As in `guards.readings`.
        together: As in `series.Watch`.
        pace: Called at each moment that is looked at: it may wait, to replay at a given speed.

    Raises: InputError for a trace without a row of a candidate, or what `readings` raises.
    """
    mine = [one for one in observations if one.assignment == "candidate" and (since is None or one.at >= since)]
    if not mine:
        raise InputError("nothing to watch", where="trace", expected="rows of a candidate", found=len(observations))
    start = minute_of(since or mine[0].at, resolution_s=resolution_s)
    stable = next((one.release for one in observations if one.assignment == "stable"), None)
    watch = Watch(mine[0].release, "candidate", start, stable, resolution_s, together=together)
    ramp = None if rollout is None else RampState.begun(
        mine[0].environment, stable or "stable", mine[0].release, rollout, now=start)
    run = _Run(tuple(guards), watch, alpha, ramp)
    return _run(run, observations, timedelta(seconds=every_s or _every(start, mine[-1].at, resolution_s)), pace)


def _run(run: _Run, observations: Sequence[Observation], every: timedelta, pace: Callable[[datetime], object]
         ) -> Replayed:
    end, done = observations[-1].at + timedelta(seconds=run.watch.resolution_s), 0
    now = run.watch.since
    while now <= end:
        now += every
        first = done
        while done < len(observations) and observations[done].at < now:
            done += 1
        run.add(observations[first:done])
        pace(now)
        fired = run.look(now)
        if fired is not None or (run.ramp is not None and run.ramp.over):
            return Replayed(done, run.looks, tuple(run.events), run.found, run.ramp, None if fired is None else now,
                            None if fired is None else fired.guard.name, run.windows, len(observations) - done)
    return Replayed(done, run.looks, tuple(run.events), run.found, run.ramp, windows=run.windows)


def _every(start: datetime, end: datetime, resolution_s: int) -> int:
    windows = int((end - start).total_seconds()) // resolution_s + 1
    return resolution_s * max(1, -(-windows // LOOKS))
