"""Conformal coverage by its law: the highest promise that the covered counts keep, slice by slice.

After n calibration rows the covered among m new ones follow a beta-binomial law (`estimators.conformal_coverage`). The
value is the largest promise k / (n + 1) whose law does not refuse the count: it clears the promised .95 exactly where
the law at .95 allows what was seen, all slices together at the study's alpha.
"""

from __future__ import annotations

import numpy as np

from harness.errors import InputError, nearest
from harness.estimate import Estimate
from harness.estimators.conformal import needed_for_threshold
from harness.estimators.conformal_coverage import SliceCoverage, coverage_range
from harness.release.judge import Reading
from harness.release.observed import Trial
from harness.release.policy import Check
from harness.release.studied.covered import COVERED, CoverageObserved

__all__ = ["EXAMPLES", "LEAST_ROWS", "highest_kept", "owns", "read"]

EXAMPLES = (COVERED,)
LEAST_ROWS = 1600  # calibration rows, and as many new: under these a sound slice leaves 93 to 97 % too often


def owns(measure: str) -> bool:
    """True for `conformal coverage`.

    >>> owns("conformal coverage"), owns("conformal")
    (True, False)
    """
    return measure == COVERED


def read(trial: Trial, check: Check) -> Reading:
    """The highest promise kept on a slice; on `all`, by the slice that keeps least.

    Slices are the groups that the study calibrated apart. n is the smaller of new and calibration rows.
    Raises InputError without the study, or for a slice that it does not know.
    """
    from harness.release.studies import study  # loads live parts

    record = study(trial, "covered", CoverageObserved)
    found = record.slices()
    if check.slice != "all" and check.slice not in found:
        raise InputError("no such slice", where=check.id, expected=f"one of {', '.join(['all', *found])}",
                         found=check.slice, hint=nearest(check.slice, ["all", *found]))
    shown = found if check.slice == "all" else {check.slice: found[check.slice]}
    each = record.alpha / len(found)
    kept = [_kept(one, record.coverage, each, check.confidence) for one in shown.values()]
    value, low, high = (min(getattr(one, end) for one in kept) for end in ("value", "low", "high"))
    n = min(one.n for one in kept)
    worst = min(zip(kept, shown, strict=True), key=lambda pair: (pair[0].high, pair[0].value))[1]
    details: dict[str, float | str] = {f"share {name}": one.share for name, one in shown.items() if one.rows}
    details |= {"slices in band": float(sum(one.in_band for one in shown.values())), "slices": float(len(shown))}
    return Reading(Estimate(value if n else np.nan, low, high, n, check.confidence, "beta-binomial law"),
                   min_n=LEAST_ROWS, details=details, note=_words(worst, shown[worst]))


def highest_kept(covered: int, rows: int, calibrated: int, *, alpha: float) -> float:
    """The largest promise k / (calibrated + 1) whose law does not find `covered` of `rows` too few.

    Beta-binomial, alpha / 2 below (Vovk 2012); 0 where even the least promise is refused.

    Raises:
        InputError: Counts that are negative or not whole, or alpha outside (0, 1).

    >>> round(highest_kept(950, 1000, 1000, alpha=0.05), 3), round(highest_kept(900, 1000, 1000, alpha=0.05), 3)
    (0.967, 0.924)
    """
    low, high = 0, calibrated + 1  # the law is monotone in the rank: halve
    while high - low > 1:
        rank = (low + high) // 2
        least, _ = coverage_range(rows, calibrated, coverage=(rank - 0.5) / (calibrated + 1), alpha=alpha)
        low, high = (rank, high) if covered >= least else (low, rank)
    return low / (calibrated + 1)


def _kept(one: SliceCoverage, promised: float, alpha: float, confidence: float) -> Estimate:
    n = min(one.rows, one.calibrated)
    if one.calibrated < needed_for_threshold(promised) or not one.rows:  # no finite threshold: nothing was promised
        most = one.calibrated / (one.calibrated + 1)
        return Estimate(most, 0.0, 1.0, n, confidence, "")
    value = highest_kept(one.covered, one.rows, one.calibrated, alpha=alpha)
    return Estimate(value, value, value, n, confidence, "")


def _words(name: str, one: SliceCoverage) -> str:
    band = "inside" if one.in_band else "outside"
    return (f"{name}: {one.covered:,} of {one.rows:,} covered after {one.calibrated:,}, {band} 93 to 97 %; "
            f"the law allows {one.low:.4f} to {one.high:.4f}")
