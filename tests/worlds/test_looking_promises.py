"""A look at each of a hundred times: processes keep alpha in A/A runs where naive twins do not, and are quick."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, kstest

from harness.estimators.experiment_effects import mean_effect, ratio_effect
from harness.estimators.intervals import paired
from harness.estimators.sequential import bernstein_sequence, betting_wealth
from harness.estimators.sequential_blocks import arm_scores
from harness.estimators.sequential_means import asymptotic_sequence
from harness.estimators.sequential_rates import arms_process, rate_process, ratio_process

FALSE_ALARM = 1e-6
RATE, LOOKS = 0.05, 100
TRIALS = 100 * np.arange(1, LOOKS + 1)


def limit(runs: int) -> int:
    """Alarms that a true rate of .05 exceeds once in a million tests."""
    return int(binom.isf(FALSE_ALARM, runs, RATE))


def clicks(rng: np.random.Generator, rate: float = 0.1) -> np.ndarray:
    return (rng.random(1000) < rate).astype(float)


def far(total: np.ndarray, n: np.ndarray, mean: float, sd: float) -> bool:
    """The naive twin of all: 1.96 standard errors off at any look."""
    return bool((np.abs(total - n * mean) > 1.96 * sd * np.sqrt(n)).any())


def bounded(rng, kind):
    """Clicks at .1: does anything ever exclude the rate, and does peeking?"""
    x = clicks(rng)
    if kind == "bernstein":
        found = bernstein_sequence(x, confidence=0.95)
        alarm = bool(((found.low > 0.1) | (found.high < 0.1))[9::10].any())
    else:
        two = betting_wealth(x, 0.1, alpha=0.025), betting_wealth(1.0 - x, 0.9, alpha=0.025)
        alarm = max(one.log_e[9::10].max() for one in two) >= np.log(2 / RATE)
    return alarm, far(np.cumsum(x)[9::10], np.arange(10, 1001, 10), 0.1, 0.3)


def means(rng, kind):
    """Two arms that do not differ, as pairs or by the toss of a coin."""
    if kind == "paired":
        x = paired(rng.normal(size=1000), rng.normal(size=1000))
    else:
        x = arm_scores(rng.normal(size=1000), rng.integers(0, 2, 1000))
    found = asymptotic_sequence(x, confidence=0.95)
    alarm = bool(((found.low > 0.0) | (found.high < 0.0))[9::10].any())
    return alarm, far(np.cumsum(x)[9::10], np.arange(10, 1001, 10), 0.0, float(x.std()))


def counts(rng, kind):
    """Rates at their limit, arms of one rate, units that fall as planned."""
    if kind == "rate":
        hits = rng.binomial(100, 0.02, LOOKS).cumsum()
        return rate_process(hits, TRIALS, 0.02).alarm(RATE) is not None, far(hits, TRIALS, 0.02, 0.14)
    one = rng.binomial(100, 0.02 if kind == "clicks" else 0.5, LOOKS).cumsum()
    two = rng.binomial(100, 0.02, LOOKS).cumsum() if kind == "clicks" else TRIALS - one
    process = arms_process if kind == "clicks" else ratio_process
    total = np.maximum(one + two, 1)
    return process(np.column_stack([one, two])).alarm(RATE) is not None, far(one, total, 0.5, 0.5)


WAYS = {"bernstein": bounded, "betting": bounded, "paired": means, "two arms": means, "rate": counts,
        "clicks": counts, "sample ratio": counts}  # fmt: skip


def looked_at(name: str, rng: np.random.Generator, runs: int) -> None:
    found = np.array([WAYS[name](rng, name) for _ in range(runs)]).sum(axis=0)
    assert found[0] <= limit(runs)
    assert found[1] > 3 * limit(runs)


@pytest.mark.parametrize("name", WAYS)
def test_a_hundred_looks_keep_alpha(rng, name):
    """A/A: alarms at any of 100 looks stay at .05 or under; a test for one look, read at each, alarms thrice that."""
    looked_at(name, rng, 600)


@pytest.mark.worlds
@pytest.mark.parametrize("name", WAYS)
def test_a_hundred_looks_keep_alpha_over_ten_thousand_runs(rng, name):
    """The same over 10,000 runs."""
    looked_at(name, rng, 10_000)


@pytest.mark.worlds
def test_aa_p_values_are_uniform_over_ten_thousand_runs(rng):
    """Of equal arms, the p of means and that of ratios by user are uniform by Kolmogorov and Smirnov."""
    arms = np.arange(400) % 2
    flat, ratios = [], []
    for _ in range(10_000):
        flat.append(mean_effect(rng.normal(size=60), 2.0 * rng.normal(size=90)).p)
        views, rate = 1 + rng.poisson(5.0, 400), rng.beta(2.0, 8.0, 400)
        ratios.append(ratio_effect(rng.binomial(views, rate), views, arms, np.arange(400)).p)
    assert kstest(flat, "uniform").pvalue > FALSE_ALARM
    assert kstest(ratios, "uniform").pvalue > FALSE_ALARM


def delay(rng: np.random.Generator, shift: float, n: int, **options: int) -> float:
    """Median observations until a shift of so many standard deviations is seen, over 60 runs."""
    found = [asymptotic_sequence(shift + rng.normal(size=n), confidence=0.95, **options).excludes(0.0)
             for _ in range(60)]  # fmt: skip
    return float(np.median([n if one is None else one + 1 for one in found]))


@pytest.mark.parametrize(("shift", "most"), [(0.05, 3100), (0.1, 1000), (0.2, 400), (0.4, 200)])
def test_shifts_are_seen_in_time(rng, shift, most):
    """Half of all shifts of .05, .1, .2, .4 sd are seen by 3,100, 1,000, 400, 200 observations."""
    assert delay(rng, shift, 6 * most) <= most * 1.1


def test_a_badly_tuned_sequence_is_slow(rng):
    """Narrowest at a million observations, the same sequence misses the time that a shift of .1 sd is promised."""
    assert delay(rng, 0.1, 6000, tuned_for=1_000_000) > 1100


@pytest.mark.parametrize(("ratio", "most"), [(0.9, 2690), (0.8, 612), (0.7, 270)])
def test_a_click_rate_that_falls_is_seen_in_time(rng, ratio, most):
    """Half of all falls of the click rate by 10, 20, 30 % are seen by 2,690, 612, 270 clicks and three tenths."""
    n = 6 * most
    mine = (rng.random((120, n)) < ratio / (1.0 + ratio)).cumsum(axis=1)
    found = [arms_process(np.column_stack([np.arange(1, n + 1) - one, one])).alarm(RATE) for one in mine]
    assert np.median([n if one is None else one + 1 for one in found]) <= 1.3 * most  # chance, in 120 runs
