"""What the routes of one service share: store, arms, queue, metrics, tokens, clock."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from harness.monitor.arms import Arms
from harness.monitor.batching import Batches
from harness.monitor.health import Health
from harness.monitor.metrics import Metrics
from harness.monitor.running import Scene
from harness.monitor.shadow import SHARE, Shadow
from harness.monitor.tokens import Tokens
from harness.monitor.watching import Watching
from harness.monitor.windows import RESOLUTION_S
from harness.monitor.workers import Workers
from harness.rollout.flags import serving_percent
from harness.rollout.ramp_store import Advanced
from harness.rollout.store import Store
from harness.rollout.switches import Switches

__all__ = ["SECRET", "TIMEOUT_MS", "Service"]

SECRET = "SIGNOFF_ASSIGNMENT_SECRET"
TIMEOUT_MS = 1000.0  # how long a candidate is waited for before the stable release answers


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(eq=False)
class Service:
    """One environment's service.

    Attributes:
        store: Where pointer, windows and trail are.
        environment: Whose requests it answers.
        arms: Loaded releases.
        batches: Observations on their way to the store.
        metrics: What Prometheus is told.
        tokens: Who may what.
        health: What `GET /health` tells.
        workers: Threads that the candidate runs on.
        probes: The thread that health probes run on, which a candidate cannot hold up.
        environ: Where flags are read, at each request; those that the store holds count beside them.
        timeout_ms: How long a candidate is waited for.
        shadow: What replays judged queries through both arms.
        shadow_share: Share of the judged queries that are.
        watching: The monitor.
        resolution_s: Seconds of a window, and between two looks of the monitor.
        acting: Whether the monitor may move the ramp.
        tell: Whom the monitor tells, as in `running.tick`.
        now: The clock.
    """

    store: Store
    environment: str
    arms: Arms
    batches: Batches
    metrics: Metrics = field(default_factory=Metrics)
    tokens: Tokens = field(init=False)
    health: Health = field(init=False)
    workers: Workers = field(default_factory=lambda: Workers(32))
    probes: Workers = field(default_factory=lambda: Workers(1))
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    timeout_ms: float = TIMEOUT_MS
    shadow: Shadow = field(init=False)
    shadow_share: float = SHARE
    watching: Watching = field(init=False)
    resolution_s: int = RESOLUTION_S
    acting: bool = True
    tell: Callable[[Scene, Advanced | None, datetime], Any] | None = None
    now: Callable[[], datetime] = _utc_now
    log: logging.Logger = field(default_factory=lambda: logging.getLogger("signoff.service"))

    def __post_init__(self) -> None:
        switches = Switches(self.environ)
        self.environ, self.arms.follow = switches, switches.follow
        self.tokens, self.health = Tokens(self.store), Health(self)
        self.shadow = Shadow(self, share=self.shadow_share)
        self.watching = Watching(self, acting=self.acting, resolution_s=self.resolution_s, tell=self.tell)

    @property
    def percent(self) -> float:
        """The candidate's share as it is served: the pointer's, or less where a switch of the environment says so."""
        return serving_percent(self.arms.serving.pointer, self.environ)

    @property
    def secret(self) -> bytes:
        """What keeps outsiders from computing who is in the canary."""
        return self.environ.get(SECRET, "").encode()

    @property
    def timeout_s(self) -> float:
        """`timeout_ms` in seconds."""
        return self.timeout_ms / 1e3

    def start(self) -> None:
        """Load what serves and begin to look and to write. Raises InputError where nothing serves."""
        self.arms.start()
        self.batches.start()
        self.shadow.start()
        self.watching.start()

    def stop(self) -> None:
        """Write what waits, and end. A second time does nothing more."""
        self.watching.stop()
        self.shadow.stop()
        self.arms.stop()
        self.batches.stop()
