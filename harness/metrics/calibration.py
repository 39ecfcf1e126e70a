"""Calibration of probabilities: of the rows said to hold with p, do a share p?

Bins hold equally many rows (Nguyen & O'Connor 2015; Nixon et al. 2019), so that no bin is a handful. Equal
predictions are never parted, whatever the order of rows. What these figures are worth is another room's matter: few
rows give a perfectly calibrated model an error that is far from 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError
from harness.records import Floats

__all__ = ["BINS", "Reliability", "adaptive_ece", "brier", "equal_mass", "reliability"]

BINS = 15


class Reliability(NamedTuple):
    """One row per bin, predictions ascending.

    Attributes:
        counts: (B,) rows.
        predicted: (B,) mean prediction.
        observed: (B,) share of outcomes that held.
        hits: (B,) outcomes that held.

    >>> reliability([0.25, 0.75], [0, 1], bins=1).error
    0.0
    """

    counts: NDArray[np.int64]
    predicted: Floats
    observed: Floats
    hits: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Mean distance of predicted and observed over rows, in [0, 1]: the calibration error. Lower is better."""
        return float((self.counts * np.abs(self.predicted - self.observed)).sum() / self.counts.sum())


def equal_mass(predicted: ArrayLike, *, bins: int = BINS) -> NDArray[np.int64]:
    """(n,) bin of each row, from 0, predictions ascending; at most `bins` of them, each about n / bins rows.

    A group of equal predictions goes where its middle lies, whole; bins left empty by ties are dropped. `predicted`
    (n,) in [0, 1]; bin = floor(bins x middle rank / n) (Nguyen & O'Connor 2015).

    Raises:
        InputError: A prediction outside [0, 1] or NaN, no row, masked or not one dimension, or bins that are no whole
            number from 1.

    >>> equal_mass([0.9, 0.1, 0.2, 0.8], bins=2).tolist(), equal_mass([0.5, 0.5, 0.5, 0.9], bins=4).tolist()
    ([1, 0, 0, 1], [0, 0, 0, 1])
    """
    values = _shares(predicted, "predicted")
    if not isinstance(bins, int | np.integer) or bins < 1:
        raise InputError("out of bounds", where="bins", expected="a whole number of at least 1", found=bins)
    _, code, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    place = np.minimum((2 * ends - counts) * int(bins) // (2 * len(values)), int(bins) - 1)
    tight: NDArray[np.int64] = np.unique(place, return_inverse=True)[1].astype(np.int64)
    return tight[code]


def reliability(predicted: ArrayLike, outcome: ArrayLike, *, bins: int = BINS) -> Reliability:
    """The reliability curve: `predicted` (n,) in [0, 1] against `outcome` (n,) of 0 and 1, in equal-mass bins.

    Per bin Σ predicted / rows against Σ outcome / rows (Murphy & Winkler 1977).

    Raises:
        InputError: As `equal_mass`; an outcome that is neither 0 nor 1, or lengths that differ.

    >>> reliability([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 0], bins=2).observed.tolist()
    [0.0, 0.5]
    """
    values, held = _pair(predicted, outcome)
    code = equal_mass(values, bins=bins)
    counts, hits = np.bincount(code), np.bincount(code, weights=held)
    means = np.bincount(code, weights=values) / counts
    return Reliability(counts.astype(np.int64), means, hits / counts, hits.astype(np.int64))


def adaptive_ece(predicted: ArrayLike, outcome: ArrayLike, *, bins: int = BINS) -> float:
    """Calibration error over equal-mass bins, in [0, 1], lower is better; arguments as in `reliability`.

    Σ_b rows_b |observed_b - predicted_b| / n (Naeini et al. 2015; equal mass: Nixon et al. 2019), `predicted` (n,) in
    [0, 1], `outcome` (n,) of 0 and 1. Never read it without its floor (Roelofs et al. 2022): 15 bins give a perfectly
    calibrated model about .8 sqrt(15 p(1-p) / n).

    Raises:
        InputError: As `reliability`.

    >>> round(adaptive_ece([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 0], bins=2), 3)
    0.25
    """
    return reliability(predicted, outcome, bins=bins).error


def brier(predicted: ArrayLike, outcome: ArrayLike) -> Floats:
    """(n,) squared error of each row, in [0, 1], lower is better (Brier 1950).

    (predicted - outcome)**2, of `predicted` (n,) in [0, 1] and `outcome` (n,) of 0 and 1.

    Raises:
        InputError: As `reliability`, bins apart.

    >>> brier([0.5, 1.0], [1, 1]).tolist()
    [0.25, 0.0]
    """
    values, held = _pair(predicted, outcome)
    found: Floats = (values - held) ** 2
    return found


def _pair(predicted: ArrayLike, outcome: ArrayLike) -> tuple[Floats, Floats]:
    values, held = _shares(predicted, "predicted"), _shares(outcome, "outcome")
    if len(values) != len(held):
        raise InputError("lengths differ", where="outcome", expected=f"{len(values)} as in predicted", found=len(held))
    between = (held != 0.0) & (held != 1.0)
    if between.any():
        index = int(np.argmax(between))
        raise InputError(f"index {index} is neither", where="outcome", expected="0 or 1", found=float(held[index]))
    return values, held


def _shares(x: ArrayLike, name: str) -> Floats:
    """(n,) float64 in [0, 1], n >= 1."""
    if np.ma.isMaskedArray(x) and np.ma.getmaskarray(x).any():
        raise InputError("masked values", where=name, expected="no missing values")
    try:
        array: NDArray[np.generic] = np.asarray(x)
    except (ValueError, TypeError) as error:
        raise InputError("not an array", where=name, expected="one dimension of numbers", found=str(error)) from None
    if array.ndim != 1 or array.size == 0 or array.dtype.kind not in "biuf":
        found = f"{array.dtype.name} of shape {array.shape}"
        raise InputError("not a column of numbers", where=name, expected="one dimension of numbers", found=found)
    values = array.astype(np.float64)
    bad = ~((values >= 0.0) & (values <= 1.0))
    if bad.any():
        index = int(np.argmax(bad))
        raise InputError(
            f"index {index} is out of bounds", where=name, expected="a number from 0 to 1", found=float(values[index])
        )
    return values
