"""Bootstraps agree with scipy's and with their own literal definition, within Monte-Carlo error."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from scipy import stats

from harness.estimators import _draws
from harness.estimators.intervals import abc_interval, bootstrap, bootstrap_ends, mean_interval

SHAPES = {
    "tied": lambda rng, n: np.where(rng.random(n) < 0.7, 0.0, rng.integers(-3, 9, n) / 4.0),
    "untied": lambda rng, n: rng.exponential(size=n),
}


def apart(one: float, two: float, *errors: float) -> float:
    return abs(one - two) / math.sqrt(sum(error**2 for error in errors))


@pytest.mark.parametrize("n", [40, 2500])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("method", ["percentile", "bca"])
def test_ends_are_scipys_within_monte_carlo_error(rng, method, shape, n):
    """Both ends lie within 4.5 Monte-Carlo standard errors of scipy's, drawn by counts, by levels or one by one."""
    x = SHAPES[shape](rng, n)
    ours = bootstrap_ends(x, rng=rng, method=method, resamples=4000)
    name = {"percentile": "percentile", "bca": "BCa"}[method]
    theirs = stats.bootstrap((x,), np.mean, n_resamples=4000, batch=200, method=name, confidence_level=0.9, rng=rng)
    low, high = theirs.confidence_interval
    step = 0.25 / n if shape == "tied" else 0.0  # tied means lie on a lattice: an end may fall one step aside
    assert abs(ours.estimate.low - low) < 4.5 * math.sqrt(2) * ours.low_se + 1.01 * step
    assert abs(ours.estimate.high - high) < 4.5 * math.sqrt(2) * ours.high_se + 1.01 * step


@pytest.mark.parametrize("clusters", [False, True])
@pytest.mark.parametrize("method", ["percentile", "bca", "studentised"])
def test_stated_monte_carlo_error_is_the_spread_over_seeds(method, clusters):
    """Over 60 seeds the ends scatter as widely as each run says."""
    world = np.random.default_rng(8)
    x, code = world.exponential(size=120), world.integers(0, 30, 120)
    runs = [
        bootstrap_ends(
            x, rng=np.random.default_rng(seed), clusters=code if clusters else None, method=method, resamples=800
        )
        for seed in range(60)
    ]
    for end, error in (("low", "low_se"), ("high", "high_se")):
        spread = np.std([getattr(run.estimate, end) for run in runs], ddof=1)
        assert 0.65 < np.mean([getattr(run, error) for run in runs]) / spread < 1.5


def test_abc_is_bca_within_monte_carlo_error(rng):
    """The analytic interval lies where 40,000 BCa resamples put theirs, by row and by cluster."""
    x, code = rng.exponential(size=1200) ** 1.5, rng.integers(0, 240, 1200)
    for clusters in (None, code):
        drawn = bootstrap_ends(x, rng=rng, clusters=clusters, resamples=40_000)
        closed = abc_interval(x, clusters=clusters)
        width = closed.high - closed.low
        assert abs(drawn.estimate.low - closed.low) < 4.0 * drawn.low_se + 0.004 * width
        assert abs(drawn.estimate.high - closed.high) < 4.0 * drawn.high_se + 0.004 * width


def test_clusters_are_drawn_whole(rng):
    """The fast clustered mean is the literal one: rows of drawn clusters, laid end to end and averaged."""
    code = rng.integers(0, 25, 300)
    x = rng.normal(size=300) + rng.normal(size=25)[code]
    fast = bootstrap_ends(x, rng=rng, clusters=code, method="percentile", resamples=4000)
    slow = bootstrap_ends(
        x, rng=rng, clusters=code, method="percentile", resamples=2000, statistic=lambda rows: rows.mean(axis=-1)
    )
    assert apart(fast.estimate.low, slow.estimate.low, fast.low_se, slow.low_se) < 4.5
    assert apart(fast.estimate.high, slow.estimate.high, fast.high_se, slow.high_se) < 4.5


def test_any_statistic_has_scipys_bca_interval(rng):
    """A trimmed mean, given as a function, gets scipy's BCa interval."""
    x = rng.exponential(size=80)

    def trimmed(rows, axis=-1):
        return np.sort(rows, axis=axis)[..., 5:-5].mean(axis=axis)

    ours = bootstrap_ends(x, rng=rng, statistic=trimmed, resamples=4000)
    low, high = stats.bootstrap(
        (x,), trimmed, n_resamples=4000, method="BCa", confidence_level=0.9, rng=rng
    ).confidence_interval
    assert apart(ours.estimate.low, low, ours.low_se, ours.low_se) < 4.5
    assert apart(ours.estimate.high, high, ours.high_se, ours.high_se) < 4.5


def test_levels_keep_what_makes_an_interval(rng):
    """Cut into levels, a column keeps its mean and variance exactly and its third moment to a thousandth."""
    for values in (rng.exponential(size=9000) ** 2, rng.normal(size=9000), SHAPES["untied"](rng, 5000)):
        means, within, sizes = _draws._levels(values)
        gap = means[:, 0] - values.mean()
        assert sizes.sum() == len(values)
        assert abs((sizes * gap).sum()) < 1e-8 * len(values)
        assert (sizes * (gap**2 + within)).sum() == pytest.approx(((values - values.mean()) ** 2).sum(), rel=1e-10)
        cubes = (np.abs(values - values.mean()) ** 3).sum()
        third = ((values - values.mean()) ** 3).sum()
        assert abs((sizes * (gap**3 + 3.0 * gap * within)).sum() - third) < 1e-3 * cubes


def test_the_same_seed_gives_the_same_bytes():
    """Two runs from one seed agree to the bit; another seed moves the ends."""
    x = np.arange(50.0) ** 2
    runs = [bootstrap_ends(x, rng=np.random.default_rng(seed), resamples=500) for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    assert runs[0].estimate.low != runs[2].estimate.low


def test_ten_thousand_by_ten_thousand_stays_under_200_mb():
    """10,000 resamples of 10,000 observations are drawn in chunks, ties or none."""
    x = np.random.default_rng(3).exponential(size=10_000)
    tracemalloc.start()
    bootstrap(x, rng=np.random.default_rng(1), method="bca")
    bootstrap(x, rng=np.random.default_rng(1), method="percentile", statistic=lambda rows: rows[:, 0], resamples=1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6


@pytest.mark.parametrize("method", ["percentile", "bca", "studentised"])
def test_one_observation_or_one_cluster_bounds_nothing(rng, method):
    """Under two units both ends are infinite and their error is not a number."""
    for found in (
        bootstrap_ends([0.4], rng=rng, method=method),
        bootstrap_ends([0.4, 0.6], rng=rng, method=method, clusters=["a", "a"]),
    ):
        assert (found.estimate.low, found.estimate.high) == (-math.inf, math.inf)
        assert math.isnan(found.low_se)
        assert math.isnan(found.high_se)


def test_a_constant_sample_agrees_with_the_gates_interval(rng):
    """Resampling a constant shows nothing: the closed interval of a constant is given, for any method."""
    assert bootstrap(np.zeros(300), rng=rng) == mean_interval(np.zeros(300))
    assert bootstrap(np.zeros(300), rng=rng, statistic=lambda rows: rows[:, 0]).low == -math.inf


def test_a_sample_of_almost_one_value_keeps_width(rng):
    """Two observations, and one gain in 300: no method gives a zero width."""
    for x in ([0.0, 1.0], np.r_[np.zeros(299), 1.0]):
        for method in ("percentile", "bca", "studentised"):
            found = bootstrap(x, rng=rng, method=method, resamples=1000)
            assert found.low < found.high


def test_mean_interval_offers_every_method(rng):
    """One call reaches every interval of a mean, and names it."""
    x = rng.normal(size=50)
    names = {
        method: mean_interval(x, method=method, rng=rng).method
        for method in ("closed", "abc", "percentile", "bca", "studentised")
    }
    assert len(set(names.values())) == 5
    assert names["closed"] == "skew-corrected t"


def test_input_is_left_as_it_was(rng):
    """Resampling changes neither the values nor the labels."""
    x, code = rng.normal(size=60), np.arange(60) % 7
    kept = x.copy(), code.copy()
    bootstrap(x, rng=rng, clusters=code, resamples=100)
    bootstrap(x, rng=rng, statistic=lambda rows: np.median(rows, axis=-1), resamples=100)
    assert (x == kept[0]).all()
    assert (code == kept[1]).all()
