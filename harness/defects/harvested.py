"""Defects of a latency harvest: the setting that is served slows, loses, finds other documents, or turns when cold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.defects.catalogue import Dose, defect
from harness.estimate import Estimate
from harness.release.observed import Trial
from harness.release.studied.harvested import HarvestObserved
from harness.retrieval.harvest_cells import Cell

__all__ = ["cold_turns_about", "harvest_finds_others", "harvest_loses", "harvest_slows"]

_MS = 1000.0


@defect("harvest_slows", caught_by=lambda measure: measure == "harvest p95 change", goes="up",
        signal="the change of p95 against the default")
def harvest_slows(trial: Trial, dose: Dose) -> Trial:
    """The chosen setting's p95 rises by up to a second: chosen on a quiet machine, served on another."""
    return _chosen(trial, dose, lambda cell: replace(cell, warm=_moved(cell.warm, _MS * dose.severity)))


@defect("harvest_loses", caught_by=lambda measure: measure == "harvest nDCG@10 loss", goes="up",
        signal="how much quality the chosen setting lost")
def harvest_loses(trial: Trial, dose: Dose) -> Trial:
    """The chosen setting loses quality, all of it at severity 1: an ef too low for the graph."""
    return _chosen(trial, dose, lambda cell: replace(cell, delta=_moved(cell.delta, -dose.severity)))


@defect("harvest_finds_others", caught_by=lambda measure: measure == "harvest Jaccard@10", goes="down",
        signal="the overlap with the baseline's first ten hits")
def harvest_finds_others(trial: Trial, dose: Dose) -> Trial:
    """The chosen setting's first hits are no longer the baseline's: a graph that was built again."""
    left = 1.0 - dose.severity
    return _chosen(trial, dose, lambda cell: replace(cell, jaccard=cell.jaccard._replace(
        value=left * cell.jaccard.value, low=left * cell.jaccard.low, high=left * cell.jaccard.high)))


@defect("cold_turns_about", caught_by=lambda measure: measure == "harvest sign disagreements", goes="up",
        signal="settings that are faster warm and slower cold, or the other way")
def cold_turns_about(trial: Trial, dose: Dose) -> Trial:
    """For a share of the settings, at least one, what is faster warm is slower on a cold start, and the reverse."""
    record = trial.candidate.studies.get("harvested")
    if not isinstance(record, HarvestObserved) or dose.severity == 0.0:
        return trial
    shown = [cell for cell in record.harvest.cells if cell.cold is not None and cell.setting != record.harvest.default]
    first = max(1, round(dose.severity * len(shown))) if shown else 0
    order = dose.rng(len(shown)).permutation(len(shown))[:first].tolist()
    turned = {shown[place].setting for place in order}
    cells = tuple(_opposed(cell) if cell.setting in turned else cell for cell in record.harvest.cells)
    return trial.with_study("harvested", replace(record, harvest=replace(record.harvest, cells=cells)))


def _chosen(trial: Trial, dose: Dose, change: Callable[[Cell], Cell]) -> Trial:
    """The chosen setting's cell changed; the choice stands, as it would in a file that was edited by hand."""
    record = trial.candidate.studies.get("harvested")
    if not isinstance(record, HarvestObserved) or dose.severity == 0.0:
        return trial
    found = record.harvest
    cells = tuple(change(cell) if cell.setting == found.choice.setting else cell for cell in found.cells)
    return trial.with_study("harvested", replace(record, harvest=replace(found, cells=cells)))


def _moved(estimate: Estimate, by: float) -> Estimate:
    return estimate._replace(value=estimate.value + by, low=estimate.low + by, high=estimate.high + by)


def _opposed(cell: Cell) -> Cell:
    """The cell with a warm difference that is shown, and a cold one that is shown the other way."""
    cold = cell.cold
    if cold is None:
        return cell
    way = -1.0 if cell.warm.value <= 0.0 else 1.0
    return replace(cell, warm=_sided(cell.warm, way), cold=_sided(cold, -way))


def _sided(one: Estimate, way: float) -> Estimate:
    """As wide as it was, and clear of 0 on one side."""
    half = max((one.high - one.low) / 2.0, 1e-3)
    far = way * max(abs(one.value), 2.0 * half)
    return one._replace(value=far, low=far - half, high=far + half)
