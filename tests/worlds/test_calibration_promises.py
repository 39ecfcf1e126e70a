"""Calibration errors in worlds whose truth is known: the floor, both ends, drift; blind and halved twins are caught."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from harness.estimate import Estimate
from harness.estimators.calibration import calibration_error, calibration_floor, reliability_ends
from harness.estimators.calibration_drift import calibration_drift
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
