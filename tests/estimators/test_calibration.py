"""Floors, ends and drift of calibration: limits, definitions and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.errors import InputError
from harness.estimators.calibration import (
    calibration_error,
    calibration_floor,
    needed_for_calibration,
    reliability_ends,
)
from harness.estimators.calibration_drift import calibration_drift
from harness.estimators.proportions import clopper_pearson
from harness.metrics.calibration import adaptive_ece, equal_mass


def test_error_is_the_metrics_own(rng):
    """Value of the estimate = the metric over the same bins."""
    p = rng.random(500)
    y = rng.random(500) < p
    found = calibration_error(p, y, equal_mass(p), rng=rng)
    assert found.estimate.value == pytest.approx(adaptive_ece(p, y), rel=1e-12)
    assert found.floor == calibration_floor(p, equal_mass(p))
    assert found.estimate.low <= found.estimate.value <= found.estimate.high


def test_few_rows_cannot_pass_a_strict_bound(rng):
    """AECE <= .05 over 15 bins: 200 rows cannot show it, and the n said to be needed can."""
    p = rng.uniform(0.2, 0.8, 200)
    found = calibration_error(p, rng.random(200) < p, equal_mass(p), rng=rng)
    assert found.floor > 0.05 and not found.can_pass(0.05)
    need = needed_for_calibration(0.05, found)
    p = rng.uniform(0.2, 0.8, 2 * need)
    more = calibration_error(p, rng.random(2 * need) < p, equal_mass(p), rng=rng)
    assert more.can_pass(0.05) and more.estimate.high <= 0.05
    assert 3000 < need < 8000


def test_a_single_unit_knows_nothing(rng):
    """One row, or rows of one cluster: reach is infinite, the interval the whole scale, nothing can pass."""
    for found in (
        calibration_error([0.5], [1], [0], rng=rng),
        calibration_error([0.5, 0.6, 0.7], [1, 0, 1], [0, 0, 0], clusters=["u", "u", "u"], rng=rng),
    ):
        assert (found.estimate.low, found.estimate.high) == (0.0, 1.0)
        assert not found.can_pass(0.99) and needed_for_calibration(0.05, found) is None


def test_bins_whose_rows_all_agree_are_not_certain(rng):
    """Predictions of 0 that never came true leave a width: three hits in a thousand may be unseen in fifty rows."""
    found = calibration_error(np.zeros(50), np.zeros(50), np.zeros(50, dtype=int), rng=rng)
    assert found.estimate.value == found.floor == 0.0
    assert found.estimate.high > 0.02


def test_rows_as_clusters_are_rows(rng):
    """A cluster for each row gives the unclustered interval, but for its draws; doubled rows do not narrow it."""
    p = rng.random(800)
    y, bins = rng.random(800) < p, equal_mass(p)
    plain = calibration_error(p, y, bins, rng=np.random.default_rng(1), draws=20_000)
    single = calibration_error(p, y, bins, clusters=np.arange(800), rng=np.random.default_rng(2), draws=20_000)
    twice = calibration_error(
        np.tile(p, 2),
        np.tile(y, 2),
        np.tile(bins, 2),
        clusters=np.tile(np.arange(800), 2),
        rng=np.random.default_rng(3),
        draws=20_000,
    )
    assert single.reach == pytest.approx(plain.reach, rel=0.02)
    assert twice.reach == pytest.approx(plain.reach, rel=0.05)  # rows counted twice would give .71 of it


def test_bin_ends_are_clopper_pearson_at_a_shared_level():
    """Each of B bins at 1 - (1 - confidence) / B."""
    found = reliability_ends([3, 9], [10, 10], confidence=0.9)
    assert found == [clopper_pearson(3, 10, confidence=0.95), clopper_pearson(9, 10, confidence=0.95)]


def test_drift_of_single_rows_is_a_difference_of_means(rng):
    """Without clusters the standard error is Welch's, to the order of 1 / n."""
    r, later = rng.uniform(-1.0, 1.0, 4000), np.repeat([0, 1], [1000, 3000])
    found = calibration_drift(r, later, np.zeros(4000, dtype=int)).overall
    welch = math.sqrt(r[:1000].var(ddof=1) / 1000 + r[1000:].var(ddof=1) / 3000)
    assert found.value == pytest.approx(r[1000:].mean() - r[:1000].mean(), abs=1e-15)
    assert found.half_width == pytest.approx(1.645 * welch, rel=0.005)


def test_drift_that_one_period_cannot_show_is_infinite():
    """A bin without rows in a period is NaN, one with a single cluster there infinite; the others stand."""
    r = [0.1, -0.1, 0.2, -0.3, 0.1, 0.2, 0.1]
    found = calibration_drift(r, [0, 0, 0, 1, 1, 0, 1], [0, 0, 0, 0, 0, 1, 2]).bins
    assert math.isfinite(found["0"].low)
    assert math.isnan(found["1"].value) and found["1"].high == math.inf and found["2"].low == -math.inf
    alone = calibration_drift(r[:5], [0, 0, 0, 1, 1], [0] * 5, clusters=["a", "b", "c", "d", "d"]).overall
    assert math.isfinite(alone.value) and alone.high == math.inf


def test_residuals_without_variation_are_not_certain():
    """Two periods of equal residuals leave a width, never a sure zero."""
    found = calibration_drift([0.0] * 100, [0, 1] * 50, [0] * 100).overall
    assert found.value == 0.0 and found.low < -0.02 and found.high > 0.02


def test_bad_input_is_named(rng):
    """NaN, ranges, fractions, lengths and confidences, by parameter and index."""
    good = {"predicted": [0.5, 0.6], "outcome": [0, 1], "bins": [0, 0], "rng": rng}
    for change, match in (
        ({"predicted": [0.5, math.nan]}, "predicted: index 1 is not finite"),
        ({"predicted": [0.5, 1.5]}, "predicted: index 1 is out of bounds"),
        ({"outcome": [0, 0.5]}, "outcome: index 1 is neither"),
        ({"outcome": [0]}, "outcome: lengths differ"),
        ({"bins": [0.5, 1.5]}, "bins"),
        ({"clusters": ["a"]}, "clusters: lengths differ"),
        ({"confidence": 1.0}, "confidence"),
        ({"draws": 5}, "draws"),
    ):
        with pytest.raises(InputError, match=match):
            calibration_error(**(good | change))
    for call, match in (
        (lambda: calibration_floor([0.5], [0, 1]), "bins: lengths differ"),
        (lambda: reliability_ends([3], [2]), "hits"),
        (lambda: calibration_drift([1.5], [0], [0]), "residual: index 0"),
        (lambda: calibration_drift([0.5], [0.5], [0]), "later: index 0 is neither"),
        (lambda: calibration_drift([0.5], [0, 1], [0]), "later: lengths differ"),
        (lambda: calibration_drift([0.5], [0], [0], confidence=0.0), "confidence"),
    ):
        with pytest.raises(InputError, match=match):
            call()
