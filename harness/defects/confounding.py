"""Defects of a log of decisions: actions that follow what it does not tell, propensities and weights that mislead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.defects.catalogue import Dose, defect
from harness.defects.changes import with_record
from harness.records import Floats
from harness.release.observed import Bools, Trial
from harness.release.studied.decisions import STUDY, DecisionLog

__all__ = ["action_never_tried", "confounded_log", "filled_control", "heavy_tail", "hidden_confounder",
           "misstated_propensities", "one_heavy_weight", "shuffle_by_reward"]


@defect("confounded_log", caught_by=lambda measure: measure == "negative control p", goes="down",
        signal="p of the negative controls", grades=(0.3, 1.0))
def confounded_log(trial: Trial, dose: Dose) -> Trial:
    """Within strata a share of the actions followed how good the answer already was, which the log does not tell."""
    return _log(trial, dose, _followed)


@defect("hidden_confounder", caught_by=lambda measure: measure == "negative control effect", goes="up",
        signal="the effect on what no action can have moved", grades=(0.3, 1.0))
def hidden_confounder(trial: Trial, dose: Dose) -> Trial:
    """The same log, seen by how large an effect it feigns on a negative control."""
    return _log(trial, dose, _followed)


@defect("one_heavy_weight", caught_by=lambda measure: measure == "log ESS/N", goes="down",
        signal="effective decisions as a share of all", grades=(0.5, 1.0))
def one_heavy_weight(trial: Trial, dose: Dose) -> Trial:
    """One decision that the target policy takes was all but impossible: its weight outweighs all others."""

    def change(log: DecisionLog, dose: Dose) -> DecisionLog:
        propensity = log.propensity.copy()
        for held in log.slices.values():  # one in each slice, as each is judged by itself
            rows = np.flatnonzero(held & (log.target > 0.0))
            propensity[rows[dose.rng(len(rows)).permutation(len(rows))[:1]]] *= 10.0 ** (-8.0 * dose.severity)
        return replace(log, propensity=np.maximum(propensity, 1e-30))

    return _log(trial, dose, change)


@defect("heavy_tail", caught_by=lambda measure: measure == "log kappa", goes="up", signal="κ of the weights",
        grades=(0.5, 1.0))
def heavy_tail(trial: Trial, dose: Dose) -> Trial:
    """Propensities come from a model that is far too sure of itself: weights without a mean."""

    def change(log: DecisionLog, dose: Dose) -> DecisionLog:
        tail = 1.0 + dose.rng(len(log)).pareto(1.0 / 1.5, size=len(log))
        return replace(log, propensity=np.maximum(log.propensity / tail**dose.severity, 1e-30))

    return _log(trial, dose, change)


@defect("action_never_tried", caught_by=lambda measure: measure == "unlogged share", goes="up",
        signal="share of the target policy that the log says nothing of")
def action_never_tried(trial: Trial, dose: Dose) -> Trial:
    """The log's policy no longer takes the action that the target takes most."""
    return _log(trial, dose, _untried)


@defect("misstated_propensities", caught_by=lambda measure: measure == "control shift", goes="up",
        signal="how far weighting moves what no policy can change")
def misstated_propensities(trial: Trial, dose: Dose) -> Trial:
    """Propensities are told as if the actions had followed a negative control."""

    def change(log: DecisionLog, dose: Dose) -> DecisionLog:
        tilt = np.exp(-4.0 * dose.severity * _ranks(_first(log)))  # told lower for some rows, never above 1
        return replace(log, propensity=np.maximum(log.propensity * tilt, 1e-30))

    return _log(trial, dose, change)


@defect("shuffle_by_reward", caught_by=lambda measure: measure == "shuffled effect", goes="up",
        signal="the effect of actions that chance dealt out", grades=(0.3, 1.0))
def shuffle_by_reward(trial: Trial, dose: Dose) -> Trial:
    """The shuffle deals a share of the actions by what was earned: it looked at what it should be blind to."""
    return _log(trial, dose, lambda log, dose: replace(
        log, shuffled=_dealt_by(log, log.shuffled, log.reward, dose.share(len(log)))))


@defect("filled_control", caught_by=lambda measure: measure == "unstratified p", goes="up",
        signal="p of a log whose confounding must be seen", grades=(1.0,))
def filled_control(trial: Trial, dose: Dose) -> Trial:
    """The control columns were filled in with one value where they were lost: they can no longer tell anything."""

    def change(log: DecisionLog, dose: Dose) -> DecisionLog:
        gone = dose.share(len(log))
        return replace(log, controls={name: np.where(gone, values.mean(), values)
                                      for name, values in log.controls.items()})

    return _log(trial, dose, change)


def _log(trial: Trial, dose: Dose, change: Callable[[DecisionLog, Dose], DecisionLog]) -> Trial:
    """The trial with its record changed, as `with_record` has it."""
    return with_record(trial, dose, STUDY, DecisionLog, change)


def _followed(log: DecisionLog, dose: Dose) -> DecisionLog:
    """Actions of a share of the rows dealt out anew within strata, the dear ones to the lowest of the first control."""
    order = _order(log, -_first(log), share := dose.share(len(log)))
    taken = np.flatnonzero(share)[np.lexsort((log.exposed[share], log.strata.codes[share]))]
    columns = {name: getattr(log, name).copy() for name in ("actions", "exposed", "propensity", "target")}
    for name, values in columns.items():
        values[order] = getattr(log, name)[taken]
    return replace(log, **columns)


def _untried(log: DecisionLog, dose: Dose) -> DecisionLog:
    """Rows of the action dropped, and the rest told as likely as they then were."""
    names, code = np.unique(log.actions, return_inverse=True)
    tried = code == int(np.argmax(np.bincount(code, log.target / log.propensity, minlength=len(names))))
    gone = np.zeros(len(log), dtype=np.bool_)
    gone[np.flatnonzero(tried)[dose.share(int(tried.sum()))]] = True
    lost = (np.bincount(log.strata.codes, gone) / log.strata.counts)[log.strata.codes]
    kept = replace(log, propensity=np.minimum(log.propensity / np.maximum(1.0 - lost, 1e-12), 1.0)).where(~gone)
    return kept


def _dealt_by(log: DecisionLog, values: Floats, by: Floats, share: Bools) -> Floats:
    """(n,) `values` of the share dealt out anew within strata, the largest to the largest of `by`."""
    dealt = values.copy()
    dealt[_order(log, by, share)] = values[share][np.lexsort((values[share], log.strata.codes[share]))]
    return dealt


def _order(log: DecisionLog, by: Floats, share: Bools) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Rows of the share by stratum, and within it by `by` ascending."""
    rows = np.flatnonzero(share)
    return rows[np.lexsort((by[rows], log.strata.codes[rows]))].astype(np.int64)


def _first(log: DecisionLog) -> Floats:
    return next(iter(log.controls.values()))


def _ranks(values: Floats) -> Floats:
    """(n,) mid-free ranks from 0 to 1."""
    return np.asarray(np.argsort(np.argsort(values, kind="stable")) / max(len(values) - 1, 1), dtype=np.float64)
