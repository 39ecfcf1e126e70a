"""Values of a target policy in worlds of known truth: z is a standard normal number, and sound estimators agree.

Every world draws its queries and its log anew. What a broken twin misses shows that the count would notice it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from fixtures.logs import sound_log
from harness.defects.owners import named
from harness.release.measures.counterfactual import read
from harness.release.observed import Observed, Trial
from harness.release.policy import Check, Limit
from harness.release.studied.decisions import DecisionLog, LogColumns
from harness.release.studied.policy_log import PolicyLog, policies_of, policy_log
from harness.release.studied.policy_values import Name, agreement, error_z, gap_z, truth_of, values_of

ALPHA, NORMAL = 0.1, 1.6448536269514722
SHORT, LONG = 60, 1000
World = Callable[[int], PolicyLog]


def limit(worlds: int, rate: float = ALPHA) -> int:
    """Misses that a true miss rate of `rate` exceeds once in a million runs."""
    return int(binom.isf(1e-6, worlds, rate))


@lru_cache(SHORT)
def world(seed: int) -> PolicyLog:
    """1,200 decisions on 300 queries, of which a rerank makes all better by .2."""
    log = sound_log(queries=300, draws=4, seed=seed, effect=0.2, least=40)
    return policy_log(log, rng=np.random.default_rng(seed))


def trial_of(log: PolicyLog) -> Trial:
    return Trial(Observed("candidate", "c" * 64, {}, studies={"counterfactual": log}), None, seed=7)


def broken(name: str) -> World:
    """The same worlds with a planted defect."""
    return lambda seed: policies_of(named(name).plant(trial_of(world(seed)), 1.0, seed=seed))


def marginal(seed: int) -> PolicyLog:
    """Propensities of who forgot the context: the shares of the actions."""
    log = world(seed)
    return replace(log, propensity=(np.bincount(log.taken) / len(log))[log.taken])


def wrong_model(seed: int) -> PolicyLog:
    """A model of rewards that has it upside down."""
    log = world(seed)
    assert log.fitted is not None and log.expected is not None
    return replace(log, fitted=1.0 - log.fitted, expected=1.0 - log.expected)


def far(made: World, worlds: int, name: Name) -> int:
    """Worlds in which the truth lies outside z's normal interval at .9."""
    return sum(abs(error_z(made(seed), name)) > NORMAL for seed in range(worlds))


def missed(made: World, worlds: int, name: Name) -> int:
    """Worlds in which the estimator's own interval at .9 misses what the queries at hand would have earned."""
    count = 0
    for seed in range(worlds):
        log = made(seed)
        found, truth = values_of(log, confidence=0.9)[name], truth_of(log, confidence=0.9)
        assert truth is not None
        count += not found.low <= truth.value <= found.high
    return count


def disagreeing(made: World, worlds: int) -> int:
    """Worlds in which SNIPS or DR lies outside the other's interval."""
    return sum(agreement(values_of(made(seed), confidence=0.9)) != "yes" for seed in range(worlds))


@pytest.mark.parametrize("name", ["IPS", "SNIPS", "DR"])
def test_the_error_in_standard_errors_is_a_normal_number(name):
    """Beyond 1.645 one time in ten; with propensities fitted to the reward, nearly always."""
    assert far(world, SHORT, name) <= limit(SHORT)
    assert far(broken("fitted_to_the_reward"), SHORT, name) > limit(SHORT)


def test_dr_is_right_if_either_part_is_and_snips_and_dm_are_not():
    """With a model upside down DR keeps its promise and DM is lost; with the context forgotten SNIPS is lost."""
    assert far(wrong_model, SHORT, "DR") <= limit(SHORT)
    assert far(wrong_model, SHORT, "DM") > limit(SHORT)
    assert far(marginal, SHORT, "SNIPS") > limit(SHORT)


@pytest.mark.parametrize("name", ["IPS", "SNIPS", "DR"])
def test_intervals_hold_what_the_queries_at_hand_would_have_earned(name):
    """They promise the population's, which varies more: they miss no more often than one time in ten."""
    assert missed(world, SHORT, name) <= limit(SHORT)
    assert missed(broken("fitted_to_the_reward"), SHORT, name) > limit(SHORT)


def test_sound_estimators_seldom_disagree_and_stale_propensities_set_them_apart():
    """The rate at which the gate refuses sound logs is under one in ten, here."""
    assert disagreeing(world, SHORT) <= limit(SHORT)
    assert disagreeing(broken("stale_propensities"), SHORT) > limit(SHORT)


def test_the_gap_of_both_is_a_normal_number_too():
    """In standard errors of the difference itself."""
    beyond = [sum(abs(gap_z(made(seed))) > NORMAL for seed in range(SHORT))
              for made in (world, broken("stale_propensities"))]
    assert beyond[0] <= limit(SHORT) < beyond[1]


def sharp(seed: int) -> PolicyLog:
    """Independent rows whose model explains nearly all, under weights of ESS/N .17: DR is far narrower than SNIPS."""
    rng, n = np.random.default_rng(seed), 2000
    x, dear = rng.random(n), rng.random(n) < 0.15
    frame = pd.DataFrame({"won": 0.9 * x + 0.1 * dear + 0.02 * rng.normal(size=n), "x": x, "known": 1.0,
                          "p": np.where(dear, 0.15, 0.85), "pi": np.where(dear, 0.95, 0.05), "act": dear.astype(int),
                          "pi_0": 0.05, "pi_1": 0.95})
    columns = LogColumns("won", "p", "pi", "act", ("x",), ("known",), prefix="pi_", context=("x",))
    return policy_log(DecisionLog.of(frame, columns, rng=rng), rng=rng)


def test_beside_a_sharp_model_sound_estimators_often_disagree_and_their_gap_does_not():
    """Lying in each other's interval is then asked of two that differ by right; the gap's own error knows that."""
    assert disagreeing(sharp, SHORT) > limit(SHORT)
    assert sum(abs(gap_z(sharp(seed))) > NORMAL for seed in range(SHORT)) <= limit(SHORT)


def uncalibrated(made: World, worlds: int) -> int:
    """Worlds in which the fitted propensities are shown to be off by more than .05."""
    row = Check("c", "propensity calibration", None, "all", Limit("at_most", 0.05, "ucb"))
    return sum(read(trial_of(made(seed)), row).estimate.low > 0.05 for seed in range(worlds))


def test_fitted_propensities_are_not_blamed_and_sure_ones_are():
    """At half the miss rate, as the lower end alone counts."""
    assert uncalibrated(world, 20) <= limit(20, 0.05)
    assert uncalibrated(broken("sure_propensities"), 20) > limit(20, 0.05)


@pytest.mark.worlds
@pytest.mark.parametrize("name", ["IPS", "SNIPS", "DR"])
def test_in_a_thousand_worlds_the_rates_are_those(name):
    """The same counts, with less room."""
    assert far(world, LONG, name) <= limit(LONG)
    assert missed(world, LONG, name) <= limit(LONG)


@pytest.mark.worlds
def test_in_a_thousand_worlds_sound_estimators_seldom_disagree():
    """The gate's rate of refusing sound logs, and that of the gap's normal number."""
    assert disagreeing(world, LONG) <= limit(LONG)
    assert sum(abs(gap_z(world(seed))) > NORMAL for seed in range(LONG)) <= limit(LONG)
