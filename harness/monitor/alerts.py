"""Alerts: what is beyond its limit, or missing, is told by severity, escalated while it stays open, and told when over.

Each channel is told in a thread of its own: the ramp was stepped before, and neither it, nor the next look, nor another
channel waits for one that is dead. Who was told what is kept in the store (`ledger`), so that a program that begins
anew goes on where the last one ended, and of several that watch, one tells.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from harness.data.store import atomic_write_text
from harness.errors import InputError
from harness.monitor.delivery import CHANNELS, Channel, Message, called, deliver
from harness.monitor.ledger import Claim, Open, book_of, claimed, hear, keep_told, marked, stood, write_states
from harness.monitor.letters import ROLLBACK, message_of
from harness.monitor.running import Scene
from harness.monitor.snapshot import snapshot, snapshot_lines
from harness.monitor.windows import ALL
from harness.release.charter import Escalation
from harness.release.policy import Limit
from harness.rollout.ramp_store import Advanced
from harness.rollout.released import admitted_of
from harness.rollout.shapes import Guarded, Reading, Severity
from harness.rollout.store import Store
from harness.rollout.tables import json_text, moment_text

__all__ = ["ROLLBACK", "Alerts", "Delivered", "moved_back", "severity_of"]

_LOG = logging.getLogger("signoff.monitor")
_WAITING = 1000  # messages on their way; more are dropped and counted
_LATELY = timedelta(hours=1)


class Delivered(NamedTuple):
    """One message to one channel: the try that got there, 0 where none did."""

    channel: str
    title: str
    turn: int


def severity_of(one: Reading) -> Severity | None:
    """How grave a reading is for people; None for what is well.

    A guard's own severity where it fires, `emergency` among several; near the limit, or missing, is a warning, and of
    an `info` guard an info.

    >>> from harness.release.policy import Limit
    >>> from harness.rollout.shapes import Guarded
    >>> guard = Guarded("g", "error rate", "all", Limit("at_most", 0.01, "ucb"), 0, "critical")
    >>> severity_of(Reading(guard, "missing", None, None, None, 0, None, ""))
    'warning'
    """
    if one.state == "ok":
        return None
    if one.state == "emergency":
        return "emergency"
    if one.state == "critical":
        return one.guard.severity
    return "info" if one.guard.severity == "info" else "warning"


class _Letter(NamedTuple):
    """A message on its way, and the claim that it settles."""

    claim: Claim
    message: Message
    guard: str
    environment: str | None


@dataclass
class _Line:
    """Messages on their way to one channel, and the thread that tells them while there are any."""

    waiting: deque[_Letter] = field(default_factory=deque)
    thread: threading.Thread | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Alerts:
    """Tells what is open to whoever is to hear it. Call it as the `tell` of `running.tick`.

    Args:
        channels: Where alerts go; none is no error, and nothing is told.
        names: URL by name, of those whom a charter's escalation may call.
        folder: Where snapshots are written; None for nowhere.
        store: Where it is kept who was told what; None keeps it in memory, for as long as this lives.
        tell: How a message gets to a channel: the try that got there, or 0.
    """

    def __init__(self, channels: Sequence[Channel], *, names: Mapping[str, str] | None = None,
                 folder: Path | None = None, store: Store | None = None,
                 tell: Callable[[Channel, Message], int] = deliver) -> None:
        self._channels, self._names = tuple(channels), dict(names or {})
        self._folder, self._store, self._tell = folder, store, tell
        self._book: dict[str, Open] = {}
        self._booked = threading.Lock()
        self._lines: dict[str, _Line] = {}
        self.delivered: deque[Delivered] = deque(maxlen=_WAITING)
        self.dropped = 0
        self.unreached: tuple[str, ...] = ()

    def __call__(self, scene: Scene, advanced: Advanced | None, now: datetime) -> int:
        """Queue what there is to tell at a moment; how many messages. Never waits for a channel.

        Raises: InputError where the store cannot be reached: then nothing is claimed, and the next look tells it.
        """
        document = snapshot(scene, advanced, now)
        lines, channels, queued = snapshot_lines(document), self._heard_by(scene.escalation), 0
        told = self._claims(scene, advanced, channels, now)
        release = self._named(scene) if told else ""
        for one, claims in told:
            for claim in claims:
                message = message_of(one, claim.word, scene, lines, release=release)
                letter = _Letter(claim, message, one.guard.name, _environment(scene))
                queued += self._put(letter)
        if queued and self._folder is not None:
            name = f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.json"
            try:
                atomic_write_text(self._folder / name, json_text(document) + "\n")
            except InputError:
                self.dropped += 1
        return queued

    def flush(self, timeout_s: float = 60.0) -> bool:
        """Wait until everything queued was tried; False where that takes longer."""
        until = monotonic() + timeout_s
        for line in self._lines.values():
            thread = line.thread
            if thread is not None:
                thread.join(max(0.0, until - monotonic()))
        return not any(line.thread is not None for line in self._lines.values())

    def _named(self, scene: Scene) -> str:
        """The watched release's name; empty where nobody knows it."""
        if self._store is None or scene.watch is None:
            return ""
        with self._store.reading() as connection:
            found = admitted_of(connection, scene.watch.release)
        return "" if found is None else found.release

    def _heard_by(self, escalation: Sequence[Escalation]) -> tuple[Channel, ...]:
        """Every channel, with whom the charter calls; a name that nobody reaches is said, and holds up nobody."""
        unreached = tuple(sorted({level.to for level in escalation} - set(self._names)))
        if unreached and unreached != self.unreached:
            _LOG.warning("the charter calls %s: reached by no @NAME=URL of %s", ", ".join(unreached), CHANNELS)
        self.unreached = unreached
        return self._channels + called([one for one in escalation if one.to in self._names], self._names)

    def _claims(self, scene: Scene, advanced: Advanced | None, channels: Sequence[Channel], now: datetime
                ) -> list[tuple[Reading, list[Claim]]]:
        """What this program is to tell, kept before any of it is sent."""
        release = "" if scene.watch is None else scene.watch.release
        wanted = [(release, scene.readings), *moved_back(scene, advanced, now)]
        found: list[tuple[Reading, list[Claim]]] = []
        if self._store is None:
            with self._booked:
                for identity, readings in wanted:
                    self._book |= {one.guard.name: stood(self._book.get(one.guard.name), one, identity, now)
                                   for one in readings}
                    found += _claimed(self._book, readings, channels, now, self._book.__setitem__)
        elif scene.pointer is not None:
            with self._store.writing() as connection:
                for identity, readings in wanted:
                    write_states(connection, scene.pointer.environment, readings, now, release=identity)
                    found += _claimed(book_of(connection, scene.pointer.environment), readings, channels, now,
                                      lambda _, one: keep_told(connection, one))
        return found

    def _put(self, letter: _Letter) -> int:
        channel = letter.claim.channel
        line = self._lines.setdefault(channel.name, _Line())
        with line.lock:
            if len(line.waiting) >= _WAITING:
                self.dropped += 1
                return 0
            line.waiting.append(letter)
            if line.thread is None:
                line.thread = threading.Thread(target=self._work, args=(line,), name="signoff-alerts", daemon=True)
                line.thread.start()
        return 1

    def _work(self, line: _Line) -> None:
        while True:
            with line.lock:
                if not line.waiting:
                    line.thread = None
                    return
                letter = line.waiting.popleft()
            channel, turn = letter.claim.channel, 0
            try:
                turn = self._tell(channel, letter.message)
                self._heard(letter, heard=turn > 0)
            except Exception as error:  # whatever a channel does, the next message is tried
                _LOG.warning("%s: %s", channel.name, type(error).__name__)
            self.delivered.append(Delivered(channel.name, letter.message.title, turn))

    def _heard(self, letter: _Letter, *, heard: bool) -> None:
        """Mark a message as heard, so that it is not told again."""
        if self._store is None:
            with self._booked:
                one = self._book[letter.guard]
                self._book[letter.guard] = marked(one, letter.claim, heard=heard)
        elif letter.environment is not None:
            with self._store.writing() as connection:
                hear(connection, letter.environment, letter.guard, letter.claim, heard=heard)


def moved_back(scene: Scene, advanced: Advanced | None, now: datetime) -> list[tuple[str, list[Reading]]]:
    """A ramp's way back as an alert of its own, under an identity that no other step back has; told for an hour."""
    state = scene.ended or scene.ramp if advanced is None else advanced.state
    if state is None or state.phase not in {"down", "rolled_back"} or now - state.entered > _LATELY:
        return []
    reason = state.said if advanced is None else advanced.decision.reason
    guard = Guarded(ROLLBACK, "ramp", ALL, Limit("at_most", 0.0, "value"), 0, "critical")
    said = Reading(guard, "critical", None, None, None, 0, state.entered,
                   f"rolled back to {state.percent:g} %: {reason}")
    return [(f"{state.candidate} {moment_text(state.entered)}", [said])]


def _claimed(book: Mapping[str, Open], readings: Sequence[Reading], channels: Sequence[Channel], now: datetime,
             keep: Callable[[str, Open], object]) -> list[tuple[Reading, list[Claim]]]:
    found = []
    for one in readings:
        alert = book.get(one.guard.name)
        claims, after = ([], None) if alert is None else claimed(alert, severity_of(one), channels, now)
        if claims and after is not None:
            keep(one.guard.name, after)
            found.append((one, claims))
    return found


def _environment(scene: Scene) -> str | None:
    return None if scene.pointer is None else scene.pointer.environment
