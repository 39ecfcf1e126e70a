"""Has calibration moved between two periods? The change of each bin's mean residual, users counted once.

A difference of two calibration errors compares two floors; a change of outcome - predicted is signed, has no floor,
and an interval that a user active in both periods does not narrow.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators._check import Floats, labels, numbers, same_length, share
from harness.estimators.closed import Shape, closed_interval, effective_units

__all__ = ["Drift", "calibration_drift"]


class Drift(NamedTuple):
    """Changes of the mean residual (outcome - predicted), later - earlier.

    Attributes:
        overall: Over all rows, at the stated confidence.
        bins: By bin, all together at the stated confidence (Bonferroni).
    """

    overall: Estimate
    bins: dict[str, Estimate]


def calibration_drift(
    residual: ArrayLike,
    later: ArrayLike,
    bins: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    confidence: float = 0.9,
) -> Drift:
    """The change of mean residual between two periods, overall and by bin, with intervals.

    The influence of cluster g on the difference is u_g = sum_later (r - mean_later) / n_later - sum_earlier
    (r - mean_earlier) / n_earlier; the variance G / (G - 1) sum u_g**2, the interval skew-corrected t.

    Args:
        residual: (n,) outcome - predicted of both periods together, in [-1, 1].
        later: (n,) 1 in the later period, 0 in the earlier.
        bins: (n,) bins common to both periods, as from `metrics.calibration.equal_mass` of all rows.
        clusters: (n,) labels whose rows depend on each other, also across periods; None for independent rows.
        confidence: Two-sided.

    Returns:
        A bin that one period lacks has a NaN value and an infinite interval; so has any with under two clusters in a
        period.

    >>> found = calibration_drift([0.1, -0.1] * 200 + [0.3, 0.1] * 200, [0] * 400 + [1] * 400, [0, 1] * 400)
    >>> round(found.overall.value, 3), found.overall.low > 0.18, sorted(found.bins)
    (0.2, True, ['0', '1'])
    """
    values, names = numbers(residual, "residual", low=-1.0, high=1.0), labels(bins, "bins")
    period = _period(later)
    who = np.arange(len(values)) if clusters is None else labels(clusters)
    same_length(residual=values, later=period, bins=names, clusters=who)
    code = np.unique(who, return_inverse=True)[1]
    distinct = np.unique(names)
    each = 1.0 - (1.0 - share(confidence, "confidence")) / len(distinct)
    parts = {str(name): names == name for name in distinct.tolist()}
    return Drift(
        _change(values, period, code, confidence),
        {name: _change(values[rows], period[rows], code[rows], each) for name, rows in parts.items()},
    )


def _period(later: ArrayLike) -> NDArray[np.bool_]:
    values = numbers(later, "later", low=0.0, high=1.0)
    between = (values != 0.0) & (values != 1.0)
    if between.any():
        index = int(np.argmax(between))
        raise InputError(f"index {index} is neither", where="later", expected="0 or 1", found=float(values[index]))
    late: NDArray[np.bool_] = values == 1.0
    return late


def _change(values: Floats, later: NDArray[np.bool_], code: NDArray[np.intp], confidence: float) -> Estimate:
    """Mean of the later rows minus that of the earlier, clusters given by code."""
    sides = (later, ~later)
    rows = len(values)
    fewest = min(len(np.unique(code[side])) for side in sides)
    if fewest < 2:
        value = float(values[later].mean() - values[~later].mean()) if all(side.any() for side in sides) else math.nan
        return Estimate(value, -math.inf, math.inf, rows, confidence, "under two clusters in a period")
    means = [float(values[side].mean()) for side in sides]
    pull = np.where(later, (values - means[0]) / int(later.sum()), (means[1] - values) / int((~later).sum()))
    influence = np.bincount(code, weights=pull)
    influence = influence[np.bincount(code) > 0]
    groups, squares = len(influence), float(influence @ influence)
    shape = Shape(float((influence**3).sum()) / squares**1.5 / 6.0) if squares > 0.0 else Shape()
    units = min(effective_units(np.unique(code[side], return_counts=True)[1]) for side in sides)
    error = math.sqrt(groups / (groups - 1) * squares)
    return closed_interval(
        means[0] - means[1],
        error,
        shape,
        n=rows,
        units=units,
        confidence=confidence,
        support=(-2.0, 2.0),
        method=f"skew-corrected t, {groups} clusters",
    )
