"""Split conformal prediction: the score that a new row stays under with a promised chance, whatever the model.

A score says how badly a prediction missed. If calibration rows and the new row are exchangeable, the new score is at
most the k-th smallest of n calibration scores, k = ceil((n + 1) coverage), with probability k / (n + 1) >= coverage
(Vovk et al. 2005; Papadopoulos et al. 2002; Lei et al., JASA 113, 2018). Where k = n + 1 no row is bad enough to
serve: the threshold is infinite, and so is the band. Ties make it cover more, never less.

The model must not have been fitted on the calibration rows: their scores would be too small, and nothing here can tell.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import InputError
from harness.estimators._check import Floats, count, numbers, same_length, share

__all__ = [
    "SLACK",
    "Bands",
    "absolute_scores",
    "conformal_p",
    "conformal_rank",
    "covered_by",
    "cqr_bands",
    "cqr_scores",
    "needed_for_threshold",
    "split_bands",
    "split_threshold",
]

SLACK = 1e-9  # a product like 100 * .93 may come out a hair over a whole number


class Bands(NamedTuple):
    """An interval for each of m new rows, in the unit of what is predicted; infinite where nothing can be promised."""

    low: Floats
    high: Floats


def conformal_rank(n: int, coverage: float) -> int:
    """ceil((n + 1) coverage), from 1: which of n ascending scores is the threshold; n + 1 where none is.

    The rank of split conformal prediction (Vovk et al. 2005); `n` calibration rows, `coverage` a chance.

    Raises:
        InputError: n that is no whole number of at least 0, or coverage outside (0, 1).

    >>> conformal_rank(99, 0.95), conformal_rank(18, 0.95), conformal_rank(19, 0.95)
    (95, 19, 19)
    """
    rows, promised = count(n, "n"), share(coverage, "coverage")
    return min(rows + 1, max(1, math.ceil((rows + 1) * promised - SLACK)))


def needed_for_threshold(coverage: float) -> int:
    """The least n whose threshold is finite: coverage / (1 - coverage), rounded up.

    There the rank ceil((n + 1) coverage) is n at last (Vovk et al. 2005).

    Raises:
        InputError: Coverage outside (0, 1).

    >>> needed_for_threshold(0.95), needed_for_threshold(0.9)
    (19, 9)
    """
    promised = share(coverage, "coverage")
    return max(1, math.ceil(promised / (1.0 - promised) - SLACK))


def split_threshold(scores: ArrayLike, *, coverage: float = 0.95) -> float:
    """The `conformal_rank`-th smallest of calibration `scores` (n,); infinite under `needed_for_threshold` of them.

    After Papadopoulos et al. 2002 and Vovk et al. 2005.

    Args:
        scores: One finite number per calibration row, larger where the prediction is worse; in the score's unit.
        coverage: Promised chance, inside (0, 1), that a new row's score is at most the threshold.

    Raises:
        InputError: A score that is NaN or infinite, or coverage outside (0, 1).

    >>> split_threshold(range(1, 100), coverage=0.9), split_threshold(range(8), coverage=0.9)
    (90.0, inf)
    """
    values = numbers(scores, "scores", least=0)
    rank = conformal_rank(len(values), coverage)
    return math.inf if rank > len(values) else float(np.partition(values, rank - 1)[rank - 1])


def absolute_scores(truth: ArrayLike, predicted: ArrayLike) -> Floats:
    """|truth - predicted| (n,): the score whose bands are `split_bands`.

    `truth`, `predicted`: (n,), in one unit, which is the score's (Lei et al., JASA 113, 2018).

    Raises:
        InputError: NaN or infinite values, or lengths that differ.

    >>> absolute_scores([3.0, 5.0], [4.0, 4.5]).tolist()
    [1.0, 0.5]
    """
    actual, guess = numbers(truth, "truth", least=0), numbers(predicted, "predicted", least=0)
    same_length(truth=actual, predicted=guess)
    found: Floats = np.abs(actual - guess)
    return found


def cqr_scores(truth: ArrayLike, low: ArrayLike, high: ArrayLike) -> Floats:
    """max(low - truth, truth - high) (n,): conformalised quantile regression (Romano et al., NeurIPS 2019).

    Negative where the truth lies inside the model's own interval: a model that is too cautious is narrowed. `truth`,
    `low`, `high`: (n,), in one unit.

    Raises:
        InputError: NaN or infinite values, or lengths that differ.

    >>> cqr_scores([3.0, 9.0], low=[2.0, 2.0], high=[6.0, 6.0]).tolist()
    [-1.0, 3.0]
    """
    actual, lower, upper = (numbers(x, name, least=0) for x, name in ((truth, "truth"), (low, "low"), (high, "high")))
    same_length(truth=actual, low=lower, high=upper)
    found: Floats = np.maximum(lower - actual, actual - upper)
    return found


def split_bands(predicted: ArrayLike, thresholds: ArrayLike | float) -> Bands:
    """Predicted -/+ threshold, for (m,) predictions and one threshold or (m,) of them (+inf where infinite).

    `predicted` (m,) -/+ `thresholds`, one or (m,), all in one unit (Lei et al., JASA 113, 2018).

    Raises:
        InputError: As `cqr_bands`.

    >>> split_bands([10.0], 2.0).high.tolist(), split_bands([10.0], float("inf")).low.tolist()
    ([12.0], [-inf])
    """
    middle = numbers(predicted, "predicted", least=0)
    return cqr_bands(middle, middle, thresholds)


def cqr_bands(low: ArrayLike, high: ArrayLike, thresholds: ArrayLike | float) -> Bands:
    """The model's (m,) low - threshold and high + threshold: the bands of `cqr_scores`.

    A negative threshold may cross the ends; then low > high and the band holds nothing, as the promise
    allows. `thresholds`: one or (m,), in the unit of the ends (Romano et al., NeurIPS 2019).

    Raises:
        InputError: NaN or infinite ends, lengths that differ, thresholds that are NaN or of another length.

    >>> cqr_bands([2.0], [6.0], -1.0).low.tolist(), cqr_bands([2.0], [6.0], -1.0).high.tolist()
    ([3.0], [5.0])
    """
    lower, upper = numbers(low, "low", least=0), numbers(high, "high", least=0)
    same_length(low=lower, high=upper)
    reach = _thresholds(thresholds, len(lower))
    return Bands(lower - reach, upper + reach)


def _thresholds(thresholds: ArrayLike | float, rows: int) -> Floats:
    """(rows,) thresholds: finite or infinite, never NaN."""
    given = np.asarray(thresholds)
    if given.dtype.kind not in "biuf":
        raise InputError("not numbers", where="thresholds", expected=f"one number, or {rows}", found=thresholds)
    found = given.astype(np.float64)
    if found.ndim > 1 or (found.ndim == 1 and len(found) != rows):
        raise InputError("wrong shape", where="thresholds", expected=f"one number, or {rows}", found=found.shape)
    if np.isnan(found).any():
        index = int(np.argmax(np.isnan(np.atleast_1d(found))))
        raise InputError(f"index {index} is not a number", where="thresholds", expected="no NaN", found=math.nan)
    return np.broadcast_to(found, (rows,))


def covered_by(truth: ArrayLike, bands: Bands) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(m,) whether low <= truth <= high.

    `truth` (m,) in the unit of the `bands`, whose ends are (m,) too; a definition, without source.

    Raises:
        InputError: NaN or infinite truths, bands of another length.

    >>> covered_by([1.0, 5.0], Bands([0.0, 0.0], [2.0, 2.0])).tolist()
    [True, False]
    """
    actual = numbers(truth, "truth", least=0)
    low, high = _thresholds(bands.low, len(actual)), _thresholds(bands.high, len(actual))
    return (low <= actual) & (actual <= high)


def conformal_p(scores: ArrayLike, new: ArrayLike) -> Floats:
    """(m,) p-values (1 + calibration scores at or over the new one) / (n + 1): at most u with chance u at most.

    The dual of `split_threshold`: a row lies over the threshold where p <= 1 - coverage. Never 0; 1 without rows.
    `scores` (n,), `new` (m,), in one unit (Vovk et al. 2005).

    Raises:
        InputError: A score, old or new, that is NaN or infinite.

    >>> conformal_p([1.0, 2.0, 3.0], [0.0, 2.5, 9.0]).tolist()
    [1.0, 0.5, 0.25]
    """
    known, fresh = np.sort(numbers(scores, "scores", least=0)), numbers(new, "new", least=0)
    above = len(known) - np.searchsorted(known, fresh, side="left")
    found: Floats = (above + np.float64(1.0)) / np.float64(len(known) + 1)
    return found
