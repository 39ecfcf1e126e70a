"""What a pair of thresholds does to requests: decisions, share, gain, cost, and the sweep around it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.gating.requests import CHEAP, EXIT, FULL, Decisions, Requests
from harness.gating.terms import Terms, Theta
from harness.records import Floats

__all__ = ["SWEEP", "Figures", "Swept", "decided", "extra_ms", "figures", "gained", "keeps",
           "sweep"]

SWEEP = 0.1  # of θ*, to either side


class Figures(NamedTuple):
    """What a rule does to n requests.

    Attributes:
        n: Requests.
        share: Of requests fully reranked.
        cheap_share: Of requests that get the cheap stage.
        gain: Mean nDCG units brought per request, over all requests.
        cost_mean_ms: Mean extra latency per request, overhead included.
        cost_p95_ms: p95 of it: the least value that 95 % of the requests do not exceed.
    """

    n: int
    share: float
    cheap_share: float
    gain: float
    cost_mean_ms: float
    cost_p95_ms: float


class Swept(NamedTuple):
    """One place of the sweep around θ*.

    Attributes:
        theta: Thresholds of the full rerank.
        within: Whether the limits are kept there.
        figures: What happens there.
    """

    theta: Theta
    within: bool
    figures: Figures


def decided(theta: Theta, below: Theta, entropy: Floats, gain: Floats) -> Decisions:
    """(n,) 2 at or above θ* on both signals, 1 at or above the early exit on both, else 0.

    Raises nothing: the signals were checked with their requests.

    >>> decided(Theta(0.5, 0.1), Theta(0.4, 0.1), np.array([0.6, 0.45, 0.9]), np.array([0.2, 0.2, 0.0])).tolist()
    [2, 1, 0]
    """
    full = (entropy >= theta.entropy) & (gain >= theta.gain)
    cheap = (entropy >= below.entropy) & (gain >= below.gain)
    return np.where(full, FULL, np.where(cheap, CHEAP, EXIT)).astype(np.int8)


def gained(requests: Requests, decisions: Decisions) -> Floats:
    """(n,) nDCG units that the decision brought each request."""
    return np.where(decisions == FULL, requests.gain, np.where(decisions == CHEAP, requests.cheap_gain, 0.0))


def extra_ms(requests: Requests, decisions: Decisions, terms: Terms) -> Floats:
    """(n,) ms that each request waits longer than without router, gate and rerank."""
    return terms.overhead_ms + np.where(decisions == FULL, requests.cost_ms,
                                        np.where(decisions == CHEAP, requests.cheap_cost_ms, 0.0))


def figures(requests: Requests, decisions: Decisions, terms: Terms) -> Figures:
    """Means and the p95 over the requests.

    Raises nothing: requests and terms were checked where they were made.

    >>> asked = Requests.of([0.2, 0.9], [0.1, 0.3], [0.0, 0.4], [2.0, 1.0])
    >>> figures(asked, np.array([0, 2], np.int8), Terms(budget_ms=1.0)).gain
    0.2
    """
    waited = extra_ms(requests, decisions, terms)
    return Figures(requests.n, float((decisions == FULL).mean()), float((decisions == CHEAP).mean()),
                   float(gained(requests, decisions).mean()), float(waited.mean()),
                   float(np.quantile(waited, 0.95, method="inverted_cdf")))


def sweep(requests: Requests, theta: Theta, below: Theta, step: Theta, terms: Terms) -> tuple[Swept, ...]:
    """The nine places a step to either side of θ* on both axes, entropy first, from low to high.

    Args:
        requests: What is decided on.
        theta: θ*.
        below: The early exit, which moves along.
        step: How far to either side.
        terms: Whose limits are kept or not.

    Returns:
        Nine places, θ* itself the fifth.
    """
    places = []
    for across in (-1, 0, 1):
        for up in (-1, 0, 1):
            moved, early = (Theta(at.entropy + across * step.entropy, at.gain + up * step.gain)
                            for at in (theta, below))
            decisions = decided(moved, early, requests.entropy, requests.predicted_gain)
            within = keeps(requests, decisions, terms)
            places.append(Swept(moved, within, figures(requests, decisions, terms)))
    return tuple(places)


def keeps(requests: Requests, decisions: Decisions, terms: Terms) -> bool:
    """Whether decisions keep every limit of the terms on these requests."""
    kept = True
    for limit in (terms.limit(requests), terms.window(requests)):
        spent = np.where(decisions == FULL, limit.full, np.where(decisions == CHEAP, limit.cheap, 0.0))
        kept = kept and bool(limit.allows(float(spent.mean())))
    return kept
