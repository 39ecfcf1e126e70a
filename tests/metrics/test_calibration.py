"""Calibration error over equal-mass bins: its definition, its limits, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.errors import InputError
from harness.metrics.calibration import adaptive_ece, brier, equal_mass, reliability


def test_bins_hold_equally_many_rows(rng):
    """Without ties no two bins differ by more than one row, and bins follow the predictions."""
    for n in (15, 100, 1001):
        p = rng.permutation(n) / n
        code = equal_mass(p)
        counts = np.bincount(code)
        assert len(counts) == 15 and counts.max() - counts.min() <= 1
        assert (np.diff(code[np.argsort(p)]) >= 0).all()


def test_equal_predictions_share_a_bin_in_any_order(rng):
    """Ties are never parted: neither bins nor error depend on the order of rows."""
    p, y = rng.integers(0, 6, 400) / 5.0, rng.integers(0, 2, 400)
    turn = rng.permutation(400)
    assert (equal_mass(p)[turn] == equal_mass(p[turn])).all()
    assert adaptive_ece(p, y) == pytest.approx(adaptive_ece(p[turn], y[turn]), abs=1e-15)
    assert len({(value, code) for value, code in zip(p, equal_mass(p), strict=True)}) == 6
    assert equal_mass([0.3] * 9).tolist() == [0] * 9


def test_bins_cut_by_row_order_are_caught(rng):
    """The broken twin that cuts a sorted column into equal pieces gives another error when tied rows change places."""
    p, y = np.repeat([0.2, 0.6], 50), np.tile([0, 0, 0, 1, 1], 20)

    def cut(y: np.ndarray) -> float:
        return sum(abs((p[rows] - y[rows]).sum()) for rows in np.array_split(np.arange(100), 15)) / 100

    turned = np.concatenate([np.sort(y[:50]), np.sort(y[50:])])
    assert abs(cut(y) - cut(turned)) > 0.1
    assert adaptive_ece(p, y) == pytest.approx(adaptive_ece(p, turned), abs=1e-15)


def test_error_is_its_literal_definition(rng):
    """Sum over bins of share of rows times |mean prediction - share of hits|, row by row."""
    p = rng.random(333)
    y = rng.random(333) < p**2
    code = equal_mass(p, bins=7)
    literal = sum((code == b).mean() * abs(p[code == b].mean() - y[code == b].mean()) for b in range(7))
    assert adaptive_ece(p, y, bins=7) == pytest.approx(literal, rel=1e-12)
    curve = reliability(p, y, bins=7)
    assert curve.hits.sum() == y.sum() and curve.counts.sum() == 333


def test_ends_of_the_scale():
    """Right and sure: 0. Wrong and sure: 1. One bin: the distance of two means. One row: its own distance."""
    y = np.array([0, 1, 1, 0])
    assert adaptive_ece(y, y) == 0.0
    assert adaptive_ece(1 - y, y) == 1.0
    assert adaptive_ece([0.2, 0.4, 0.9, 0.9], y, bins=1) == pytest.approx(0.1)
    assert adaptive_ece([0.3], [1]) == pytest.approx(0.7)
    assert brier([0.3, 1.0], [1, 0]).tolist() == pytest.approx([0.49, 1.0])


def test_scikit_learn_gives_the_same_curve(rng):
    """scikit-learn's calibration curve by quantiles, where bins are full and untied."""
    curve = pytest.importorskip("sklearn.calibration", reason="scikit-learn is not installed").calibration_curve
    p = rng.random(1500)
    y = rng.random(1500) < p
    observed, predicted = curve(y, p, n_bins=15, strategy="quantile")
    ours = reliability(p, y)
    assert np.allclose(ours.observed, observed) and np.allclose(ours.predicted, predicted)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_probability_is_named(bad):
    """NaN, infinities and numbers outside [0, 1] are refused with their index."""
    for call in (adaptive_ece, reliability, brier):
        with pytest.raises(InputError, match="predicted: index 1 is out of bounds"):
            call([0.5, bad], [0, 1])
        with pytest.raises(InputError, match="outcome: index 1"):
            call([0.5, 0.5], [0, bad])


def test_other_bad_input_is_refused():
    """Empty, text, masks, matrices, fractions as outcomes, lengths that differ, bins under 1."""
    for p in ([], ["a"], [[0.1], [0.2]], [[0.1], [0.2, 0.3]], 0.5, [None], np.ma.masked_array([0.5], mask=[True])):
        with pytest.raises(InputError, match="predicted"):
            adaptive_ece(p, [1])
    with pytest.raises(InputError, match=r"outcome: index 0 is neither; expected 0 or 1, found 0\.5"):
        adaptive_ece([0.5], [0.5])
    with pytest.raises(InputError, match="outcome: lengths differ"):
        adaptive_ece([0.5, 0.6], [1])
    for bins in (0, -1, 1.5, math.nan, math.inf, "x"):
        with pytest.raises(InputError, match="bins"):
            equal_mass([0.5], bins=bins)


def test_float32_and_booleans_are_widened_and_left_alone():
    """float32 predictions and boolean outcomes give the figures of their float64 twins."""
    p, y = np.array([0.25, 0.5, 0.75] * 9, dtype=np.float32), np.array([True, False, True] * 9)
    kept = p.copy()
    assert adaptive_ece(p, y) == adaptive_ece(p.astype(np.float64), y.astype(int))
    assert (p == kept).all() and p.dtype == np.float32
