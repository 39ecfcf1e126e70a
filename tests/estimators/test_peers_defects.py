"""Faults measured in other libraries' estimators: each beside ours, which has it not, and its twin, which is seen."""

from __future__ import annotations

import numpy as np
import pytest

from harness.errors import InputError
from harness.estimators.conformal_groups import mondrian
from harness.estimators.counterfactual import snips
from harness.estimators.intervals import mean_interval
from harness.estimators.propensity import cross_fitted
from harness.estimators.psis import pareto_tail
from harness.estimators.ratios import ratio_interval


def test_a_tail_is_not_read_from_its_negative(rng):
    """True κ 1.06 is found and refused; the twin, which turns log weights round, calls it light."""
    weights = rng.pareto(1.0 / 1.06, 20_000) + 1.0
    found, twin = pareto_tail(weights), pareto_tail(np.exp(-np.log(weights)))
    assert found.kappa == pytest.approx(1.06, abs=0.15) and found.kappa > found.limit
    assert twin.kappa < -0.5


def test_a_one_sided_bound_lies_on_its_own_side(rng):
    """The lower end of a 90 % interval is a 95 % bound: it holds .95 of the time, the one of the wrong sign .05."""
    found = [mean_interval(rng.normal(size=100)) for _ in range(2000)]
    held = np.mean([one.low <= 0.0 for one in found])
    flipped = np.mean([2.0 * one.value - one.low <= 0.0 for one in found])
    assert 0.93 < held < 0.97
    assert flipped < 0.08


def difference(outcome, exposed, chance):
    """Mean if all were exposed less mean if none were, and the sum of both half-widths."""
    taken = np.where(exposed == 1.0, chance, 1.0 - chance)
    both, none = snips(outcome, taken, exposed), snips(outcome, taken, 1.0 - exposed)
    return both.value - none.value, both.half_width + none.half_width


def test_a_placebo_has_its_own_propensities(rng):
    """A shuffled exposure does nothing, and is seen to; weighed by the true one's propensities it seems to act."""
    known = rng.normal(size=4000)
    outcome = known + rng.normal(size=4000)
    exposed = (rng.random(4000) < 1.0 / (1.0 + np.exp(-1.5 * known))).astype(np.float64)
    placebo = rng.permutation(exposed)
    stale, fresh = (cross_fitted(known, column, rng=rng) for column in (exposed, placebo))
    effect, reach = difference(outcome, placebo, fresh)
    assert abs(effect) < reach
    effect, reach = difference(outcome, placebo, stale)
    assert abs(effect) > 2.0 * reach


def test_a_self_normalised_interval_does_not_freeze_its_normaliser(rng):
    """At a mean reward of .95 and weights of every size, one that does is thrice as wide."""
    weights, reward = rng.exponential(size=20_000), (rng.random(20_000) < 0.95).astype(np.float64)
    found = ratio_interval(weights * reward, weights)
    frozen = mean_interval(weights * reward / weights.mean())
    assert frozen.half_width > 3.0 * found.half_width
    assert found.low < 0.95 < found.high


def test_an_unseen_group_gets_no_width_at_all(rng):
    """Not [0, 0], and not a neighbour's threshold: an error that names the group."""
    thresholds = mondrian(rng.exponential(size=100), ["de"] * 50 + ["en"] * 50)
    with pytest.raises(InputError, match="fr"):
        thresholds.at(["de", "fr"])


def test_a_policy_is_asked_for_the_logged_action_alone():
    """A dense table (rows, actions, positions) is refused with what to pass instead, before anything is computed."""
    with pytest.raises(InputError, match="one probability a row is asked for, not a table of actions or a slate"):
        snips([1.0, 0.0], [0.5, 0.5], np.full((2, 80, 3), 1.0 / 80.0))
