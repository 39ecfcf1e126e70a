"""One minute's work of the monitor: windows read, guards held against them, the ramp stepped, what is grave told.

What is told never decides and never waits: the ramp has moved, and its trail is written, before any channel is tried.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from sqlalchemy import Connection

from harness.data.store import sha256_bytes
from harness.errors import InputError, nearest
from harness.monitor.guards import ALPHA, readings, watching
from harness.monitor.incidents import seen_before, seen_of
from harness.monitor.ledger import forget_alerts, write_states
from harness.monitor.series import Span, Watch, spans_of
from harness.monitor.terms import called_by_release, guards_of_release
from harness.monitor.window_store import newest, read_windows, rolled_up, trim
from harness.monitor.windows import RESOLUTION_S, Key, Window, minute_of
from harness.release.charter import Escalation
from harness.rollout.going_back import Cache, Smoke
from harness.rollout.pointer import current, history
from harness.rollout.ramp import step
from harness.rollout.ramp_state import RampState, criteria_of
from harness.rollout.ramp_store import Advanced, advance, moved, ramp_of
from harness.rollout.shapes import Guarded, Pointer, Reading
from harness.rollout.store import Store
from harness.rollout.switches import kept_off

__all__ = ["ARMS", "KEEP", "Scene", "Ticked", "arms_together", "scene_of", "tick"]

ARMS = "MONITORING_ARMS"
_ARMS = ("together", "apart")
KEEP = timedelta(days=8)
_TURNS = 3  # looks that are taken anew where another monitor moved the ramp meanwhile
_WHO = "monitor"


@dataclass(frozen=True)
class Scene:
    """What an environment shows at a moment: who serves, whom the guards watch, and every reading.

    Attributes:
        pointer: What serves.
        ramp: The ramp, while one is under way.
        watch: Who is watched; None where nothing serves.
        ended: The last ramp, where it is over.
        escalation: Whom the charter of the watched release calls.
        windows: As read from the store.
        readings: Of the guards, and of the stage's criteria where a ramp is under way.
    """

    pointer: Pointer | None
    ramp: RampState | None
    watch: Watch | None
    windows: Mapping[Key, Window] = field(default_factory=dict)
    readings: tuple[Reading, ...] = ()
    ended: RampState | None = None
    escalation: tuple[Escalation, ...] = ()


class _OvertakenError(Exception):
    """Another monitor moved the ramp since this one read it: what was read decides nothing."""


@dataclass(frozen=True)
class Ticked:
    """What one look came to.

    Attributes:
        scene: What was seen.
        advanced: The ramp's step; None without a ramp.
        told: Whether each thing that was to be told was; None where nobody was to be told.
    """

    scene: Scene
    advanced: Advanced | None = None
    told: Any = None


def tick(store: Store, environment: str, now: datetime, *, guards: Sequence[Guarded] | None = None,
         resolution_s: int = RESOLUTION_S, alpha: float = ALPHA, together: bool = False, killed: bool = False,
         caches: Sequence[Cache] = (),
         smoke: Smoke | None = None, tell: Callable[[Scene, Advanced | None, datetime], Any] | None = None) -> Ticked:
    """Look once: read, judge, step the ramp, write what is beyond its limit, tell it.

    Args:
        store: Where everything is.
        environment: Which one.
        now: The moment; the window it lies in is not over and not read.
        guards: What is watched; by default the guards of the release's own signed policy.
        resolution_s: Seconds of a window.
        alpha: As in `guards.readings`.
        together: As in `series.Watch`.
        killed: Whether the kill switch is set.
        caches: Cleared after a rollback.
        smoke: What looks at the stable release after a rollback.
        tell: Told last of what was seen, and trusted with nothing: whatever it raises is written and goes no further.

    Raises: InputError for a moment without an offset or a measure that no window can hold; EvidenceError where a window
        was changed.
    """
    with store.reading() as connection:
        ramp, killed = ramp_of(connection, environment), killed or kept_off(connection, environment)
    look = _Look(store, environment, now, caches, smoke)
    under_way = ramp is not None and not ramp.over
    gone = look.kill(resolution_s) if killed and under_way else None  # before anything can go wrong
    for _ in range(_TURNS):
        with store.reading() as connection:
            scene = scene_of(connection, environment, now, guards=guards, resolution_s=resolution_s, alpha=alpha,
                             together=together)
        try:
            advanced = gone if gone is not None or scene.ramp is None else look.step(scene)
            break
        except _OvertakenError:
            advanced = None
    release = "" if scene.watch is None else scene.watch.release
    with store.writing() as connection:
        write_states(connection, environment, scene.readings, now, release=release)
        _forget(connection, environment, now, keep=() if scene.watch is None else spans_of(scene.watch, now))
    return Ticked(scene, advanced, _told(tell, scene, advanced, now))


class _Look(NamedTuple):
    """Where a look acts, and with what."""

    store: Store
    environment: str
    now: datetime
    caches: Sequence[Cache]
    smoke: Smoke | None

    def kill(self, resolution_s: int) -> Advanced:
        """Take the candidate back, whatever was seen."""
        return advance(self.store, self.environment, (), who=_WHO, now=self.now, killed=True, caches=self.caches,
                       smoke=self.smoke, seen=seen_before(self.store, self.environment, resolution_s=resolution_s))

    def step(self, scene: Scene) -> Advanced:
        """Step the ramp by what was read of it. Raises _OvertakenError where it is not where it was read any more."""
        def unmoved(connection: Connection, _: RampState) -> None:
            if ramp_of(connection, self.environment) != scene.ramp:
                raise _OvertakenError
        return moved(self.store, self.environment, lambda state: step(state, scene.readings, self.now), who=_WHO,
                     now=self.now, caches=self.caches, smoke=self.smoke, note=unmoved,
                     seen=seen_of(scene.readings, scene.windows))


def _forget(connection: Connection, environment: str, now: datetime, *, keep: Sequence[Span]) -> None:
    """Windows that are older than `KEEP`, and the alerts of their time; by their own clock where ours is ahead."""
    last = newest(connection, environment)
    before = min(now, last or now) - KEEP
    trim(connection, environment, before=before, keep=keep)
    if last is not None:  # without a window there is no second clock, and nobody's silence makes an alert old
        forget_alerts(connection, environment, before=before)


def scene_of(connection: Connection, environment: str, now: datetime, *, guards: Sequence[Guarded] | None = None,
             resolution_s: int = RESOLUTION_S, alpha: float = ALPHA, together: bool = False) -> Scene:
    """What an environment shows: the candidate while a ramp is under way, else the release that serves.

    A release that serves alone is not held against another: guards on differences wait for the next candidate.
    Arguments and errors as `tick`.
    """
    pointer, last = current(connection, environment), ramp_of(connection, environment)
    ramp, ended = (None, last) if last is not None and last.over else (last, None)
    if pointer is None or pointer.stable is None:
        return Scene(pointer, ramp, None, ended=ended)
    watch = _watch(connection, environment, pointer, ramp, resolution_s)
    asked = tuple(guards if guards is not None else guards_of_release(connection, watch.release))
    asked = asked + criteria_of(ramp) if ramp is not None else tuple(one for one in asked if not _compares(one))
    watch = watching(asked, watch)._replace(together=together)
    windows: dict[Key, Window] = {}
    for since, until in spans_of(watch, now):
        windows |= read_windows(connection, environment, since=since, until=until)
    if any(minute_of(key.minute, resolution_s=resolution_s) != key.minute for key in windows):
        windows = rolled_up(windows, seconds=resolution_s)  # of a service whose windows are shorter
    return Scene(pointer, ramp, watch, windows, tuple(readings(asked, windows, now, watch=watch, alpha=alpha)), ended,
                 called_by_release(connection, watch.release))


def arms_together(environ: Mapping[str, str] = os.environ, *, default: bool = False) -> bool:
    """Whether each machine answers as both arms, by `MONITORING_ARMS`: `together` or `apart`.

    Raises: InputError for another word.

    >>> arms_together({}), arms_together({ARMS: "together"})
    (False, True)
    """
    said = environ.get(ARMS, "").strip()
    if said not in {"", *_ARMS}:
        raise InputError("not where the arms run", where=ARMS, expected=" or ".join(_ARMS), found=said,
                         hint=nearest(said, _ARMS))
    return said == _ARMS[0] if said else default


def _watch(connection: Connection, environment: str, pointer: Pointer, ramp: RampState | None, resolution_s: int
           ) -> Watch:
    assert pointer.stable is not None
    if ramp is not None:
        return Watch(ramp.candidate, "candidate", ramp.started, ramp.stable, resolution_s)
    rows = history(connection, environment)
    since = next((later.at for later, row in pairwise(rows) if row.stable != pointer.stable),
                 rows[-1].at)
    return Watch(pointer.stable, "stable", since, None, resolution_s)


def _compares(guard: Guarded) -> bool:
    return guard.measure.startswith(("delta ", "rise ", "Jaccard@10"))


def _told(tell: Callable[[Scene, Advanced | None, datetime], Any] | None, scene: Scene, advanced: Advanced | None,
          now: datetime) -> Any:
    if tell is None:
        return None
    try:
        return tell(scene, advanced, now)
    except Exception as error:
        return f"{type(error).__name__}: {sha256_bytes(str(error).encode())[:8]}"
