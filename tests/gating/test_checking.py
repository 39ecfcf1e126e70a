"""A gate at its optimum is believed; one that was moved, or tells other figures than it has, is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.gating.checking import optimality_gap
from harness.gating.figures import figures
from harness.gating.terms import Theta
from harness.gating.two_stage import TwoStageGate
from tests.gating.worlds import signalled, with_cheap

TERMS = ({"budget_ms": 0.2}, {"budget_ms": 0.2, "bind": "p95"}, {"share": (0.14, 0.16)},
         {"share": (0.1, 0.16), "budget_ms": 0.3}, {"budget_ms": 0.2, "headroom": 0.2, "overhead_ms": 0.01})


def moved(gate: TwoStageGate, entropy: float, gain: float) -> TwoStageGate:
    """The gate with θ* and its early exit shifted by shares of θ*, its figures told as before."""
    by = Theta(gate.theta.entropy * entropy, gate.theta.gain * gain)
    return replace(gate, theta=Theta(*map(sum, zip(gate.theta, by, strict=True))),
                   below=Theta(*map(sum, zip(gate.below, by, strict=True))))


@pytest.mark.parametrize("terms", TERMS, ids=str)
@pytest.mark.parametrize(("entropy", "gain"), [(0.0, 0.1), (0.0, -0.1), (0.1, 0.0), (0.1, 0.1), (-0.1, 0.1), (0.0, 0.5),
                                               (0.0, -0.5)])
def test_theta_moved_by_a_tenth_or_more_is_refused(terms, entropy, gain):
    """The planted defect `θ* moved` loses gain or breaks a limit, and is seen; the gate unmoved passes."""
    asked = signalled()
    gate = TwoStageGate.fit(*asked[:4], **terms)
    assert optimality_gap(gate, asked).holds
    found = optimality_gap(moved(gate, entropy, gain), asked)
    assert not found.holds
    assert found.best == gate.theta


def test_a_defect_that_also_retells_its_figures_is_refused_by_its_gap():
    """Figures told anew hide nothing: the gain lost, or the limit broken, is measured."""
    asked = signalled()
    gate = TwoStageGate.fit(*asked[:4], budget_ms=0.2)
    for gain in (0.1, -0.1):
        worse = moved(gate, 0.0, gain)
        told = figures(asked, worse.decided(asked), gate.terms)
        found = optimality_gap(replace(worse, predicted=told), asked)
        assert not found.holds and found.stale == 0.0
        assert found.gap > 1e-6 if gain > 0.0 else not found.within


def test_stale_figures_alone_are_refused():
    """θ* where it belongs, beside a gain that it does not have, is not believed."""
    asked = signalled()
    gate = TwoStageGate.fit(*asked[:4], budget_ms=0.2)
    told = replace(gate, predicted=gate.predicted._replace(gain=gate.predicted.gain * 1.1))
    found = optimality_gap(told, asked)
    assert found.stale > 1e-3 and found.gap == pytest.approx(0.0, abs=1e-12) and not found.holds


def test_an_early_exit_that_was_moved_is_refused():
    """With a cheap stage at work, moving δ alone costs gain or breaks the budget."""
    asked = with_cheap()
    gate = TwoStageGate.fit(*asked[:4], budget_ms=0.2, delta=(0.3, 0.05), cheap_gain=asked.cheap_gain,
                            cheap_cost_ms=asked.cheap_cost_ms)
    assert optimality_gap(gate, asked).holds
    assert not optimality_gap(replace(gate, below=gate.theta), asked).holds


def test_other_requests_than_those_of_the_fit_are_told_from_them():
    """On requests outside the fit the gap and the limits are measured, and nothing is said to hold."""
    gate = TwoStageGate.fit(*signalled()[:4], budget_ms=0.2)
    found = optimality_gap(gate, signalled(seed=6))
    assert not found.holds and found.stale > 0.0
