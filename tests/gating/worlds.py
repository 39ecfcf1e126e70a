"""Worlds of requests for the gate: one with a known signal, one without any, and small ones for brute force."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from harness.gating.requests import Requests

QUARTERS = st.integers(-4, 4).map(lambda whole: whole / 4)
HALVES_MS = st.integers(0, 6).map(lambda whole: whole / 2)


def signalled(n: int = 600, *, seed: int = 5) -> Requests:
    """Requests whose gain follows the predicted gain, more so at high entropy."""
    rng = np.random.default_rng(seed)
    entropy, predicted = rng.random(n), rng.normal(0.02, 0.05, n)
    gain = np.clip(predicted * 2.0 * entropy + rng.normal(0.0, 0.05, n), -1.0, 1.0)
    return Requests.of(entropy, predicted, gain, rng.gamma(9.0, 0.2, n))


def with_cheap(n: int = 600, *, seed: int = 5) -> Requests:
    """The same with a cheap stage that brings half the gain for a quarter of the cost."""
    one = signalled(n, seed=seed)
    return one._replace(cheap_gain=one.gain / 2.0, cheap_cost_ms=one.cost_ms / 4.0)


def blind(n: int, rng: np.random.Generator) -> Requests:
    """Requests whose gain, on average above 0, has nothing to do with either signal."""
    return Requests.of(rng.random(n), rng.random(n), np.clip(rng.normal(0.05, 0.3, n), -1.0, 1.0), np.full(n, 1.0))


@st.composite
def small(draw: st.DrawFn) -> Requests:
    """At most eight requests with many ties; all sums are exact."""
    n = draw(st.integers(1, 8))

    def column(values: st.SearchStrategy[float]) -> list[float]:
        return draw(st.lists(values, min_size=n, max_size=n))

    stages = {"cheap_gain": column(QUARTERS), "cheap_cost_ms": column(HALVES_MS)} if draw(st.booleans()) else {}
    return Requests.of(column(QUARTERS), column(QUARTERS), column(QUARTERS), column(HALVES_MS), **stages)
