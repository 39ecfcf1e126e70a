"""Sketch, tally, weights and slices: what they keep is what the rows say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.errors import InputError
from harness.estimators.moments import Moments
from harness.estimators.proportions import clopper_pearson
from harness.estimators.quantiles import quantile_interval
from harness.estimators.sketch import GROWTH, LARGEST, RELATIVE_ERROR, SMALLEST, LatencySketch
from harness.estimators.slices import BySlice
from harness.estimators.tally import Tally
from harness.estimators.weights import TopWeights

SHAPES = {
    "gamma": lambda rng: rng.gamma(4.0, 2.0, 5000),
    "heavy": lambda rng: rng.pareto(1.1, 5000) + 1e-3,
    "two modes": lambda rng: np.where(rng.random(5000) < 0.9, 1.0, 250.0) * rng.uniform(0.9, 1.1, 5000),
    "constant": lambda rng: np.full(5000, 7.3),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_sketched_quantiles_are_within_one_per_cent(rng, shape, q):
    """p50, p95 and p99 of the sketch lie within one per cent of the exact order statistic."""
    x = SHAPES[shape](rng)
    exact = float(np.quantile(x, q, method="inverted_cdf"))
    assert LatencySketch.of(x).quantile(q).value == pytest.approx(exact, rel=RELATIVE_ERROR * (1 + 1e-9))


@pytest.mark.parametrize("shape", SHAPES)
def test_sketched_intervals_enclose_the_exact_ones(rng, shape):
    """The sketch's ends lie outside the order statistics', by less than a bucket."""
    x = SHAPES[shape](rng)
    exact, found = quantile_interval(x, 0.95), LatencySketch.of(x).quantile(0.95)
    assert exact.low / GROWTH * (1 - 1e-9) <= found.low <= exact.low
    assert exact.high <= found.high <= exact.high * GROWTH * (1 + 1e-9)
    assert found.n == 5000


def test_a_coarser_sketch_is_caught(rng):
    """The broken twin with buckets five times as wide misses the one per cent."""
    x = rng.gamma(4.0, 2.0, 5000)
    wide = GROWTH**5
    found = [wide ** (math.ceil(math.log(v, wide)) - 0.5) for v in np.quantile(x, [0.5, 0.9, 0.95, 0.99])]
    assert max(abs(np.array(found) / np.quantile(x, [0.5, 0.9, 0.95, 0.99]) - 1.0)) > RELATIVE_ERROR


def test_the_whole_range_of_latencies_fits_the_stated_size():
    """From a nanosecond to thirty years, zero included, there are 2,074 buckets at most."""
    ends = LatencySketch.of([0.0, SMALLEST, LARGEST])
    assert ends.buckets.max() - ends.buckets.min() + 1 <= 2074
    assert ends.quantile(0.5).value == 0.0


def test_an_empty_sketch_knows_nothing():
    """No request: NaN and no bounds; one request: no bounds; fifty-eight: no upper bound of the p95."""
    assert math.isnan(LatencySketch().quantile(0.95).value)
    for n, low_known, high_known in ((0, False, False), (1, False, False), (58, True, False), (59, True, True)):
        found = LatencySketch.of([5.0] * n).quantile(0.95)
        assert (math.isfinite(found.low), math.isfinite(found.high)) == (low_known, high_known)


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf, 1e13])
def test_impossible_latencies_are_refused(bad):
    """Negative, missing and endless latencies are named, not counted."""
    with pytest.raises(InputError, match="latency_ms: index 1"):
        LatencySketch.of([1.0, bad])


def test_tally_is_clopper_and_pearsons():
    """A tally's estimate is the exact interval of its counts; what is neither 0 nor 1 is refused."""
    state = Tally.of([True, False, True]).merge(Tally.of([0, 0, 1.0]))
    assert state.estimate() == clopper_pearson(3, 6)
    assert math.isnan(Tally().estimate().value)
    with pytest.raises(InputError, match=r"hit: index 1 is neither .* expected 0 or 1, found 0\.5"):
        Tally.of([1.0, 0.5])


def test_weights_keep_what_the_whole_column_says(rng):
    """ESS share and the largest share are those of all rows, and the kept weights are the largest of them."""
    w = rng.lognormal(0.0, 1.5, 3000)
    state = TopWeights.of(w[:1000], keep=50).merge(TopWeights.of(w[1000:], keep=50))
    assert state.ess_share == pytest.approx(w.sum() ** 2 / (3000 * (w**2).sum()), rel=1e-12)
    assert state.largest_share == pytest.approx(w.max() / w.sum(), rel=1e-12)
    assert state.largest.tolist() == np.sort(w)[::-1][:50].tolist()


def test_weights_without_weight_are_not_a_number():
    """No rows, or only zeros: NaN, never 0 or 1."""
    for state in (TopWeights(), TopWeights.of([0.0, 0.0])):
        assert math.isnan(state.ess_share)
        assert math.isnan(state.largest_share)
    with pytest.raises(InputError, match="weights: index 1"):
        TopWeights.of([1.0, -0.1])
    with pytest.raises(InputError, match="keep: states of two sizes"):
        TopWeights(keep=5).merge(TopWeights(keep=6))


def test_slices_hold_the_states_of_their_rows(rng):
    """Each slice's state is that of its rows alone, over any number of partitions; an unseen slice is absent."""
    x, names = rng.normal(size=300), rng.choice(["cold", "warm"], 300)
    whole = BySlice.of(x, names, into=Moments.of)
    assert whole.states["cold"] == Moments.of(x[names == "cold"])
    assert set(whole.merge(BySlice.of([1.0], ["tepid"], into=Moments.of)).states) == {"cold", "warm", "tepid"}
    assert "hot" not in whole.states
    with pytest.raises(InputError, match="slices: lengths differ"):
        BySlice.of([1.0, 2.0], ["a"], into=Moments.of)


@pytest.mark.parametrize("series", ["realTraffic/TravelTime_387", "realKnownCause/ec2_request_latency_system_failure"])
def test_real_durations_sketched_in_windows_are_within_one_per_cent(shared_data, series):
    """Real durations in windows of an hour, merged: every percentile of the sketch is within one per cent."""
    path = shared_data / "nab_latency" / "data" / f"{series}.csv"
    x = np.array([float(line.split(",")[1]) for line in path.read_text().splitlines()[1:]])
    state = LatencySketch()
    for start in range(0, len(x), 12):
        state = state.merge(LatencySketch.of(x[start : start + 12]))
    assert state.n == len(x) >= 2500
    for q in (0.5, 0.95, 0.99):
        exact = float(np.quantile(x, q, method="inverted_cdf"))
        assert state.quantile(q).value == pytest.approx(exact, rel=RELATIVE_ERROR * (1 + 1e-9))
