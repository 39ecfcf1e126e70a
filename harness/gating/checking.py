"""Whether a gate still stands at its optimum: θ* moved by a tenth overspends, or leaves gain on the table."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.gating.figures import figures, keeps
from harness.gating.optimum import optimum
from harness.gating.requests import Requests
from harness.gating.terms import Theta
from harness.gating.two_stage import TwoStageGate

__all__ = ["OptimalityGap", "optimality_gap"]


class OptimalityGap(NamedTuple):
    """A gate's θ against the optimum that its own terms have on given requests.

    Attributes:
        holds: The limits are kept, the gap is within the tolerance, and the figures told are those found.
        gap: nDCG units per request that the optimum brings more; below 0 only where the limits are broken.
        within: Whether the gate keeps its limits on these requests.
        stale: Largest difference between a figure that the gate tells of its fit and the one found.
        best: θ of the optimum.
    """

    holds: bool
    gap: float
    within: bool
    stale: float
    best: Theta


def optimality_gap(gate: TwoStageGate, data: Requests) -> OptimalityGap:
    """Solve the gate's own problem on the requests of its fit again, and compare.

    On other requests than those of its fit `gap` and `within` tell how it carries over, and `holds` is False.

    Raises:
        InputError: No thresholds keep the gate's limits on these requests, or none of them gains.

    >>> from dataclasses import replace
    >>> rng = np.random.default_rng(7)
    >>> entropy, predicted = rng.random(500), rng.random(500) * 0.2
    >>> data = Requests.of(entropy, predicted, predicted * entropy, np.full(500, 1.0))
    >>> gate = TwoStageGate.fit(entropy, predicted, data.gain, data.cost_ms, budget_ms=0.2)
    >>> moved = replace(gate, theta=Theta(gate.theta.entropy, gate.theta.gain * 1.1))
    >>> optimality_gap(gate, data).holds, optimality_gap(moved, data).holds
    (True, False)
    """
    best = optimum(data, gate.terms)
    decisions = gate.decided(data)
    found = figures(data, decisions, gate.terms)
    gap, within = best.gain - found.gain, keeps(data, decisions, gate.terms)
    stale = float(np.abs(np.subtract(found, gate.predicted)).max())
    holds = within and gap <= gate.terms.tolerance and stale <= gate.terms.tolerance
    return OptimalityGap(bool(holds), float(gap), within, stale, best.theta)
