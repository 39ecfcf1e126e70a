"""The arms that answer: admitted releases, loaded from their frozen folders, as the pointer stands at this moment.

The pointer is read every 50 ms by a thread of its own, never by a request. What it names is loaded beside it, so that
a rollback that comes while a release is loading is seen at once; a candidate gets no traffic until it is loaded, and
the release that would be gone back to is kept loaded too, and loaded first. A service answers as soon as what serves
is loaded, and each other release is loaded on a thread of its own: one that never ends holds up nobody. Where the
pointer can no longer be read, no candidate answers: a rollback would not be seen.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import NamedTuple

from sqlalchemy import Connection

from harness.errors import InputError, SignoffError
from harness.monitor.arm import Arm, Searcher, damage_here, load_arm
from harness.rollout.pointer import current, history, last_good
from harness.rollout.released import admitted_of
from harness.rollout.shapes import Admitted, Pointer
from harness.rollout.store import Store

__all__ = ["LOAD_S", "LOST_AFTER_S", "POLL_S", "RETRY_S", "Arm", "Arms", "Searcher", "Serving", "load_arm"]

_LOG = logging.getLogger("signoff.service")
POLL_S = 0.05
LOST_AFTER_S = 5.0
LOAD_S = 600.0  # how long a release is waited for before it is told that it does not load
RETRY_S = 60.0  # how often this host's files are looked at, and what could not be loaded is tried again


class Serving(NamedTuple):
    """Who answers now. `candidate` is None outside of a rollout, and while it is loading.

    `broken` names releases that cannot be loaded, and why.
    """

    pointer: Pointer | None
    stable: Arm | None
    candidate: Arm | None
    broken: Mapping[str, str]


@dataclass(eq=False)
class Arms:
    """Loaded releases of one environment, and who of them answers.

    Args:
        store: Where the pointer stands.
        environment: Whose.
        load: Digest's release → arm.
        clock: Seconds, that only grow.
        follow: What else is read from the store with each look: the switches that it holds.
        load_s: Seconds that a release may take to load; one that takes longer gets traffic once it is there.
        lost: Why the pointer could not be read at the last look; empty where it was.
    """

    store: Store
    environment: str
    load: Callable[[Store, Admitted], Arm] = load_arm
    clock: Callable[[], float] = monotonic
    follow: Callable[[Connection, str], None] = lambda _connection, _environment: None
    load_s: float = LOAD_S
    lost: str = field(default="", init=False)
    _loaded: dict[str, Arm] = field(default_factory=dict)
    _broken: dict[str, str] = field(default_factory=dict)
    _loading: dict[str, threading.Thread] = field(default_factory=dict)
    _pointer: Pointer | None = None
    _wanted: tuple[str, ...] = ()
    _seen: float = -1e9
    _serving: Serving = field(default_factory=lambda: Serving(None, None, None, {}))
    _turn: threading.RLock = field(default_factory=threading.RLock)
    _stop: threading.Event = field(default_factory=threading.Event)
    _work: threading.Event = field(default_factory=threading.Event)

    @property
    def serving(self) -> Serving:
        """Who answers, as of the last look. Without a look for `LOST_AFTER_S`, no candidate does."""
        found = self._serving
        return found if self.reachable else found._replace(candidate=None)

    @property
    def reachable(self) -> bool:
        """Whether the pointer could be read lately."""
        return self.clock() - self._seen <= LOST_AFTER_S

    def look(self) -> Serving:
        """Read the pointer once, and let answer whom it names and who is loaded. Raises nothing: see `reachable`."""
        with self._turn:
            try:
                self._follow()
            except Exception as error:  # whoever looks no more sees no rollback
                self.lost = str(error) if isinstance(error, SignoffError) else type(error).__name__
                if not isinstance(error, SignoffError):
                    _LOG.error("the pointer of %s cannot be read: %s", self.environment, type(error).__name__)
                return self.serving
            self._seen, self.lost = self.clock(), ""
            self._serving = self._now()
            return self._serving

    def fill(self) -> None:
        """Load what the pointer names and is not loaded, the serving one first; let go of the rest.

        Waits for each up to `load_s`, and no longer than the pointer stands where it did.
        """
        for digest in self._wanted:
            if digest not in self._loaded and digest not in self._broken:
                self._await(digest)
        with self._turn:
            for digest in set(self._loaded) - {*self._wanted}:
                del self._loaded[digest]

    def check(self) -> None:
        """Look at this host's files of what the pointer names, and try again what could not be loaded from them."""
        for digest in self._wanted:
            if digest not in self._loaded:
                self._await(digest)
            elif how := damage_here(self.store, digest):
                self._mark(digest, f"its files on this host are damaged, {how}; what was loaded before answers")
            elif digest in self._broken:
                self._mark(digest, "")

    def start(self) -> None:
        """Load what serves now, then the rest in the background. Raises InputError where nothing serves."""
        self.look()
        if self._pointer is None or self._pointer.stable is None:
            raise InputError("nothing serves there", where=self.environment,
                             expected="an environment that a release was admitted to (signoff admit MANIFEST)")
        if self._pointer.stable not in self._loaded:
            self._add(self._pointer.stable)
        if self._serving.stable is None:
            raise InputError("the release that serves cannot be loaded", where=self.environment,
                             found=self._broken.get(self._pointer.stable))
        self._work.set()
        for one in (self._watch, self._load):
            threading.Thread(target=one, name=f"signoff{one.__name__}", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._work.set()

    def _follow(self) -> None:
        with self.store.reading() as connection:
            self.follow(connection, self.environment)
            pointer = current(connection, self.environment)
            if pointer == self._pointer:
                return
            wanted = _wanted(pointer, history(connection, self.environment))
        self._pointer, self._wanted, self._broken = pointer, wanted, {}
        _LOG.info("%s", _told(self.environment, pointer))
        self._work.set()

    def _await(self, digest: str) -> None:
        """Load a release on a thread of its own; where it takes too long, that is told, and it may still come."""
        pointer, until = self._pointer, monotonic() + self.load_s
        thread = self._loading.get(digest)
        if thread is None or not thread.is_alive():
            thread = threading.Thread(target=self._add, args=(digest,), name=f"signoff-load-{digest[:8]}", daemon=True)
            self._loading[digest] = thread
            thread.start()
        while thread.is_alive() and self._pointer is pointer and not self._stop.is_set():
            if monotonic() >= until:
                self._mark(digest, f"not loaded after {self.load_s:g} s; it gets no traffic before it is")
                return
            thread.join(POLL_S)
        if not thread.is_alive():
            del self._loading[digest]

    def _add(self, digest: str) -> None:
        try:
            arm, why = self.load(self.store, self._admitted(digest)), ""
        except Exception as error:  # whatever a release's own code raises
            arm, why = None, str(error) if isinstance(error, SignoffError) else type(error).__name__
            _LOG.error("%s cannot be loaded: %s", digest[:12], why)
        with self._turn:
            if digest not in self._wanted:
                return  # the pointer went on while it was loading
            if arm is not None:
                self._loaded[digest] = arm
            self._mark(digest, why)

    def _mark(self, digest: str, why: str) -> None:
        with self._turn:
            self._broken = {name: told for name, told in (self._broken | {digest: why}).items() if told}
            self._serving = self._now()

    def _now(self) -> Serving:
        """A stable release that is still loading leaves the one before in its place."""
        pointer = self._pointer
        if pointer is None or pointer.stable is None:
            return Serving(pointer, None, None, dict(self._broken))
        stable = self._loaded.get(pointer.stable, self._serving.stable)
        candidate = self._loaded.get(pointer.candidate) if pointer.candidate else None
        return Serving(pointer, stable, candidate, dict(self._broken))

    def _admitted(self, digest: str) -> Admitted:
        with self.store.reading() as connection:
            found = admitted_of(connection, digest)
        if found is None:
            raise InputError("not in the store", where=self.environment, found=digest)
        return found

    def _watch(self) -> None:
        while not self._stop.wait(POLL_S):
            self.look()

    def _load(self) -> None:
        while not self._stop.is_set():
            asked = self._work.wait(RETRY_S)
            self._work.clear()
            if not self._stop.is_set():
                (self.fill if asked else self.check)()


def _told(environment: str, pointer: Pointer | None) -> str:
    if pointer is None or pointer.stable is None:
        return f"nothing serves {environment}"
    beside = "" if pointer.candidate is None else f", {pointer.candidate[:12]} takes {pointer.percent:g} %"
    return f"{pointer.stable[:12]} serves {environment}{beside}: {pointer.why}"


def _wanted(pointer: Pointer | None, rows: Sequence[Pointer]) -> tuple[str, ...]:
    """Digests to be loaded, in this order: what serves, what would be gone back to, and what is on its way."""
    if pointer is None:
        return ()
    named = (pointer.stable, last_good(rows[::-1]), pointer.candidate)
    return tuple(dict.fromkeys(one for one in named if one is not None))
