"""Weighted conformal prediction: calibration rows from one population, new rows from another, their ratio known.

With w(x) = d new / d calibration, the threshold of a new row is the `coverage` quantile of the calibration scores
weighted by w, the row's own weight lying at infinity (Tibshirani et al., NeurIPS 2019). The promise is the average
over the new population, for the true ratio up to a factor; an estimated one costs half its mean absolute error
(Lei & Candès, JRSS B 83, 2021). One set of weights close to one row is one row: see `effective_rows`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import InputError
from harness.estimators._check import Floats, numbers, same_length, share
from harness.estimators.conformal import SLACK

__all__ = ["effective_rows", "weighted_thresholds"]


def weighted_thresholds(
    scores: ArrayLike, weights: ArrayLike, new_weights: ArrayLike, *, coverage: float = 0.95
) -> Floats:
    """The threshold of each new row under covariate shift.

    The quantile of the scores under weights w_i / (sum w + w_new) (Tibshirani et al., NeurIPS 2019).

    Args:
        scores: (n,) finite calibration scores, larger where the prediction is worse.
        weights: (n,) their density ratios new / calibration, >= 0, in any unit.
        new_weights: (m,) those of the new rows, same unit, >= 0.
        coverage: Promised on average over new rows, inside (0, 1).

    Returns:
        (m,) the smallest score under which calibration weight reaches coverage * (all of it + the row's own);
        +inf where the row weighs so much that no score does. Equal weights give `split_threshold`.

    Raises:
        InputError: Weights negative, not finite, all zero, or lengths that differ.

    >>> weighted_thresholds([1, 2, 3, 4], [1, 1, 1, 1], [1, 9], coverage=0.6).tolist()
    [3.0, inf]
    """
    values, mass = numbers(scores, "scores"), numbers(weights, "weights", low=0.0)
    own, promised = numbers(new_weights, "new_weights", low=0.0, least=0), share(coverage, "coverage")
    same_length(scores=values, weights=mass)
    if not mass.sum() > 0.0:
        raise InputError("no weight at all", where="weights", expected="a positive sum", found=0.0)
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(mass[order])
    goal = promised * (reached[-1] + own)
    place = np.searchsorted(reached, goal * (1.0 - SLACK), side="left")
    found: Floats = np.append(values[order], np.inf)[place]
    return found


def effective_rows(weights: ArrayLike) -> float:
    """(sum w)**2 / sum w**2 (Kong 1992): how many equally weighted calibration rows these are worth.

    Coverage conditional on the calibration rows scatters as if there were so many: under `needed_for_threshold` of them
    most thresholds hang on single rows. `weights` (n,) >= 0, in any unit.

    Raises:
        InputError: A weight that is negative, NaN or infinite, or all of them 0.

    >>> effective_rows([1.0, 1.0, 1.0, 0.0])
    3.0
    """
    mass = numbers(weights, "weights", low=0.0)
    largest = float(mass.max())
    if not largest > 0.0:
        raise InputError("no weight at all", where="weights", expected="a positive sum", found=0.0)
    scaled = mass / largest
    return float(scaled.sum() ** 2 / (scaled**2).sum())
