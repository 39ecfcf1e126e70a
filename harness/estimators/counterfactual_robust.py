"""Doubly robust estimates: a model of the reward, corrected where the log shows it wrong.

Given q(x_i, a_i) of the logged actions and E_π q(x_i, ·), both from models that never saw row i
(`counterfactual_outcome`), the estimate is right if either the propensities or the model are. The model alone is the
direct method: its error knows nothing of the model's bias, so that it is shown and bounds nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from harness.estimate import Estimate
from harness.estimators._check import Floats, numbers, same_length
from harness.estimators.counterfactual import logged_rows
from harness.estimators.intervals import mean_interval

__all__ = ["Direct", "direct_method", "doubly_robust", "self_normalised_dr"]


class Direct(NamedTuple):
    """The direct method's value.

    Attributes:
        estimate: With infinite ends: the data bound no model's bias, so that no gate can pass on it.
        sampling_error: Standard error over rows, model bias left out: to be shown as such, or not at all.
    """

    estimate: Estimate
    sampling_error: float


def direct_method(expected: ArrayLike, *, unit: str = "1") -> Direct:
    """Mean of E_π q(x_i, ·) over `expected` (n,): reported, never gates.

    Σ expected / n, in `unit` (Dudík et al. 2011).

    Raises:
        InputError: NaN or infinite values, or none.

    >>> direct_method([0.2, 0.4]).estimate.high
    inf
    """
    values = numbers(expected, "expected")
    n = len(values)
    error = float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else math.inf
    found = Estimate(float(values.mean()), -math.inf, math.inf, n, 0.9, "direct method: model bias unbounded", unit)
    return Direct(found, error)


def doubly_robust(
    reward: ArrayLike,
    propensity: ArrayLike,
    target: ArrayLike,
    *,
    fitted: ArrayLike,
    expected: ArrayLike,
    clusters: ArrayLike | None = None,
    confidence: float = 0.9,
    unit: str = "1",
) -> Estimate:
    """Mean of E_π q + w (r - q) (Dudík et al. 2011), its interval by those n influence values.

    `reward` (n,) finite, in `unit`; `propensity` (n,) in (0, 1]; `target` (n,) in [0, 1]; of a model that did
    not see row i `fitted` (n,), q(x_i, a_i), and `expected` (n,), Σ_a π(a|x_i) q(x_i, a), in the reward's unit;
    `clusters` (n,) labels or None; `confidence` two-sided.

    Raises:
        InputError: As `counterfactual.snips`; NaN or infinite predictions, or lengths that differ.

    >>> found = doubly_robust([1, 0], [0.5, 0.5], [1.0, 0.0], fitted=[0.5, 0.5], expected=[0.5, 0.5])
    >>> found.value
    1.0
    """
    earned, weights, model, mean = _rows(reward, propensity, target, fitted, expected)
    found = mean_interval(mean + weights * (earned - model), clusters=clusters, confidence=confidence, unit=unit)
    return found._replace(method=f"doubly robust, {found.method}")


def self_normalised_dr(
    reward: ArrayLike,
    propensity: ArrayLike,
    target: ArrayLike,
    *,
    fitted: ArrayLike,
    expected: ArrayLike,
    clusters: ArrayLike | None = None,
    confidence: float = 0.9,
    unit: str = "1",
) -> Estimate:
    """Mean of E_π q plus Σ w (r - q) / Σ w (Robins et al. 2007): steadier where weights vary much.

    Influence of row i: E_π q_i - mean + n w_i (r_i - q_i - R) / Σ w with R the weighted mean residual, so that the
    normaliser moves in the interval.

    `reward` (n,) finite, in `unit`; `propensity` (n,) in (0, 1]; `target` (n,) in [0, 1]; of a model that did
    not see row i `fitted` (n,), q(x_i, a_i), and `expected` (n,), Σ_a π(a|x_i) q(x_i, a), in the reward's unit;
    `clusters` (n,) labels or None; `confidence` two-sided.

    Raises:
        InputError: As `doubly_robust`.

    >>> round(self_normalised_dr([1, 0], [0.5, 0.5], [0.9, 0.3], fitted=[0, 0], expected=[0, 0]).value, 12)
    0.75
    """
    earned, weights, model, mean = _rows(reward, propensity, target, fitted, expected)
    residual, scale = earned - model, weights / weights.mean()
    centre = float(scale @ residual) / len(scale)
    rows = mean + centre + scale * (residual - centre)
    found = mean_interval(rows, clusters=clusters, confidence=confidence, unit=unit)
    return found._replace(method=f"self-normalised DR, {found.method}")


def _rows(
    reward: ArrayLike, propensity: ArrayLike, target: ArrayLike, fitted: ArrayLike, expected: ArrayLike
) -> tuple[Floats, Floats, Floats, Floats]:
    earned, weights = logged_rows(reward, propensity, target)
    model, mean = numbers(fitted, "fitted"), numbers(expected, "expected")
    same_length(reward=earned, fitted=model, expected=mean)
    return earned, np.asarray(weights), model, mean
