"""The arms that answer: admitted releases, loaded from their frozen folders, as the pointer stands at this moment.

The pointer is read every 50 ms by a thread of its own, never by a request. What it names is loaded beside it, so that
a rollback that comes while a release is loading is seen at once; a candidate gets no traffic until it is loaded, and
the release that would be gone back to is kept loaded too. Where the pointer can no longer be read, no candidate
answers: a rollback would not be seen.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from time import monotonic
from typing import NamedTuple, Protocol

from harness.errors import EvidenceError, InputError, SignoffError
from harness.metrics.spec import MetricSpec
from harness.monitor.judged import Judged, judged_of, scored
from harness.release.contract import guards_of
from harness.release.live import Answer
from harness.rollout.pointer import current, history, last_good
from harness.rollout.released import admitted_of, files_of
from harness.rollout.shapes import Admitted, Pointer
from harness.rollout.smoke import live_of
from harness.rollout.store import Store
from harness.rollout.wholeness import hashed

__all__ = ["LOST_AFTER_S", "POLL_S", "Arm", "Arms", "Searcher", "Serving", "load_arm"]

_LOG = logging.getLogger("signoff.service")
POLL_S = 0.05
LOST_AFTER_S = 5.0


class Searcher(Protocol):
    """What answers one query, as `LiveRelease` does."""

    def search(self, text: str, *, own: int = -1, module: str | None = None) -> Answer:
        """Hits of one query, each stage timed."""
        ...


@dataclass(frozen=True, eq=False)
class Arm:
    """A loaded release.

    Attributes:
        digest: Of its bundle.
        release: Its name.
        live: What answers.
        ids: Document ids, by code.
        judged: The queries that it was judged on, by text: what shadow replay knows.
        dense: Whether its first score is a cosine.
        indexed: Whether it has an index of its own, of vectors or words.
        slices: Names of slices that its policy knows: no other name is counted apart.
        measures: Measures of its policy that one judged query has a value of.
    """

    digest: str
    release: str
    live: Searcher
    ids: Sequence[str]
    judged: Mapping[str, Judged] = field(default_factory=dict)
    dense: bool = False
    indexed: bool = False
    slices: frozenset[str] = frozenset()
    measures: Mapping[str, MetricSpec] = field(default_factory=dict)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.ids)}

    def place_of(self, name: str) -> int:
        """The code of a document; -1 where the release does not have it."""
        return self._places.get(name, -1)


class Serving(NamedTuple):
    """Who answers now. `candidate` is None outside of a rollout, and while it is loading.

    `broken` names releases that cannot be loaded, and why.
    """

    pointer: Pointer | None
    stable: Arm | None
    candidate: Arm | None
    broken: Mapping[str, str]


def load_arm(store: Store, release: Admitted) -> Arm:
    """Load a release from the store's own copy, once its bytes are those that were admitted. Raises EvidenceError."""
    with store.reading() as connection:
        files = files_of(connection, release.digest)
    if not hashed(store.home, release.digest, files or {}):
        raise EvidenceError("changed since it was admitted", where=release.release,
                            expected="the files of then (signoff backup restore brings them back)")
    loaded, live = live_of(release)
    checks = loaded.manifest.checks
    tasks = {check.task for check in checks if check.task is not None and check.id in guards_of(loaded.manifest.policy)}
    return Arm(release.digest, release.release, live, live.world.corpus.ids, judged_of(live.world, tasks),
               live.first.part.impl == "dense", live.first.index is not None or live.first.lexical is not None,
               frozenset(check.slice for check in checks), scored(check.measure for check in checks))


@dataclass(eq=False)
class Arms:
    """Loaded releases of one environment, and who of them answers.

    Args:
        store: Where the pointer stands.
        environment: Whose.
        load: Digest's release → arm.
        clock: Seconds, that only grow.
    """

    store: Store
    environment: str
    load: Callable[[Store, Admitted], Arm] = load_arm
    clock: Callable[[], float] = monotonic
    _loaded: dict[str, Arm] = field(default_factory=dict)
    _broken: dict[str, str] = field(default_factory=dict)
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
                if not isinstance(error, SignoffError):
                    _LOG.error("the pointer of %s cannot be read: %s", self.environment, type(error).__name__)
                return self.serving
            self._seen = self.clock()
            self._serving = self._now()
            return self._serving

    def fill(self) -> None:
        """Load what the pointer names and is not loaded, the serving one first; let go of the rest."""
        for digest in self._wanted:
            if digest not in self._loaded and digest not in self._broken:
                self._add(digest)
        with self._turn:
            for digest in set(self._loaded) - {*self._wanted}:
                del self._loaded[digest]

    def start(self) -> None:
        """Load what serves now, then go on looking in the background. Raises InputError where nothing serves."""
        self.look()
        self.fill()
        self._work.clear()
        if self._pointer is None or self._pointer.stable is None:
            raise InputError("nothing serves there", where=self.environment,
                             expected="an environment that a release was admitted to (signoff admit MANIFEST)")
        if self._serving.stable is None:
            raise InputError("the release that serves cannot be loaded", where=self.environment,
                             found=self._broken.get(self._pointer.stable))
        for one in (self._watch, self._load):
            threading.Thread(target=one, name=f"signoff{one.__name__}", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        self._work.set()

    def _follow(self) -> None:
        with self.store.reading() as connection:
            pointer = current(connection, self.environment)
            if pointer == self._pointer:
                return
            wanted = _wanted(pointer, history(connection, self.environment))
        self._pointer, self._wanted, self._broken = pointer, wanted, {}
        _LOG.info("%s", _told(self.environment, pointer))
        self._work.set()

    def _add(self, digest: str) -> None:
        try:
            arm, why = self.load(self.store, self._admitted(digest)), ""
        except Exception as error:  # whatever a release's own code raises
            arm, why = None, str(error) if isinstance(error, SignoffError) else type(error).__name__
            _LOG.error("%s cannot be loaded: %s", digest[:12], why)
        with self._turn:
            if arm is None:
                self._broken[digest] = why
            else:
                self._loaded[digest] = arm
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
            self._work.wait()
            self._work.clear()
            if not self._stop.is_set():
                self.fill()


def _told(environment: str, pointer: Pointer | None) -> str:
    if pointer is None or pointer.stable is None:
        return f"nothing serves {environment}"
    beside = "" if pointer.candidate is None else f", {pointer.candidate[:12]} takes {pointer.percent:g} %"
    return f"{pointer.stable[:12]} serves {environment}{beside}: {pointer.why}"


def _wanted(pointer: Pointer | None, rows: Sequence[Pointer]) -> tuple[str, ...]:
    """Digests to be loaded: what serves, what is on its way, and what would be gone back to."""
    if pointer is None:
        return ()
    named = (pointer.stable, pointer.candidate, last_good(rows[::-1]))
    return tuple(dict.fromkeys(one for one in named if one is not None))
