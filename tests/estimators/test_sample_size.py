"""The n that would settle a question settles it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.estimate import Estimate
from harness.estimators.intervals import mean_interval
from harness.estimators.proportions import clopper_pearson
from harness.estimators.quantiles import quantile_interval
from harness.estimators.sample_size import needed_for_mean, needed_for_quantile, needed_for_share, needed_n


def test_needed_n_settles_about_half_the_time(rng):
    """Data of the needed n, from the world that the first sample described, clear the limit one time in two."""
    first = mean_interval(rng.permutation(np.r_[np.full(200, 0.31), np.full(200, -0.29)]))
    need = needed_n(first, 0.0)
    cleared = [mean_interval(np.where(rng.random(need) < 0.5, 0.31, -0.29)).low > 0.0 for _ in range(400)]
    assert 0.38 < np.mean(cleared) < 0.62
    fewer = [mean_interval(np.where(rng.random(need // 4) < 0.5, 0.31, -0.29)).low > 0.0 for _ in range(400)]
    assert np.mean(fewer) < 0.3


def test_needed_n_reads_the_end_that_faces_the_limit():
    """A value above its limit asks for the lower end, one below for the upper end."""
    found = Estimate(0.0, -0.1, 0.4, 100, 0.9, "t")
    assert needed_n(found, -0.05) == 400
    assert needed_n(found, 0.2) == 400
    assert needed_n(found, -0.2) == 25


@pytest.mark.parametrize(
    "found",
    [
        Estimate(0.1, -1.0, 1.0, 10, 0.9, "t"),
        Estimate(math.nan, -1.0, 1.0, 10, 0.9, "t"),
        Estimate(0.2, -math.inf, math.inf, 1, 0.9, "under two units"),
        Estimate(0.1 + 1e-12, -1.0, 1.0, 10, 0.9, "t"),
    ],
    ids=["on the limit", "nothing", "one observation", "hopelessly near"],
)
def test_needed_n_says_nothing_where_nothing_can_be_said(found):
    """On the limit, without a value or an end, or beyond any collecting, there is no n."""
    assert needed_n(found, 0.1) is None


def test_needed_for_mean_has_the_power_it_promises(rng):
    """With the n for power .8 a gain of .05 at sd .3 is shown four times in five."""
    need = needed_for_mean(0.05, 0.3, power=0.8)
    shown = [mean_interval(rng.normal(0.05, 0.3, need)).low > 0.0 for _ in range(600)]
    assert 0.73 < np.mean(shown) < 0.87
    assert needed_for_mean(-0.05, 0.3, power=0.8) == need
    assert needed_for_mean(0.0, 0.3) is None


@pytest.mark.parametrize(("truth", "limit"), [(0.97, 0.95), (0.9, 0.95), (1.0, 0.95), (0.0, 0.01), (0.02, 0.01)])
def test_needed_for_share_is_where_the_bound_clears(truth, limit):
    """At the n given the bound clears the limit; at half of it, it does not."""
    need = needed_for_share(truth, limit)

    def ends(n):
        hits = math.floor(truth * n) if truth > limit else math.ceil(truth * n)
        return clopper_pearson(hits, n)

    assert ends(need).low >= limit if truth > limit else ends(need).high <= limit
    assert ends(need // 2).low < limit if truth > limit else ends(need // 2).high > limit
    assert needed_for_share(limit, limit) is None


def test_needed_for_quantile_settles_a_latency_target():
    """With 97 % of requests under 8 ms, that many requests put the p95's upper end under 8 ms."""
    need = needed_for_quantile(0.95, 0.97)
    under = math.floor(0.97 * need)
    x = np.r_[np.full(under, 5.0), np.full(need - under, 20.0)]
    assert quantile_interval(x, 0.95).high <= 8.0
    fewer = np.r_[np.full(97, 5.0), np.full(3, 20.0)]
    assert quantile_interval(fewer, 0.95).high > 8.0
