"""Defects of a policy's value read off a log: rewards that never came, propensities of another time or made to fit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.defects.catalogue import Dose, defect
from harness.defects.changes import with_record
from harness.records import Floats
from harness.release.observed import Trial
from harness.release.studied.policy_log import STUDY, PolicyLog

__all__ = ["fitted_to_the_reward", "rewards_lost", "stale_propensities", "sure_propensities"]

_LOST = 0.9  # of the rewards, at most: where none is left, nothing varies and nothing is measured
_SEEN = 4.0  # in logs, from the least reward to the greatest
_TILT = 3.0  # in log odds, from the row of least predicted reward to that of most


@defect("rewards_lost", caught_by=lambda measure: measure == "policy value", goes="down",
        signal="what the target policy would have earned", grades=(0.3, 1.0))
def rewards_lost(trial: Trial, dose: Dose) -> Trial:
    """Rewards of up to nine in ten decisions never reached the log and stand there as the least there is."""

    def change(log: PolicyLog, dose: Dose) -> PolicyLog:
        lost = dose._replace(severity=_LOST * dose.severity).share(len(log))
        return replace(log, reward=np.where(lost, log.reward.min(), log.reward))

    return _log(trial, dose, change)


@defect("stale_propensities", caught_by=lambda measure: measure in {"estimators disagree", "estimator gap z"},
        goes="up", signal="how far SNIPS and DR lie apart", grades=(1.0,))
def stale_propensities(trial: Trial, dose: Dose) -> Trial:
    """Propensities are those of an earlier policy, which went where little is earned: they are not the log's own."""

    def change(log: PolicyLog, dose: Dose) -> PolicyLog:
        by = log.reward if log.expected is None else log.expected
        return replace(log, propensity=_tilted(log.propensity, by, -_TILT * dose.severity))

    return _log(trial, dose, change)


@defect("fitted_to_the_reward", caught_by=lambda measure: measure == "policy value error z", goes="up",
        signal="distance from what the target earned in truth", grades=(0.5, 1.0))
def fitted_to_the_reward(trial: Trial, dose: Dose) -> Trial:
    """Propensities were computed afterwards, by a model that saw the reward: rewarded decisions seem the rarer ones."""

    def change(log: PolicyLog, dose: Dose) -> PolicyLog:
        span = float(np.ptp(log.reward))
        share = (log.reward - log.reward.min()) / (span if span > 0.0 else 1.0)
        return replace(log, propensity=np.maximum(log.propensity * np.exp(-_SEEN * dose.severity * share), 1e-30))

    return _log(trial, dose, change)


@defect("sure_propensities", caught_by=lambda measure: measure == "propensity calibration", goes="up",
        signal="calibration error of the fitted propensities", grades=(0.5, 1.0))
def sure_propensities(trial: Trial, dose: Dose) -> Trial:
    """The propensity models are far too sure: what they hold for likelier they hold for all but certain."""

    def change(log: PolicyLog, dose: Dose) -> PolicyLog:
        if log.chances is None:
            return log
        sharp = np.exp((1.0 + 9.0 * dose.severity) * np.log(np.maximum(log.chances, 1e-300)
                                                             / log.chances.max(axis=1, keepdims=True)))
        return replace(log, chances=sharp / sharp.sum(axis=1, keepdims=True))

    return _log(trial, dose, change)


def _log(trial: Trial, dose: Dose, change: Callable[[PolicyLog, Dose], PolicyLog]) -> Trial:
    """The trial with its record changed, as `with_record` has it."""
    return with_record(trial, dose, STUDY, PolicyLog, change)


def _tilted(propensity: Floats, by: Floats, slope: float) -> Floats:
    """(n,) propensities whose odds change by `slope` from the least to the largest of `by`, level in the middle."""
    rank = np.argsort(np.argsort(by, kind="stable")) / max(len(by) - 1, 1)
    odds = propensity / np.maximum(1.0 - propensity, 1e-12) * np.exp(slope * (rank - 0.5))
    return np.asarray(np.maximum(odds / (1.0 + odds), 1e-30), dtype=np.float64)
