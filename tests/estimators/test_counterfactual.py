"""Counterfactual estimators against their literal definitions, their limits, and the traps seen in peers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.errors import InputError
from harness.estimators.counterfactual import by_position, clipped_ips, importance_weights, ips, logged_rows, snips
from harness.estimators.counterfactual_bootstrap import snips_bootstrap
from harness.estimators.counterfactual_outcome import cross_fitted_outcome
from harness.estimators.counterfactual_robust import direct_method, doubly_robust, self_normalised_dr
from harness.estimators.logged import LoggedRows
from harness.estimators.weighted import WeightedMoments


@pytest.fixture
def log(rng):
    """Rewards, propensities and target probabilities of 3,000 logged actions."""
    propensity = rng.uniform(0.1, 0.9, 3000)
    return rng.normal(2.0, 1.0, 3000), propensity, np.minimum(1.0, rng.uniform(0.0, 2.0, 3000) * propensity)


def test_values_are_their_definitions(log):
    """IPS, SNIPS and SNIPS' error are the sums of their formulas, to 1e-12."""
    r, p, t = log
    w = [b / a for a, b in zip(p, t, strict=True)]
    plain = math.fsum(x * y for x, y in zip(w, r, strict=True)) / len(r)
    normal = math.fsum(x * y for x, y in zip(w, r, strict=True)) / math.fsum(w)
    error = math.sqrt(math.fsum((x * (y - normal)) ** 2 for x, y in zip(w, r, strict=True))) / math.fsum(w)
    assert ips(*log).value == pytest.approx(plain, rel=1e-12)
    assert snips(*log).value == pytest.approx(normal, rel=1e-12)
    assert WeightedMoments.of(r, w).error == pytest.approx(error, rel=1e-12)


def test_on_its_own_log_a_policy_is_worth_the_mean(log):
    """With target and propensity equal, all weights are 1 and IPS and SNIPS are the mean of the rewards."""
    r, p, _ = log
    for found in (ips(r, p, p), snips(r, p, p)):
        assert found.value == pytest.approx(r.mean(), rel=1e-12)
        assert found.half_width == pytest.approx(1.645 * r.std() / math.sqrt(3000), rel=0.01)


def test_the_merged_state_is_the_whole_log(log):
    """An audit of ten batches says what the array functions say of the whole."""
    state = LoggedRows()
    for part in range(10):
        state = state.merge(LoggedRows.of(*(column[part::10] for column in log)))
    found = state.audit()
    for mine, theirs in ((found.ips, ips(*log)), (found.snips, snips(*log))):
        assert mine[:3] == pytest.approx(theirs[:3], rel=1e-10)


def test_the_interval_moves_with_its_normaliser(rng):
    """At mean reward .95 an interval that freezes Σ w is the broken twin, several times too wide."""
    p = rng.uniform(0.05, 0.95, 4000)
    t, r = rng.permutation(p), (rng.random(4000) < 0.95).astype(float)
    w = importance_weights(p, t)
    frozen = 1.645 * (w * r).std() / math.sqrt(4000) / w.mean()
    assert frozen > 3.0 * snips(r, p, t).half_width


def test_clusters_widen_and_the_bootstrap_agrees(rng):
    """Rewards shared within users: the clustered interval is wider, and within 8 % of the clustered bootstrap's."""
    user = np.repeat(np.arange(300), 10)
    p = rng.uniform(0.2, 0.8, 3000)
    t, r = 1.0 - p, rng.normal(size=300)[user] + rng.normal(size=3000)
    closed, drawn = snips(r, p, t, clusters=user), snips_bootstrap(r, p, t, rng=rng, clusters=user)
    assert closed.half_width > 1.5 * snips(r, p, t).half_width
    assert drawn.half_width == pytest.approx(closed.half_width, rel=0.08)
    alone = snips_bootstrap(r, p, t, rng=rng)
    assert alone.half_width == pytest.approx(snips(r, p, t).half_width, rel=0.08)


def test_doubly_robust_meets_its_limits(log):
    """A model that says 0 leaves IPS and SNIPS; a model that knows every reward leaves its own mean."""
    r, _, _ = log
    zero, mean = np.zeros(3000), np.linspace(1.0, 2.0, 3000)
    assert doubly_robust(*log, fitted=zero, expected=zero).value == pytest.approx(ips(*log).value, rel=1e-12)
    found = self_normalised_dr(*log, fitted=zero, expected=zero)
    assert found.value == pytest.approx(snips(*log).value, rel=1e-12)
    assert found.half_width == pytest.approx(snips(*log).half_width, rel=0.02)
    for known in (doubly_robust, self_normalised_dr):
        assert known(*log, fitted=r, expected=mean).value == pytest.approx(1.5, rel=1e-12)


def test_the_direct_method_can_pass_no_gate():
    """Its ends are infinite, however many rows agree: the data bound no model's bias."""
    found = direct_method(np.linspace(0.4, 0.6, 100_000))
    assert (found.estimate.low, found.estimate.high) == (-math.inf, math.inf)
    assert found.sampling_error < 0.001


def test_a_clip_beyond_the_largest_weight_is_plain_ips(log):
    """Clipped at more than the largest weight, the value is IPS'; lower clips lower it, and say what is lost."""
    r, p, t = log
    reward = np.clip(r / 5.0, 0.0, 1.0)
    assert clipped_ips(reward, p, t, at=1e6).estimate.value == ips(reward, p, t).value
    cuts = [clipped_ips(reward, p, t, at=at) for at in (0.25, 0.5, 1.0)]
    assert [one.estimate.value for one in cuts] == sorted(one.estimate.value for one in cuts)
    assert [one.lost.value for one in cuts] == sorted((one.lost.value for one in cuts), reverse=True)
    assert all(one.bias[0] == -one.lost.high and one.bias[1] == 0.0 for one in cuts)


def test_positions_are_audited_apart(log):
    """Each position's value is SNIPS of its own rows."""
    position = np.arange(3000) % 3
    found = by_position(*log, position=position)
    assert list(found) == ["0", "1", "2"]
    assert found["1"] == snips(*(column[1::3] for column in log))


def test_expected_rewards_are_summed_over_the_policy(rng):
    """With rewards linear in the action, q and E_π q are recovered, and a row never sees itself."""
    x, a = rng.normal(size=(900, 2)), rng.integers(0, 3, 900)
    r = x @ [1.0, -2.0] + np.array([0.0, 1.0, 4.0])[a]
    model = cross_fitted_outcome(
        x, a, r, actions=np.eye(3), policy=lambda one: np.full(900, (0.5, 0.25, 0.25)[one]), rng=rng, ridge=1e-9
    )
    assert model.fitted == pytest.approx(r, abs=1e-6)
    assert model.expected == pytest.approx(x @ [1.0, -2.0] + 1.25, abs=1e-6)


def test_no_row_is_predicted_by_a_model_that_saw_it(rng):
    """On rewards of pure noise with nearly as many features as rows, the fit tells nothing; one in sample would."""
    x, r = rng.normal(size=(60, 30)), rng.normal(size=60)
    model = cross_fitted_outcome(
        x, np.zeros(60), r, actions=[[1.0]], policy=lambda one: np.ones(60), rng=rng, ridge=1.0
    )
    assert np.corrcoef(model.fitted, r)[0, 1] < 0.4
    seen = np.linalg.lstsq(np.column_stack([np.ones(60), x]), r, rcond=None)[0]
    assert np.corrcoef(np.column_stack([np.ones(60), x]) @ seen, r)[0, 1] > 0.6


def test_inputs_are_widened_and_left_alone():
    """Integers, booleans and float32 give the figures of their float64 twins and are not changed."""
    r, p, t = np.array([1, 0, 1, 1]), np.full(4, 0.5, dtype=np.float32), np.array([True, True, False, True])
    kept = [column.copy() for column in (r, p, t)]
    assert snips(r, p, t) == snips(*(column.astype(np.float64) for column in (r, p, t)))
    assert all((a == b).all() and a.dtype == b.dtype for a, b in zip(kept, (r, p, t), strict=True))


BAD = {
    "propensity 0": ([1, 0], [0.5, 0.0], [0.5, 0.5], r"propensity: index 1 .*above 0 and at most 1, found 0.0"),
    "propensity above 1": ([1, 0], [0.5, 1.5], [0.5, 0.5], r"propensity: index 1 .*from 0 to 1, found 1.5"),
    "propensity missing": ([1, 0], [float("nan"), 0.5], [0.5, 0.5], r"propensity: index 0 is not finite"),
    "target below 0": ([1, 0], [0.5, 0.5], [0.5, -0.1], r"target: index 1 .*from 0 to 1, found -0.1"),
    "never logged": ([1, 0], [0.5, 0.5], [0.0, 0.0], r"target: no overlap"),
    "lengths": ([1, 0, 1], [0.5, 0.5], [0.5, 0.5], r"weights: lengths differ; expected 3 as in reward, found 2"),
    "reward infinite": ([1, float("inf")], [0.5, 0.5], [0.5, 0.5], r"reward: index 1 is not finite"),
    "empty": ([], [], [], r"reward: too few values; expected at least 1, found 0"),
    "a slate": ([1, 0], [[0.5, 0.5], [0.5, 0.5]], [0.5, 0.5], r"propensity: .*one row a position"),
    "overflow": ([1, 0], [1e-300, 0.5], [0.5, 0.5], r"target / propensity: index 0"),
    "objects": ([1, 0], np.array([0.5, object()], dtype=object), [0.5, 0.5], r"propensity: not an array of numbers"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("take", [ips, snips, logged_rows], ids=["ips", "snips", "rows"])
def test_what_no_log_can_hold_is_named(take, case):
    """Each fault is told by parameter, index, value and bound: never a silent infinity."""
    r, p, t, words = BAD[case]
    with pytest.raises(InputError, match=words):
        take(r, p, t)


def test_other_faults_are_named():
    """A clip of 0, rewards outside their support, a policy that sums to 2, an action without features."""
    rows = ([1, 0], [0.5, 0.5], [0.5, 0.5])
    with pytest.raises(InputError, match="at: out of bounds"):
        clipped_ips(*rows, at=0.0)
    with pytest.raises(InputError, match="reward: index 0 is out of bounds"):
        clipped_ips([2, 0], *rows[1:], at=1.0)
    with pytest.raises(InputError, match="confidence: out of bounds"):
        snips(*rows, confidence=1.0)
    lent, x = np.random.default_rng(0), np.zeros((4, 1))
    with pytest.raises(InputError, match=r"do not sum to 1; expected 1, found 2\.0"):
        cross_fitted_outcome(x, [0, 1, 0, 1], [0, 1, 0, 1], actions=np.eye(2), policy=lambda a: np.ones(4), rng=lent)
    with pytest.raises(InputError, match="action: index 1 is out of bounds"):
        cross_fitted_outcome(x, [0, 2, 0, 1], [0, 1, 0, 1], actions=np.eye(2), policy=lambda a: np.ones(4), rng=lent)


def test_one_row_bounds_nothing():
    """A single row, or a single row with weight, has infinite ends, not none."""
    assert snips([1.0], [0.5], [0.5]).high == math.inf
    assert snips([1.0, 0.0], [0.5, 0.5], [0.5, 0.0]).high == math.inf
    assert snips_bootstrap([1.0], [0.5], [0.5], rng=np.random.default_rng(0)).high == math.inf


def test_no_reward_at_all_is_not_certainty():
    """1,000 rows that earned nothing leave room above 0."""
    found = snips(np.zeros(1000), np.full(1000, 0.5), np.full(1000, 0.5), support=(0.0, 1.0))
    assert found.value == 0.0
    assert 0.002 < found.high < 0.01
