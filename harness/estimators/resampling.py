"""Bootstrap intervals that say how far their own randomness reaches.

Efron & Tibshirani 1993, ch. 14 (percentile, BCa), 12.5 (studentised). The gate's interval is the closed form of
`moments`; these check it. Drawn units are observations, or whole clusters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import InputError, nearest
from harness.estimate import Estimate
from harness.estimators._check import Floats, count, generator, labels, level, numbers, same_length
from harness.estimators._statistics import Sample
from harness.estimators.moments import ClusterMoments, Moments
from harness.estimators.rare import LOWER_BOUND_MIN_N

__all__ = ["PROMISES", "BootstrapEnds", "BootstrapMethod", "Statistic", "bootstrap", "bootstrap_ends"]

PROMISES = {
    "normal": {"percentile": (0.061, 0.062), "bca": (0.060, 0.060), "studentised": (0.051, 0.047)},
    "80 % zeros": {"percentile": (0.092, 0.105), "bca": (0.138, 0.150), "studentised": (0.118, 0.132)},
    "exponential": {"percentile": (0.034, 0.117), "bca": (0.053, 0.092), "studentised": (0.038, 0.071)},
}
"""World: method: P(low > truth) and P(high < truth) of `bootstrap_ends` at n = 20, nominally .05 each, in 4,000 worlds.

`bootstrap` widens them; `tests/worlds` measures both again.
"""

BootstrapMethod = Literal["percentile", "bca", "studentised"]
Statistic = Callable[[Floats], Floats]


class BootstrapEnds(NamedTuple):
    """A bootstrap interval and the Monte-Carlo standard error of each end.

    Attributes:
        estimate: The interval.
        low_se: Standard error of `estimate.low` over other seeds; NaN where the end is infinite.
        high_se: The same of `estimate.high`.
    """

    estimate: Estimate
    low_se: float
    high_se: float


def bootstrap(
    x: ArrayLike,
    *,
    rng: np.random.Generator,
    clusters: ArrayLike | None = None,
    statistic: Statistic | None = None,
    method: BootstrapMethod = "bca",
    resamples: int = 10_000,
    confidence: float = 0.9,
    unit: str = "1",
) -> Estimate:
    """The bootstrap interval of `bootstrap_ends`, which for a mean of under 200 units reaches as far as the closed one.

    There resampled ends alone miss up to .15 for .05 (`PROMISES`); widened, each misses no more than `closed` says.

    `x` (n,) finite, in `unit`; `clusters` (n,) labels or None; `statistic` maps (m, n) to (m,); `method` `bca` (Efron
    1987), `studentised` or `percentile` (Efron & Tibshirani 1993); `resamples` at least 100; `rng` gives every draw.

    Raises:
        InputError: As `bootstrap_ends`, whose arguments these are.

    >>> import numpy as np
    >>> found = bootstrap([0.0, 0.1, 0.0, 0.4, 0.2, 0.0], rng=np.random.default_rng(1))
    >>> found.low < found.value < found.high
    True
    """
    sample = _sample(x, clusters, statistic, method)
    found = _ends(sample, method, rng=rng, resamples=resamples, confidence=confidence, unit=unit).estimate
    if statistic is not None or sample.units >= LOWER_BOUND_MIN_N:
        return found
    plain = _closed(sample, confidence, unit)
    return found._replace(low=min(found.low, plain.low), high=max(found.high, plain.high))


def bootstrap_ends(
    x: ArrayLike,
    *,
    rng: np.random.Generator,
    clusters: ArrayLike | None = None,
    statistic: Statistic | None = None,
    method: BootstrapMethod = "bca",
    resamples: int = 10_000,
    confidence: float = 0.9,
    unit: str = "1",
) -> BootstrapEnds:
    """Resample `x`, or its clusters, and read an interval off the statistics of the samples.

    BCa reads the drawn statistics at Φ(z0 + (z0 + z) / (1 - a (z0 + z))) (Efron, JASA 82, 1987); percentile and
    studentised: Efron & Tibshirani 1993, 14 and 12.5.

    Args:
        x: (n,) finite numbers; for a paired comparison the differences (`intervals.paired`).
        rng: Source of all randomness: the same state gives the same interval.
        clusters: (n,) labels; rows of one label are drawn together.
        statistic: Maps (m, n) samples to (m,) values along the last axis; None is the mean, which is much faster and
            never holds a sample.
        method: `studentised` is for the mean only. `percentile` is for comparison: of skewed values its far end misses
            .065 for .05 at n = 200 (exponential), where `bca` and `studentised` keep it. Under 200 units all three miss
            more than promised (`PROMISES`): these ends are for comparison with others, `bootstrap` widens them.
        resamples: Samples drawn, at least 100.
        confidence: Two-sided; each end alone holds with (1 + confidence) / 2, to the method's order.
        unit: Of the statistic.

    Returns:
        Infinite ends under two units; where no sample differs from another, the closed interval of a constant.

    Raises:
        InputError: For bad numbers, lengths, labels, method, resamples or confidence.

    >>> import numpy as np
    >>> found = bootstrap_ends([0.0, 0.1, 0.0, 0.4, 0.2, 0.0] * 10, rng=np.random.default_rng(1))
    >>> found.low_se < 0.1 * found.estimate.half_width, found.estimate.method
    (True, 'BCa bootstrap of the mean')
    """
    sample = _sample(x, clusters, statistic, method)
    return _ends(sample, method, rng=rng, resamples=resamples, confidence=confidence, unit=unit)


def _ends(sample: Sample, method: BootstrapMethod, *, rng: np.random.Generator, resamples: int, confidence: float,
          unit: str) -> BootstrapEnds:
    draw = generator(rng)
    tail, draws = level(confidence), count(resamples, "resamples", least=100)
    plain = _closed(sample, confidence, unit)
    if sample.units < 2 or sample.constant:
        return BootstrapEnds(
            plain, math.nan if math.isinf(plain.low) else 0.0, math.nan if math.isinf(plain.high) else 0.0
        )
    kind = "mean" if sample.statistic is None else "statistic"
    by = f", {sample.units} clusters" if sample.codes is not None else ""
    value, (low, low_se), (high, high_se) = _INTERVALS[method](sample, draws, tail, draw)
    name = {"bca": "BCa", "percentile": "percentile", "studentised": "studentised"}[method]
    found = Estimate(value, low, high, len(sample.x), confidence, f"{name} bootstrap of the {kind}{by}", unit)
    return BootstrapEnds(found, low_se, high_se)


def _sample(x: ArrayLike, clusters: ArrayLike | None, statistic: Statistic | None, method: str) -> Sample:
    known = get_args(BootstrapMethod)
    if method not in known:
        raise InputError(
            "unknown method", where="method", expected=", ".join(known), found=method, hint=nearest(str(method), known)
        )
    if statistic is not None and method == "studentised":
        raise InputError("studentised is for the mean", where="method", expected="percentile or bca", found=method)
    values = numbers(x)
    if clusters is None:
        return Sample(values, None, statistic)
    names = labels(clusters)
    same_length(x=values, clusters=names)
    return Sample(values, np.unique(names, return_inverse=True)[1], statistic)


def _closed(sample: Sample, confidence: float, unit: str) -> Estimate:
    """What is said of a sample that resampling cannot vary."""
    if sample.statistic is not None:
        value = sample.value
        return Estimate(value, -math.inf, math.inf, len(sample.x), confidence, "no variation seen", unit)
    if sample.codes is None:
        return Moments.of(sample.x).estimate(confidence=confidence, unit=unit)
    return ClusterMoments.of(sample.x, sample.codes).estimate(confidence=confidence, unit=unit)


End = tuple[float, float]


def _percentile(sample: Sample, draws: int, tail: float, rng: np.random.Generator) -> tuple[float, End, End]:
    drawn = np.sort(sample.resampled(draws, rng))
    wobble = math.sqrt(tail * (1.0 - tail) / draws)
    return sample.value, _read(drawn, tail, wobble), _read(drawn, 1.0 - tail, wobble)


def _bca(sample: Sample, draws: int, tail: float, rng: np.random.Generator) -> tuple[float, End, End]:
    from scipy.special import ndtr, ndtri

    value, acceleration = sample.value, sample.acceleration()
    drawn = np.sort(sample.resampled(draws, rng))
    equal = 1e-12 * (abs(value) + float(drawn[-1] - drawn[0]))  # what differs by rounding is a tie, and counts half
    ranks = np.searchsorted(drawn, value - equal) + np.searchsorted(drawn, value + equal, side="right")
    below = min(max(float(ranks) / (2.0 * draws), 0.5 / draws), 1.0 - 0.5 / draws)
    centre = float(ndtri(below))
    ends = []
    for at in (tail, 1.0 - tail):
        shifted = centre + float(ndtri(at))
        slack = 1.0 - acceleration * shifted
        place = float(ndtr(centre + shifted / slack)) if slack > 0 else float(at > 0.5)
        slope = (1.0 + 1.0 / max(slack, 1e-9) ** 2) * _density(centre + shifted / max(slack, 1e-9)) / _density(centre)
        ends.append(_read(drawn, place, _wobble(place, below, slope, draws)))
    return value, ends[0], ends[1]


def _density(z: float) -> float:
    return math.exp(-z * z / 2.0) / math.sqrt(2.0 * math.pi)


def _wobble(place: float, below: float, slope: float, draws: int) -> float:
    """Standard error of a BCa level: of the quantile itself, and of the centre estimated from the same draws."""
    shared = min(place, below) * (1.0 - max(place, below))
    variance = place * (1.0 - place) + slope**2 * below * (1.0 - below) - 2.0 * slope * shared
    return math.sqrt(max(variance, 0.0) / draws)


def _read(drawn: Floats, place: float, wobble: float) -> End:
    """The quantile of sorted `drawn` at `place`, and its standard error where the place has the error `wobble`.

    A sixth of what three `wobble`s either way span, so that an end inside an atom of tied draws still shows the next.
    """
    at = [
        round(min(max(spot, 0.0), 1.0) * (len(drawn) - 1)) for spot in (place - 3 * wobble, place, place + 3 * wobble)
    ]
    under, end, over = (float(drawn[rank]) for rank in at)
    return end, ((over - under) / 6.0 if math.isfinite(under) and math.isfinite(over) else math.nan)


def _studentised(sample: Sample, draws: int, tail: float, rng: np.random.Generator) -> tuple[float, End, End]:
    value, error = sample.value, sample.error()
    drawn = np.sort(sample.resampled_t(draws, rng))
    wobble = math.sqrt(tail * (1.0 - tail) / draws)
    (upper, upper_se), (lower, lower_se) = _read(drawn, 1.0 - tail, wobble), _read(drawn, tail, wobble)
    return value, (value - error * upper, error * upper_se), (value - error * lower, error * lower_se)


_INTERVALS = {"percentile": _percentile, "bca": _bca, "studentised": _studentised}
