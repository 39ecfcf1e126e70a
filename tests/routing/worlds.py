"""Worlds where the gain of a rerank is known, and routers fitted to them once."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from harness.routing.distill import distill
from harness.routing.int8 import Int8Router
from harness.routing.teacher import RouterTeacher

NAMES = ("entropy", "margin", "length")


def world(*, seed: int, n: int = 800, slope: float = 0.3) -> tuple[Any, Any, Any]:
    """(signals, gain, cost): the gain moves with `slope` in entropy, the cost grows with the length."""
    rng = np.random.default_rng(seed)
    signals = np.column_stack([rng.random(n), rng.exponential(0.1, n), rng.integers(2, 30, n)])
    gain = slope * signals[:, 0] - 0.3 * signals[:, 1] - 0.1 + 0.1 * rng.normal(size=n)
    return signals, gain.clip(-1, 1), 2.0 + 0.1 * signals[:, 2] + 0.05 * rng.random(n)


@cache
def teacher(slope: float = 0.3) -> RouterTeacher:
    """A teacher fitted to the world of that slope."""
    signals, gain, cost = world(seed=1, slope=slope)
    return RouterTeacher(trees=60).fit(signals, NAMES, gain, cost)


@cache
def router() -> Int8Router:
    """Its distilled table."""
    return distill(teacher(), world(seed=1)[0], NAMES)
