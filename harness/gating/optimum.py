"""θ* for given requests and terms: the best pair of thresholds, its price, and the trace that led there."""

from __future__ import annotations

import math
from dataclasses import replace
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.gating.dual import Step, ascend
from harness.gating.requests import Requests
from harness.gating.surface import Surface, floors_of, surface
from harness.gating.terms import Limit, Terms, Theta

__all__ = ["Optimum", "optimum", "smallest_budget"]


class Optimum(NamedTuple):
    """The end of a fit.

    Attributes:
        theta: θ*.
        below: Thresholds of the early exit.
        gain: nDCG units per request that θ* brings on the requests of the fit.
        bound: nDCG units per request that no mix of thresholds within the limit exceeds.
        trace: The dual ascent.
    """

    theta: Theta
    below: Theta
    gain: float
    bound: float
    trace: tuple[Step, ...]


def optimum(requests: Requests, terms: Terms) -> Optimum:
    """Of all pairs of thresholds that rerank at least one request and keep the limits, the one that gains most.

    Raises:
        InputError: No pair keeps the limits (the smallest feasible budget, or the shares at hand, are named), or
            none that does brings a gain.

    >>> asked = Requests.of([0.2, 0.9, 0.8], [0.1, 0.3, 0.2], [0.0, 0.4, 0.1], [2.0, 1.0, 2.0])
    >>> optimum(asked, Terms(budget_ms=0.5)).theta
    Theta(entropy=0.2, gain=0.3)
    """
    limit = terms.limit(requests, free=terms.headroom)
    land = surface(requests, terms, limit)
    if not _able(land, terms, limit, requests).any():
        _refuse(requests, terms, land)
    slack = 1e-12 * max(1.0, abs(limit.high))
    # A window that carries the price must be free to be left, or the price of keeping it would always be 0.
    rules = np.flatnonzero(_reranking(land, requests) if terms.budget_ms is None else _spending(land, terms, requests))
    # Of rules alike in gain and weight the first is taken: let it be the one that reranks least.
    rules = rules[np.argsort(land.share.ravel()[rules], kind="stable")]
    found = ascend(land.gain.ravel()[rules], land.weight.ravel()[rules], low=limit.low - slack,
                   high=limit.high + slack, tolerance=terms.tolerance)
    place = int(rules[found.place])
    gain = float(land.gain.ravel()[place])
    if not gain > 0.0:
        raise InputError("no rerank within the limits brings a gain", where="gate", expected="a gain above 0",
                         found=gain)
    theta, floors = land.theta(place), floors_of(requests)
    below = Theta(float(terms.below(theta.entropy, 0, floors.entropy)), float(terms.below(theta.gain, 1, floors.gain)))
    return Optimum(theta, below, gain, max(found.trace[-1].dual, gain), found.trace)


def smallest_budget(requests: Requests, terms: Terms) -> float:
    """The smallest budget, ms, at which some pair of thresholds reranks a request within the terms; NaN if none does.

    Raises nothing: requests and terms were checked where they were made.

    >>> asked = Requests.of([0.2, 0.9], [0.1, 0.3], [0.0, 0.4], [2.0, 1.0])
    >>> smallest_budget(asked, Terms(budget_ms=0.1))
    0.5
    """
    if terms.bind == "mean":
        land = surface(requests, terms, terms.limit(requests))
        spent = land.weight[_spending(land, terms, requests)]
        return float(spent.min() + terms.overhead_ms) / (1.0 - terms.headroom) if spent.size else float("nan")
    costs = terms.overhead_ms + np.unique(np.concatenate([[0.0], requests.cost_ms, requests.cheap_cost_ms]))
    low, high = 0, len(costs)
    while low < high:  # the p95 is one of the costs, and a larger budget never forbids what a smaller one allows
        middle = (low + high) // 2
        tried = replace(terms, budget_ms=float(costs[middle]))
        limit = tried.limit(requests, free=terms.headroom)
        if _able(surface(requests, tried, limit), tried, limit, requests).any():
            high = middle
        else:
            low = middle + 1
    return float(costs[low]) if low < len(costs) else float("nan")


def _spending(land: Surface, terms: Terms, requests: Requests) -> NDArray[np.bool_]:
    """(a, b) which pairs rerank at least one request, at a share within the window."""
    return np.asarray(_reranking(land, requests) & terms.window(requests, free=terms.headroom).allows(land.share))


def _reranking(land: Surface, requests: Requests) -> NDArray[np.bool_]:
    return np.asarray(land.share * requests.n > 0.5)


def _able(land: Surface, terms: Terms, limit: Limit, requests: Requests) -> NDArray[np.bool_]:
    return np.asarray(_spending(land, terms, requests) & limit.allows(land.weight))


def _up(value: float) -> str:
    """Six digits, rounded up: a budget that is named must be one that can be kept."""
    exact = Decimal(repr(value))
    return f"{exact.quantize(Decimal(1).scaleb(exact.adjusted() - 5), rounding=ROUND_CEILING).normalize():f}"


def _refuse(requests: Requests, terms: Terms, land: Surface) -> NoReturn:
    """Say what the smallest feasible budget is, or which shares there are."""
    least = smallest_budget(requests, terms) if terms.budget_ms is not None else math.nan
    if math.isfinite(least):
        raise InputError("no thresholds keep the budget", where="budget_ms", found=terms.budget_ms,
                         expected=f"at least {_up(least)} ms ({terms.bind} of the extra latency)")
    window = terms.window(requests, free=terms.headroom)
    shares = np.unique(land.share[_reranking(land, requests)])
    near = shares[np.argmin(np.maximum(window.low - shares, shares - window.high))]
    raise InputError("no thresholds keep the share", where="share", expected=f"a window that holds {near:.6g}",
                     found=f"{window.low:g} to {window.high:g}")
