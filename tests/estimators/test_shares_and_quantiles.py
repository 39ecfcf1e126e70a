"""Shares, quantiles, ratios, bounded means: slow twins, figures from elsewhere, limit cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.estimators.bounded import empirical_bernstein
from harness.estimators.intervals import mean_interval, paired
from harness.estimators.proportions import clopper_pearson, wilson
from harness.estimators.quantiles import quantile_difference, quantile_interval
from harness.estimators.rare import LOWER_BOUND_MIN_N, big_loser_share
from harness.estimators.ratios import ratio_interval


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (0, 20), (20, 20), (7, 20), (46, 10_000)])
def test_share_intervals_are_scipys(hits, n):
    """Wilson and Clopper-Pearson agree with scipy's at both confidences and at the edges."""
    test = stats.binomtest(hits, n)
    for confidence in (0.9, 0.99):
        for interval, name in ((wilson, "wilson"), (clopper_pearson, "exact")):
            found = interval(hits, n, confidence=confidence)
            expected = test.proportion_ci(confidence, method=name)
            assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
            assert found.value == hits / n


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
def test_no_trials_leave_the_share_open(interval):
    """Nothing observed: NaN between 0 and 1, never a zero."""
    found = interval(0, 0)
    assert math.isnan(found.value)
    assert (found.low, found.high, found.n) == (0.0, 1.0, 0)


@pytest.mark.parametrize("q", [0.05, 0.5, 0.95, 0.99])
@pytest.mark.parametrize("n", [2, 10, 58, 59, 300, 1001])
def test_quantile_ends_are_the_binomials_ranks(n, q):
    """The ends are the order statistics that a literal search over the binomial law picks."""
    x = np.arange(1.0, n + 1.0)
    found = quantile_interval(x, q)
    below = [rank for rank in range(1, n + 1) if stats.binom.cdf(rank - 1, n, q) <= 0.05]
    above = [rank for rank in range(1, n + 1) if stats.binom.sf(rank - 1, n, q) <= 0.05]
    assert found.low == (x[max(below) - 1] if below else -math.inf)
    assert found.high == (x[min(above) - 1] if above else math.inf)
    assert found.value == np.clip(np.quantile(x, q), found.low, found.high)
    assert found.low <= found.value <= found.high


def test_quantile_of_a_million_is_quick_and_near():
    """Ranks for a million values are found without walking there."""
    found = quantile_interval(np.arange(1_000_000.0), 0.95)
    assert found.high - found.low == pytest.approx(2 * 1.645 * math.sqrt(1e6 * 0.95 * 0.05), rel=0.01)


def test_one_latency_bounds_no_quantile():
    """Under two values both ends are infinite, for one column and for two."""
    found = quantile_interval([3.0], 0.95, unit="ms")
    assert (found.low, found.high, found.unit) == (-math.inf, math.inf, "ms")
    for method in ("mover", "union"):
        found = quantile_difference([3.0], [2.0], 0.95, method=method)
        assert (found.low, found.high) == (-math.inf, math.inf)


def test_quantile_difference_of_a_column_with_itself_holds_zero(rng):
    """No change is inside its own interval, about zero, and the order of arguments is its sign."""
    x, y = rng.exponential(size=400), rng.exponential(size=400)
    forth, back = quantile_difference(x, y, 0.9), quantile_difference(y, x, 0.9)
    for method in ("mover", "union"):
        same = quantile_difference(x, x, 0.95, method=method)
        assert same.value == 0.0
        assert same.low < 0.0 < same.high
    assert (forth.value, forth.low, forth.high) == pytest.approx((-back.value, -back.high, -back.low))


def test_latency_ten_percent_slower_is_seen_at_5000_requests(rng):
    """A p95 a tenth higher is told apart at 5,000 requests and not at 100."""
    before = rng.gamma(8.0, 1.0, 5000)
    after = 1.1 * rng.gamma(8.0, 1.0, 5000)
    assert quantile_difference(after, before, 0.95).low > 0.0
    assert quantile_difference(after[:100], before[:100], 0.95).low < 0.0


def test_a_ratio_with_denominators_of_one_is_the_mean(rng):
    """The delta method's limit case is the mean's interval, by row and by cluster."""
    x, code = rng.exponential(size=300), rng.integers(0, 40, 300)
    for clusters in (None, code):
        plain = mean_interval(x, clusters=clusters)
        found = ratio_interval(x, np.ones(300), clusters=clusters)
        assert (found.value, found.low, found.high) == pytest.approx((plain.value, plain.low, plain.high), rel=1e-9)


def test_a_ratio_over_users_is_the_ratio_of_their_sums(rng):
    """Rows grouped by user give the same interval as one row per user."""
    views, user = 1.0 + rng.poisson(3.0, 500), rng.integers(0, 60, 500)
    clicks = rng.binomial(views.astype(int), 0.2).astype(float)
    rows = ratio_interval(clicks, views, clusters=user)
    sums = ratio_interval(np.bincount(user, weights=clicks), np.bincount(user, weights=views))
    assert (rows.value, rows.low, rows.high) == pytest.approx((sums.value, sums.low, sums.high), rel=1e-12)
    assert rows.n == 500


def test_ratio_error_is_the_delta_methods(rng):
    """With many units the half width is that of the textbook's variance of a ratio."""
    views = 1.0 + rng.poisson(3.0, 4000)
    clicks = rng.binomial(views.astype(int), 0.2).astype(float)
    found, ratio = ratio_interval(clicks, views), clicks.sum() / views.sum()
    cov = np.cov(clicks, views)
    variance = (cov[0, 0] - 2 * ratio * cov[0, 1] + ratio**2 * cov[1, 1]) / (4000 * views.mean() ** 2)
    assert found.half_width == pytest.approx(1.645 * math.sqrt(variance), rel=5e-3)


def test_empirical_bernstein_is_its_formula(rng):
    """The ends are theorem 4's, scaled to the support, and kept within it."""
    x = rng.uniform(2.0, 4.0, 1000)
    found = empirical_bernstein(x, support=(0.0, 5.0))
    log = math.log(2 / 0.05)
    reach = math.sqrt(2 * x.var(ddof=1) * log / 1000) + 7 * 5 * log / (3 * 999)
    assert (found.low, found.high) == pytest.approx((x.mean() - reach, x.mean() + reach))
    assert empirical_bernstein([0.9, 1.0]).high == 1.0
    assert empirical_bernstein([0.9])[1:3] == (0.0, 1.0)


def test_big_losers_are_counted_and_bounded():
    """Three losses of .6 in 100: the share and Clopper and Pearson's bound; a loss of exactly the limit counts."""
    delta = paired([0.4] * 3 + [1.0] * 97, [1.0] * 100)
    found = big_loser_share(delta, loss=0.6)
    assert found.value == 0.03
    assert found.high == clopper_pearson(3, 100).high
    assert big_loser_share([-0.3, 0.0]).value == 0.5
    assert big_loser_share([-0.29, 0.0]).value == 0.0


def test_no_losers_in_the_least_n_still_leave_a_share():
    """At the least n, a sample without one big loser leaves room for 1.5 % of them."""
    assert big_loser_share(np.zeros(LOWER_BOUND_MIN_N)).high == pytest.approx(0.0149, abs=1e-4)
