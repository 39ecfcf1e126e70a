"""Defects of the latency surrogate: a machine that slowed down, labels mixed, bands too narrow, features that lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.defects.catalogue import Dose, defect
from harness.defects.changes import of_study
from harness.latency.features import CACHE, STATES
from harness.release.studied.surrogate_record import CALIBRATE, NEW, SurrogateObserved

__all__ = ["features_shuffled", "mixed_cache_labels", "predicts_slowly", "served_slowly", "shifted_latency",
           "thresholds_too_low"]

_of_the_surrogate = of_study("surrogate", SurrogateObserved)


@defect("shifted_latency", caught_by=lambda measure: measure == "surrogate coverage", goes="down",
        signal="the highest promise that the covered counts keep")
@_of_the_surrogate
def shifted_latency(found: SurrogateObserved, dose: Dose) -> SurrogateObserved:
    """The machine slows down after calibration: new requests take up to ten times as long."""
    return replace(found, ms=np.where(found.new, found.ms * (1.0 + 9.0 * dose.severity), found.ms))


@defect("mixed_cache_labels", caught_by=lambda measure: measure == "surrogate coverage", goes="down",
        signal="the highest promise that the covered counts keep")
@_of_the_surrogate
def mixed_cache_labels(found: SurrogateObserved, dose: Dose) -> SurrogateObserved:
    """A share of the new requests is labelled warm where it was cold, and cold where it was warm."""
    features, chosen = found.features.copy(), found.new.copy()
    for state in STATES:  # a share of each, so that neither state is emptied of its own before the other
        rows = np.flatnonzero(found.new & (found.groups == state))
        chosen[rows] = dose.share(len(rows))
    features[chosen, CACHE] = 1.0 - features[chosen, CACHE]
    return replace(found, features=features)


@defect("thresholds_too_low", caught_by=lambda measure: measure == "surrogate coverage", goes="down",
        signal="the highest promise that the covered counts keep")
@_of_the_surrogate
def thresholds_too_low(found: SurrogateObserved, dose: Dose) -> SurrogateObserved:
    """The thresholds of all states are lowered, until half of the intervals hold nothing."""
    low, high = found.surrogate.ends(found.features[found.new])
    held, states = found.surrogate.thresholds, found.groups[found.new]
    half = [float(np.median((high - low)[states == state]) / 2.0) if (states == state).any() else 0.0
            for state in held.groups]
    lowered = held.values - dose.severity * np.where(np.isfinite(held.values), np.array(half) + held.values, 0.0)
    return replace(found, surrogate=replace(found.surrogate, thresholds=replace(held, values=lowered)))


@defect("features_shuffled", caught_by=lambda measure: measure in {"surrogate sharpness", "surrogate width ms"},
        goes="up", signal="how wide the intervals are")
@_of_the_surrogate
def features_shuffled(found: SurrogateObserved, dose: Dose) -> SurrogateObserved:
    """A share of the requests is predicted by another's features, and the thresholds are calibrated to that."""
    features = found.features.copy()
    for state in STATES:
        for fold in (CALIBRATE, NEW):
            rows = np.flatnonzero((found.fold == fold) & (found.groups == state))
            chosen = rows[dose.share(len(rows))]
            features[chosen] = features[np.roll(dose.rng(len(rows)).permutation(chosen), 1)]
    held = found.fold == CALIBRATE
    return replace(found, features=features,
                   surrogate=found.surrogate.recalibrated(features[held], found.ms[held]))


@defect("served_slowly", caught_by=lambda measure: measure == "surrogate p95 bound ms", goes="up",
        signal="the 95th percentile at the release's own settings")
@_of_the_surrogate
def served_slowly(found: SurrogateObserved, dose: Dose) -> SurrogateObserved:
    """Requests at the release's own settings take up to a hundred times as long."""
    return replace(found, own_ms=found.own_ms * (1.0 + 99.0 * dose.severity))


@defect("predicts_slowly", caught_by=lambda measure: measure == "surrogate ms", goes="up",
        signal="the time that a prediction takes")
@_of_the_surrogate
def predicts_slowly(found: SurrogateObserved, dose: Dose) -> SurrogateObserved:
    """A prediction takes up to a hundred times as long: a model grown beyond its use."""
    return replace(found, predict_ms=found.predict_ms * (1.0 + 99.0 * dose.severity))
