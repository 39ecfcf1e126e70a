"""Curves of gain against share: against their definition, their ends, and the order that they must keep."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import InputError
from harness.gating.requests import Requests
from harness.gating.roc import captured, roc
from harness.gating.terms import Theta
from harness.gating.two_stage import TwoStageGate
from tests.gating.worlds import signalled, with_cheap

ROWS = st.lists(st.tuples(st.integers(0, 2), st.integers(-4, 4)), min_size=1, max_size=5)


@settings(max_examples=80, deadline=None)
@given(ROWS)
def test_a_curve_is_the_mean_over_all_orders_that_the_scores_allow(rows):
    """Ties are drawn among at random: the curve equals the average over every permutation, sorted by score."""
    score, gain = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
    n = len(score)
    orders = [sorted(order, key=lambda at: -score[at]) for order in itertools.permutations(range(n))]
    literal = [np.mean([gain[order[:taken]].sum() / n for order in orders]) for taken in range(n + 1)]
    assert captured(score, gain, np.arange(n + 1) / n) == pytest.approx(literal)


@settings(max_examples=80, deadline=None)
@given(ROWS, st.lists(st.integers(0, 9), min_size=5, max_size=5))
def test_no_order_does_better_than_the_oracle(rows, scores):
    """At every share, the order by measured gain captures at least what any other score does."""
    gain = np.array([row[1] for row in rows], dtype=np.float64)
    share = np.linspace(0.0, 1.0, 21)
    assert (captured(gain, gain, share) >= captured(scores[: len(gain)], gain, share) - 1e-12).all()


def test_all_curves_start_at_nothing_and_end_at_everything():
    """Nothing reranked gains nothing; with everything reranked no order matters."""
    asked = signalled()
    found = roc(asked, Theta(0.5, 0.02))
    for curve in (found.router, found.entropy, found.random, found.oracle):
        assert curve[0] == 0.0 and curve[-1] == pytest.approx(asked.gain.mean())
    assert (found.router[1:-1] > found.random[1:-1]).mean() > 0.95  # this world's predicted gain knows something


def test_a_gate_stands_between_chance_and_oracle():
    """Standing is 1 for thresholds on the gain itself, about 0 for signals that know nothing, and NaN without room."""
    rng = np.random.default_rng(2)
    gain = rng.normal(0.0, 0.2, 20000).clip(-1, 1)
    knowing = Requests.of(np.ones(20000), gain, gain, np.ones(20000))
    blind = knowing._replace(predicted_gain=rng.normal(0.0, 0.2, 20000))
    assert roc(knowing, Theta(0.0, 0.2)).standing == pytest.approx(1.0)
    assert abs(roc(blind, Theta(0.0, 0.2)).standing) < 0.06
    assert math.isnan(roc(knowing, Theta(0.0, -9.0)).standing)
    assert math.isnan(roc(knowing._replace(gain=np.full(20000, 0.1)), Theta(0.0, 0.2)).standing)


def test_the_place_of_theta_is_what_the_gate_tells():
    """Share and gain at θ*, cheap stage included, are the gate's own figures."""
    asked = with_cheap()
    gate = TwoStageGate.fit(*asked[:4], budget_ms=0.2, cheap_gain=asked.cheap_gain, cheap_cost_ms=asked.cheap_cost_ms)
    found = roc(asked, gate.theta, gate.below)
    assert (found.at_share, found.at_gain) == (gate.predicted.share, gate.predicted.gain)
    assert found.at_gain > roc(asked, gate.theta).at_gain


@pytest.mark.parametrize(("score", "gain", "share"), [
    ([], [], [0.5]), ([1.0], [0.1, 0.2], [0.5]), ([1.0], [float("nan")], [0.5]), ([1.0], [0.1], [1.5]),
    ([1.0], ["x"], [0.5]),
])  # fmt: skip
def test_what_is_no_curve_is_refused(score, gain, share):
    """Empty, unequal, NaN, text, or a share beyond 1 is an error, not a curve."""
    with pytest.raises(InputError, match="roc"):
        captured(score, gain, share)
    with pytest.raises(InputError, match="at least 2"):
        roc(signalled(9), Theta(0.5, 0.0), points=1)
