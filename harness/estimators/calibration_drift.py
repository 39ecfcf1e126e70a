"""Has calibration moved between two periods? The change of each bin's mean residual, users counted once.

A difference of two calibration errors compares two floors; a change of outcome - predicted is signed, has no floor,
and an interval that a user active in both periods does not narrow.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.estimate import Estimate
from harness.estimators._check import Floats, labels, numbers, same_length, share, zero_one
from harness.estimators.closed import Shape, closed_interval, effective_units

__all__ = ["PROMISES", "Drift", "calibration_drift"]


PROMISES = {
    "even": {200: (0.038, 0.047), 1000: (0.040, 0.053)},
    "rare": {500: (0.007, 0.005), 1000: (0.024, 0.016), 2000: (0.034, 0.037)},
}
"""World: rows: P(low > truth) and P(high < truth), nominally at most .05 each; measured again by `tests/worlds`.

Predictions are Beta(2, 2) and Beta(1, 199), rows independent and half of them in each period.
"""


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
    (r - mean_earlier) / n_earlier; its variance G / (G - 1) sum u_g**2 + 1 / G_later**2
    + 1 / G_earlier**2, one more hit a period than was seen, which matters where hits are few (after Agresti & Caffo
    2000). Each end is the wider of t's and the skew-corrected t's.

    Args:
        residual: (n,) outcome - predicted of both periods together, in [-1, 1].
        later: (n,) 1 in the later period, 0 in the earlier.
        bins: (n,) bins common to both periods, as from `metrics.calibration.equal_mass` of all rows.
        clusters: (n,) labels whose rows depend on each other, also across periods; None for independent rows.
        confidence: Two-sided.

    Returns:
        A bin that one period lacks has a NaN value and an infinite interval; so has any with under two clusters in a
        period.

    Raises:
        InputError: A residual outside [-1, 1] or NaN, `later` that is neither 0 nor 1, lengths that differ, or
            confidence outside (0, 1).

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
    late: NDArray[np.bool_] = zero_one(later, "later") == 1.0
    return late


def _change(values: Floats, later: NDArray[np.bool_], code: NDArray[np.intp], confidence: float) -> Estimate:
    """Mean of the later rows minus that of the earlier, clusters given by code."""
    sides = (later, ~later)
    rows = len(values)
    active = [np.unique(code[side], return_counts=True)[1] for side in sides]
    if min(len(sizes) for sizes in active) < 2:
        value = float(values[later].mean() - values[~later].mean()) if all(side.any() for side in sides) else math.nan
        return Estimate(value, -math.inf, math.inf, rows, confidence, "under two clusters in a period")
    means = [float(values[side].mean()) for side in sides]
    pull = np.where(later, (values - means[0]) / int(later.sum()), (means[1] - values) / int((~later).sum()))
    influence = np.bincount(code, weights=pull)
    influence = influence[np.bincount(code) > 0]
    groups, squares = len(influence), float(influence @ influence)
    shape = Shape(float((influence**3).sum()) / squares**1.5 / 6.0) if squares**1.5 > 0.0 else Shape()
    spare = sum(1.0 / len(sizes) ** 2 for sizes in active)
    error = math.sqrt(groups / (groups - 1) * squares + spare)
    units = min(effective_units(sizes) for sizes in active)
    return _wider(means[0] - means[1], error, shape, n=rows, units=units, confidence=confidence, groups=groups)


def _wider(
    value: float, error: float, shape: Shape, *, n: int, units: float, confidence: float, groups: int
) -> Estimate:
    """The wider of the skew-corrected and the plain t end, at either side: of few hits the skew is itself noise."""
    ends = [
        closed_interval(value, error, one, n=n, units=units, confidence=confidence, support=(-2.0, 2.0))
        for one in (shape, Shape())
    ]
    low, high = min(one.low for one in ends), max(one.high for one in ends)
    return Estimate(value, low, high, n, confidence, f"wider of t and skew-corrected t, {groups} clusters")
