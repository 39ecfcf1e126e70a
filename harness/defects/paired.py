"""Defects beside the baseline: slower on the same requests, and answers that have nothing to do with its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.defects.catalogue import Dose, defect
from harness.defects.ranking import answers_to_another_query
from harness.release.measures.beside import overlaps, slower
from harness.release.observed import Trial
from harness.release.studied.paired import PairedLatency

__all__ = ["another_ranking", "slow_beside_baseline"]


@defect("slow_beside_baseline", caught_by=slower, goes="up",
        signal="the lower bound of the percentiles' difference")
def slow_beside_baseline(trial: Trial, dose: Dose) -> Trial:
    """Three of five requests take the candidate up to a thousand times as long as they did, and the baseline not."""
    record = trial.candidate.studies.get("paired")
    if not isinstance(record, PairedLatency) or dose.severity == 0.0:
        return trial
    n = len(record.requests)
    slow = dose.rng(n).permutation(n) < 0.6 * n
    times = {name: np.where(slow, (column + dose.severity) * (1.0 + 999.0 * dose.severity), column)
             for name, column in record.candidate.items()}
    return trial.with_study("paired", replace(record, candidate=times))


@defect("another_ranking", caught_by=overlaps, goes="down",
        signal="the mean overlap with the baseline's first hits")
def another_ranking(trial: Trial, dose: Dose) -> Trial:
    """A share of the queries is ranked as if it were another query: nothing of the baseline's answer is left."""
    return answers_to_another_query(trial, dose)
