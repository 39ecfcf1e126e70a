"""Defects of conformal bands: calibrated on what was easy, so that they are too narrow for what comes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.defects.catalogue import Dose, defect
from harness.release.measures.covered import owns
from harness.release.observed import Trial
from harness.release.studied.covered import CoverageObserved

__all__ = ["bands_too_narrow"]


@defect("bands_too_narrow", caught_by=owns, goes="down",
        signal="the highest promise that the covered counts keep", grades=(0.2, 0.5, 1.0))
def bands_too_narrow(trial: Trial, dose: Dose) -> Trial:
    """The worst of each group's calibration scores, half of them at severity 1, are cut off: bands of quiet hours."""
    record = trial.candidate.studies.get("covered")
    if not isinstance(record, CoverageObserved):
        return trial
    scores = record.scores.copy()
    for group in sorted(set(record.groups.tolist())):
        rows = np.flatnonzero((record.groups == group) & record.calibrating)
        kept = len(rows) - round(0.5 * dose.severity * len(rows))
        if len(rows):
            scores[rows] = np.minimum(scores[rows], np.sort(scores[rows])[max(kept, 1) - 1])
    return trial.with_study("covered", replace(record, scores=scores))
