"""A log's audit in worlds of known truth: sound logs pass at their rate, confounded ones and idle shuffles do not.

Every world draws its queries and its log anew. What a broken twin misses shows that the count would notice it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from fixtures.logs import sound_log
from harness.defects.owners import named
from harness.release.observed import Observed, Trial
from harness.release.studied.audited import (
    audit,
    control_effect,
    control_p,
    control_shift,
    mean_weight,
    shuffled_effect,
)
from harness.release.studied.decisions import DecisionLog, decisions_of

ALPHA = 0.05
SHORT, LONG = 60, 1000
World = Callable[[int], DecisionLog]


def limit(worlds: int, rate: float = ALPHA) -> int:
    """Misses that a true miss rate of `rate` exceeds once in a million runs."""
    return int(binom.isf(1e-6, worlds, rate))


def world(seed: int) -> DecisionLog:
    """600 decisions on 150 queries; a rerank brings .2, so that an effect on the reward is really there."""
    return sound_log(queries=150, draws=4, seed=seed, effect=0.2, least=40)


def confounded(seed: int) -> DecisionLog:
    """The same, a third of its actions dealt out by how good the answer already was."""
    trial = Trial(Observed("candidate", "c" * 64, {}, studies={"confounded": world(seed)}), None, seed=7)
    return decisions_of(named("hidden_confounder").plant(trial, 0.3, seed=seed))


def idle(seed: int) -> DecisionLog:
    """A shuffle that shuffles nothing."""
    log = world(seed)
    return replace(log, shuffled=log.exposed)


def marginal(seed: int) -> DecisionLog:
    """The propensities of who forgot the context, in the strata of who did not."""
    log = world(seed)
    return replace(log, propensity=log.forgetful().propensity)


def flagged(made: World, worlds: int) -> int:
    """Worlds in which the stratified controls are refused at .05."""
    return sum(control_p(made(seed), alpha=ALPHA, rng=np.random.default_rng(seed)).value <= ALPHA
               for seed in range(worlds))  # fmt: skip


def apart(made: World, worlds: int, measured: Callable[..., object]) -> int:
    """Worlds in which an effect that is not there is shown at .9: its interval, without its sign, leaves 0."""
    return sum(measured(made(seed), confidence=0.9).low > 0.0 for seed in range(worlds))


def unlogged(made: World, worlds: int) -> int:
    """Worlds in which the mean weight's interval excludes the 1 that it is."""
    found = [mean_weight(made(seed), confidence=0.9) for seed in range(worlds)]
    return sum(not one.low <= 1.0 <= one.high for one in found)


def test_sound_logs_are_flagged_no_more_often_than_said_and_confounded_ones_are():
    """Their p is under .05 at most .05 of the time; of confounded logs most are flagged."""
    assert flagged(world, SHORT) <= limit(SHORT)
    assert flagged(confounded, SHORT) > limit(SHORT)


def test_the_forgetful_audit_flags_every_sound_log():
    """Without strata, spending seems to harm what it cannot touch."""
    assert flagged(lambda seed: world(seed).forgetful(), 20) == 20


@pytest.mark.parametrize(("measured", "twin"), [
    (control_effect, confounded), (shuffled_effect, idle), (control_shift, marginal)])
def test_an_effect_that_is_not_there_is_shown_no_more_often_than_said(measured, twin):
    """Both ends together miss .1 of the time; a log in which it is there, or a shuffle that is none, is caught."""
    assert apart(world, SHORT, measured) <= limit(SHORT, 0.1)
    assert apart(twin, SHORT, measured) > limit(SHORT, 0.1)


def test_the_mean_weight_is_one_and_a_log_that_never_tries_an_action_is_seen():
    """Its interval holds 1 nine times in ten; where the target's favourite is never tried, it never does."""

    def untried(seed: int) -> DecisionLog:
        trial = Trial(Observed("candidate", "c" * 64, {}, studies={"confounded": world(seed)}), None, seed=7)
        return decisions_of(named("action_never_tried").plant(trial, 1.0, seed=seed))

    assert unlogged(world, SHORT) <= limit(SHORT, 0.1)
    assert unlogged(untried, SHORT) > limit(SHORT, 0.1)


def test_an_audit_tells_a_sound_log_from_a_confounded_one():
    """In six worlds of 4,000 decisions: before it refuses both, after it passes the sound one alone."""
    verdicts = [[row.verdict for row in audit(sound_log(queries=400, draws=10, seed=seed),
                                              rng=np.random.default_rng(seed))] for seed in range(6)]  # fmt: skip
    assert [pair[0] for pair in verdicts] == ["REFUSE"] * 6
    assert sum(pair[1] == "PASS" for pair in verdicts) >= 5
    assert not any(row.verdict == "PASS" for seed in range(3)
                   for row in audit(confounded(seed), rng=np.random.default_rng(seed)))  # fmt: skip


@pytest.mark.worlds
@pytest.mark.parametrize("measured", [control_effect, shuffled_effect, control_shift])
def test_in_a_thousand_worlds_the_rates_are_those(measured):
    """The same counts, long enough to see a rate half as large again."""
    assert apart(world, LONG, measured) <= limit(LONG, 0.1)


@pytest.mark.worlds
def test_in_a_thousand_worlds_sound_logs_are_flagged_at_most_so_often():
    """Fisher's, Bonferroni's and the pooled p together, with their factor of three: the rate is under .05."""
    assert flagged(world, LONG) <= limit(LONG)
