"""Conformal predictions beside those of MAPIE and crepes, from the same scores."""

from __future__ import annotations

import numpy as np
import pytest

from harness.estimators.conformal import (
    absolute_scores,
    conformal_p,
    cqr_bands,
    cqr_scores,
    split_bands,
    split_threshold,
)
from harness.estimators.conformal_groups import mondrian
from harness.estimators.conformal_weighted import weighted_thresholds


def quantile_models() -> list[object]:
    """Fitted models of y given x for MAPIE, low, high and middle: a third too narrow."""
    from sklearn.linear_model import QuantileRegressor

    rng = np.random.default_rng(0)
    x = rng.random((200, 1))
    y = (1.0 + 4.0 * x[:, 0]) * rng.normal(size=200)
    return [QuantileRegressor(quantile=q, alpha=0.0).fit(x, y) for q in (0.15, 0.85, 0.5)]


@pytest.mark.parametrize("rows", [100, 199, 400])
def test_mapie_gives_the_same_quantile_regression_bands(rng, rows):
    """MAPIE's conformalised quantile regression, corrected alike at both ends, has our bands; blind scores have not."""
    pytest.importorskip("mapie", reason="MAPIE is not installed: pip install signoff[oracles]")
    from mapie.regression import ConformalizedQuantileRegressor

    models, x = quantile_models(), rng.random((rows + 50, 1))
    truth = (1.0 + 4.0 * x[:, 0]) * rng.normal(size=rows + 50)
    theirs = ConformalizedQuantileRegressor(models, confidence_level=0.9, prefit=True)
    theirs.conformalize(x[:rows], truth[:rows])
    _, ends = theirs.predict_interval(x[rows:], symmetric_correction=True)
    low, high = (model.predict(x) for model in models[:2])
    limit = split_threshold(cqr_scores(truth[:rows], low[:rows], high[:rows]), coverage=0.9)
    ours = np.column_stack(cqr_bands(low[rows:], high[rows:], limit))
    assert np.allclose(ours, ends[:, :, 0], rtol=1e-9)
    blind = split_threshold(absolute_scores(truth[:rows], (low + high)[:rows] / 2.0), coverage=0.9)
    assert not np.allclose(np.column_stack(cqr_bands(low[rows:], high[rows:], blind)), ends[:, :, 0], rtol=1e-3)


def test_crepes_gives_the_same_p_values(rng):
    """Without smoothing, crepes' p of new residuals are ours, ties with calibration rows included."""
    crepes = pytest.importorskip("crepes", reason="crepes is not installed: pip install signoff[oracles]")
    known, fresh = rng.integers(0, 30, 500) / 4.0, rng.integers(0, 40, 80) / 4.0
    theirs = crepes.ConformalRegressor().fit(known).predict_p(np.zeros(80), fresh, smoothing=False)
    assert conformal_p(known, fresh) == pytest.approx(np.asarray(theirs), rel=1e-12)


def test_crepes_gives_the_same_p_values_in_each_group(rng):
    """The same within groups: a row lies over its group's threshold exactly where crepes' Mondrian p is at most .1."""
    crepes = pytest.importorskip("crepes", reason="crepes is not installed: pip install signoff[oracles]")
    groups, new = rng.integers(0, 4, 800), rng.integers(0, 4, 200)
    known, fresh = np.abs(rng.normal(size=800)) * (1 + groups), np.abs(rng.normal(size=200)) * (1 + new)
    theirs = crepes.ConformalRegressor().fit(known, bins=groups).predict_p(np.zeros(200), fresh, bins=new,
                                                                            smoothing=False)  # fmt: skip
    over = fresh > mondrian(known, groups, coverage=0.9).at(new)
    assert (over == (np.asarray(theirs) <= 0.1 + 1e-12)).all()
    assert 0 < over.sum() < 200


def test_whole_weights_are_rows_that_crepes_sees_as_often(rng):
    """Neither peer weighs rows, but a weight of 3 is a row thrice: bands of crepes over the repeated rows are ours."""
    crepes = pytest.importorskip("crepes", reason="crepes is not installed: pip install signoff[oracles]")
    scores, weights = rng.exponential(size=120), rng.integers(0, 4, 120)
    model = crepes.ConformalRegressor().fit(np.repeat(scores, weights))
    for coverage in (0.5, 0.75, 0.875):
        theirs = model.predict_int(np.zeros(1), confidence=coverage)
        bar = weighted_thresholds(scores, weights, [1.0], coverage=coverage)[0]
        assert np.column_stack(split_bands([0.0], bar)) == pytest.approx(theirs, rel=1e-12)
