"""A gate at a wanted rerank share: the share stands where the budget would, or beside it."""

from __future__ import annotations

from numpy.typing import ArrayLike

from harness.gating.terms import Bind, Delta
from harness.gating.two_stage import TwoStageGate

__all__ = ["optimise_gate"]


def optimise_gate(entropy: ArrayLike, predicted_gain: ArrayLike, gain: ArrayLike, cost_ms: ArrayLike, *,
                  share: tuple[float, float] = (0.14, 0.16), budget_ms: float | None = None, bind: Bind = "mean",
                  delta: Delta = 0.1, tolerance: float = 1e-6, overhead_ms: float = 0.0, headroom: float = 0.25,
                  levels: int = 256, cheap_gain: ArrayLike | None = None,
                  cheap_cost_ms: ArrayLike | None = None) -> TwoStageGate:
    """θ* of most gain at a share of full reranks within `share` and, where given, within a latency budget as well.

    Alone, the share carries the price λ (nDCG units per request reranked; negative where the window asks for more
    than pays). With a budget, the window only says which thresholds may be chosen, and the budget carries the price.

    Args:
        entropy: (n,) signal of the first stage.
        predicted_gain: (n,) nDCG units, the router's.
        gain: (n,) nDCG units, what the full rerank brought.
        cost_ms: (n,) ms it took.
        share: Least and greatest share of requests fully reranked.
        budget_ms: Extra latency allowed, or None.
        bind: Whether its mean or its p95 must keep the budget.
        delta: As `TwoStageGate.fit` has it, like all that follows.
        tolerance: nDCG units.
        overhead_ms: Of router and gate.
        headroom: Share of window and budget that the fit leaves free: at a window's edge half of all others miss it.
        levels: Most thresholds tried per signal.
        cheap_gain: (n,) nDCG units, or None.
        cheap_cost_ms: (n,) ms, or None.

    Raises:
        InputError: As `TwoStageGate.fit`; a window that no thresholds meet names the nearest share that some do.

    >>> import numpy as np
    >>> rng = np.random.default_rng(3)
    >>> entropy, predicted = rng.random(400), rng.random(400) * 0.2
    >>> gate = optimise_gate(entropy, predicted, predicted * entropy, np.full(400, 1.2))
    >>> 0.14 <= gate.predicted.share <= 0.16
    True
    """
    return TwoStageGate.fit(entropy, predicted_gain, gain, cost_ms, budget_ms=budget_ms, bind=bind, share=share,
                            delta=delta, tolerance=tolerance, overhead_ms=overhead_ms, headroom=headroom,
                            levels=levels, cheap_gain=cheap_gain, cheap_cost_ms=cheap_cost_ms)
