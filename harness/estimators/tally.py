"""A mergeable count of hits in trials: errors in requests, agreements in queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators._check import numbers
from harness.estimators.proportions import clopper_pearson

__all__ = ["Tally"]


@dataclass(frozen=True)
class Tally:
    """Hits among n trials, a share without unit (Clopper & Pearson 1934).

    >>> Tally.of([True, False]).merge(Tally.of([True, True])).estimate().value
    0.75
    """

    hits: int = 0
    n: int = 0

    @classmethod
    def of(cls, hit: ArrayLike) -> Tally:
        """The state of a batch (n,) of booleans, or of numbers that are 0 or 1; an empty batch is the identity.

        Raises:
            InputError: What is neither 0 nor 1, NaN, or not one dimension.
        """
        values = numbers(hit, "hit", low=0.0, high=1.0, least=0)
        neither = (values != 0.0) & (values != 1.0)
        if neither.any():
            at = int(np.argmax(neither))
            what = f"index {at} is neither a hit nor a miss"
            raise InputError(what, where="hit", expected="0 or 1", found=float(values[at]))
        return cls(int(values.sum()), len(values))

    def merge(self, other: Tally) -> Tally:
        """The state of both batches together."""
        return Tally(self.hits + other.hits, self.n + other.n)

    def estimate(self, *, confidence: float = 0.9) -> Estimate:
        """The share of hits with Clopper and Pearson's interval; of no trial NaN in (0, 1).

        Raises:
            InputError: Confidence outside (0, 1).
        """
        return clopper_pearson(self.hits, self.n, confidence=confidence)
