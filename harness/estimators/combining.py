"""Many p-values as one: "every p above .05" fails valid data for sure once there are strata enough."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import InputError
from harness.estimators._check import Floats, count, numbers, share

__all__ = ["bonferroni_combined", "draws_needed", "fisher_combined"]


def fisher_combined(p: ArrayLike) -> float:
    """Fisher's combination (1932) of independent p-values (k,): P(chi2 with 2k degrees > -2 sum log p).

    Strong against many small effects. Discrete p-values make it conservative.

    Raises:
        InputError: A p outside (0, 1], NaN, or no p at all: a p of 0 is no p of a test by permutation.

    >>> round(fisher_combined([0.1, 0.1]), 4)
    0.0561
    """
    from scipy.special import chdtrc

    values = _p_values(p)
    return float(chdtrc(2.0 * len(values), -2.0 * np.log(values).sum()))


def bonferroni_combined(p: ArrayLike) -> float:
    """The least of k p-values times k, at most 1: strong against one large effect, whatever the dependence.

    min(1, k min p), of `p` (k,) (Dunn, JASA 56, 1961).

    Raises:
        InputError: As `fisher_combined`.

    >>> bonferroni_combined([0.01, 0.6])
    0.02
    """
    values = _p_values(p)
    return min(1.0, float(values.min()) * len(values))


def _p_values(p: ArrayLike) -> Floats:
    values = numbers(p, "p", low=0.0, high=1.0)
    if (values == 0.0).any():
        at = int(np.argmax(values == 0.0))
        raise InputError(f"index {at} is 0", where="p", expected="above 0, as (1 + hits) / (1 + draws) is", found=0.0)
    return values


def draws_needed(strata: int, *, alpha: float = 0.05) -> int:
    """The least number of permutations whose smallest p, 1 / (1 + draws), Bonferroni over `strata` can reject.

    ceil(strata / alpha) - 1, as p >= 1 / (1 + draws) (Phipson & Smyth 2010).

    Raises:
        InputError: Strata that are no whole number of at least 1, or alpha outside (0, 1).

    >>> draws_needed(200)
    3999
    """
    return math.ceil(round(count(strata, "strata", least=1) / share(alpha, "alpha"), 6)) - 1
