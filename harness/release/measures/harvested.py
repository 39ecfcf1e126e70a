"""Measures of the latency harvest: what the chosen setting of the graph gives and costs.

`harvest p95 change` is the chosen setting's warm p95 minus the default's, in ms; `harvest nDCG@10 loss` the baseline's
quality minus the chosen setting's; `harvest Jaccard@10` the overlap of their first ten hits; `harvest sign
disagreements` counts settings whose difference is shown warm and shown cold, and points two ways.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.errors import InputError, nearest
from harness.estimate import Estimate
from harness.release.judge import Reading
from harness.release.observed import Trial
from harness.release.policy import Check
from harness.release.studied.harvested import HARVEST, HarvestObserved
from harness.retrieval.harvest import Harvest
from harness.retrieval.harvest_cells import Cell

__all__ = ["EXAMPLES", "owns", "read"]

EXAMPLES = ("harvest p95 change", "harvest sign disagreements", "harvest nDCG@10 loss", "harvest Jaccard@10")


def owns(measure: str) -> bool:
    """True for the names in EXAMPLES.

    >>> owns("harvest Jaccard@10"), owns("harvest Jaccard@5"), owns("Jaccard@10 baseline")
    (True, False, False)
    """
    return measure in EXAMPLES


def read(trial: Trial, check: Check) -> Reading:
    """One number of the chosen setting, or of all settings. The note is the harvest's own reason.

    The change of p95 holds for all settings at once, at more than the check's confidence each.
    Raises InputError without the study.
    """
    from harness.release.studies import study  # loads live parts

    if check.slice != "all":
        raise InputError("the harvest is one for all queries", where=check.id, expected="all", found=check.slice,
                         hint=nearest(check.slice, ["all"]))
    found = study(trial, "harvested", HarvestObserved).harvest
    cell = found.chosen
    estimate = _READERS[check.measure.removeprefix(HARVEST)](found, cell)._replace(confidence=check.confidence)
    details: dict[str, float | str] = {
        "ef": float(cell.setting.ef), "hits": float(cell.setting.topk), "p95 ms": cell.p95.value,
        "default ef": float(found.default.ef), "default hits": float(found.default.topk),
        "verdict": found.choice.verdict}
    return Reading(estimate, details=details, note=found.choice.reason)


def _shown_both(found: Harvest) -> list[Cell]:
    """Settings other than the default whose p95 is shown to differ from its, either way, warm and cold.

    A difference that noise explains has no sign to agree with: cold requests scatter by milliseconds.
    """
    return [cell for cell in found.cells
            if cell.setting != found.default and _shown(cell.warm) and _shown(cell.cold)]


def _shown(one: Estimate | None) -> bool:
    return one is not None and (one.high < 0.0 or one.low > 0.0)


def _p95(_: Harvest, cell: Cell) -> Estimate:
    return cell.warm


def _signs(found: Harvest, _: Cell) -> Estimate:
    """NaN where no difference is shown, or nothing is known of a cold start: no agreement was seen."""
    shown = _shown_both(found)
    against = sum(cell.cold is not None and cell.warm.value * cell.cold.value <= 0.0 for cell in shown)
    value = float(against) if shown else np.nan
    return Estimate(value, value, value, len(shown), 0.9, "counted", "settings")


def _loss(_: Harvest, cell: Cell) -> Estimate:
    gain = cell.delta
    return gain._replace(value=-gain.value, low=-gain.high, high=-gain.low)


def _overlap(_: Harvest, cell: Cell) -> Estimate:
    return cell.jaccard


_READERS: dict[str, Callable[[Harvest, Cell], Estimate]] = {
    "p95 change": _p95, "sign disagreements": _signs, "nDCG@10 loss": _loss, "Jaccard@10": _overlap}
