"""Traffic made up for the monitor's tests: requests, replayed queries, minutes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import numpy as np

from harness.estimators.moments import Moments
from harness.estimators.sketch import LatencySketch
from harness.estimators.tally import Tally
from harness.monitor.windows import ALL, Key, Window
from harness.rollout.shapes import Observation

DAY = datetime(2025, 3, 1, tzinfo=UTC)
STABLE, CANDIDATE = "a" * 64, "b" * 64


def at(minutes: float) -> datetime:
    """A moment, in minutes after the first."""
    return DAY + timedelta(minutes=minutes)


def request(minutes: float = 0.0, *, ms: float = 5.0, arm: str = "candidate", **rest) -> Observation:
    """A request answered by one arm."""
    release = STABLE if arm == "stable" else CANDIDATE
    return Observation(at(minutes), "prod", release, arm, {"total": ms}, **rest)


def key(minute: int, arm: str = "candidate", *, release: str | None = None, name: str = ALL) -> Key:
    """A window's key."""
    return Key("prod", release or (STABLE if arm == "stable" else CANDIDATE), arm, name, at(minute))


def served(ms: Iterable[float], *, errors: int = 0, **means: Iterable[float]) -> Window:
    """A window of requests with these latencies, of which `errors` failed, and means by name (`_` for blank)."""
    column = np.asarray(list(ms), dtype=float)
    return Window(Tally(errors, len(column)), {"total": LatencySketch.of(column)},
                  {name: Moments.of(list(values)) for name, values in means.items()})
