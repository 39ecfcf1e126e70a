"""Propensity models: the penalised optimum, out of fold, by group, with a calibration that can fail."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from harness.errors import InputError
from harness.estimators.propensity import cross_fitted, fit_logistic, propensity_calibration


def world(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two languages whose exposure leans on opposite signs of the same feature."""
    x, german = rng.normal(size=(n, 2)), rng.random(n) < 0.4
    truth = expit(np.where(german, 1.5, -1.5) * x[:, 0] + 0.5 * x[:, 1] - 0.3)
    return x, np.where(german, "de", "en"), truth, (rng.random(n) < truth).astype(int)


def test_the_fit_is_the_optimum_of_its_penalised_loss(rng):
    """The gradient of the penalised loss vanishes at the fit, and the mean fitted probability is the share."""
    x, _, _, hit = world(rng, 500)
    model = fit_logistic(x, hit, ridge=2.0)
    scaled, slopes = (x - x.mean(axis=0)) / x.std(axis=0), model.slopes * x.std(axis=0)
    assert np.abs(scaled.T @ (model.predict(x) - hit) + 2.0 * slopes).max() < 1e-6
    assert model.predict(x).mean() == pytest.approx(hit.mean(), abs=1e-10)


def test_the_fit_agrees_with_scikit_learn(rng):
    """On standardised features slopes and intercept are scikit-learn's with C = 1 / ridge."""
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is the oracle")
    x, _, _, hit = world(rng, 800)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    theirs = linear.LogisticRegression(C=0.25, tol=1e-10, max_iter=1000).fit(x, hit)
    ours = fit_logistic(x, hit, ridge=4.0)
    assert ours.slopes == pytest.approx(theirs.coef_[0], abs=1e-5)
    assert ours.intercept == pytest.approx(theirs.intercept_[0], abs=1e-5)


def test_separated_classes_and_constant_columns_stay_finite():
    """A feature that decides the class alone and one that never varies give finite slopes; the constant one's is 0."""
    model = fit_logistic(np.column_stack([np.arange(20.0), np.full(20, 7.0)]), np.arange(20) >= 10)
    assert np.isfinite(model.slopes).all() and model.slopes[1] == 0.0
    assert 0.0 < model.predict(np.array([[1e9, 7.0]]))[0] < 1.0


def test_cross_fitting_by_language_is_calibrated_and_one_model_is_not(rng):
    """Where languages lean opposite ways, a model each is calibrated within each; the pooled twin is caught."""
    x, language, truth, hit = world(rng, 8000)
    found = cross_fitted(x, hit, rng=rng, by=language)
    pooled = cross_fitted(x, hit, rng=rng)
    assert np.abs(found - truth).mean() < 0.02
    for name in ("de", "en"):
        here = language == name
        assert propensity_calibration(found[here], hit[here]).holds
        assert not propensity_calibration(pooled[here], hit[here]).holds


def test_no_row_is_seen_by_its_own_model(rng):
    """Turning one row's exposure changes no propensity in its own fold but through the folds themselves."""
    x, hit = rng.normal(size=(200, 30)), rng.integers(0, 2, 200)
    out = cross_fitted(x, hit, rng=rng, ridge=0.1)
    own = fit_logistic(x, hit, ridge=0.1).predict(x)
    assert np.corrcoef(out, hit)[0, 1] < 0.2  # noise features say nothing of a row never seen
    assert np.corrcoef(own, hit)[0, 1] > 0.3  # the twin that grades its own homework looks informed


def test_same_generator_state_gives_the_same_folds(rng):
    """Two runs from one seed agree to the bit, and inputs stay as they were."""
    x, language, _, hit = world(rng, 400)
    kept = x.copy(), hit.copy()
    one, two = (cross_fitted(x, hit, rng=np.random.default_rng(5), by=language) for _ in range(2))
    assert (one == two).all()
    assert (x == kept[0]).all() and (hit == kept[1]).all()


def test_calibration_holds_for_the_truth_and_fails_for_a_stretched_one(rng):
    """True propensities fail the joint check at most alpha of 300 times; log-odds doubled fail every time."""
    held, stretched = [], []
    for _ in range(300):
        truth = expit(rng.normal(size=2000))
        hit = rng.random(2000) < truth
        held.append(propensity_calibration(truth, hit).holds)
        stretched.append(propensity_calibration(expit(2.0 * np.log(truth / (1.0 - truth))), hit).holds)
    assert held.count(False) <= 33  # binom.isf(1e-6, 300, .05)
    assert stretched.count(True) == 0


def test_ties_make_fewer_bins_not_empty_ones():
    """One propensity for all is one bin; none is empty."""
    shown = propensity_calibration([0.5] * 40, [0, 1] * 20)
    assert len(shown.observed) == 1 and shown.observed[0].n == 40 and shown.holds


def test_bad_input_is_named():
    """One class, sparse groups, foreign shapes, numbers beyond their bounds: each error names its parameter."""
    x, hit = np.arange(20.0), np.arange(20) % 2
    lend = np.random.default_rng(0)
    for call, told in (
        (lambda: fit_logistic(x, np.ones(20)), "exposed: one class only"),
        (lambda: fit_logistic(x, hit * 2), "exposed: index 1 is out of bounds"),
        (lambda: fit_logistic(x, hit * 0.5), "exposed: index 1 is neither"),
        (lambda: fit_logistic(np.where(x == 3, np.nan, x), hit), r"features\[:, 0\]: index 3 is not finite"),
        (lambda: fit_logistic(x, hit, ridge=0.0), "ridge: out of bounds"),
        (lambda: fit_logistic(x[:5], hit), "lengths differ"),
        (lambda: fit_logistic(np.zeros((2, 2, 2)), [0, 1]), "features: wrong shape"),
        (lambda: fit_logistic(x, hit).predict(np.zeros((3, 2))), "features: wrong shape; expected 1 columns"),
        (lambda: cross_fitted(x, hit, rng=lend, folds=1), "folds: out of bounds"),
        (lambda: cross_fitted(x, hit, rng=lend, by=["a"] * 17 + ["b"] * 3), "by: group b has 1 rows with exposed = 0"),
        (lambda: propensity_calibration([1.2], [1]), "propensity: index 0 is out of bounds"),
        (lambda: propensity_calibration([], []), "too few values"),
        (lambda: propensity_calibration([0.5], [1], alpha=1.0), "alpha: out of bounds"),
    ):
        with pytest.raises(InputError, match=told):
            call()
