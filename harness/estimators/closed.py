"""The closed form that decides gates: a skew-corrected t interval, from sums alone.

DiCiccio & Efron's ABC interval (Biometrika 79, 1992) is what BCa gives without resampling. For a mean it needs
n, mean, variance and third moment; for a ratio of sums over clusters, those of the clusters' influence. Here its
normal quantile is Student's t and its variance the unbiased one, so that small samples are not promised too much.

Under `LOWER_BOUND_MIN_N` units the skewness is itself mostly noise (80 % zeros and n = 20: a miss rate of .14 for
.05), so that each end is the wider of this and the plain t end. `PROMISES` states what is left; losses too rare to be
in the sample nothing can correct (`rare`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators._check import count, level, numbers, real, same_length, share, span
from harness.estimators.rare import LOWER_BOUND_MIN_N

__all__ = [
    "CLUSTER_PROMISES",
    "PROMISES",
    "Shape",
    "Support",
    "abc_ends",
    "closed_interval",
    "effective_units",
    "ratio_shape",
]

Support = tuple[float, float] | None

PROMISES = {
    "normal": {20: (0.047, 0.045), 200: (0.051, 0.049), 1000: (0.048, 0.050)},
    "80 % zeros": {20: (0.033, 0.031), 200: (0.060, 0.060), 1000: (0.049, 0.054)},
    "exponential": {20: (0.022, 0.075), 200: (0.051, 0.055), 1000: (0.052, 0.052)},
}
"""World: n: P(low > truth) and P(high < truth), nominally .05 each; measured again by `tests/worlds`."""

CLUSTER_PROMISES = {
    "normal effects": {60: (0.047, 0.048), 120: (0.054, 0.050)},
    "exponential effects": {60: (0.025, 0.088), 120: (0.024, 0.083)},
}
"""The same by number of clusters: log-normal sizes (sigma 1, median 12), intra-class correlation .3."""

MOST = float(np.finfo(np.float64).max)
NOISE = 1e-12  # a spread this small is rounding, not variation


class Shape(NamedTuple):
    """What the ABC interval knows of a sample: all four vanish for a symmetric mean.

    Attributes:
        acceleration: Sum of cubed influences over 6 (sum of squared influences) ** 1.5.
        bias: Bias of the statistic, in standard errors.
        curvature: Second derivative of the statistic along the least favourable direction, halved, in standard errors.
    """

    acceleration: float = 0.0
    bias: float = 0.0
    curvature: float = 0.0


def closed_interval(
    value: float,
    error: float,
    shape: Shape,
    *,
    n: int,
    units: float,
    confidence: float,
    unit: str = "1",
    support: Support = None,
    method: str = "skew-corrected t",
) -> Estimate:
    """The estimate with its ABC-t interval.

    The ends of `abc_ends` with Student's t for the normal quantile (DiCiccio & Efron, Biometrika 79, 1992), `value` and
    `error` in `unit`.

    Args:
        value: The statistic; NaN where there is no observation.
        error: Its standard error by the unbiased variance; not read under two units.
        shape: Third-order shape of the statistic.
        n: Observations.
        units: Independent units among them (observations, or clusters of equal size); units - 1 degrees of freedom.
        confidence: Two-sided; each end alone misses with (1 - confidence) / 2.
        unit: Of the value.
        support: Least and greatest possible value, if known; the interval is kept within it.
        method: Name of the interval.

    Returns:
        Under two units an infinite interval (or the support); where all units agree, see `_unseen`.

    Raises:
        InputError: Confidence outside (0, 1), a support whose ends are out of order, n that is not whole, units under
            0; from two units on, a value, error or shape that is not finite, or an error under 0.

    >>> found = closed_interval(0.3, 0.02, Shape(acceleration=0.01), n=400, units=400, confidence=0.9)
    >>> round(found.low, 4), round(found.high, 4)
    (0.2683, 0.3343)
    """
    tail, within, rows = level(confidence), span(support), count(n, "n")
    if _at_least_0(units, "units") < 2:
        low, high = within or (-math.inf, math.inf)
        return Estimate(value, low, high, rows, confidence, "under two units", unit)
    _finite(value, error, shape)
    if error * math.sqrt(units) <= NOISE * max(1.0, abs(value)):
        low, high = _unseen(value, units, tail, unit, within)
        method = "no variation seen"
    else:
        low, high = _ends(value, error, shape, units, tail)
    if within:
        low, high = max(low, min(within[0], value)), min(high, max(within[1], value))
    return Estimate(value, low, high, rows, confidence, method, unit)


def _finite(value: float, error: float, shape: Shape) -> None:
    """Refuse what would end in NaN, or in ends that have changed places."""
    for name, number in (("value", value), *shape._asdict().items()):
        real(number, name)
    _at_least_0(error, "error")


def _at_least_0(value: float, name: str) -> float:
    number = real(value, name)
    if number < 0.0:
        raise InputError("out of bounds", where=name, expected="a number of at least 0", found=value)
    return number


def _ends(value: float, error: float, shape: Shape, units: float, tail: float) -> tuple[float, float]:
    from scipy.special import stdtrit

    reach = float(stdtrit(units - 1, 1.0 - tail))
    low, high = value + error * _abc(-reach, shape), value + error * _abc(reach, shape)
    if units < LOWER_BOUND_MIN_N:
        low, high = min(low, value - reach * error), max(high, value + reach * error)
    return low, high


def abc_ends(value: float, error: float, shape: Shape, tail: float) -> tuple[float, float]:
    """The plain ABC ends, by the normal quantile and a plug-in error in the value's unit, at miss rate `tail` each.

    With q = z0 +- z and s = 1 - acceleration q, an end lies q / s**2 / (1 - curvature q / s**2) errors away (DiCiccio &
    Efron, Biometrika 79, 1992); infinite where a denominator is not above 0.

    Raises:
        InputError: A value, error or shape that is not finite, an error under 0, or a tail outside (0, 1).

    >>> [round(end, 3) for end in abc_ends(0.0, 1.0, Shape(), 0.05)]
    [-1.645, 1.645]
    """
    from scipy.special import ndtri

    _finite(value, error, shape)
    reach = float(ndtri(1.0 - share(tail, "tail")))
    return value + error * _abc(-reach, shape), value + error * _abc(reach, shape)


def _abc(quantile: float, shape: Shape) -> float:
    """Where the ABC end lies, in standard errors from the value, for a normal or t quantile."""
    shifted = _centre(shape) + quantile
    slack = 1.0 - shape.acceleration * shifted
    if slack <= 0.0:
        return math.copysign(math.inf, quantile)
    along = shifted / slack**2
    bend = 1.0 - shape.curvature * along
    return along / bend if bend > 0.0 else math.copysign(math.inf, quantile)


def _centre(shape: Shape) -> float:
    """The bias correction z0 of a statistic of this shape."""
    from scipy.special import ndtr, ndtri

    below = 2.0 * float(ndtr(shape.acceleration)) * float(ndtr(shape.curvature - shape.bias))
    return float(ndtri(min(max(below, 1e-12), 1.0 - 1e-12)))


def _unseen(value: float, units: float, tail: float, unit: str, support: Support) -> tuple[float, float]:
    """Ends where all units agree: values may exist that so few draws have missed.

    A share of up to 1 - tail ** (1 / units) of the population stays unseen at this miss rate; each end allows for it
    at the far end of the support, or, where that is unknown, one away (unit "1") or anywhere (any other unit).
    """
    share = -math.expm1(math.log(tail) / units)
    if support:
        return value - share * (value - support[0]), value + share * (support[1] - value)
    reach = 1.0 if unit == "1" else math.inf
    return value - share * reach, value + share * reach


def ratio_shape(sizes: ArrayLike, influence: ArrayLike) -> tuple[float, Shape]:
    """Jackknife standard error of a ratio of sums over units, and its ABC shape in closed form.

    `sizes` (G,) are the units' denominators, `influence` (G,) numerator - ratio * denominator, which sum to 0.

    With influences u_g, sizes n_g of mean m and G clusters: u_g / m and -2 u_g (n_g - m) / m**2 are the first and
    second derivatives of the ratio in cluster g's weight; the least favourable direction bends the ratio by the same
    pull that biases it (DiCiccio & Efron 1992).

    Under two units, or without variation, the shape is flat.

    Raises:
        InputError: A size that is negative, NaN or infinite, an influence that is NaN or infinite, lengths that differ.

    >>> import numpy as np
    >>> error, shape = ratio_shape(np.ones(4), np.array([-1.0, 0.0, 0.0, 1.0]))
    >>> round(error, 4), shape.acceleration
    (0.4082, 0.0)
    """
    masses = numbers(sizes, "sizes", low=0.0, high=MOST, least=0)
    pulls = numbers(influence, "influence", low=-MOST, high=MOST, least=0)
    same_length(sizes=masses, influence=pulls)
    units, total = len(masses), float(masses.sum())
    squares = float((pulls**2).sum())
    if units < 2 or squares <= 0.0:
        return (0.0 if units > 1 else math.inf), Shape()
    pull = float((pulls * masses).sum()) / (total * math.sqrt(squares))
    acceleration = float((pulls**3).sum()) / squares / math.sqrt(squares) / 6.0
    without = pulls / (total - masses)
    error = math.sqrt((units - 1) / units * float((without**2).sum()))
    return error, Shape(acceleration, bias=-pull, curvature=-pull)


def effective_units(sizes: ArrayLike) -> float:
    """Kish's number of equally large units that would weigh as these `sizes` (G,) do: G if they are equal.

    (sum n_g)**2 / sum n_g**2 (Kish 1965).

    Sizes that are all 0, or none, are worth 0 units.

    Raises:
        InputError: A size that is negative, NaN or infinite.

    >>> import numpy as np
    >>> effective_units(np.array([5, 5, 5])), effective_units(np.array([10, 1, 1])) < 1.5
    (3.0, True)
    """
    masses = numbers(sizes, "sizes", low=0.0, high=MOST, least=0)
    squares = float((masses**2).sum())
    return float(masses.sum()) ** 2 / squares if squares > 0.0 else 0.0
