"""Who was exposed, from what was known before: logistic models per language or slice, cross-fitted, calibration shown.

A row's propensity comes from a model that never saw it; one model a group, for what exposes a query differs by
language. Whether the numbers can be believed is a table beside them, not an assumption.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators._check import (
    Floats,
    Labels,
    count,
    generator,
    grid,
    labels,
    numbers,
    real,
    same_length,
    share,
    zero_one,
)
from harness.estimators.proportions import clopper_pearson
from harness.estimators.strata import quantile_bins

__all__ = ["CalibrationTable", "Logistic", "cross_fitted", "fit_logistic", "propensity_calibration"]

STEPS = 100
FLAT = 1e-7  # after a Newton step this small what is left is its square


class Logistic(NamedTuple):
    """A fitted model: log-odds = intercept + features @ slopes.

    Attributes:
        intercept: Log-odds where all features are 0.
        slopes: (k,) log-odds a unit of each feature.

    >>> Logistic(0.0, np.array([1.0])).predict([0.0]).tolist()
    [0.5]
    """

    intercept: float
    slopes: Floats

    def predict(self, features: ArrayLike) -> Floats:
        """(n,) probabilities inside (0, 1) for `features` (n, k).

        Raises:
            InputError: Features of another width, NaN or infinite.
        """
        from scipy.special import expit

        table = _table(features)
        if table.shape[1] != len(self.slopes):
            raise InputError(
                "wrong shape", where="features", expected=f"{len(self.slopes)} columns", found=table.shape[1]
            )
        return np.asarray(expit(np.clip(self.intercept + table @ self.slopes, -36.0, 36.0)), dtype=np.float64)


def fit_logistic(features: ArrayLike, exposed: ArrayLike, *, ridge: float = 1.0) -> Logistic:
    """Logistic regression by Newton's method on standardised features (McCullagh & Nelder 1989, 4.4).

    The penalty is ridge / 2 times the squared slopes of the standardised features (scikit-learn's C = 1 / ridge); the
    intercept goes free, so that the mean of the fitted probabilities is the share exposed.

    Args:
        features: (n, k) or (n,) finite numbers.
        exposed: (n,) of 0 and 1, both present.
        ridge: Above 0: a penalty keeps separated classes finite.

    Raises:
        InputError: NaN or infinite features, `exposed` that is not 0 or 1 or has one class only, a ridge not above 0,
            or no convergence.

    >>> model = fit_logistic([0.0, 1.0, 2.0, 3.0], [0, 1, 0, 1])
    >>> round(float(model.predict([0.0, 1.0, 2.0, 3.0]).mean()), 9)
    0.5
    """
    table, hit = _table(features), zero_one(exposed, "exposed")
    same_length(features=table, exposed=hit)
    penalty = real(ridge, "ridge", above=0.0)
    if hit.min() == hit.max():
        raise InputError("one class only", where="exposed", expected="both 0 and 1", found=float(hit[0]))
    centre, scale = table.mean(axis=0), table.std(axis=0)
    scale = np.where(scale > 1e-12 * (1.0 + np.abs(centre)), scale, np.inf)  # a constant column says nothing
    design = np.column_stack([np.ones(len(hit)), (table - centre) / scale])
    weights = _newton(design, hit, penalty)
    slopes = weights[1:] / scale
    return Logistic(float(weights[0] - slopes @ centre), slopes)


def _newton(design: Floats, hit: Floats, ridge: float) -> Floats:
    """Minimise the penalised log-loss: steps halved until they do not climb."""
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 0.0
    weights = np.zeros(design.shape[1])
    loss = _loss(design, hit, weights, penalty)
    for _ in range(STEPS):
        from scipy.special import expit

        chance = expit(design @ weights)
        slope = design.T @ (chance - hit) + penalty * weights
        curve = (design * (chance * (1.0 - chance))[:, None]).T @ design + np.diag(penalty + 1e-12)
        step = np.linalg.solve(curve, slope)
        while (after := _loss(design, hit, weights - step, penalty)) > loss * (1.0 + 1e-14) and np.abs(
            step
        ).max() > FLAT:
            step = step / 2.0
        weights, loss = weights - step, after
        if np.abs(step).max() <= FLAT:
            return weights
    raise InputError("no fit", where="features", expected=f"convergence in {STEPS} Newton steps", found=float(loss))


def _loss(design: Floats, hit: Floats, weights: Floats, penalty: Floats) -> float:
    odds = design @ weights
    return float((np.logaddexp(0.0, odds) - hit * odds).sum() + 0.5 * (penalty * weights**2).sum())


def cross_fitted(
    features: ArrayLike,
    exposed: ArrayLike,
    *,
    rng: np.random.Generator,
    by: ArrayLike | None = None,
    folds: int = 5,
    ridge: float = 1.0,
) -> Floats:
    """(n,) propensities, each from a model of its own group that was fitted without the row (Chernozhukov et al. 2018).

    Folds are drawn within group and class, so that every training part has both. A group with fewer than `folds` rows
    of either class is refused by name: merge it (`strata.merge_sparse`) or leave it out, knowingly.

    Args:
        features: (n, k) or (n,) finite numbers, known before the exposure.
        exposed: (n,) of 0 and 1.
        rng: Draws the folds.
        by: (n,) labels, a model each: language, slice; None for one model.
        folds: At least 2.
        ridge: As in `fit_logistic`.

    Raises:
        InputError: As `fit_logistic`; under two folds; a group with fewer rows of a class than folds, by name.

    >>> import numpy as np
    >>> x = np.arange(40.0)
    >>> found = cross_fitted(x, x % 2, rng=np.random.default_rng(1))
    >>> bool((0.2 < found).all() and (found < 0.8).all())
    True
    """
    table, hit, parts = _table(features), zero_one(exposed, "exposed"), count(folds, "folds", least=2)
    groups = np.zeros(len(hit), dtype=np.int64) if by is None else labels(by, "by")
    same_length(features=table, exposed=hit, by=groups)
    fold = _folds(groups, hit, parts, generator(rng))
    found = np.empty(len(hit))
    for name in np.unique(groups):
        here = groups == name
        for at in range(parts):
            train, test = here & (fold != at), here & (fold == at)
            found[test] = fit_logistic(table[train], hit[train], ridge=ridge).predict(table[test])
    return found


def _folds(groups: Labels, hit: Floats, folds: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """A fold for each row, balanced within each group and class."""
    fold = np.empty(len(hit), dtype=np.int64)
    for name in np.unique(groups):
        for kind in (0.0, 1.0):
            rows = np.flatnonzero((groups == name) & (hit == kind))
            if len(rows) < folds:
                what = f"group {name!s} has {len(rows)} rows with exposed = {kind:g}"
                raise InputError(what, where="by", expected=f"at least {folds} of either", found=len(rows))
            fold[rng.permutation(rows)] = np.arange(len(rows)) % folds
    return fold


class CalibrationTable(NamedTuple):
    """Said against seen, in bins of equal mass.

    Attributes:
        predicted: (n_bins,) mean propensity of each bin, ascending.
        observed: Share exposed in each, with Clopper and Pearson's interval at a joint confidence over all bins.
        holds: Whether every bin's prediction lies in its interval.
    """

    predicted: Floats
    observed: tuple[Estimate, ...]
    holds: bool


def propensity_calibration(
    propensity: ArrayLike, exposed: ArrayLike, *, bins: int = 10, alpha: float = 0.05
) -> CalibrationTable:
    """The calibration of propensities: per equal-mass bin, the mean said and the share seen.

    Intervals are exact and joint (Bonferroni): calibrated propensities fail `holds` at most `alpha` of the time. A bin
    of few rows has a wide interval: `holds` alone is no proof, read the widths. Each is that of Clopper &
    Pearson (1934) at alpha / bins.

    Args:
        propensity: (n,) within [0, 1], from models that did not see their row.
        exposed: (n,) of 0 and 1.
        bins: Bins wanted, >= 1.
        alpha: Inside (0, 1).

    Raises:
        InputError: Propensities outside [0, 1], `exposed` that is not 0 or 1, lengths that differ, under one bin, alpha
            outside (0, 1).

    >>> shown = propensity_calibration([0.2] * 50 + [0.8] * 50, [0] * 40 + [1] * 10 + [1] * 40 + [0] * 10, bins=2)
    >>> shown.predicted.round(3).tolist(), [one.value for one in shown.observed], shown.holds
    ([0.2, 0.8], [0.2, 0.8], True)
    """
    said, hit = numbers(propensity, "propensity", low=0.0, high=1.0), zero_one(exposed, "exposed")
    same_length(propensity=said, exposed=hit)
    code, miss = np.unique(quantile_bins(said, bins=bins), return_inverse=True)[1], share(alpha, "alpha")
    rows = np.bincount(code)
    predicted, seen = np.bincount(code, weights=said) / rows, np.bincount(code, weights=hit)
    joint = 1.0 - miss / len(rows)
    observed = tuple(clopper_pearson(int(k), int(n), confidence=joint) for k, n in zip(seen, rows, strict=True))
    inside = all(one.low <= mean <= one.high for one, mean in zip(observed, predicted, strict=True))
    return CalibrationTable(predicted, observed, inside)


def _table(features: ArrayLike) -> Floats:
    """`features` as an (n, k) float64 table of finite numbers."""
    array = grid(features, "features", "(n,) or (n, k)")
    if array.ndim not in {1, 2} or (array.ndim == 2 and not array.shape[1]):
        raise InputError("wrong shape", where="features", expected="(n,) or (n, k)", found=array.shape)
    columns = array[:, None] if array.ndim == 1 else array
    return np.column_stack([numbers(columns[:, at], f"features[:, {at}]") for at in range(columns.shape[1])])
