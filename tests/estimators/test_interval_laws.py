"""Laws of every interval of a mean: order does not matter, units do not matter, more confidence is wider."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.estimators.bounded import empirical_bernstein
from harness.estimators.intervals import abc_interval, bootstrap, mean_interval
from harness.estimators.quantiles import quantile_interval

INTERVALS = {
    "closed": mean_interval,
    "clustered": lambda x, **options: mean_interval(x, clusters=np.arange(len(x)) // 2, **options),
    "abc": abc_interval,
    "bca": lambda x, **options: bootstrap(x, rng=np.random.default_rng(1), resamples=200, **options),
    "median": lambda x, **options: quantile_interval(x, 0.5, **options),
    "bernstein": lambda x, **options: empirical_bernstein(x, support=(-1e4, 1e4), **options),
}
SAMPLES = st.lists(st.integers(-400, 400), min_size=4, max_size=40).map(lambda values: np.array(values) / 8.0)
every_interval = pytest.mark.parametrize("name", INTERVALS)


def close(one, two):
    scale = 1.0 + max(abs(end) for end in (*one[:3], *two[:3]) if np.isfinite(end))
    return all(a == b or abs(a - b) <= 1e-8 * scale for a, b in zip(one[:3], two[:3], strict=True))


@every_interval
@given(SAMPLES)
def test_the_value_lies_within_its_interval(name, x):
    """No interval excludes its own value by more than rounding, and none is the wrong way round."""
    found = INTERVALS[name](x)
    assert found.low <= found.high
    if name != "bca":  # a percentile of few draws may pass the value by an atom
        assert found.low - 1e-9 <= found.value <= found.high + 1e-9


@every_interval
@given(SAMPLES, st.sampled_from([0.25, 2.0, 16.0]), st.integers(-64, 64))
def test_change_of_unit_changes_the_interval_alike(name, x, scale, shift):
    """Scaling and shifting the data scales and shifts value and ends."""
    assume(np.ptp(x) > 0.0)
    assume(name != "clustered" or np.ptp([x[i : i + 2].mean() for i in range(0, len(x), 2)]) > 0.0)
    plain, moved = INTERVALS[name](x), INTERVALS[name](scale * x + shift)
    if name == "bernstein":
        moved = empirical_bernstein(scale * x + shift, support=(scale * -1e4 + shift, scale * 1e4 + shift))
    expected = plain._replace(
        value=scale * plain.value + shift, low=scale * plain.low + shift, high=scale * plain.high + shift
    )
    assert close(moved, expected)


@pytest.mark.parametrize("name", ["closed", "abc", "median", "bernstein"])
@given(SAMPLES, st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(name, x, shuffler):
    """A permuted sample has the same interval."""
    order = list(range(len(x)))
    shuffler.shuffle(order)
    assert close(INTERVALS[name](x[order]), INTERVALS[name](x))


@every_interval
@given(SAMPLES)
def test_more_confidence_is_never_narrower(name, x):
    """An interval at .99 holds the one at .8."""
    tight, wide = INTERVALS[name](x, confidence=0.8), INTERVALS[name](x, confidence=0.99)
    assert wide.low <= tight.low + 1e-9
    assert wide.high >= tight.high - 1e-9


@pytest.mark.parametrize("name", ["closed", "clustered", "abc"])
@given(SAMPLES)
def test_better_everywhere_is_a_better_bound(name, x):
    """Adding the same gain to every query raises the lower bound by it: a gate cannot punish a uniform gain."""
    assert INTERVALS[name](x + 0.5).low >= INTERVALS[name](x).low + 0.5 - 1e-9
