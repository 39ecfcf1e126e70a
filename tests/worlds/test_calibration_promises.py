"""Calibration errors in worlds whose truth is known: the floor, both ends, drift; blind and halved twins are caught."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from harness.estimate import Estimate
from harness.estimators.calibration import PROMISES, calibration_error, calibration_floor, reliability_ends
from harness.estimators.calibration_drift import PROMISES as DRIFT_PROMISES
from harness.estimators.calibration_drift import calibration_drift
from harness.estimators.closed import Shape, closed_interval
from harness.estimators.proportions import clopper_pearson
from harness.metrics.calibration import adaptive_ece, equal_mass, reliability

FALSE_ALARM = 1e-6


def limit(worlds: int, rate: float) -> int:
    """Misses that a true miss rate of `rate` exceeds once in a million runs."""
    return int(binom.isf(FALSE_ALARM, worlds, rate))


def bent(p: np.ndarray, power: float) -> np.ndarray:
    """True chances of an overconfident model: log-odds of its predictions times `power`."""
    return p**power / (p**power + (1.0 - p) ** power)


@pytest.mark.parametrize(("n", "worlds"), [(200, 800), (1000, 400), (5000, 100), (20_000, 40)])
def test_the_floor_is_what_a_perfect_model_scores(rng, n, worlds):
    """Mean error of a perfectly calibrated model is the floor within 3 %, and .8 sqrt(p(1-p) B / n) within 4 %."""
    p = rng.uniform(0.1, 0.9, n)
    floor = calibration_floor(p, equal_mass(p))
    scores = [adaptive_ece(p, rng.random(n) < p) for _ in range(worlds)]
    slack = 5.0 * np.std(scores) / np.sqrt(worlds)
    assert abs(np.mean(scores) - floor) <= 0.03 * floor + slack
    assert floor == pytest.approx(0.8 * np.sqrt(np.mean(p * (1.0 - p)) * 15 / n), rel=0.04)


@pytest.mark.parametrize("n", [200, 2000])
def test_a_perfect_model_is_called_imperfect_at_most_as_promised(rng, n):
    """The low end of a perfect model's error is above 0 in at most .05 of worlds; with half the reach, in most."""
    low = halved = 0
    for _ in range(600):
        p = rng.beta(2.0, 2.0, n)
        found = calibration_error(p, rng.random(n) < p, equal_mass(p), rng=rng, draws=1000)
        low += found.estimate.low > 0.0
        halved += found.estimate.value > found.reach / 2.0
    assert low <= limit(600, 0.05)
    assert halved > 500


@pytest.mark.parametrize("power", [0.5, 0.8, 2.0])
def test_the_ends_enclose_the_true_error(rng, power):
    """Over- and underconfident models: each end misses the true error in at most .05 of worlds; the high, never."""
    low = high = 0
    for _ in range(500):
        p = rng.beta(2.0, 2.0, 1000)
        truth, bins = bent(p, power), equal_mass(p)
        true = np.abs(np.bincount(bins, weights=truth - p)).sum() / 1000
        found = calibration_error(p, rng.random(1000) < truth, bins, rng=rng, draws=500).estimate
        low, high = low + (found.low > true), high + (found.high < true)
    assert low <= limit(500, 0.05)
    assert high <= 2  # the triangle inequality gives too much here: measured, not promised


def crowd(rng: np.random.Generator, users: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Predictions, outcomes and users: each user's rows share a prediction and, eight times in ten, an outcome."""
    code = np.repeat(np.arange(users), rows)
    p, luck = rng.uniform(0.2, 0.8, users)[code], rng.random(users)[code]
    return p, np.where(rng.random(len(code)) < 0.8, luck, rng.random(len(code))) < p, code


def test_an_interval_blind_to_users_is_caught(rng):
    """Rows in crowds of ten: clustered, a perfect model is faulted in at most .05 of worlds; blind, in all."""
    kept = blind = 0
    for _ in range(300):
        p, y, users = crowd(rng, 300, 10)
        bins = equal_mass(p)
        kept += calibration_error(p, y, bins, rng=rng, clusters=users, draws=500).estimate.low > 0.0
        blind += calibration_error(p, y, bins, rng=rng, draws=500).estimate.low > 0.0
    assert kept <= limit(300, 0.05)
    assert blind > 250


def any_missed(ends: list[Estimate], shares: np.ndarray) -> bool:
    return any(not one.low <= share <= one.high for one, share in zip(ends, shares, strict=True))


def test_all_bins_of_a_curve_hold_together(rng):
    """The chance that any of 15 bins excludes its true share is at most .10; at each bin's own .90, it is most."""
    joint = single = 0
    for _ in range(400):
        p = rng.random(600)
        curve = reliability(p, rng.random(600) < p)
        together = reliability_ends(curve.hits, curve.counts)
        alone = [clopper_pearson(h, n) for h, n in zip(curve.hits.tolist(), curve.counts.tolist(), strict=True)]
        joint += any_missed(together, curve.predicted)
        single += any_missed(alone, curve.predicted)
    assert joint <= limit(400, 0.1)
    assert single > 200


def test_drift_is_found_as_often_as_promised(rng):
    """Users of one period mostly, a drift of .05: each end misses in at most .05 of worlds; blind to users, .2."""
    kept, blind = np.zeros(2, dtype=int), np.zeros(2, dtype=int)
    for _ in range(500):
        p, y, users = crowd(rng, 150, 8)
        later = (rng.random(len(p)) < 0.05 + 0.9 * (users % 2)).astype(int)
        residual, bins = y - p + 0.05 * later, np.zeros(len(p), dtype=int)
        for count, clusters in ((kept, users), (blind, None)):
            found = calibration_drift(residual, later, bins, clusters=clusters).overall
            count += [found.low > 0.05, found.high < 0.05]
    assert max(kept) <= limit(500, 0.055)
    assert min(blind) > limit(500, 0.055)


def test_bins_are_judged_together(rng):
    """Ten bins without drift: any of them shows one in at most .12 of worlds (.10 promised); a bent model shows it."""
    alarms, seen = 0, 0
    for _ in range(400):
        p, later = rng.uniform(0.05, 0.95, 2000), rng.integers(0, 2, 2000)
        bins = equal_mass(p, bins=10)
        steady, moved = (
            calibration_drift((rng.random(2000) < np.where(later, bent(p, power), p)) - p, later, bins).bins
            for power in (1.0, 0.5)
        )
        alarms += any_missed(list(steady.values()), np.zeros(10))
        seen += any_missed(list(moved.values()), np.zeros(10))
    assert alarms <= limit(400, 0.12)
    assert seen > 300


def test_drift_of_rare_outcomes_keeps_its_promise(rng):
    """Five hits in a thousand rows: each end misses at most .05; skew-corrected without a spare hit, .08 and more."""
    kept, plain = np.zeros(2, dtype=int), np.zeros(2, dtype=int)
    for _ in range(1200):
        p, later = rng.beta(1.0, 199.0, 1000), np.arange(1000) % 2
        residual = (rng.random(1000) < p) - p
        found = calibration_drift(residual, later, np.zeros(1000, dtype=int)).overall
        kept += [found.low > 0.0, found.high < 0.0]
        pull = (residual - np.where(later, residual[later == 1].mean(), residual[later == 0].mean())) * (later - 0.5)
        shape = Shape(float((pull**3).sum()) / float(pull @ pull) ** 1.5 / 6.0)
        bare = closed_interval(found.value, np.sqrt(pull @ pull) / 250, shape, n=1000, units=500, confidence=0.9)
        plain += [bare.low > 0.0, bare.high < 0.0]
    assert max(kept) <= limit(1200, 0.05)
    assert max(plain) > limit(1200, 0.05)


def test_few_rows_a_bin_do_not_narrow_the_noise(rng):
    """Thirteen rows a bin: the spread about each bin's own mean, uncorrected, would fault a perfect model too often."""
    reach = bare = 0.0
    for _ in range(200):
        p = rng.beta(2.0, 2.0, 195)
        y, bins = rng.random(195) < p, np.repeat(np.arange(15), 13)
        found = calibration_error(p, y, bins, rng=np.random.default_rng(0), draws=200)
        residual = (y - p).reshape(15, 13)
        noise = np.random.default_rng(0).standard_normal((200, 15)) * np.sqrt(residual.var(axis=1) / 13) / 15
        bare += np.quantile(np.abs(noise).sum(axis=1), 0.95)
        reach += found.reach
    assert bare / reach < 0.97


SHAPES = {"even": (2.0, 2.0), "rare": (1.0, 19.0)}
DRIFT_SHAPES = {"even": (2.0, 2.0), "rare": (1.0, 199.0)}


def faulted(rng: np.random.Generator, shape: tuple[float, float], n: int, worlds: int) -> int:
    """Worlds in which a perfect model's low end is above 0."""
    found = 0
    for _ in range(worlds):
        p = rng.beta(*shape, n)
        found += calibration_error(p, rng.random(n) < p, equal_mass(p), rng=rng, draws=1000).estimate.low > 0.0
    return found


def drifted(rng: np.random.Generator, shape: tuple[float, float], n: int, worlds: int) -> np.ndarray:
    """Worlds without drift in which the low, and the high, end says there is one."""
    found = np.zeros(2, dtype=int)
    for _ in range(worlds):
        p, later = rng.beta(*shape, n), np.arange(n) % 2
        one = calibration_drift((rng.random(n) < p) - p, later, np.zeros(n, dtype=int)).overall
        found += [one.low > 0.0, one.high < 0.0]
    return found


def near(rate: float, tabled: float, worlds: int) -> bool:
    """Whether a measured rate fits a tabled one that 4,000 worlds gave."""
    slack = 4.5 * np.sqrt(max(tabled, 0.002) * (1.0 - tabled) * (1.0 / worlds + 1.0 / 4000)) + 0.0005
    return bool(abs(rate - tabled) <= slack)


@pytest.mark.parametrize("world", PROMISES)
def test_tables_stand(rng, world):
    """The published rates at their smallest n, for the error and for its drift, are those of a new run."""
    n, rate = next(iter(PROMISES[world].items()))
    assert near(faulted(rng, SHAPES[world], n, 500) / 500, rate, 500)
    n, rates = next(iter(DRIFT_PROMISES[world].items()))
    found = drifted(rng, DRIFT_SHAPES[world], n, 500) / 500
    assert near(found[0], rates[0], 500) and near(found[1], rates[1], 500)


@pytest.mark.worlds
@pytest.mark.parametrize("world", PROMISES)
def test_tables_stand_at_full_length(rng, world):
    """4,000 worlds: every published rate is that of a new run."""
    for n, rate in PROMISES[world].items():
        assert near(faulted(rng, SHAPES[world], n, 4000) / 4000, rate, 4000)
    for n, rates in DRIFT_PROMISES[world].items():
        found = drifted(rng, DRIFT_SHAPES[world], n, 4000) / 4000
        assert near(found[0], rates[0], 4000) and near(found[1], rates[1], 4000)
