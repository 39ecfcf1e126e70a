"""Measures of the spend rule, on queries that nothing was fitted on, all text tasks pooled or one by name.

| measure | its number |
|---|---|
| `monotone faults` | levels of the int8 tables that move against a promised direction: 0 is a proof |
| `rounding excess` | most that rounding to int8 moved an answer beyond its stated bound |
| `regret nDCG@10` | mean nDCG@10 that the int8 tables' decisions bring more than their teacher's |
| `beyond chance nDCG@10` | mean nDCG@10 over spending the same on queries drawn at random |
| `beyond chance per rerank nDCG@10` | the same for each query that is reranked, over one drawn at random |
| `lift kept` | lift of the decisions as a share of the lift of reranking every query in full |
| `rerank share` | share of queries that get any rerank |
| `mean extra ms`, `p95 extra ms` | what signals and reranks add to a request |
| `theta gap` | nDCG@10 a request that the optimum of the gate's own problem brings more; 1 where a limit is broken |
| `decision mismatches` | queries that the release served with another spend than its rule says |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import InputError, nearest
from harness.estimate import Estimate
from harness.estimators.intervals import bootstrap_ends, mean_interval
from harness.estimators.quantiles import quantile_interval
from harness.gating.checking import optimality_gap
from harness.records import Floats
from harness.release.findings import LEAST_N
from harness.release.judge import CrossCheck, Reading
from harness.release.observed import Bools, Trial
from harness.release.policy import Check
from harness.release.routers import cost_law
from harness.routing.regret import over_random
from harness.routing.routed import OUTPUTS
from harness.routing.tables import falls

if TYPE_CHECKING:
    from harness.release.studied.routed import RoutedObserved

__all__ = ["EXAMPLES", "owns", "read"]

EXAMPLES = ("monotone faults", "rounding excess", "regret nDCG@10", "beyond chance nDCG@10",
            "beyond chance per rerank nDCG@10", "lift kept", "rerank share", "mean extra ms", "p95 extra ms",
            "theta gap", "decision mismatches")
RESAMPLES = 2000
MIN_N = LEAST_N["delta "]


def owns(measure: str) -> bool:
    """True for the names in EXAMPLES.

    >>> owns("regret nDCG@10"), owns("regret nDCG@5")
    (True, False)
    """
    return measure in EXAMPLES


def read(trial: Trial, check: Check) -> Reading:
    """Read one measure off the study. Raises InputError where the study was not made, or knows no such slice."""
    from harness.release.studied.routed import RoutedObserved
    from harness.release.studies import study  # loads live parts

    found = study(trial, "routed", RoutedObserved)
    rows = _rows(found, check)
    return replace(_READERS[check.measure](found, rows, check, trial.seed), details=_details(found, rows))


def _rows(found: RoutedObserved, check: Check) -> Bools:
    table = found.table
    for kind, name, known in (("slice", check.slice, table.slices), ("task", check.task, set(table.tasks.tolist()))):
        if name is not None and name not in known:
            raise InputError(f"no such {kind}", where=check.id, expected=f"one of {', '.join(sorted(known))}",
                             found=name, hint=nearest(name, known))
    chosen = np.asarray(table.slices[check.slice])
    return chosen if check.task is None else np.asarray(chosen & (table.tasks == check.task))


def _details(found: RoutedObserved, rows: Bools) -> dict[str, float | str]:
    steps = found.decisions[rows]
    shares = {f"share at {spend}": float((steps == step).mean()) if len(steps) else np.nan
              for step, spend in enumerate(found.ladder)}
    return {**shares, "clusters": float(len(np.unique(found.table.clusters[rows])))}


def _monotone(found: RoutedObserved, _: Bools, check: Check, __: int) -> Reading:
    router = found.router
    faults = [(output, *fault) for output in OUTPUTS for fault in falls(router.tables[output], router.monotone[output])]
    levels = sum(table.knots.shape[0] * (table.knots.shape[1] - 1) * 16 for table in router.tables.values())
    note = ", ".join(f"{output} of {router.names[signal]} at level {level}" for output, signal, level in faults[:3])
    return Reading(_counted(len(faults), levels, check, "levels"), note=note)


def _rounding(found: RoutedObserved, rows: Bools, check: Check, _: int) -> Reading:
    excess = [float(found.rounding[output][rows].max() - found.router.error_bound[output]) for output in OUTPUTS]
    return Reading(_counted(max(0.0, *excess) if rows.any() else np.nan, int(rows.sum()), check, "1"))


def _regret(found: RoutedObserved, rows: Bools, check: Check, seed: int) -> Reading:
    gains = found.gains
    by_teacher = np.take_along_axis(gains, found.by_teacher[:, None], axis=1)[:, 0]
    same = float((found.by_teacher == found.decisions)[rows].mean()) if rows.any() else np.nan
    reading = _mean(found.taken(gains) - by_teacher, found, rows, check, seed)
    return replace(reading, note=f"{same:.2%} of the decisions are the teacher's")


def _beyond(found: RoutedObserved, rows: Bools, check: Check, seed: int) -> Reading:
    values = _beyond_chance(found, rows)
    return _mean(values, found, rows, check, seed, support=(-2.0, 2.0))  # a gain less the mean gain


def _beyond_chance(found: RoutedObserved, rows: Bools) -> Floats:
    """(n,) each step against chance at its own share: what the rule brings less what a shuffle of its steps would."""
    gains, values = found.gains[rows], np.zeros(len(rows))
    if rows.any():
        values[rows] = sum(over_random(gains[:, step], (found.decisions[rows] == step).astype(np.float64))
                           for step in (1, 2))
    return values


def _per_rerank(found: RoutedObserved, rows: Bools, check: Check, seed: int) -> Reading:
    """`beyond chance` over the share that is reranked, which is the rule's own and no error of the ratio."""
    reranked = found.decisions[rows] > 0
    if not reranked.any():
        return Reading(_counted(np.nan, int(rows.sum()), check, "nDCG"))
    share = float(reranked.mean())
    values = _beyond_chance(found, rows) / share
    reading = _mean(values, found, rows, check, seed, support=(-2.0 / share, 2.0 / share))
    gain, chance = found.taken(found.gains)[rows][reranked].mean(), found.gains[rows, 2].mean()
    return replace(reading, note=f"{gain:.4f} a rerank where chance brings {chance:.4f}, {gain / chance:.2f} times it")


def _kept(found: RoutedObserved, rows: Bools, check: Check, _: int) -> Reading:
    gains = found.gains
    full = gains[rows, 2]
    if rows.sum() < 2 or full.sum() <= 0:
        return Reading(_counted(np.nan, int(rows.sum()), check, "1"))
    kept = found.taken(gains)[rows]
    ratio = kept.sum() / full.sum()
    # a query can lose, so that the sums are no counts: the mean of the ratio's own linear form (delta method)
    linear = ratio + (kept - ratio * full) / full.mean()
    return Reading(mean_interval(linear, clusters=found.table.clusters[rows], confidence=check.confidence))


def _share(found: RoutedObserved, rows: Bools, check: Check, seed: int) -> Reading:
    reading = _mean((found.decisions > 0).astype(np.float64), found, rows, check, seed, support=(0.0, 1.0), least=0)
    told = found.gate.predicted
    return replace(reading, note=f"θ* was fitted to {told.share + told.cheap_share:.2%} of its own queries")


def _extra(found: RoutedObserved) -> Floats:
    return found.taken(found.costs) + found.overhead_ms


def _mean_extra(found: RoutedObserved, rows: Bools, check: Check, _: int) -> Reading:
    x = _extra(found)[rows]
    if len(x) < 2:
        return Reading(_counted(np.nan, len(x), check, "ms"))
    law = cost_law(found.table.where(found.table.timed) if found.table.timed.any() else found.table)
    note = (f"measured, in ms: signals {law.signals:.4f}, rerank {law.rerank:.4f}, candidate {law.candidate:.5f}, "
            f"word {law.word:.5f}")
    return Reading(mean_interval(x, clusters=found.table.clusters[rows], confidence=check.confidence, unit="ms"),
                   note=note)


def _p95_extra(found: RoutedObserved, rows: Bools, check: Check, _: int) -> Reading:
    x = _extra(found)[rows]
    if not len(x):
        return Reading(_counted(np.nan, 0, check, "ms"))
    return Reading(quantile_interval(x, q=0.95, confidence=check.confidence)._replace(unit="ms"))


def _gap(found: RoutedObserved, _: Bools, check: Check, __: int) -> Reading:
    """On the requests of the fit: what the gate tells of itself must hold, and no other θ do better."""
    gap = optimality_gap(found.gate, found.requests)
    value = max(gap.gap, gap.stale, 0.0) if gap.within else 1.0
    note = f"θ* entropy {found.gate.theta.entropy:.4g}, gain {found.gate.theta.gain:.4g}"
    return Reading(_counted(value, found.requests.n, check, "nDCG"), note=note)


def _mismatches(found: RoutedObserved, rows: Bools, check: Check, _: int) -> Reading:
    served, said = found.served[rows], np.asarray(found.ladder)[found.decisions[rows]]
    if not rows.any() or (served < 0).any():
        raise InputError("nobody recorded what was served", where=check.id, expected="live parts", found=check.measure)
    return Reading(_counted(int((served != said).sum()), len(said), check, "queries"))


def _mean(values: Floats, found: RoutedObserved, rows: Bools, check: Check, seed: int, *,
          support: tuple[float, float] = (-1.0, 1.0), least: int = MIN_N) -> Reading:
    x, clusters = values[rows], found.table.clusters[rows]
    if len(x) < 2:
        return Reading(_counted(np.nan, len(x), check, "1"))
    bound = check.limit is not None and check.limit.by != "value"
    closed = mean_interval(x, clusters=clusters, confidence=check.confidence, support=support)
    if not bound:
        return Reading(closed)
    ends = bootstrap_ends(x, clusters=clusters, confidence=check.confidence, resamples=RESAMPLES, method="bca",
                          rng=np.random.default_rng(seed))
    cross = CrossCheck(ends.estimate.low, ends.estimate.high, ends.low_se, ends.high_se, ends.estimate.method)
    return Reading(closed, min_n=least, cross=cross)


def _counted(value: float, n: int, check: Check, unit: str) -> Estimate:
    return Estimate(float(value), float(value), float(value), n, check.confidence, "counted", unit)


_READERS: dict[str, Callable[[RoutedObserved, Bools, Check, int], Reading]] = {
    "monotone faults": _monotone, "rounding excess": _rounding, "regret nDCG@10": _regret,
    "beyond chance nDCG@10": _beyond, "beyond chance per rerank nDCG@10": _per_rerank, "lift kept": _kept,
    "rerank share": _share, "mean extra ms": _mean_extra,
    "p95 extra ms": _p95_extra, "theta gap": _gap, "decision mismatches": _mismatches}
