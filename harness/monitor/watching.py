"""The monitor inside the service: it looks once a window, and what it saw last is what verdicts and the page show.

With `acting` it steps the ramp as `signoff monitor run` does; without, it looks and changes nothing. A look that fails
is said, and what was seen before it grows stale: a stale look proves nothing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any

from harness.errors import SignoffError
from harness.monitor.running import Scene, arms_together, scene_of, tick
from harness.monitor.windows import RESOLUTION_S
from harness.rollout.caches import caches_of
from harness.rollout.flags import killed
from harness.rollout.ramp_store import Advanced
from harness.rollout.shapes import Decision, Reading
from harness.rollout.smoke import smoke_of

if TYPE_CHECKING:
    from harness.monitor.context import Service

__all__ = ["REMEMBERED", "STALE_AFTER", "Look", "Watching"]

REMEMBERED = 60  # looks that the page draws
STALE_AFTER = 5  # windows after which a look proves nothing any more


@dataclass(frozen=True)
class Look:
    """What was seen at a moment, and what the ramp made of it."""

    at: datetime
    scene: Scene
    decision: Decision | None = None


class Watching:
    """Looks at the service's own environment.

    Args:
        service: Whose store, clock and queue.
        acting: Whether a look may move the ramp.
        resolution_s: Seconds of a window, and between two looks.
        tell: Alerts: told last, as in `running.tick`.
    """

    def __init__(self, service: Service, *, acting: bool = True, resolution_s: int = RESOLUTION_S,
                 tell: Callable[[Scene, Advanced | None, datetime], Any] | None = None) -> None:
        self._service, self._acting, self.resolution_s, self._tell = service, acting, resolution_s, tell
        self._stop, self._looks = threading.Event(), threading.Lock()
        self.last: Look | None = None
        self.looks: deque[Look] = deque(maxlen=REMEMBERED)
        self.failed = ""

    def look(self) -> Look | None:
        """Look once, with everything that was observed so far; None where it failed, which `failed` tells."""
        with self._looks:
            try:
                self._service.batches.write()
                self.last = self._looked(self._service.now())
                self.looks.append(replace(self.last, scene=replace(self.last.scene, windows={})))
                self.failed = ""
            except Exception as error:  # a monitor that ends watches nothing
                told = str(error) if isinstance(error, SignoffError) else type(error).__name__
                self._service.log.error("monitor: %s", told)
                self.failed = told
                return None
        self._show(self.last)
        return self.last

    def course(self, guard: str) -> list[Reading]:
        """What a guard read at the last looks at the release that is watched now, oldest first."""
        last = self.last
        watched = None if last is None else last.scene.watch
        return [] if watched is None else [
            one for look in list(self.looks) if look.scene.watch is not None
            and look.scene.watch.release == watched.release for one in look.scene.readings if one.guard.name == guard]

    @property
    def fresh(self) -> Look | None:
        """The last look, while it proves anything."""
        last = self.last
        if last is None or self._service.now() - last.at > timedelta(seconds=STALE_AFTER * self.resolution_s):
            return None
        return last

    def start(self) -> None:
        """Look once a window from now on."""
        threading.Thread(target=self._loop, name="signoff-monitor", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def _loop(self) -> None:
        due = monotonic()
        while not self._stop.wait(max(0.0, due - monotonic())):
            self.look()
            due = max(due + self.resolution_s, monotonic())

    @property
    def _together(self) -> bool:
        """A service answers as both arms itself, by lot, unless it is said that what it counts comes from elsewhere."""
        return arms_together(self._service.environ, default=True)

    def _looked(self, now: datetime) -> Look:
        service = self._service
        if not self._acting:
            with service.store.reading() as connection:
                return Look(now, scene_of(connection, service.environment, now, resolution_s=self.resolution_s,
                                          together=self._together))
        found = tick(service.store, service.environment, now, resolution_s=self.resolution_s, together=self._together,
                     killed=killed(service.environ), caches=(service.arms.look, *caches_of(service.store.home)),
                     smoke=smoke_of(service.store), tell=self._tell)
        return Look(now, found.scene, None if found.advanced is None else found.advanced.decision)

    def _show(self, look: Look) -> None:
        watch = look.scene.watch
        self._service.metrics.guards("" if watch is None else watch.release, look.scene.readings)
