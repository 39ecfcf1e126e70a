"""Intervals for any mean at every look: Student's mixture, exact for normal values, and its asymptotic limit.

Both lean on the central limit theorem unless the values are normal, and the theorem is late where few values carry
the variance: clicks at a rate of .004 drive an unguarded sequence out in 99 of 100 A/A runs. So both are silent until
two things hold: `start` observations, and `carriers` of them that bear the variance, (sum d**2)**2 / sum d**4 for
deviations d from the mean, which is n over the kurtosis and for rare clicks about their number. Silence costs no
coverage. `PROMISES` is what is left.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError
from harness.estimators._check import ROUNDING, Floats, count, level, numbers, real
from harness.estimators.sequential import ConfidenceSequence

__all__ = ["PROMISES", "asymptotic_sequence", "carriers_so_far", "student_sequence"]

START, CARRIERS = 100, 50
NOISE = 1e-12  # a spread this small beside the values is rounding, not variation


def asymptotic_sequence(
    x: ArrayLike,
    *,
    confidence: float = 0.9,
    start: int = START,
    carriers: float = CARRIERS,
    tuned_for: int = 1000,
    unit: str = "1",
) -> ConfidenceSequence:
    """Asymptotic confidence sequence (Waudby-Smith et al., Annals of Statistics 52, 2024) of the mean of `x` (n,).

    Mean -+ s sqrt(2 (n r**2 + 1) / (n**2 r**2) log(sqrt(n r**2 + 1) / a)) with a = 1 - confidence, s the plug-in
    standard deviation so far and r such that it is narrowest at `tuned_for`. Both ends together miss with a, each
    with about half of it.

    Args:
        x: (n,) finite numbers in order of arrival; for paired arms, their differences.
        confidence: Two-sided, of all looks together.
        start: The first look, in observations, that promises anything; at least 10.
        carriers: Observations that must carry the variance, see above; 0 switches the guard off.
        tuned_for: Observations at which the interval is narrowest.
        unit: Of the values.

    Returns:
        One look per value, infinite ends where it is silent.

    Raises:
        InputError: NaN or infinite values, none at all, a start under 10, carriers under 0, confidence outside (0, 1).

    >>> found = asymptotic_sequence([-1.0, 1.0] * 500)
    >>> float(found.low[98]), round(float(found.high[-1]), 3)
    (-inf, 0.087)
    """
    values, miss = numbers(x), 2.0 * level(confidence)
    n, means, squares, _ = _running(values)
    rho = _width(miss, tuned_for)
    reach = np.sqrt(squares / n * 2.0 * (n * rho + 1.0) / (n**2 * rho) * np.log(np.sqrt(n * rho + 1.0) / miss))
    reach[_silent(values, start, carriers)] = np.inf
    method = f"asymptotic sequence from {start}"
    return ConfidenceSequence(means, means - reach, means + reach, n, confidence, method, unit)


def student_sequence(
    x: ArrayLike,
    *,
    confidence: float = 0.9,
    start: int = 2,
    carriers: float = 0.0,
    tuned_for: int = 30,
    unit: str = "1",
) -> ConfidenceSequence:
    """Student's t at every look: exact for independent normal `x` (n,) of unknown spread, from the second on.

    The mixture of t likelihood ratios over standardised effects N(0, r**2) is a martingale in what does not depend
    on the scale (Lai, Annals of Statistics 4, 1976; Wang & Ramdas, arXiv:2310.03722); inverted, with
    R = (sqrt(1 + n r**2) / a)**(2 / n) and A = 1 / (1 + n r**2): t**2 = (n - 1) (R - 1) / (1 - A R). For few, roughly
    normal values, such as block means.

    `x` (n,) finite, in `unit`, in order of arrival; the rest as in `asymptotic_sequence`, whose guards here are off.

    Raises:
        InputError: As `asymptotic_sequence`; here a start of 2 is the least.

    >>> found = student_sequence([0.1, 0.3, 0.2, 0.4, 0.3, 0.2, 0.1, 0.4])
    >>> bool(found.low[-1] < 0.25 < found.high[-1]), float(found.high[0])
    (True, inf)
    """
    values, miss = numbers(x), 2.0 * level(confidence)
    n, means, squares, _ = _running(values)
    spread = 1.0 + n * _width(miss, tuned_for)
    ratio = np.exp(2.0 / n * (0.5 * np.log(spread) - math.log(miss)))
    slack = 1.0 - ratio / spread
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = np.sqrt(squares / n * (ratio - 1.0) / slack)
    reach[(slack <= 0.0) | (n < 2) | (squares <= 0.0)] = np.inf
    reach[_silent(values, start, carriers, least=2)] = np.inf
    return ConfidenceSequence(means, means - reach, means + reach, n, confidence, "Student sequence", unit)


def carriers_so_far(x: ArrayLike) -> Floats:
    """(n,) observations that carry the variance of `x` (n,) so far: (sum d**2)**2 / sum d**4; 0 without variation.

    n over the sample kurtosis (Pearson 1905), in observations.

    Raises:
        InputError: NaN or infinite values, or none at all.

    >>> round(float(carriers_so_far([0.0] * 98 + [1.0, 1.0])[-1]), 2)
    2.08
    """
    _, _, squares, fourths = _running(numbers(x))
    return np.divide(squares**2, fourths, out=np.zeros_like(squares), where=(squares > 0.0) & (fourths > 0.0))


def _silent(values: Floats, start: int, carriers: float, *, least: int = 10) -> NDArray[np.bool_]:
    first = count(start, "start", least=least)
    if not real(carriers, "carriers") >= 0.0:
        raise InputError("out of bounds", where="carriers", expected="a number of at least 0", found=carriers)
    born = carriers_so_far(values)
    return (np.arange(1, len(values) + 1) < first) | (born < carriers) | (born <= 0.0)


def _width(miss: float, tuned_for: int) -> float:
    """The mixture's variance for which the interval is narrowest at `tuned_for` observations (ibid., appendix)."""
    log = -2.0 * math.log(miss)
    return (log + math.log(log + 1.0)) / count(tuned_for, "tuned_for", least=1)


def _running(values: Floats) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
    """n, mean, and sums of squared and fourth deviations from the mean, after each value."""
    centre = float(values.mean())
    d = values - centre  # any constant gives the same moments; this one loses the fewest digits
    n = np.arange(1, len(d) + 1)
    one, two, three, four = (np.cumsum(d**k) for k in (1, 2, 3, 4))
    mean = one / n
    squares = two - n * mean**2
    squares[squares <= np.maximum(NOISE * two, n * (ROUNDING * centre) ** 2)] = 0.0
    fourths = four - 4.0 * mean * three + 6.0 * mean**2 * two - 3.0 * n * mean**4
    return n, centre + mean, squares, np.maximum(fourths, 0.0)


PROMISES = {
    "normal": (0.038, 0.036),
    "exponential": (0.044, 0.050),
    "log-normal, sigma 1.5": (0.020, 0.335),
    "clicks at .004": (0.008, 0.141),
}
"""World: chance to miss the mean at any of 10,000 looks (clicks: 20,000) for .05, guarded, and from the 10th on.
1,000 runs a cell from one seed (7): a figure of .05 carries .007 of chance.

Student's sequence, for .05 at 500 looks: normal .035, exponential .117: keep it for block means.
"""
