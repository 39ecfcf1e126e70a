"""Measures of a release under stress: queries misspelt, said otherwise, lengthened, and in each of their languages.

| measure | its number |
|---|---|
| `stress Jaccard@10` | mean share of documents that the first tens of a query and its perturbed text have in common |
| `stress delta nDCG@10` | candidate minus baseline, both on the perturbed text |
| `stress loss nDCG@10` | the candidate on the plain text less the candidate on the perturbed one |
| `stress sign consistency` | of pairs that differ by `MATERIAL` on both texts, the share where one side leads on both |
| `stress sign stability` | share of resampled modules on which the mean difference has one sign on both texts |
| `language delta nDCG@10` | candidate minus baseline in the language where it is least |

Why only material pairs count: where a release changed little, nearly every pair has a difference of 0 on one side, and
"no contradiction" holds for 99 % of pairs whose signs were all turned round. The shares over all pairs and over every
pair that moved at all, and what chance alone would give, stand beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.errors import InputError, nearest
from harness.estimate import Estimate
from harness.estimators.intervals import bootstrap_ends
from harness.records import Floats, Ids
from harness.release.findings import least_n
from harness.release.judge import CrossCheck, Reading
from harness.release.observed import Bools, Trial
from harness.release.policy import Check
from harness.release.studied.stress_figures import MATERIAL, RESAMPLES, Signs, mean_of, signs_of, stability_of
from harness.release.studied.stress_rows import LANGUAGE, StressObserved

__all__ = ["DELTA", "EXAMPLES", "JACCARD", "LANGUAGES", "LOSS", "SIGN", "STABILITY", "STUDY", "owns", "read"]

STUDY = "stressed"
SIGN, JACCARD, LANGUAGES = "stress sign consistency", "stress Jaccard@10", "language delta nDCG@10"
DELTA, LOSS, STABILITY = "stress delta nDCG@10", "stress loss nDCG@10", "stress sign stability"
EXAMPLES = (JACCARD, DELTA, LOSS, SIGN, STABILITY, LANGUAGES)


def owns(measure: str) -> bool:
    """True for the names in EXAMPLES.

    >>> owns("stress Jaccard@10"), owns("Jaccard@10"), owns("stress delta nDCG@5")
    (True, False, False)
    """
    return measure in EXAMPLES


def read(trial: Trial, check: Check) -> Reading:
    """Read one measure off the study, on the rows of the check's slice (a kind or a family) and task.

    Raises InputError without the study, for a slice or task it does not know, and for a delta without a baseline.
    """
    from harness.release.studies import study  # loads live parts

    return _READERS[check.measure](study(trial, STUDY, StressObserved), check, trial.seed)


def _mean(values: Floats, record: StressObserved, rows: Bools, check: Check, seed: int, *, signed: bool) -> Reading:
    x, clusters = values[rows], record.clusters[rows]
    found = mean_of(x, clusters, confidence=check.confidence, signed=signed)
    cross = _resampled(x, clusters, check, seed) if _bound(check) and len(x) > 1 else None
    return Reading(found, min_n=_least(check), cross=cross, details=_details(record, rows))


def _bound(check: Check) -> bool:
    return check.limit is not None and check.limit.by != "value"


def _least(check: Check) -> int:
    if check.measure == LANGUAGES:  # of each language; nothing to compare is not too little of it
        return least_n(DELTA, check.limit) if check.limit else 0
    return least_n(check.measure, check.limit) if check.limit else 0


def _resampled(x: Floats, clusters: Ids, check: Check, seed: int) -> CrossCheck:
    ends = bootstrap_ends(x, clusters=clusters, confidence=check.confidence, resamples=RESAMPLES, method="bca",
                          rng=np.random.default_rng(seed))
    return CrossCheck(ends.estimate.low, ends.estimate.high, ends.low_se, ends.high_se, ends.estimate.method)


def _details(record: StressObserved, rows: Bools) -> dict[str, float | str]:
    told: dict[str, float | str] = {"clusters": float(len(np.unique(record.clusters[rows])))}
    if rows.any():
        told |= {"plain nDCG@10": float(record.plain[rows].mean()),
                 "perturbed nDCG@10": float(record.stressed[rows].mean())}
    return told


def _altered(record: StressObserved, check: Check) -> Bools:
    """A query that is asked as it is agrees with itself: it would only make the others look better."""
    return np.asarray(record.rows(check.slice, check.task) & record.altered)


def _overlap(record: StressObserved, check: Check, seed: int) -> Reading:
    rows = _altered(record, check)
    same = float((record.overlap[rows] == 1.0).mean()) if rows.any() else np.nan
    reading = _mean(record.overlap, record, rows, check, seed, signed=False)
    return replace(reading, details=reading.details | {"same first hits": same})


def _delta(record: StressObserved, check: Check, seed: int) -> Reading:
    rows = record.rows(check.slice, check.task)
    plain, stressed = record.deltas
    reading = _mean(stressed, record, rows, check, seed, signed=True)
    before = float(plain[rows].mean()) if rows.any() else np.nan
    return replace(reading, details=reading.details | {"delta on the plain texts": before})


def _loss(record: StressObserved, check: Check, seed: int) -> Reading:
    return _mean(record.plain - record.stressed, record, _altered(record, check), check, seed, signed=True)


def _signs(record: StressObserved, check: Check, _: int) -> Reading:
    rows = _altered(record, check)
    plain, stressed = (one[rows] for one in record.deltas)
    moved, material = (Signs(plain, stressed, least=least) for least in (np.nextafter(0.0, 1.0), MATERIAL))
    contradicted = float((~moved.agree).sum()) / len(plain) if len(plain) else np.nan
    details: dict[str, float | str] = {
        "pairs": float(len(plain)), "not contradicting": 1.0 - contradicted, "moved on both": float(len(moved.agree)),
        "agree where moved": float(moved.agree.mean()) if len(moved.agree) else np.nan,
        "agree by chance": material.chance, **_details(record, rows)}
    return Reading(signs_of(record, rows, confidence=check.confidence), details=details,
                   note=f"{len(material.agree):,} of {len(plain):,} pairs differ by {MATERIAL:g} or more on both texts")


def _stability(record: StressObserved, check: Check, seed: int) -> Reading:
    rows = _altered(record, check)
    plain, stressed = (one[rows] for one in record.deltas)
    told = {"delta on the plain texts": plain, "delta on the perturbed texts": stressed}
    return Reading(stability_of(record, rows, confidence=check.confidence, rng=np.random.default_rng(seed)),
                   details={name: float(x.mean()) if len(x) else np.nan for name, x in told.items()})


def _languages(record: StressObserved, check: Check, seed: int) -> Reading:
    """Each language by itself: the least low end is that of all, since each must clear.

    The least high end is corrected for how many languages were looked at: the worst of many sound ones looks bad.
    """
    levels = record.kinds_of(LANGUAGE, check.task)
    chosen = _levels(record, levels, check)
    if len(levels) < 2:
        held = f": {levels[0].partition('=')[2]}" if levels else ""
        return Reading(Estimate(np.nan, -1.0, 1.0, 0, check.confidence, "nothing to compare"),
                       note=f"the corpus holds one language{held}")
    deltas = record.deltas[1]
    readings = {name: _mean(deltas, record, rows, check, seed, signed=True) for name, rows in chosen.items()}
    corrected = 1.0 - (1.0 - check.confidence) / len(readings)
    high = min(mean_of(deltas[rows], record.clusters[rows], confidence=corrected, signed=True).high
               for rows in chosen.values())
    found = [one.estimate for one in readings.values()]
    value, low = min(one.value for one in found), min(one.low for one in found)
    least = min(readings.values(), key=lambda one: one.estimate.low)
    worst = min(readings, key=lambda name: readings[name].estimate.value)
    return replace(least, estimate=Estimate(value, low, max(high, value), min(one.n for one in found),
                                            check.confidence, found[0].method),
                   details={name: one.estimate.value for name, one in readings.items()}, note=f"least in {worst}")


def _levels(record: StressObserved, levels: list[str], check: Check) -> dict[str, Bools]:
    """Language → its rows: all of them, the one that the check names, or each within a slice of the queries."""
    within = record.slices.get(check.slice, np.ones(len(record), dtype=np.bool_))
    if check.slice not in {"all", *levels, *record.slices}:
        known = ["all", *levels, *record.slices]
        raise InputError("no such slice", where=check.id, expected=f"one of {', '.join(known)}", found=check.slice,
                         hint=nearest(check.slice, known))
    asked = [check.slice] if check.slice in levels else levels
    return {name: np.asarray(record.rows(name, check.task) & within) for name in asked}


_READERS: dict[str, Callable[[StressObserved, Check, int], Reading]] = {
    JACCARD: _overlap, DELTA: _delta, LOSS: _loss, SIGN: _signs, STABILITY: _stability,
    LANGUAGES: _languages}
