"""A surrogate that learns as requests finish: steered as the whole series would be, warm and cold apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.surrogate import requests_of, surrogate_of
from harness.errors import InputError
from harness.estimators.conformal import split_threshold
from harness.estimators.conformal_adaptive import adaptive, adaptive_slack
from harness.estimators.conformal_coverage import coverage_range
from harness.latency.features import CACHE
from harness.latency.online import SteeredThreshold


@given(st.lists(st.floats(-5.0, 5.0), min_size=1, max_size=120), st.sampled_from([0.01, 0.2]), st.integers(1, 60))
def test_step_by_step_it_is_the_series_to_the_bit(scores, rate, window):
    """Thresholds and coverage of every row are `adaptive`'s, which sees the whole series."""
    run, steered = adaptive(scores, coverage=0.9, rate=rate, window=window), SteeredThreshold(
        math.inf, coverage=0.9, rate=rate, window=window)
    for score, threshold, held in zip(scores, run.thresholds, run.covered, strict=True):
        assert steered.value == threshold and steered.finished(score) == held


def test_what_was_calibrated_serves_until_enough_have_finished():
    """Nineteen requests are a threshold's least at .95: before, the fixed one stands."""
    steered = SteeredThreshold(7.0, coverage=0.95, rate=1e-6, window=100)
    for _ in range(19):
        assert steered.value == 7.0
        steered.finished(1.0)
    assert steered.value == 1.0


def _drifting() -> tuple[np.ndarray, np.ndarray]:
    """Requests of the made world whose machine is half as fast after the first thousand."""
    features, ms = requests_of(4000, rng=np.random.default_rng(3))
    return features, np.where(np.arange(4000) < 1000, ms, 2.0 * ms)


def test_a_machine_that_slows_down_breaks_the_fixed_intervals_and_not_the_steered():
    """After the drift the fixed surrogate covers next to nothing; the steered one keeps .95 within its slack."""
    features, ms = _drifting()
    surrogate = surrogate_of().surrogate
    steered = surrogate.adapt(rate=0.02, window=200)
    held = np.array([steered.finished(row, taken) for row, taken in zip(features, ms, strict=True)])
    low, high = surrogate.interval(features)
    fixed = (low <= ms) & (ms <= high)
    assert fixed[1000:].mean() < 0.05
    for state in (0.0, 1.0):
        rows = features[:, CACHE] == state
        assert abs(held[rows].mean() - 0.95) <= adaptive_slack(int(rows.sum()), coverage=0.95, rate=0.02)
    assert held[2000:].mean() > 0.93


def test_warm_requests_teach_nothing_of_cold_ones():
    """Only warm requests finish: the cold interval is what it was, the warm one is wider."""
    features, ms = _drifting()
    surrogate = surrogate_of().surrogate
    steered, warm = surrogate.adapt(rate=0.05, window=100), features[:, CACHE] == 0.0
    for row, taken in zip(features[warm], ms[warm], strict=True):
        steered.finished(row, taken)
    assert steered.interval(features[1]) == pytest.approx(surrogate.one(features[1]), rel=1e-12)
    assert steered.interval(features[0])[1] > 1.5 * surrogate.one(features[0])[1]


def test_before_anything_finished_the_interval_is_the_surrogates():
    """A fresh adaptation starts from what was calibrated."""
    record = surrogate_of()
    assert record.surrogate.adapt().interval(record.features[0]) == pytest.approx(
        record.surrogate.one(record.features[0]), rel=1e-12)


@pytest.mark.parametrize("wrong", [{"coverage": 1.0}, {"coverage": 0.9, "rate": 0.0}, {"coverage": 0.9, "window": 0}])
def test_a_steering_that_cannot_be_is_one_line(wrong):
    """A promise of everything, no step, no memory."""
    with pytest.raises(InputError, match="adaptation: out of bounds"):
        SteeredThreshold(0.0, **wrong)


def test_a_latency_that_is_none_teaches_nothing():
    """A request that took no time is refused, and moves no threshold."""
    record = surrogate_of()
    steered = record.surrogate.adapt()
    with pytest.raises(InputError, match="not a latency"):
        steered.finished(record.features[0], 0.0)
    assert steered.steered["warm"].level == pytest.approx(0.05)


def test_a_real_series_is_covered_step_by_step_where_a_fixed_threshold_is_not(shared_data):
    """A real latency series, forecast by its last value: fixed .927, its worst day .875; steered .9485, .920.

    Fixed, the law of coverage refuses it; steered, one threshold in three hundred has no end.
    """
    path = shared_data / "nab_latency" / "data" / "realKnownCause" / "ec2_request_latency_system_failure.csv"
    values = np.array([float(line.split(",")[1]) for line in path.read_text().splitlines()[1:]])
    scores, first = np.abs(np.diff(np.log(values))), 1000
    start, rest = split_threshold(scores[:first]), scores[first:]
    steered = SteeredThreshold(start, coverage=0.95, rate=0.01)
    endless, held = np.array([(math.isinf(steered.value), steered.finished(score)) for score in rest.tolist()]).T
    fixed = rest <= start
    days = [np.convolve(one, np.ones(288) / 288, "valid").min() for one in (fixed, held)]
    assert (fixed.mean(), held.mean(), *days) == pytest.approx((0.9268, 0.9485, 0.875, 0.920), abs=5e-4)
    assert fixed.sum() < coverage_range(len(rest), first, alpha=0.01)[0] and endless.mean() < 0.004
