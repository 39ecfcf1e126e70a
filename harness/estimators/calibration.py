"""What a calibration error is worth: its floor under perfect calibration, its interval, and the n that a bound needs.

The observed error sums |mean residual| over bins, and noise has no sign there: a perfect model scores about
sqrt(2 / pi) sqrt(sum of variances) per bin, its *floor* (.8 sqrt(p(1-p) B / n) for B equal bins). A bound under the
floor cannot be passed by merit. The interval is by the triangle inequality: the observed error is off by at most
sum_b |noise_b|, whose quantile Gaussian draws give, correlated between bins where rows come in clusters.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.estimate import Estimate
from harness.estimators._check import (
    Floats,
    Labels,
    count,
    generator,
    labels,
    level,
    numbers,
    same_length,
    share,
    zero_one,
)
from harness.estimators.proportions import clopper_pearson

__all__ = [
    "PROMISES",
    "CalibrationError",
    "calibration_error",
    "calibration_floor",
    "needed_for_calibration",
    "reliability_ends",
]

HALF_NORMAL = math.sqrt(2.0 / math.pi)  # mean of |N(0, 1)|


PROMISES = {
    "even": {200: 0.050, 1000: 0.050, 5000: 0.051},
    "rare": {200: 0.000, 1000: 0.010, 5000: 0.033},
}
"""World: n: P(low > 0) of a perfect model, nominally at most .05; measured again by `tests/worlds`.

Predictions are Beta(2, 2) and Beta(1, 19), in 15 bins. The high end gives more than it promises: where the true error
is .03 to .2 it missed in none of 500 worlds.
"""


class CalibrationError(NamedTuple):
    """A calibration error and what stands behind it.

    Attributes:
        estimate: The error with its interval.
        floor: What a perfectly calibrated model of these predictions would score on average.
        reach: How far noise alone may move the error, at the interval's confidence: no bound under it can be kept.

    >>> CalibrationError(Estimate(0.03, 0.0, 0.08, 1000, 0.9, ""), floor=0.03, reach=0.05).can_pass(0.1)
    True
    """

    estimate: Estimate
    floor: float
    reach: float

    def can_pass(self, bound: float) -> bool:
        """Whether a perfect model would be seen to keep `bound`; if not, what keeps it is INCONCLUSIVE, never a PASS.

        At its expected score, the floor, its high end is floor + reach.

        Raises:
            InputError: A bound outside (0, 1).
        """
        return self.floor + self.reach <= share(bound, "bound")


def calibration_floor(predicted: ArrayLike, bins: ArrayLike) -> float:
    """Expected calibration error if every prediction were exactly right: sqrt(2/pi)/n sum_b sqrt(sum_b p(1-p)).

    Per bin the mean of a half-normal, sqrt(2 / pi) sd. That binned errors lie above 0 at perfect calibration: Roelofs
    et al., AISTATS 2022.

    Args:
        predicted: (n,) probabilities.
        bins: (n,) bin of each row, as from `metrics.calibration.equal_mass`.

    Raises:
        InputError: A prediction outside [0, 1] or NaN, no row, bins that are missing or of another length.

    >>> round(calibration_floor([0.5] * 3000, list(range(15)) * 200), 4), round(0.8 * (0.25 * 15 / 3000) ** 0.5, 4)
    (0.0282, 0.0283)
    """
    values, names = numbers(predicted, "predicted", low=0.0, high=1.0), labels(bins, "bins")
    same_length(predicted=values, bins=names)
    code = np.unique(names, return_inverse=True)[1]
    spread = np.bincount(code, weights=values * (1.0 - values))
    return HALF_NORMAL * float(np.sqrt(spread).sum()) / len(values)


def needed_for_calibration(bound: float, found: CalibrationError) -> int | None:
    """Rows at which a perfect model of such predictions passes `bound` about every second time.

    Floor and reach shrink with the root of n; None where the reach is infinite. n ((floor + reach) / bound)**2 of the
    `found` error over n rows; `bound` in [0, 1] as the error is; by that root alone, without source.

    Raises:
        InputError: A bound outside (0, 1).

    >>> found = CalibrationError(Estimate(0.03, 0.0, 0.08, 1000, 0.9, ""), 0.03, 0.05)
    >>> found.can_pass(0.04), needed_for_calibration(0.04, found)
    (False, 4000)
    """
    limit = share(bound, "bound")
    if not math.isfinite(found.reach):
        return None
    return max(1, math.ceil(round(found.estimate.n * ((found.floor + found.reach) / limit) ** 2, 6)))


def reliability_ends(hits: ArrayLike, counts: ArrayLike, *, confidence: float = 0.9) -> list[Estimate]:
    """The observed share of each of B bins by Clopper & Pearson, all B together at `confidence` (Bonferroni).

    For independent rows. `hits`, `counts`: (B,) whole rows, hits <= counts. Beta quantiles at (1 - confidence) / (2 B)
    each end (Clopper & Pearson 1934; Dunn 1961).

    Raises:
        InputError: Hits or counts that are negative, not whole or of two lengths, hits above their count, or confidence
            outside (0, 1).

    >>> [round(one.low, 2) for one in reliability_ends([0, 40], [50, 50])]
    [0.0, 0.66]
    """
    held, rows = numbers(hits, "hits", low=0.0), numbers(counts, "counts", low=0.0)
    same_length(hits=held, counts=rows)
    each = 1.0 - (1.0 - share(confidence, "confidence")) / len(held)
    return [clopper_pearson(h, n, confidence=each) for h, n in zip(held.tolist(), rows.tolist(), strict=True)]


def calibration_error(
    predicted: ArrayLike,
    outcome: ArrayLike,
    bins: ArrayLike,
    *,
    rng: np.random.Generator,
    clusters: ArrayLike | None = None,
    confidence: float = 0.9,
    draws: int = 4000,
) -> CalibrationError:
    """The calibration error over given bins, with an interval whose ends each hold with (1 + confidence) / 2.

    sum_b |sum of outcome - predicted in b| / n, in [0, 1] (Naeini et al., AAAI 2015), over the bins as given.

    Args:
        predicted: (n,) probabilities.
        outcome: (n,) of 0 and 1.
        bins: (n,) bin of each row; equal-mass bins depend on predictions alone, as they must.
        rng: For the Gaussian draws of the noise.
        clusters: (n,) labels whose rows depend on each other, or None.
        confidence: Two-sided.
        draws: Of the noise, at least 100.

    Returns:
        low = max(0, error - reach), high = error + reach; under two rows (or clusters) reach is infinite. The true
        error meant is that of the same bins in the population.

    Raises:
        InputError: A prediction outside [0, 1], an outcome that is neither 0 nor 1, NaN, lengths that differ,
            confidence outside (0, 1), under 100 draws.

    >>> p = np.tile([0.2, 0.8], 500)
    >>> found = calibration_error(p, [0, 1] * 500, p > 0.5, rng=np.random.default_rng(0))
    >>> round(found.estimate.value, 3), found.estimate.low > 0.15
    (0.2, True)
    """
    values, held = numbers(predicted, "predicted", low=0.0, high=1.0), zero_one(outcome, "outcome")
    names, units = labels(bins, "bins"), None if clusters is None else labels(clusters)
    same_length(predicted=values, outcome=held, bins=names, clusters=values if units is None else units)
    tail, n, code = level(confidence), len(values), np.unique(names, return_inverse=True)[1]
    residual = held - values
    value = float(np.abs(np.bincount(code, weights=residual)).sum()) / n
    noise = _noise(residual, held, code, units)
    reach = math.inf if noise is None else _reach(noise, tail, count(draws, "draws", least=100), generator(rng))
    high = min(1.0, value + reach)
    estimate = Estimate(value, max(0.0, value - reach), high, n, confidence, "triangle, Gaussian noise")
    return CalibrationError(estimate, calibration_floor(values, code), reach)


def _noise(residual: Floats, held: Floats, code: NDArray[np.intp], units: Labels | None) -> Floats | None:
    """(B, B) covariance of the bins' mean residuals times their share of rows; None under two independent units.

    A bin whose rows all agree is not certain: its variance is at least that of (hits + 1) / (rows + 2),
    that of a bin from a single cluster the greatest there is.
    """
    rows, n = np.bincount(code), len(residual)
    who = np.arange(n) if units is None else np.unique(units, return_inverse=True)[1]
    groups = int(who.max()) + 1
    if groups < 2:
        return None
    centred = residual - (np.bincount(code, weights=residual) / rows)[code]
    if units is None:
        noise, present = np.diag(np.bincount(code, weights=centred**2)), rows
    else:
        cell, shape = who * len(rows) + code, (groups, len(rows))
        sums = np.bincount(cell, weights=centred, minlength=groups * len(rows)).reshape(shape)
        noise, present = sums.T @ sums, (np.bincount(cell, minlength=sums.size).reshape(shape) > 0).sum(axis=0)
    freed = np.sqrt(present / np.maximum(present - 1, 1))  # each bin's own mean cost it a degree of freedom
    smooth = (np.bincount(code, weights=held) + 1.0) / (rows + 2.0)
    least = np.where(present > 1, smooth * (1.0 - smooth) * rows, rows**2 / 4.0)
    noise = noise * np.outer(freed, freed)
    np.fill_diagonal(noise, np.maximum(np.diag(noise), least))
    covariance: Floats = noise / n**2
    return covariance


def _reach(noise: Floats, tail: float, draws: int, rng: np.random.Generator) -> float:
    """The 1 - tail quantile of sum_b |noise_b|."""
    sizes, axes = np.linalg.eigh(noise)
    normal = rng.standard_normal((draws, len(sizes))) * np.sqrt(np.maximum(sizes, 0.0))
    return float(np.quantile(np.abs(normal @ axes.T).sum(axis=1), 1.0 - tail, method="higher"))
