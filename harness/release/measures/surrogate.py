"""Measures of the latency surrogate, on requests that it was neither fitted nor calibrated on.

| measure | its number |
|---|---|
| `surrogate coverage` | highest promise that the covered counts keep by their law; `all`: the least of any state |
| `surrogate width ms` | mean width of the intervals |
| `surrogate sharpness` | mean width over that of one constant interval per state of the cache, with the same promise |
| `surrogate p95 bound ms` | 95th percentile of requests at the release's own settings, warm, one in flight |
| `surrogate ms` | 95th percentile of the time that one prediction takes |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators.conformal import needed_for_threshold
from harness.estimators.conformal_coverage import SliceCoverage, slice_coverage
from harness.estimators.intervals import mean_interval
from harness.estimators.quantiles import quantile_interval
from harness.records import Floats
from harness.release.judge import IN_ALL, Reading
from harness.release.measures.covered import LEAST_ROWS, highest_kept
from harness.release.observed import Trial
from harness.release.policy import Check

if TYPE_CHECKING:
    from harness.release.studied.surrogate_record import SurrogateObserved

__all__ = ["ALARM", "EXAMPLES", "WHOLE", "owns", "read"]

EXAMPLES = ("surrogate coverage", "surrogate width ms", "surrogate sharpness", "surrogate p95 bound ms",
            "surrogate ms")
WHOLE = ("surrogate p95 bound ms", "surrogate ms")  # of these there is no slice but `all`
ALARM = (0.90, 0.98)  # observed coverage under or over which a live surrogate is to be looked at
_FEWEST = 59  # requests that an upper bound of a 95th percentile takes


def owns(measure: str) -> bool:
    """True for the names in EXAMPLES.

    >>> owns("surrogate coverage"), owns("surrogate p99 bound ms")
    (True, False)
    """
    return measure in EXAMPLES


def read(trial: Trial, check: Check) -> Reading:
    """Read one measure off the study. Raises InputError where the study was not made, or knows no such slice."""
    from harness.release.studied.surrogate_record import SurrogateObserved
    from harness.release.studies import study  # loads live parts

    record = study(trial, "surrogate", SurrogateObserved)
    return _READERS[check.measure](record, check)


def _coverage(record: SurrogateObserved, check: Check) -> Reading:
    """States of the cache were calibrated apart and have their law; loads and spends are shown beside it."""
    promised = [f"cache={state}" for state in record.states]
    shown = promised if check.slice == "all" else [check.slice]
    counts = {name: record.counts(name) for name in shown}
    each = record.alpha / max(1, len(promised))
    found = slice_coverage(counts, coverage=record.surrogate.coverage, alpha=each * len(counts))
    kept = {name: _kept(one, record.surrogate.coverage, each, check.confidence) for name, one in found.items()}
    value, low, high = (min(getattr(one, end) for one in kept.values()) for end in ("value", "low", "high"))
    n = min(one.n for one in kept.values())
    worst = min(kept, key=lambda name: (kept[name].high, kept[name].value))
    details: dict[str, float | str] = {f"share {name}": one.share for name, one in found.items() if one.rows}
    details |= _beside(record) if check.slice == "all" else {}
    details |= {"slices in band": float(sum(one.in_band for one in found.values())), "slices": float(len(found))}
    return _told_in_all(Reading(Estimate(value if n else np.nan, low, high, n, check.confidence, "beta-binomial law"),
                                min_n=LEAST_ROWS, details=details, note=_words(worst, found[worst])), record, check)


def _kept(one: SliceCoverage, promised: float, alpha: float, confidence: float) -> Estimate:
    n = min(one.rows, one.calibrated)
    if one.calibrated < needed_for_threshold(promised) or not one.rows:  # no finite threshold: nothing was promised
        return Estimate(one.calibrated / (one.calibrated + 1), 0.0, 1.0, n, confidence, "")
    value = highest_kept(one.covered, one.rows, one.calibrated, alpha=alpha)
    return Estimate(value, value, value, n, confidence, "")


def _beside(record: SurrogateObserved) -> dict[str, float | str]:
    """Share covered of each load and spend with rows enough to say."""
    counts = {name: record.counts(name) for name in record.slices() if not name.startswith("cache=")}
    return {f"share {name}": covered / rows for name, (covered, rows, _) in counts.items() if rows >= LEAST_ROWS}


def _words(name: str, one: SliceCoverage) -> str:
    band = "inside" if one.in_band else "outside"
    alarm = "" if ALARM[0] <= one.share <= ALARM[1] else ", an alarm were it live"
    promise = "" if name.startswith("cache=") else ", though nothing was promised of it alone"
    return (f"{name}: {one.covered:,} of {one.rows:,} covered after {one.calibrated:,}, {band} 93 to 97 %{alarm}; "
            f"the law allows {one.low:.4f} to {one.high:.4f}{promise}")


def _told_in_all(reading: Reading, record: SurrogateObserved, check: Check) -> Reading:
    """With too few rows: how many requests of a state it takes before as many are left to be judged on."""
    if reading.estimate.n >= LEAST_ROWS or not (check.slice == "all" or check.slice.startswith("cache=")):
        return reading
    rows = max(record.rows, LEAST_ROWS)
    words = (f"a state takes {record.train + 2 * rows:,} requests in all: {record.train:,} to fit, {rows:,} to "
             f"calibrate, {rows:,} new")
    if record.rows < rows:
        words += f" (studies.surrogate.rows is {record.rows:,})"
    return replace(reading, details={**reading.details, IN_ALL: float(record.train + 2 * rows)},
                   note="; ".join(part for part in (reading.note, words) if part))


def _width(record: SurrogateObserved, check: Check) -> Reading:
    widths = record.widths.own[record.mask(check.slice)]
    ends = widths[np.isfinite(widths)]
    details: dict[str, float | str] = {f"p{level} width ms": float(np.percentile(ends, level))
                                       for level in (5, 50, 95)} if len(ends) else {}
    return _told_in_all(Reading(_mean(widths, check, "ms"), min_n=LEAST_ROWS, details=details), record, check)


def _sharpness(record: SurrogateObserved, check: Check) -> Reading:
    rows, widths = record.mask(check.slice), record.widths
    return _told_in_all(Reading(_mean((widths.own / widths.constant)[rows], check, "1"), min_n=LEAST_ROWS,
                                note="1 is what a single interval per state of the cache would be"), record, check)


def _p95(record: SurrogateObserved, check: Check) -> Reading:
    _whole(check)
    once = record.ms[record.own]
    details: dict[str, float | str] = {"p95 served once ms": float(np.percentile(once, 95))} if len(once) else {}
    return replace(_percentile(record.own_ms, check), details=details)


def _prediction(record: SurrogateObserved, check: Check) -> Reading:
    _whole(check)
    return _percentile(record.predict_ms, check)


def _whole(check: Check) -> None:
    if check.slice != "all":
        raise InputError("no such slice", where=check.id, expected="all", found=check.slice)


def _percentile(x: Floats, check: Check) -> Reading:
    if not len(x):
        return Reading(Estimate(np.nan, -np.inf, np.inf, 0, check.confidence, "", "ms"), min_n=_FEWEST)
    return Reading(quantile_interval(x, q=0.95, confidence=check.confidence, unit="ms"), min_n=_FEWEST)


def _mean(x: Floats, check: Check, unit: str) -> Estimate:
    """The mean, or nothing measured where a width has no end."""
    if len(x) < 2 or not np.isfinite(x).all():
        return Estimate(np.nan, -np.inf, np.inf, 0, check.confidence, "", unit)
    return mean_interval(x, confidence=check.confidence, unit=unit)


_READERS: dict[str, Callable[[SurrogateObserved, Check], Reading]] = {
    "surrogate coverage": _coverage, "surrogate width ms": _width, "surrogate sharpness": _sharpness,
    "surrogate p95 bound ms": _p95, "surrogate ms": _prediction}
