"""A ratio of two sums over units that belong together: clicks per view by user, tokens per second by request."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators._check import labels, numbers, same_length
from harness.estimators.closed import closed_interval, effective_units, ratio_shape

__all__ = ["ratio_interval"]


def ratio_interval(
    numerator: ArrayLike,
    denominator: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    confidence: float = 0.9,
    unit: str = "1",
) -> Estimate:
    """Sum of `numerator` over sum of `denominator` by the delta method, corrected for skewness.

    The influence of unit g is numerator_g - ratio * denominator_g (Deng et al., KDD 2018); its variance is the
    jackknife's, its degrees of freedom those of equally large denominators. With all denominators 1 this is the mean.

    Args:
        numerator: (n,) finite numbers.
        denominator: (n,) numbers >= 0, not all 0.
        clusters: (n,) labels: rows of one label are one unit; None makes every row a unit.
        confidence: Two-sided; each end alone holds with (1 + confidence) / 2.
        unit: Of the ratio.

    Raises:
        InputError: Bad numbers or labels, lengths that differ, a negative denominator or all of them 0, or confidence
            outside (0, 1).

    >>> ratio_interval([1, 0, 2], [10, 5, 10]).value
    0.12
    """
    above, below = numbers(numerator, "numerator"), numbers(denominator, "denominator", low=0.0)
    same_length(numerator=above, denominator=below)
    n = len(above)
    if clusters is not None:
        names = labels(clusters)
        same_length(numerator=above, clusters=names)
        code = np.unique(names, return_inverse=True)[1]
        above, below = (np.bincount(code, weights=column).astype(np.float64) for column in (above, below))
    total = float(below.sum())
    if total <= 0.0:
        raise InputError("sums to nothing", where="denominator", expected="a sum above 0", found=total)
    value = float(above.sum()) / total
    error, shape = ratio_shape(below, above - value * below)
    method = "delta, skew-corrected t" + (f", {len(above)} clusters" if clusters is not None else "")
    return closed_interval(
        value, error, shape, n=n, units=effective_units(below), confidence=confidence, unit=unit, method=method
    )
