"""Calibration beside the baseline: how much farther a hit's P(relevant) lies from what judges say, in [-1, 1].

`AECE drift` is the candidate's calibration error over equal-mass bins minus the baseline's, on the same queries. Either
error holds noise that has no sign: at perfect calibration it is its floor and not 0. What is between the two is not
known, so that the interval reaches as far as the floors do, besides the scatter of clusters drawn again.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.estimate import Estimate
from harness.metrics.calibration import BINS, equal_mass
from harness.records import Floats, Ids
from harness.release.judge import Reading
from harness.release.observed import Trial
from harness.release.policy import Check
from harness.release.studied.calibrated import DRIFT, CalibratedHits, CalibrationObserved

__all__ = ["EXAMPLES", "Gap", "calibration_gap", "owns", "read"]

EXAMPLES = (DRIFT,)
DRAWS = 2000
Codes = NDArray[np.intp]


class Gap(NamedTuple):
    """Two calibration errors and their difference, first minus second.

    Attributes:
        estimate: The difference.
        errors: Either error as it was measured.
        floors: What of either may be noise: the mean calibration error of the noise alone.
    """

    estimate: Estimate
    errors: tuple[float, float]
    floors: tuple[float, float]


def owns(measure: str) -> bool:
    """True for `AECE drift`.

    >>> owns("AECE drift"), owns("AECE")
    (True, False)
    """
    return measure == DRIFT


def read(trial: Trial, check: Check) -> Reading:
    """The difference over a slice's hits, clusters of queries drawn again together on both sides.

    Raises InputError without the study, or for a task that it does not hold.
    """
    from harness.release.studies import study  # loads live parts

    task = trial.candidate.task(check.task)
    record = study(trial, "calibrated", CalibrationObserved)
    asked = task.qrels.queries[task.mask(check.slice)]
    names = asked if task.clusters is None else task.clusters[task.mask(check.slice)]
    cluster = dict(zip(asked.tolist(), names.tolist(), strict=True))
    sides = [_within(side, cluster) for side in record.task(task.name)]
    if not all(len(side.query) for side in sides):
        return Reading(Estimate(np.nan, -np.inf, np.inf, 0, check.confidence, "nothing to compare"))
    labels = [np.array([cluster[query] for query in side.query.tolist()], dtype=object) for side in sides]
    gap = calibration_gap(sides[0], sides[1], labels[0], labels[1], confidence=check.confidence, bins=record.bins,
                          rng=np.random.default_rng(trial.seed))
    told = {f"{word} {side}": value for word, pair in (("AECE", gap.errors), ("floor", gap.floors))
            for side, value in zip(("candidate", "baseline"), pair, strict=True)}
    return Reading(gap.estimate, details={**told, "queries": float(len(asked)), "clusters": float(len(set(names)))},
                   note="hits beside the same queries' of the baseline; either error holds its floor")


def calibration_gap(one: CalibratedHits, two: CalibratedHits, clusters_one: Ids, clusters_two: Ids, *,
                    confidence: float = 0.9, bins: int = BINS, rng: np.random.Generator, draws: int = DRAWS) -> Gap:
    """The difference of two calibration errors over equal-mass bins, one minus two, clusters drawn together.

    The error of either side lies between its true error and that plus its floor (by the triangle inequality), so the
    difference is too high by at most the first floor and too low by at most the second. The ends add these to the
    quantiles of the drawn differences about their mean; the floors are the mean error of the draws about the sample.

    Args:
        one: Hits of the first side.
        two: Hits of the second.
        clusters_one: (n,) labels of the first side's hits.
        clusters_two: The same of the second's; equal labels are one cluster.
        confidence: Two-sided; each end alone holds with at least (1 + confidence) / 2.
        bins: Equal-mass bins of either side.
        rng: Draws the clusters.
        draws: How often.

    Raises:
        InputError: Sides without hits.

    >>> rng = np.random.default_rng(1)
    >>> p, names = np.repeat([0.2, 0.8], 300), np.arange(600).astype(object)
    >>> fair = CalibratedHits(p, (rng.random(600) < p).astype(float), names)
    >>> sure = CalibratedHits(p**0.2, fair.outcome, names)
    >>> found = calibration_gap(sure, fair, names, names, rng=rng).estimate
    >>> found.low > 0.1, found.value < found.high
    (True, True)
    """
    if not len(one.query) or not len(two.query):
        raise InputError("no hits to compare", where="calibrated", expected="hits on both sides", found=0)
    units, code = np.unique(np.concatenate([clusters_one, clusters_two]).astype(str), return_inverse=True)
    parts = (_sums(one, code[: len(one.query)], len(units), bins), _sums(two, code[len(one.query):], len(units), bins))
    values, n = [_error(residual, rows) for residual, rows in parts], len(one.query)
    estimate = Estimate(values[0] - values[1], -np.inf, np.inf, n, confidence, "under two clusters")
    if len(units) < 2:
        return Gap(estimate, (values[0], values[1]), (np.inf, np.inf))
    weights = rng.multinomial(len(units), np.full(len(units), 1.0 / len(units)), size=draws).astype(np.float64)
    drawn = [_drawn(residual, rows, weights) for residual, rows in parts]
    floors, moved = [floor for _, floor in drawn], drawn[0][0] - drawn[1][0]
    least, most = np.quantile(moved - moved.mean(), [(1.0 - confidence) / 2.0, (1.0 + confidence) / 2.0])
    low = max(-1.0, estimate.value - floors[0] - float(most))
    high = min(1.0, estimate.value + floors[1] - float(least))
    method = f"bootstrap and floors, {len(units)} clusters"
    return Gap(estimate._replace(low=low, high=high, method=method), (values[0], values[1]), (floors[0], floors[1]))


def _within(side: CalibratedHits, cluster: dict[str, str]) -> CalibratedHits:
    rows = np.array([query in cluster for query in side.query.tolist()], dtype=np.bool_)
    return CalibratedHits(side.predicted[rows], side.outcome[rows], side.query[rows])


def _sums(side: CalibratedHits, code: Codes, units: int, bins: int) -> tuple[Floats, Floats]:
    """(units, bins) sums of outcome - predicted, and (units,) rows."""
    place = equal_mass(side.predicted, bins=bins)
    width = int(place.max()) + 1
    sums = np.zeros(units * width)
    np.add.at(sums, code * width + place, side.outcome - side.predicted)
    return sums.reshape(units, width), np.bincount(code, minlength=units).astype(np.float64)


def _error(residual: Floats, rows: Floats) -> float:
    return float(np.abs(residual.sum(axis=0)).sum() / rows.sum())


def _drawn(residual: Floats, rows: Floats, weights: Floats) -> tuple[Floats, float]:
    """(draws,) errors of the drawn clusters, and the mean error of what the draws add to the sample."""
    means = (weights @ residual) / np.maximum(weights @ rows, 1.0)[:, None]
    centre = residual.sum(axis=0) / rows.sum()
    return np.abs(means).sum(axis=1), float(np.abs(means - centre).sum(axis=1).mean())
