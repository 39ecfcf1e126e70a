"""What a gate is fitted under: a budget of time, a window of share, how far the early exit lies below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from harness.errors import InputError, nearest
from harness.gating.requests import Requests
from harness.records import Floats

__all__ = ["TAIL", "Bind", "Delta", "Limit", "Terms", "Theta"]

Bind = Literal["mean", "p95"]
Delta = float | tuple[float, float]
TAIL = 0.05  # share of requests that may stand above a p95
_MOST = 1e15  # ms, or any other number that is asked for
_SLACK = 1e-12  # sums of floats in another order differ by less


class Theta(NamedTuple):
    """A pair of thresholds, or of distances between such; a request is above where both its signals are.

    Attributes:
        entropy: In the unit of the entropy signal.
        gain: nDCG units of predicted gain.
    """

    entropy: float
    gain: float


class Limit(NamedTuple):
    """A limit that adds up over requests: low ≤ mean of weights of what was done ≤ high.

    Attributes:
        full: (n,) weight of a full rerank of each request.
        cheap: (n,) weight of its cheap stage.
        low: -inf where there is none.
        high: Not below `low`.
    """

    full: Floats
    cheap: Floats
    low: float
    high: float

    def allows(self, mean: Floats | float) -> Any:
        """Whether a mean weight lies within, up to rounding."""
        slack = _SLACK * max(1.0, abs(self.high))
        return (mean >= self.low - slack) & (mean <= self.high + slack)


@dataclass(frozen=True)
class Terms:
    """The terms of a fit, checked.

    Attributes:
        budget_ms: Extra latency allowed over the first stage alone, ms; None where only the share is limited.
        bind: Whether the mean or the p95 of the extra latency must keep the budget.
        share: Least and greatest share of requests fully reranked; None where only the latency is limited.
        overhead_ms: What every request pays for being asked about: router and gate.
        headroom: Share of every limit that the fit leaves free, so that other requests keep it too: of the budget, of
            the 5 % above a p95, of the window of share (narrowed about its middle).
        delta: How far below θ* the early exit lies: a share of θ*, or a pair in the units of the signals.
        levels: Most thresholds tried per signal: all values seen, or as many quantiles.
        tolerance: nDCG units within which the dual must be at its minimum.

    Raises:
        InputError: Neither budget nor share, an unknown `bind`, or a number outside its range.

    >>> Terms(budget_ms=0.2).bind
    'mean'
    """

    budget_ms: float | None = None
    bind: Bind = "mean"
    share: tuple[float, float] | None = None
    overhead_ms: float = 0.0
    headroom: float = 0.0
    delta: Delta = 0.1
    levels: int = 256
    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        if self.bind not in get_args(Bind):
            raise InputError("unknown way to bind", where="bind", expected="mean or p95", found=self.bind,
                             hint=nearest(str(self.bind), get_args(Bind)))
        if self.budget_ms is None and self.share is None:
            raise InputError("nothing limits the spending", where="gate", expected="budget_ms, share, or both")
        if self.budget_ms is not None:
            _number(self.budget_ms, "budget_ms", 0.0, math.inf)
        _number(self.overhead_ms, "overhead_ms", 0.0, math.inf)
        _number(self.headroom, "headroom", 0.0, 0.99)
        _number(self.tolerance, "tolerance", 1e-15, 1.0)
        _number(self.levels, "levels", 2, 4096)
        if self.levels != int(self.levels):
            raise InputError("out of bounds", where="levels", expected="a whole number", found=self.levels)
        if self.share is not None:
            low, high = _pair(self.share, "share")
            _number(low, "share", 0.0, high)
            _number(high, "share", low, 1.0)
        for step in _pair(self.delta, "delta") if isinstance(self.delta, tuple | list) else (self.delta,):
            _number(step, "delta", 0.0, math.inf if isinstance(self.delta, tuple | list) else 0.999)

    def limit(self, requests: Requests, *, free: float = 0.0) -> Limit:
        """The limit that carries the price: the budget where there is one, else the window of share.

        A p95 keeps a budget exactly where at most 5 % of requests exceed it: that count adds up, a p95 does not.

        Args:
            requests: Whose spending is limited.
            free: Share of the limit that is left free.
        """
        if self.budget_ms is None:
            return self.window(requests, free=free)
        if self.bind == "mean":
            most = self.budget_ms * (1.0 - free) - self.overhead_ms
            return Limit(requests.cost_ms, requests.cheap_cost_ms, -math.inf, most)
        room = self.budget_ms - self.overhead_ms
        above = [(column > room).astype(np.float64) for column in (requests.cost_ms, requests.cheap_cost_ms)]
        # Even a request that is left alone pays the overhead: with no room for it, nothing is within.
        most = math.floor(TAIL * (1.0 - free) * requests.n + 1e-9) / requests.n if room >= 0.0 else -1.0
        return Limit(above[0], above[1], -math.inf, most)

    def window(self, requests: Requests, *, free: float = 0.0) -> Limit:
        """The share of full reranks as a limit, wide open where none is asked; `free` as `limit` has it."""
        low, high = self.share or (0.0, 1.0)
        if self.share is not None:
            low, high = low + free * (high - low) / 2.0, high - free * (high - low) / 2.0
        return Limit(np.ones(requests.n), np.zeros(requests.n), low, high)

    def below(self, level: Floats | float, axis: int, floor: float) -> Any:
        """The early exit's threshold for each level of θ on an axis: rises as the level does.

        Args:
            level: Thresholds of the full rerank.
            axis: 0 entropy, 1 gain.
            floor: > 0, what a share is taken of where θ is (nearly) 0.
        """
        if isinstance(self.delta, tuple | list):
            return level - self.delta[axis]
        return level - self.delta * np.maximum(np.abs(level), floor)


def _pair(given: Any, name: str) -> tuple[float, float]:
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != 2:
        raise InputError("not a pair", where=name, expected="two numbers", found=given)
    return given[0], given[1]


def _number(given: Any, name: str, low: float, high: float) -> None:
    good = isinstance(given, int | float | np.number) and not isinstance(given, bool) and -_MOST <= given <= _MOST
    if not good or not low <= given <= high:
        top = f" to {high:g}" if math.isfinite(high) else " up"
        raise InputError("out of bounds", where=name, expected=f"a number from {low:g}{top}", found=given)
