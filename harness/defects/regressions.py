"""Defects of pinned regressions: a loss that comes back, and pins that are gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.defects.catalogue import Dose, defect
from harness.records import Run
from harness.release.observed import Pin, PinsObserved, Trial

__all__ = ["pins_deleted", "returned_losses"]


@defect("returned_losses", caught_by=lambda measure: measure == "regressions", goes="up",
        signal="pinned queries that score under their limit")
def returned_losses(trial: Trial, dose: Dose) -> Trial:
    """The rankings of a share of the pinned queries stand on their heads: what was found first is found last."""

    def change(pins: PinsObserved) -> PinsObserved:
        broken = dose.share(len(pins.pins))
        return replace(pins, pins=tuple(_overturned(pin) if chosen else pin
                                        for pin, chosen in zip(pins.pins, broken, strict=True)))

    return _pins(trial, change)


@defect("pins_deleted", caught_by=lambda measure: measure == "pinned regressions", goes="down",
        signal="pins that are there to be replayed")
def pins_deleted(trial: Trial, dose: Dose) -> Trial:
    """A share of the pins was deleted: the quickest way to have none that is broken."""

    def change(pins: PinsObserved) -> PinsObserved:
        gone = dose.share(len(pins.pins))
        return replace(pins, pins=tuple(pin for pin, chosen in zip(pins.pins, gone, strict=True) if not chosen))

    return _pins(trial, change)


def _overturned(pin: Pin) -> Pin:
    return replace(pin, plain=_reversed(pin.plain), mutated=_reversed(pin.mutated))


def _reversed(run: Run) -> Run:
    return Run.of(run.queries[run.query].tolist(), run.docs[run.doc].tolist(), run.rank.astype(float),
                  source="planted defect")


def _pins(trial: Trial, change: Callable[[PinsObserved], PinsObserved]) -> Trial:
    pins = trial.candidate.pins
    return trial if pins is None else replace(trial, candidate=replace(trial.candidate, pins=change(pins)))
