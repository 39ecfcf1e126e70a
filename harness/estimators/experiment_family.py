"""Many tests at once: which correction, and when none is needed.

One alarm suffices to act: `holm` keeps the chance of any false one under alpha, whatever the dependence. A list to look
into: `benjamini_hochberg` keeps the expected share of false ones in it under alpha, for independent or positively
dependent tests. All must pass (each slice above its floor): no correction; each at alpha, `all_of` (Berger 1982).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.estimators._check import Floats, numbers

__all__ = ["all_of", "benjamini_hochberg", "holm"]


def holm(p: ArrayLike) -> Floats:
    """Holm's adjusted p (Scand. J. Statistics 6, 1979) of `p` (m,) within [0, 1], in the order given; reject at alpha.

    Of p ascending, p_(i) becomes the greatest of min(1, (m - j + 1) p_(j)) over j <= i.

    Raises:
        InputError: A p outside [0, 1], NaN, or none at all.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values = numbers(p, "p", low=0.0, high=1.0)
    order = np.argsort(values, kind="stable")
    return _back(np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)), order)


def benjamini_hochberg(p: ArrayLike) -> Floats:
    """Benjamini & Hochberg's adjusted p (JRSS-B 57, 1995) of `p` (m,) within [0, 1], in the order given.

    Of p ascending, p_(i) becomes the least of m p_(j) / j over j >= i, at most 1.

    Raises:
        InputError: A p outside [0, 1], NaN, or none at all.

    >>> benjamini_hochberg([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.04, 0.04]
    """
    values = numbers(p, "p", low=0.0, high=1.0)
    order = np.argsort(values, kind="stable")
    stepped = values[order] * len(values) / np.arange(1, len(values) + 1)
    return _back(np.minimum.accumulate(stepped[::-1])[::-1], order)


def all_of(p: ArrayLike) -> float:
    """P of "every claim holds" against "some claim fails", for `p` (m,) of each claim: the greatest, uncorrected.

    Intersection-union (Berger, Technometrics 24, 1982): if some claim fails, its own test already keeps alpha.

    Raises:
        InputError: A p outside [0, 1], NaN, or none at all.

    >>> all_of([0.01, 0.04, 0.03])
    0.04
    """
    return float(numbers(p, "p", low=0.0, high=1.0).max())


def _back(adjusted: Floats, order: NDArray[np.int64]) -> Floats:
    found = np.empty(len(adjusted))
    found[order] = np.minimum(adjusted, 1.0)
    return found
