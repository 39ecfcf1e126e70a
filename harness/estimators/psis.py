"""How heavy the tail of importance weights is: the Pareto shape κ of the largest of them, and when there is none.

A generalised Pareto law is fitted to the largest M = min(S / 5, 3 √S) of S weights (Vehtari et al., JMLR 25:72,
2024) by the posterior mean of Zhang & Stephens (Technometrics 51, 2009), and drawn towards .5 by ten rows' worth.
κ >= .5: no finite variance; κ >= 1: no finite mean. An estimate is believed at κ < min(1 - 1 / log10 S, .7).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import InputError
from harness.estimators._check import Floats, count, numbers, real
from harness.estimators.weights import TopWeights, largest_of

__all__ = ["LEAST_TAIL", "MOST_KAPPA", "Tail", "gpd_shape", "kappa_limit", "pareto_tail", "tail_of", "tail_rows"]

MOST_KAPPA = 0.7
LEAST_TAIL = 5  # excesses under which no shape is fitted
PRIOR_ROWS, PRIOR_KAPPA = 10.0, 0.5
FACTORS = 16  # a power of two: how many factors share a logarithm
SMALL, LARGE = 1e-2, 1e18  # the size of theta between which that many factors neither round nor overflow
TIED = 0.25  # a tail with fewer distinct values than this share of its rows is a list of atoms


class Tail(NamedTuple):
    """The tail of n weights.

    Attributes:
        kappa: Its shape; NaN where it has none (see `why`).
        limit: κ must lie under this.
        rows: Weights in the tail that was fitted.
        n: All weights, zeros included.
        bound: Greatest weight that can occur: as stated by the caller, else the largest seen.
        why: Empty where κ is defined; else `bounded`, `tied`, `too few rows` or `no weight`.

    >>> pareto_tail([1.0] * 300).by_bound, Tail(0.9, 0.7, 300, 10_000, 50.0).by_bound
    (True, False)
    """

    kappa: float
    limit: float
    rows: int
    n: int
    bound: float
    why: str = ""

    @property
    def by_bound(self) -> bool:
        """Whether the law of the weights has an end, so that its bound is to be judged and not κ."""
        return self.why in {"bounded", "tied"}


def kappa_limit(n: int) -> float:
    """min(1 - 1 / log10 n, .7): with fewer rows, a lighter tail is needed. -inf for n <= 1.

    `n` weights in all (Vehtari et al. 2024).

    Raises:
        InputError: n that is no whole number of at least 0.

    >>> round(kappa_limit(1000), 4), kappa_limit(100_000)
    (0.6667, 0.7)
    """
    return min(1.0 - 1.0 / math.log10(n), MOST_KAPPA) if count(n, "n") > 1 else -math.inf


def tail_rows(n: int) -> int:
    """M = min(n / 5, 3 √n), rounded up: how many of n weights are the tail.

    M is in rows, and that of Vehtari et al. 2024.

    Raises:
        InputError: n that is no whole number of at least 0.

    >>> tail_rows(100), tail_rows(10_000)
    (20, 300)
    """
    return math.ceil(min(count(n, "n") / 5.0, 3.0 * math.sqrt(n)))


def pareto_tail(weights: ArrayLike, *, bound: float | None = None) -> Tail:
    """The tail of `weights` (n,), >= 0.

    The `gpd_shape` of the M largest less the next (Vehtari et al. 2024); κ has no unit.

    Args:
        weights: Not logarithms: a negative number is refused, never negated.
        bound: Greatest weight that can occur, if known (uniform logging of A actions: A). Then κ, which describes
            tails without end, is noise, and is not computed.

    Raises:
        InputError: NaN, infinite or negative weights; none at all; a bound under the largest weight, or infinite.

    >>> import numpy as np
    >>> heavy = np.random.default_rng(5).pareto(1.0 / 0.9, 10_000)
    >>> found = pareto_tail(heavy)
    >>> found.kappa > found.limit, pareto_tail([1.0, 2.0] * 500).why
    (True, 'tied')
    """
    values = numbers(weights, "weights", low=0.0)
    return _tail(largest_of(values, tail_rows(len(values)) + 1), len(values), bound)


def tail_of(state: TopWeights, *, bound: float | None = None) -> Tail:
    """The same from a merged state. One that keeps fewer than M + 1 weights is fitted on those that it keeps.

    κ of the state's largest weights, without unit (Vehtari et al. 2024).

    Raises:
        InputError: A bound under the largest weight.

    >>> tail_of(TopWeights.of([1.0, 2.0, 3.0])).why
    'too few rows'
    """
    return _tail(state.largest, state.n, bound)


def _tail(top: Floats, n: int, bound: float | None) -> Tail:
    """The tail of n weights from the largest of them, descending."""
    limit, rows = kappa_limit(n), max(0, min(tail_rows(n), len(top) - 1))
    most = float(top[0]) if len(top) else math.nan
    if bound is not None and not real(bound, "bound") >= (most if len(top) else 0.0):
        raise InputError("under the largest weight", where="bound", expected=f"at least {most:g}", found=bound)
    if not most > 0.0:
        return Tail(math.nan, limit, 0, n, most, "no weight")
    if bound is not None:
        return Tail(math.nan, limit, 0, n, float(bound), "bounded")
    if rows < LEAST_TAIL:
        return Tail(math.nan, limit, rows, n, most, "too few rows")
    tail, least = top[rows::-1], 1e-12 * most
    excess = tail[1:] - tail[0]
    if not excess[0] > least:
        excess = excess[np.searchsorted(excess, least, side="right") :]
    distinct = 1 + int(np.count_nonzero(tail[1:] - tail[:-1] > least))
    if len(excess) < LEAST_TAIL or distinct < max(LEAST_TAIL, TIED * rows):
        return Tail(math.nan, limit, rows, n, most, "tied")
    return Tail(_posterior(excess), limit, len(excess), n, most)


def gpd_shape(excess: ArrayLike) -> float:
    """Shape of the generalised Pareto law of `excess` (m,), > 0, m >= 5: heavy tails are positive.

    Zhang & Stephens' posterior mean (Technometrics 51, 2009) over 30 + √m profile points, with the tail's own prior of
    ten rows at .5. `excess` in any unit.

    Raises:
        InputError: Under five excesses, or one that is not above 0 and finite.

    >>> import numpy as np
    >>> round(gpd_shape(np.random.default_rng(1).pareto(2.0, 4000)), 1)
    0.5
    """
    x = np.sort(numbers(excess, "excess", low=0.0, least=LEAST_TAIL))
    if not x[0] > 0.0:
        raise InputError("index of a 0", where="excess", expected="numbers above 0", found=float(x[0]))
    return _posterior(x)


def _posterior(x: Floats) -> float:
    """`gpd_shape` of ascending excesses above 0."""
    m, points = len(x), 30 + math.isqrt(len(x))
    quartile = float(x[int(m / 4 + 0.5) - 1] / x[-1])
    theta = 1.0 + (1.0 - np.sqrt(points / np.arange(0.5, points))) / (3.0 * quartile)
    theta = theta[np.abs(theta) > 1e-12]
    padded = np.zeros(-(-m // FACTORS) * FACTORS)
    np.divide(x, x[-1], out=padded[:m])
    shape = _shapes(theta, padded, m)
    fit = m * (np.log(-theta / shape) - shape)
    mass = np.exp(fit - fit.max())
    best = float(theta @ mass / mass.sum())
    kappa = float(np.log1p(-best * padded).sum()) / m
    return (m * kappa + PRIOR_ROWS * PRIOR_KAPPA) / (m + PRIOR_ROWS)


def _shapes(theta: Floats, x: Floats, m: int) -> Floats:
    """The shape that fits best at each theta (-shape / scale): the mean of log(1 - theta x) over m excesses.

    `x` ends in zeros up to a multiple of `FACTORS`; a logarithm is taken of as many factors at once, where their
    product neither overflows nor rounds away a theta near 0.
    """
    factors = np.dot(x[:, np.newaxis], theta[np.newaxis])  # the outer product, at BLAS' speed
    np.subtract(1.0, factors, out=factors)
    width = len(x)
    while width > len(x) // FACTORS:
        width //= 2
        factors[:width] *= factors[width : 2 * width]
    found = np.asarray(np.log(factors[:width]).sum(axis=0) / m)
    size = np.abs(theta)
    alone = (size < SMALL) | (size > LARGE)
    if np.count_nonzero(alone):
        found[alone] = np.log1p(-np.multiply.outer(x, theta[alone])).sum(axis=0) / m
    return found
