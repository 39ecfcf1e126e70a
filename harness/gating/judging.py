"""A fitted gate on requests that it never saw: every figure with its interval, beside chance and the gain alone."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from harness.estimate import Estimate
from harness.estimators.intervals import mean_interval
from harness.estimators.quantiles import quantile_interval
from harness.estimators.ratios import ratio_interval
from harness.gating.figures import Swept, extra_ms, gained, keeps, sweep
from harness.gating.requests import CHEAP, FULL, Decisions, Requests
from harness.gating.roc import Roc, roc
from harness.gating.two_stage import TwoStageGate
from harness.records import Floats
from harness.routing.regret import chosen

__all__ = ["Judged", "beyond_chance", "beyond_gain_alone", "judged"]


class Judged(NamedTuple):
    """What a gate does to requests outside its fit.

    Attributes:
        within: Whether the means, and the p95 where it binds, keep the gate's limits as measured.
        share: Of requests fully reranked.
        cheap_share: Of requests that get the cheap stage.
        gain: nDCG units per request, over all requests.
        per_rerank: nDCG units per request fully reranked; NaN where none is.
        beyond_chance: nDCG units per request more than the same shares drawn at random.
        beyond_gain_alone: nDCG units per request more than one threshold on the predicted gain at the same share:
            what the entropy adds.
        cost_mean_ms: Extra latency per request.
        cost_p95_ms: p95 of it, by order statistics of independent requests.
        swept: Nine places around θ* on these requests.
        roc: The curves on these requests.
    """

    within: bool
    share: Estimate
    cheap_share: Estimate
    gain: Estimate
    per_rerank: Estimate
    beyond_chance: Estimate
    beyond_gain_alone: Estimate
    cost_mean_ms: Estimate
    cost_p95_ms: Estimate
    swept: tuple[Swept, ...]
    roc: Roc


def judged(gate: TwoStageGate, requests: Requests, *, clusters: ArrayLike | None = None,
           confidence: float = 0.9) -> Judged:
    """Measure a gate on requests that had no part in its fit.

    Args:
        gate: Fitted on other requests.
        requests: The judged ones.
        clusters: (n,) labels of requests that depend on each other, or None.
        confidence: Two-sided; each end alone holds with (1 + confidence) / 2.

    Raises:
        InputError: Labels of another length, or a confidence outside (0, 1).

    >>> import numpy as np
    >>> rng = np.random.default_rng(3)
    >>> entropy, predicted = rng.random(400), rng.random(400) * 0.2
    >>> data = Requests.of(entropy, predicted, predicted * entropy, np.full(400, 1.2))
    >>> halves = [Requests(*(column[at::2] for column in data)) for at in (0, 1)]
    >>> gate = TwoStageGate.fit(*halves[0][:4], budget_ms=0.2)
    >>> judged(gate, halves[1]).beyond_chance.low > 0.0
    True
    """
    decisions = gate.decided(requests)
    full, cheap = (decisions == FULL).astype(np.float64), (decisions == CHEAP).astype(np.float64)
    brought, waited = gained(requests, decisions), extra_ms(requests, decisions, gate.terms)

    def mean(values: Floats, *, unit: str = "1", support: tuple[float, float] | None = None) -> Estimate:
        return mean_interval(values, clusters=clusters, confidence=confidence, unit=unit, support=support)

    return Judged(
        keeps(requests, decisions, gate.terms), mean(full, support=(0.0, 1.0)), mean(cheap, support=(0.0, 1.0)),
        mean(brought), _per_rerank(brought * full, full, clusters, confidence),
        mean(beyond_chance(requests, decisions)), mean(beyond_gain_alone(requests, decisions)),
        mean(waited, unit="ms"), quantile_interval(waited, 0.95, confidence=confidence, unit="ms"),
        sweep(requests, gate.theta, gate.below, gate.step, gate.terms), roc(requests, gate.theta, gate.below))


def beyond_chance(requests: Requests, decisions: Decisions) -> Floats:
    """(n,) nDCG units more than the same shares of both stages drawn at random; a mean over them has its variance.

    The mean is mean(gain x decision) - mean(gain) x share for each stage; each request's value is (gain - mean gain) x
    (decision - share), so that a mean by clusters has the right variance to first order.

    Raises nothing: requests were checked where they were made.

    >>> asked = Requests.of([0.2, 0.9], [0.1, 0.3], [0.0, 0.4], [2.0, 1.0])
    >>> beyond_chance(asked, np.array([0, 2], np.int8)).mean().round(3).item()
    0.1
    """
    stages = ((requests.gain, decisions == FULL), (requests.cheap_gain, decisions == CHEAP))
    return np.asarray(sum((gain - gain.mean()) * (taken - taken.mean()) for gain, taken in stages), dtype=np.float64)


def beyond_gain_alone(requests: Requests, decisions: Decisions) -> Floats:
    """(n,) nDCG units that full reranks bring more than as many chosen by predicted gain alone; paired by request.

    Raises nothing: requests were checked where they were made.

    >>> asked = Requests.of([0.2, 0.9], [0.3, 0.1], [0.0, 0.4], [2.0, 1.0])
    >>> beyond_gain_alone(asked, np.array([0, 2], np.int8)).tolist()
    [-0.0, 0.4]
    """
    full = (decisions == FULL).astype(np.float64)
    return np.asarray(requests.gain * (full - chosen(requests.predicted_gain, share=float(full.mean()))))


def _per_rerank(brought: Floats, full: Floats, clusters: ArrayLike | None, confidence: float) -> Estimate:
    if not full.any():
        return Estimate(math.nan, -math.inf, math.inf, 0, confidence, "no request reranked", "1")
    return ratio_interval(brought, full, clusters=clusters, confidence=confidence)
