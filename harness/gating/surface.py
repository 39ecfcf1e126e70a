"""What every pair of thresholds would bring and cost, at once: sums over all requests above each pair."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.gating.requests import Requests
from harness.gating.terms import Limit, Terms, Theta
from harness.records import Floats

__all__ = ["Surface", "floors_of", "levels_of", "surface"]


class Surface(NamedTuple):
    """Means over all requests, one for each pair of thresholds; a rows of entropy, b columns of gain.

    Attributes:
        entropy: (a,) thresholds, ascending.
        gained: (b,) thresholds of predicted gain, ascending.
        gain: (a, b) nDCG units brought per request.
        weight: (a, b) of the limit that carries the price.
        share: (a, b) of requests fully reranked.
    """

    entropy: Floats
    gained: Floats
    gain: Floats
    weight: Floats
    share: Floats

    def theta(self, place: int) -> Theta:
        """The thresholds of a flat place."""
        row, column = divmod(place, len(self.gained))
        return Theta(float(self.entropy[row]), float(self.gained[column]))


def levels_of(signal: Floats, most: int) -> Floats:
    """Thresholds worth trying: every value seen, or `most` values at equal shares of the requests; ascending.

    Raises nothing: the signal was checked with its requests.

    >>> levels_of(np.array([3.0, 1.0, 2.0, 2.0]), 8).tolist()
    [1.0, 2.0, 3.0]
    """
    seen = np.unique(signal)
    if len(seen) <= most:
        return seen
    return np.unique(np.quantile(signal, np.arange(most) / most, method="inverted_cdf"))


def floors_of(requests: Requests) -> Theta:
    """A hundredth of each signal's middle 90 %: what a share is taken of where a threshold is nearly 0."""
    spans = [float(np.ptp(np.quantile(signal, (0.05, 0.95)))) / 100.0
             for signal in (requests.entropy, requests.predicted_gain)]
    return Theta(*(span if span > 0.0 else 1e-12 for span in spans))


def surface(requests: Requests, terms: Terms, limit: Limit) -> Surface:
    """Every pair of thresholds under the terms, with the limit's weight.

    Raises nothing: requests and terms were checked where they were made.

    >>> asked = Requests.of([0.2, 0.9], [0.1, 0.3], [0.0, 0.4], [2.0, 1.0])
    >>> terms = Terms(budget_ms=1.0)
    >>> surface(asked, terms, terms.limit(asked)).gain.tolist()
    [[0.2, 0.2], [0.2, 0.2]]
    """
    floors = floors_of(requests)
    entropy = levels_of(requests.entropy, terms.levels)
    gained = levels_of(requests.predicted_gain, terms.levels)
    lower = terms.below(entropy, 0, floors.entropy), terms.below(gained, 1, floors.gain)

    def both(full: Floats, cheap: Floats) -> Floats:
        total = _above(requests, full - cheap, entropy, gained)
        if cheap.any():
            total = total + _above(requests, cheap, *lower)
        return total / requests.n

    none = np.zeros(requests.n)
    return Surface(entropy, gained, both(requests.gain, requests.cheap_gain), both(limit.full, limit.cheap),
                   both(np.ones(requests.n), none))


def _above(requests: Requests, values: Floats, entropy: Floats, gained: Floats) -> Floats:
    """(a, b) sums of `values` over requests at or above both thresholds."""
    row = np.searchsorted(entropy, requests.entropy, side="right")
    column = np.searchsorted(gained, requests.predicted_gain, side="right")
    shape = (len(entropy) + 1, len(gained) + 1)
    cells = np.bincount(row * shape[1] + column, weights=values, minlength=shape[0] * shape[1]).reshape(shape)
    return np.asarray(cells[::-1, ::-1].cumsum(axis=0).cumsum(axis=1)[::-1, ::-1][1:, 1:], dtype=np.float64)
