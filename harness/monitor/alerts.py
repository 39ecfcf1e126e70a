"""Alerts: what is beyond its limit, or missing, is told by severity, escalated while it stays open, and told when over.

Each channel is told in a thread of its own: the ramp was stepped before, and neither it, nor the next look, nor another
channel waits for one that is dead. A program that begins anew tells once more what is open: better twice than never.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from harness.data.store import atomic_write_text
from harness.errors import InputError
from harness.monitor.delivery import SEVERITIES, Channel, Message, deliver
from harness.monitor.running import Scene
from harness.monitor.snapshot import snapshot, snapshot_lines
from harness.rollout.ramp_store import Advanced
from harness.rollout.shapes import Reading, Severity
from harness.rollout.tables import json_text

__all__ = ["Alerts", "Delivered", "severity_of"]

_WAITING = 1000  # messages on their way; more are dropped and counted
_LONGEST = 3000  # letters of a message


class Delivered(NamedTuple):
    """One message to one channel: the try that got there, 0 where none did."""

    channel: str
    title: str
    turn: int


@dataclass
class _Open:
    """An alert: since when, and who was told of which severity."""

    since: datetime
    told: dict[str, Severity] = field(default_factory=dict)


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


@dataclass
class _Line:
    """Messages on their way to one channel, and the thread that tells them while there are any."""

    waiting: deque[Message] = field(default_factory=deque)
    thread: threading.Thread | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Alerts:
    """What is open, and whom it was told. Call it as the `tell` of `running.tick`.

    Args:
        channels: Where alerts go; none is no error, and nothing is told.
        folder: Where snapshots are written; None for nowhere.
        tell: How a message gets to a channel: the try that got there, or 0.
    """

    def __init__(self, channels: Sequence[Channel], *, folder: Path | None = None,
                 tell: Callable[[Channel, Message], int] = deliver) -> None:
        self._channels, self._folder, self._tell = tuple(channels), folder, tell
        self._open: dict[str, _Open] = {}
        self._lines = {one.name: _Line() for one in self._channels}
        self.delivered: deque[Delivered] = deque(maxlen=_WAITING)
        self.dropped = 0

    def __call__(self, scene: Scene, advanced: Advanced | None, now: datetime) -> int:
        """Queue what there is to tell at a moment; how many messages. Never waits for a channel."""
        document = snapshot(scene, advanced, now)
        lines, queued = snapshot_lines(document), 0
        for one in scene.readings:
            queued += self._look(one, lines, now)
        if advanced is not None and advanced.flipped and advanced.decision.action == "rollback":
            said = f"rolled back to {advanced.decision.percent:g} %: {advanced.decision.reason}"
            queued += sum(self._put(channel, Message("critical", "Signoff: " + said[:150], _body(said, lines)))
                          for channel in self._channels if channel.hears("critical", 0.0))
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

    def _look(self, one: Reading, lines: Sequence[str], now: datetime) -> int:
        severity, name = severity_of(one), one.guard.name
        if severity is None:
            over = self._open.pop(name, None)
            message = Message("info", f"Signoff: over: {name}", one.reason)
            return 0 if over is None else sum(
                self._put(channel, message) for channel in self._channels if channel.name in over.told)
        alert = self._open.setdefault(name, _Open(now if one.since is None else min(one.since, now)))
        queued = 0
        for channel in self._channels:
            told = alert.told.get(channel.name)
            graver = told is None or SEVERITIES.index(severity) > SEVERITIES.index(told)
            if graver and channel.hears(severity, (now - alert.since).total_seconds()):
                alert.told[channel.name] = severity
                title = f"Signoff: {severity.upper()}: {name}"
                queued += self._put(channel, Message(severity, title, _body(one.reason, lines)))
        return queued

    def _put(self, channel: Channel, message: Message) -> int:
        line = self._lines[channel.name]
        with line.lock:
            if len(line.waiting) >= _WAITING:
                self.dropped += 1
                return 0
            line.waiting.append(message)
            if line.thread is None:
                line.thread = threading.Thread(target=self._work, args=(channel, line), name="signoff-alerts",
                                               daemon=True)
                line.thread.start()
        return 1

    def _work(self, channel: Channel, line: _Line) -> None:
        while True:
            with line.lock:
                if not line.waiting:
                    line.thread = None
                    return
                message = line.waiting.popleft()
            try:
                turn = self._tell(channel, message)
            except Exception:  # whatever a channel does, the next message is tried
                turn = 0
            self.delivered.append(Delivered(channel.name, message.title, turn))


def _body(reason: str, lines: Sequence[str]) -> str:
    return "\n".join([reason, *(line for line in lines if line != reason)])[:_LONGEST]
