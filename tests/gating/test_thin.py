"""The gate from fit to file and back, on one world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.gating.checking import optimality_gap
from harness.gating.requests import Requests
from harness.gating.terms import Theta
from harness.gating.two_stage import TwoStageGate


def test_a_gate_is_fitted_written_read_back_and_refused_once_moved():
    """What is read back decides as what was written, and a θ* moved by a tenth no longer stands at its optimum."""
    rng = np.random.default_rng(1)
    entropy, predicted = rng.random(800), rng.normal(0.02, 0.05, 800)
    data = Requests.of(entropy, predicted, np.clip(predicted * entropy + rng.normal(0, 0.05, 800), -1, 1),
                       rng.gamma(9, 0.2, 800))
    gate = TwoStageGate.fit(*data[:4], budget_ms=0.2)
    again = TwoStageGate.from_json(gate.to_json(), expected=gate.digest)
    assert again.to_json() == gate.to_json()
    assert (again.decide(entropy, predicted) == gate.decided(data)).all()
    assert optimality_gap(again, data).holds
    assert not optimality_gap(replace(gate, theta=Theta(gate.theta.entropy, gate.theta.gain * 1.1)), data).holds
