"""Conformal thresholds meet their definitions, refuse what they cannot promise, and agree with the references."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from harness.errors import InputError
from harness.estimators.conformal import (
    Bands,
    absolute_scores,
    conformal_p,
    conformal_rank,
    covered_by,
    cqr_bands,
    cqr_scores,
    needed_for_threshold,
    split_bands,
    split_threshold,
)
from harness.estimators.conformal_groups import mondrian
from harness.estimators.conformal_weighted import effective_rows, weighted_thresholds


def test_rank_is_that_of_exact_arithmetic():
    """ceil((n + 1) coverage) by fractions, for every n to 2,000 and coverages that floats cannot hold."""
    for per_mille in (500, 700, 900, 930, 950, 990, 999):
        for n in range(0, 2000, 7):
            exact = math.ceil(Fraction(n + 1) * Fraction(per_mille, 1000))
            assert conformal_rank(n, per_mille / 1000) == exact


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.93, 0.95, 0.99])
def test_a_threshold_is_finite_from_the_stated_n_on(coverage):
    """One row under `needed_for_threshold` the threshold is infinite, at it the largest score."""
    need = needed_for_threshold(coverage)
    assert split_threshold(np.arange(need - 1), coverage=coverage) == math.inf
    assert split_threshold(np.arange(need), coverage=coverage) == need - 1
    assert split_threshold([], coverage=coverage) == math.inf


def test_infinite_thresholds_make_infinite_bands():
    """A band of which nothing is known is infinite on both sides, and covers; -inf holds nothing."""
    bands = split_bands([1.0, 2.0, 3.0], [math.inf, 1.0, -math.inf])
    assert bands.low.tolist() == [-math.inf, 1.0, math.inf]
    assert bands.high.tolist() == [math.inf, 3.0, -math.inf]
    assert covered_by([99.0, 3.5, 3.0], bands).tolist() == [True, False, False]


def test_a_row_is_covered_exactly_if_its_score_is(rng):
    """For split and for CQR, being inside the band and having a score at most the threshold are the same thing."""
    truth, low = rng.integers(0, 40, 500) / 4.0, rng.integers(0, 20, 500) / 4.0
    high = low + rng.integers(0, 20, 500) / 4.0
    for limit in (-0.5, 0.0, 1.25, math.inf):
        inside = covered_by(truth, cqr_bands(low, high, limit))
        assert (inside == (cqr_scores(truth, low, high) <= limit)).all()
        assert (covered_by(truth, split_bands(low, limit)) == (absolute_scores(truth, low) <= limit)).all()


def test_p_values_are_the_thresholds_dual(rng):
    """A score lies over the threshold exactly where its p-value is at most 1 - coverage, ties or not."""
    for n in (5, 19, 200):
        scores, new = rng.integers(0, 30, n), rng.integers(-2, 34, 300)
        over = new > split_threshold(scores, coverage=0.9)
        assert (over == (conformal_p(scores, new) <= 0.1 + 1e-12)).all()


@pytest.mark.parametrize("kind", ["text", "whole", "wide", "objects"])
def test_each_group_has_the_threshold_of_its_rows_alone(rng, kind):
    """Mondrian is split within each group, whatever labels the groups carry and in whatever order rows come."""
    code = rng.choice([3, 7, 11], 400, p=[0.6, 0.38, 0.02])
    names = {"text": code.astype(str), "whole": code, "wide": code * 10**9, "objects": code.astype(str).astype(object)}
    scores, groups = rng.exponential(size=400) * code, names[kind]
    kept = scores.copy()
    found = mondrian(scores, groups, coverage=0.9)
    for group, value, n in zip(found.groups, found.values, found.counts, strict=True):
        assert value == split_threshold(scores[groups == group], coverage=0.9)
        assert n == (groups == group).sum()
    assert (found.at(groups) == found.values[np.searchsorted(found.groups, groups.astype(found.groups.dtype))]).all()
    assert (scores == kept).all()


def test_a_group_too_small_is_said_and_one_unseen_is_refused():
    """Small groups: an infinite threshold and the rows they lack. Unseen groups: an error that names index and kin."""
    found = mondrian(np.ones(30), ["billing"] * 25 + ["outage"] * 5, coverage=0.95)
    assert found.at(["outage", "billing"]).tolist() == [math.inf, 1.0]
    assert found.short() == {"outage": 14}
    with pytest.raises(InputError, match=r"groups: index 1 is a group unseen .* 'bilings' \(nearest: billing\)"):
        found.at(["billing", "bilings"])
    with pytest.raises(InputError, match="labels of two kinds"):
        found.at([1])
    assert found.at([]).tolist() == []


def test_an_unseen_group_after_the_last_and_before_the_first_is_refused():
    """No neighbour's threshold is lent at either end of the labels."""
    found = mondrian([1.0] * 20, [5] * 20)
    for name in (4, 6):
        with pytest.raises(InputError, match="unseen"):
            found.at([name])


@pytest.mark.parametrize("n", [1, 8, 19, 100])
def test_equal_weights_are_no_weights(rng, n):
    """Weighted thresholds with one weight for all are the split threshold, in any unit of weight."""
    scores = rng.normal(size=n)
    for unit in (1e-9, 1.0, 3.7e8):
        found = weighted_thresholds(scores, np.full(n, unit), [unit, unit], coverage=0.9)
        assert found.tolist() == [split_threshold(scores, coverage=0.9)] * 2


def test_weighted_thresholds_are_their_literal_definition(rng):
    """The smallest s with sum of p_i over scores at most s reaching coverage, p normalised with the new row's."""
    scores, weights, new = rng.normal(size=60), rng.exponential(size=60), rng.exponential(3.0, size=20)
    found = weighted_thresholds(scores, weights, new, coverage=0.8)
    for own, value in zip(new, found, strict=True):
        chance = weights / (weights.sum() + own)
        enough = [s for s in np.sort(scores) if chance[scores <= s].sum() >= 0.8]
        assert value == (enough[0] if enough else math.inf)


def test_a_row_of_dominant_weight_gets_no_finite_threshold():
    """A new row that weighs more than calibration can answer for is infinite; rows of no weight do not count."""
    assert weighted_thresholds([1.0, 2.0], [1.0, 1.0], [1.0], coverage=0.9).tolist() == [math.inf]
    assert weighted_thresholds([1.0] * 50 + [9.0], [1.0] * 50 + [0.0], [0.0]).tolist() == [1.0]
    assert effective_rows([5.0, 0.0]) == 1.0
    assert effective_rows([1e-200] * 4) == 4.0


@pytest.mark.parametrize("bad", [[], [0.0, 0.0], [-1.0, 2.0], [math.nan, 1.0], [math.inf, 1.0]], ids=str)
def test_weights_that_weigh_nothing_are_refused(bad):
    """Negative, missing, endless or absent weight is named."""
    with pytest.raises(InputError, match="weights"):
        weighted_thresholds([1.0, 2.0], bad, [1.0])
    with pytest.raises(InputError, match="weights"):
        effective_rows(bad)


TAKERS = {
    "split_threshold": split_threshold,
    "mondrian": lambda x, **options: mondrian(x, np.zeros(len(x), dtype=int), **options),
    "weighted": lambda x, **options: weighted_thresholds(x, np.ones(len(x)), [1.0], **options),
}


@pytest.mark.parametrize("name", TAKERS)
def test_bad_scores_and_coverages_are_named(name):
    """NaN, infinity, text and a coverage that promises all or nothing end in one line."""
    for bad in (math.nan, math.inf, -math.inf):
        with pytest.raises(InputError, match="scores: index 1 is not finite"):
            TAKERS[name]([1.0, bad])
    with pytest.raises(InputError, match="scores"):
        TAKERS[name](["a", "b"])
    for bad in (0.0, 1.0, 95, math.nan, None):
        with pytest.raises(InputError, match="coverage: out of bounds"):
            TAKERS[name]([1.0, 2.0], coverage=bad)


@pytest.mark.parametrize("kind", [np.int8, np.float32])
def test_narrow_scores_are_computed_in_double(kind):
    """Integers and float32 give the thresholds of their float64 twins and stay as they were."""
    x = np.array([3, 1, 2] * 20, dtype=kind)
    kept = x.copy()
    for call in TAKERS.values():
        left, right = call(x), call(x.astype(np.float64))
        assert np.array_equal(getattr(left, "values", left), getattr(right, "values", right))
    assert (x == kept).all() and x.dtype == kept.dtype


def test_lengths_that_differ_are_refused():
    """Columns that should pair up name the one that does not."""
    for call, name in (
        (lambda: absolute_scores([1.0], [1.0, 2.0]), "predicted"),
        (lambda: cqr_scores([1.0], [1.0], [1.0, 2.0]), "high"),
        (lambda: cqr_bands([1.0], [1.0, 2.0], 1.0), "high"),
        (lambda: mondrian([1.0], ["a", "b"]), "groups"),
        (lambda: weighted_thresholds([1.0], [1.0, 2.0], [1.0]), "weights"),
    ):
        with pytest.raises(InputError, match=f"{name}: lengths differ"):
            call()
    for bad in ([1.0, 2.0, 3.0], [[1.0]], [math.nan, 1.0]):
        with pytest.raises(InputError, match="thresholds"):
            split_bands([1.0, 2.0], bad)
    with pytest.raises(InputError, match="thresholds"):
        covered_by([1.0, 2.0], Bands(np.zeros(3), np.zeros(3)))


def test_crepes_gives_the_same_mondrian_bands(rng):
    """Bands of crepes' Mondrian regressor, group by group, where 1 - coverage is a float; elsewhere ours are no wider.

    crepes takes .0999… of n + 1 for a tenth and goes one rank too far where that is whole.
    """
    crepes = pytest.importorskip("crepes", reason="crepes is not installed: an oracle of the tests alone")
    groups, fresh = rng.integers(0, 5, 900), rng.integers(0, 5, 50)
    residual, predicted = rng.normal(size=900) * (1.0 + groups), rng.normal(size=50)
    model = crepes.ConformalRegressor().fit(residual, bins=groups)
    for coverage in (0.5, 0.75, 0.875, 0.9):
        theirs = model.predict_int(predicted, bins=fresh, confidence=coverage)
        ours = split_bands(predicted, mondrian(np.abs(residual), groups, coverage=coverage).at(fresh))
        same = np.isclose(np.column_stack(ours), theirs, rtol=1e-12).all(axis=1)
        whole = (np.bincount(groups)[fresh] + 1) % 10 == 0
        assert (same | (whole if coverage == 0.9 else False)).all()
        assert (ours.high <= theirs[:, 1] + 1e-12).all()


def test_mapie_gives_the_same_split_threshold(rng):
    """MAPIE's conformal quantile of the same scores is ours."""
    pytest.importorskip("mapie", reason="MAPIE is not installed: an oracle of the tests alone")
    from mapie.regression import SplitConformalRegressor
    from sklearn.linear_model import LinearRegression

    x, truth = rng.normal(size=(300, 1)), rng.normal(size=300)
    model = LinearRegression().fit(x[:100], truth[:100])
    theirs = SplitConformalRegressor(model, confidence_level=0.9, prefit=True).conformalize(x[100:200], truth[100:200])
    _, ends = theirs.predict_interval(x[200:])
    limit = split_threshold(absolute_scores(truth[100:200], model.predict(x[100:200])), coverage=0.9)
    ours = split_bands(model.predict(x[200:]), limit)
    assert np.allclose(np.column_stack(ours), ends[:, :, 0], rtol=1e-9)
