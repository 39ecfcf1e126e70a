"""Observations on their way to the store: a request leaves one in a queue and goes on, a thread writes them in batches.

A batch keeps its id and its observations until the store has acknowledged it, so that a busy or absent database loses
nothing that fits the queue and counts nothing twice. What does not fit is dropped and counted: an answer never waits.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

from harness.errors import InputError, SignoffError
from harness.monitor.window_store import store_windows
from harness.monitor.windows import RESOLUTION_S, windows_of
from harness.rollout.shapes import Observation
from harness.rollout.store import Store

__all__ = ["EVERY_S", "MOST", "Batches"]

_LOG = logging.getLogger("signoff.service")
EVERY_S = 1.0
MOST = 100_000


class Batches:
    """A bounded queue of observations and the thread that writes it.

    Args:
        store: Where windows are kept.
        resolution_s: Seconds of a window.
        now: The clock.
        most: Observations that wait at most.
    """

    def __init__(self, store: Store, *, resolution_s: int = RESOLUTION_S,
                 now: Callable[[], datetime] = lambda: datetime.now(UTC), most: int = MOST) -> None:
        self._store, self._resolution_s, self._now, self._most = store, resolution_s, now, most
        self._queue: deque[Observation] = deque()
        self._pending: tuple[str, list[Observation]] | None = None
        self._writes, self._stop = threading.Lock(), threading.Event()
        self._run, self._made = secrets.token_hex(8), 0
        self._thread: threading.Thread | None = None
        self.dropped = self.written = self.refused = 0

    def observe(self, one: Observation) -> None:
        """Leave an observation; never waits, never raises."""
        if len(self._queue) >= self._most:
            self.dropped += 1
            return
        self._queue.append(one)

    @property
    def waiting(self) -> int:
        """Observations that are not in the store yet."""
        pending = self._pending
        return len(self._queue) + (0 if pending is None else len(pending[1]))

    def write(self) -> bool:
        """Write what waits as one batch; True where nothing is left that was there.

        A batch that the store does not take stays as it is, and goes first the next time.
        """
        with self._writes:
            self._pending = self._pending or self._batch()
            if self._pending is None:
                return True
            try:
                self._add(*self._pending)
            except Exception as error:  # whatever a driver raises: a writer that ends writes nothing more
                if not isinstance(error, SignoffError):
                    _LOG.error("observations cannot be written: %s", type(error).__name__)
                self._sift()
                return False
            self._pending = None
            return True

    def start(self) -> None:
        """Write every second from now on."""
        self._thread = threading.Thread(target=self._loop, name="signoff-batches", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, and end."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=10.0)
        self.write()
        self.write()

    def _loop(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.write()

    def _batch(self) -> tuple[str, list[Observation]] | None:
        batch = [self._queue.popleft() for _ in range(len(self._queue))]
        self._made += bool(batch)
        return (f"{self._run}-{self._made}", batch) if batch else None

    def _add(self, name: str, batch: list[Observation]) -> None:
        with self._store.writing() as connection:
            store_windows(connection, name, batch, now=self._now(), resolution_s=self._resolution_s)
        self.written += len(batch)

    def _sift(self) -> None:
        """Leave out what no window takes, so that one bad observation costs no other; it is counted."""
        assert self._pending is not None
        name, batch = self._pending
        good = [one for one in batch if _takes(one)]
        self.refused += len(batch) - len(good)
        self._pending = (name, good)


def _takes(one: Observation) -> bool:
    try:
        windows_of([one])
    except InputError:
        return False
    return True
