"""Moments and their closed interval: figures, limit cases, slow twins."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from harness.estimators.closed import Shape, abc_ends, closed_interval
from harness.estimators.moments import ClusterMoments, Moments


def test_moments_are_numpys_and_scipys(rng):
    """Mean, variance and skewness agree with numpy and scipy."""
    x = rng.exponential(size=500)
    state = Moments.of(x)
    assert state.mean == pytest.approx(x.mean(), rel=1e-13)
    assert state.variance == pytest.approx(x.var(ddof=1), rel=1e-13)
    assert state.m3 / 500 / (state.m2 / 500) ** 1.5 == pytest.approx(stats.skew(x), rel=1e-11)


def test_a_symmetric_sample_of_200_gets_the_t_interval():
    """Without skewness the closed interval is Student's t."""
    x = np.r_[np.arange(1.0, 101.0), -np.arange(1.0, 101.0)]
    found = Moments.of(x).estimate(confidence=0.9)
    expected = stats.t.interval(0.9, 199, loc=0.0, scale=x.std(ddof=1) / math.sqrt(200))
    assert (found.low, found.high) == pytest.approx(expected, rel=1e-12)


def test_skewness_moves_both_ends_towards_the_long_tail(rng):
    """A long right tail raises both ends above the t interval's; mirrored data mirror the interval."""
    x = rng.exponential(size=400)
    found, mirrored = Moments.of(x).estimate(), Moments.of(-x).estimate()
    low, high = stats.t.interval(0.9, 399, loc=x.mean(), scale=x.std(ddof=1) / 20.0)
    assert found.low > low
    assert found.high > high
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), rel=1e-12)


def test_under_200_observations_no_end_is_tighter_than_t(rng):
    """Small samples do not know their skewness: each end is the wider of the corrected and the t end."""
    x = rng.exponential(size=60)
    found = Moments.of(x).estimate()
    low, high = stats.t.interval(0.9, 59, loc=x.mean(), scale=x.std(ddof=1) / math.sqrt(60))
    assert found.low == pytest.approx(low, rel=1e-12)
    assert found.high > high


@pytest.mark.parametrize("x", [[], [0.7]])
def test_under_two_observations_the_interval_is_infinite(x):
    """Nothing and one observation bound nothing; the value of nothing is NaN, never 0."""
    found = Moments.of(x).estimate()
    assert (found.low, found.high, found.n) == (-math.inf, math.inf, len(x))
    assert math.isnan(found.value) == (not x)
    kept = Moments.of(x).estimate(support=(0.0, 1.0))
    assert (kept.low, kept.high) == (0.0, 1.0)


def test_a_constant_sample_has_width():
    """Fifty ones of a share leave room for the rule of three; without a known support a whole unit is the reach."""
    state = Moments.of(np.full(50, 1.0))
    assert state.estimate(support=(0.0, 1.0)).low == pytest.approx(0.05 ** (1 / 50), rel=1e-12)
    assert state.estimate(support=(0.0, 1.0)).high == 1.0
    assert state.estimate().low == pytest.approx(0.05 ** (1 / 50), rel=1e-12)
    assert state.estimate(unit="ms").low == -math.inf


def test_rounding_noise_is_not_variation():
    """Differences of 1e-17 about zero are a constant zero, not proof of a gain."""
    found = Moments.of([5e-17, 6e-17, 5e-17, 4e-17] * 100).estimate()
    assert found.method == "no variation seen"
    assert found.low < -0.001


def test_interval_is_kept_within_the_support():
    """A share's interval never leaves [0, 1]."""
    found = Moments.of([1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1]).estimate(support=(0.0, 1.0))
    assert 0.0 <= found.low < found.value < found.high == 1.0


def test_equal_clusters_of_one_row_are_rows(rng):
    """With one row a cluster, the clustered interval is the plain one."""
    x = rng.exponential(size=300)
    plain, by_row = Moments.of(x).estimate(), ClusterMoments.of(x, np.arange(300)).estimate()
    assert (by_row.value, by_row.low, by_row.high) == pytest.approx((plain.value, plain.low, plain.high), rel=1e-10)


def test_equal_clusters_have_the_interval_of_their_means(rng):
    """With clusters of equal size, the clustered interval is that of the cluster means."""
    x, code = rng.normal(size=400), np.repeat(np.arange(20), 20)
    of_means = Moments.of(x.reshape(20, 20).mean(axis=1)).estimate()
    found = ClusterMoments.of(x, code).estimate()
    assert (found.value, found.low, found.high) == pytest.approx(
        (of_means.value, of_means.low, of_means.high), rel=1e-9
    )
    assert found.n == 400


def test_cluster_error_matches_the_leave_one_cluster_out_definition(rng):
    """The closed variance is the literal jackknife over clusters."""
    code = rng.integers(0, 9, 200)
    x = rng.normal(size=200) + code
    without = np.array([x[code != g].mean() for g in range(9)])
    literal = math.sqrt(8 / 9 * ((without - x.mean()) ** 2).sum())
    sizes = np.bincount(code)
    df = 200**2 / (sizes**2).sum() - 1.0
    found = ClusterMoments.of(x, code).estimate()
    widest = stats.t.ppf(0.95, df) * literal
    assert found.low <= x.mean() - widest * (1 - 1e-9)
    assert found.high >= x.mean() + widest * (1 - 1e-9)
    assert min(x.mean() - found.low, found.high - x.mean()) == pytest.approx(widest, rel=1e-9)


def test_cluster_shape_matches_numerical_derivatives(rng):
    """Acceleration, bias and curvature in closed form are DiCiccio and Efron's numerical ones."""
    sizes = rng.integers(1, 60, 40)
    code = np.repeat(np.arange(40), sizes)
    x = rng.exponential(size=len(code)) + rng.normal(size=40)[code]
    sums, flat, unit, step = np.bincount(code, weights=x), np.full(40, 1 / 40), np.eye(40), 1e-4

    def ratio(weights):
        return (weights @ sums) / (weights @ sizes)

    first = np.array([(ratio(flat + step * (e - flat)) - ratio(flat - step * (e - flat))) / (2 * step) for e in unit])
    second = np.array(
        [(ratio(flat + step * (e - flat)) - 2 * ratio(flat) + ratio(flat - step * (e - flat))) / step**2 for e in unit]
    )
    error = math.sqrt(first @ first) / 40
    along = first / (1600 * error)
    bend = (ratio(flat + step * along) - 2 * ratio(flat) + ratio(flat - step * along)) / (2 * error * step**2)
    _, shape, plug_in = ClusterMoments.of(x, code).plug_in()
    assert plug_in == pytest.approx(error, rel=1e-6)
    assert shape.acceleration == pytest.approx((first**3).sum() / (6 * (first @ first) ** 1.5), rel=1e-4)
    assert shape.bias == pytest.approx(second.sum() / 3200 / error, rel=1e-3)
    assert shape.curvature == pytest.approx(bend, rel=1e-3)


@pytest.mark.parametrize("code", [["a"] * 5, []])
def test_one_cluster_bounds_nothing(code):
    """Rows of a single cluster are one unit: infinite ends."""
    found = ClusterMoments.of([0.1, 0.2, 0.3, 0.2, 0.1][: len(code)], code).estimate()
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_one_cluster_that_outweighs_all_others_bounds_nothing():
    """A thousand rows of one module and three of others are fewer than two equal units."""
    x = np.r_[np.linspace(0, 1, 1000), 0.1, 0.5, 0.9]
    found = ClusterMoments.of(x, [*(["big"] * 1000), "a", "b", "c"]).estimate()
    assert (found.low, found.high) == (-math.inf, math.inf)


def test_text_labels_of_objects_and_of_arrow_width_agree():
    """Labels as objects, as fixed-width text and as integers give the same interval."""
    x = [0.1, 0.5, 0.3, 0.9]
    one = ClusterMoments.of(x, np.array(["a", "b", "a", "c"], dtype=object)).estimate()
    assert one == ClusterMoments.of(x, ["a", "b", "a", "c"]).estimate() == ClusterMoments.of(x, [1, 2, 1, 3]).estimate()


def test_input_is_left_as_it_was(rng):
    """Neither values nor labels are changed."""
    x, code = rng.normal(size=20), np.arange(20) % 5
    kept = x.copy(), code.copy()
    ClusterMoments.of(x, code).merge(ClusterMoments.of(x, code)).estimate()
    Moments.of(x).estimate()
    assert (x == kept[0]).all()
    assert (code == kept[1]).all()


def test_an_end_beyond_the_form_is_infinite_not_wrapped():
    """Where the ABC form has no end left, the end is infinite instead of coming back on the other side."""
    assert abc_ends(0.0, 1.0, Shape(acceleration=0.9), 0.001)[1] == math.inf
    assert abc_ends(0.0, 1.0, Shape(acceleration=-0.9), 0.001)[0] == -math.inf


def test_closed_interval_widens_with_confidence():
    """More confidence, wider interval."""
    ends = [closed_interval(0.5, 0.1, Shape(0.02), n=300, units=300, confidence=c) for c in (0.5, 0.8, 0.9, 0.99)]
    assert all(a.low > b.low and a.high < b.high for a, b in pairwise(ends))
