"""Defects of calibration: scores that are surer than they may be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.defects.catalogue import Dose, defect
from harness.release.measures.calibrated import owns
from harness.release.observed import Trial
from harness.release.studied.calibrated import CalibrationObserved

__all__ = ["miscalibrated_scores"]

_LOGITS = 3.0  # of 1 in 20 it makes 1 in 2


@defect("miscalibrated_scores", caught_by=owns, goes="up", signal="how much farther predictions lie from outcomes",
        grades=(0.2, 0.5, 1.0))
def miscalibrated_scores(trial: Trial, dose: Dose) -> Trial:
    """For a share of the queries every hit's odds are told twenty times as good as they are: a map of another model."""
    record = trial.candidate.studies.get("calibrated")
    if not isinstance(record, CalibrationObserved) or dose.severity == 0.0:
        return trial
    tasks = {}
    for name, (side, other) in record.tasks.items():
        queries, code = np.unique(side.query.astype(str), return_inverse=True)
        p = np.clip(side.predicted, 1e-3, 1.0 - 1e-3)
        surer = 1.0 / (1.0 + (1.0 - p) / p * np.exp(-_LOGITS))
        tasks[name] = (replace(side, predicted=np.where(dose.share(len(queries))[code], surer, side.predicted)), other)
    return trial.with_study("calibrated", replace(record, tasks=tasks))
