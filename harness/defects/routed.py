"""Defects of the spend rule: tables bent, θ* moved, decisions at random, everywhere, or other than served."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.defects.catalogue import Dose, defect
from harness.gating.terms import Theta
from harness.release.observed import Bools, Trial
from harness.release.studied.routed import RoutedObserved, decide
from harness.routing.int8 import Int8Router
from harness.routing.tables import TOP

__all__ = ["bent_segment", "coarse_rounding", "non_monotone_table", "served_otherwise", "spends_at_random",
           "spends_everywhere", "theta_moved"]


@defect("non_monotone_table", caught_by=lambda measure: measure == "monotone faults", goes="up",
        signal="levels that move against a promise", grades=(0.02, 0.1, 1.0))
def non_monotone_table(trial: Trial, dose: Dose) -> Trial:
    """Entries of the entropy curve of τ are turned about: a table written by hand, a bit flipped."""
    found = _routed(trial)
    if found is None or dose.severity == 0:
        return trial
    router, signal = found.router, found.router.names.index("entropy")
    table = router.tables["tau"]
    values = table.values.copy()
    steps = np.linspace(TOP, -TOP, values.shape[1]).astype(np.int8)  # falls everywhere
    count = max(2, round(dose.severity * values.shape[1]))
    values[signal, -count:] = steps[-count:]
    multipliers = np.maximum(table.multipliers, 1)
    bent = {**router.tables, "tau": table._replace(values=values, multipliers=multipliers)}
    broken = Int8Router(router.names, bent, router.monotone, router.error_bound)
    return _with(trial, replace(found, router=broken))


@defect("bent_segment", caught_by=lambda measure: measure == "regret nDCG@10", goes="down",
        signal="what the decisions bring beside the teacher's")
def bent_segment(trial: Trial, dose: Dose) -> Trial:
    """The distilled gain is bent for a share of the queries until it ranks them the wrong way about."""
    found = _routed(trial)
    if found is None or dose.severity == 0:
        return trial
    distilled = np.where(dose.share(len(found.distilled)), -found.gains[:, 2], found.distilled)
    return _with(trial, replace(found, distilled=distilled, decisions=decide(found.gate, found.entropy, distilled)))


@defect("coarse_rounding", caught_by=lambda measure: measure == "rounding excess", goes="up",
        signal="how far the tables' answers lie from the curves")
def coarse_rounding(trial: Trial, dose: Dose) -> Trial:
    """The tables are rounded to fewer bits than their bound was stated for."""
    found = _routed(trial)
    if found is None:
        return trial
    rounding = {output: far + dose.severity for output, far in found.rounding.items()}
    return _with(trial, replace(found, rounding=rounding))


@defect("spends_at_random", caught_by=lambda measure: measure in {"beyond chance nDCG@10", "lift kept"}, goes="down",
        signal="what the decisions bring over chance")
def spends_at_random(trial: Trial, dose: Dose) -> Trial:
    """Decisions go to the queries that gain least: a sign lost between router and gate."""
    found = _routed(trial)
    if found is None or dose.severity == 0:
        return trial
    moved = np.flatnonzero(dose.share(len(found.decisions)))
    decisions = found.decisions.copy()
    worst = moved[np.argsort(found.gains[moved, 2], kind="stable")]
    decisions[worst] = np.sort(found.decisions[moved])[::-1]
    return _with(trial, replace(found, decisions=decisions))


@defect("theta_moved", caught_by=lambda measure: measure == "theta gap", goes="up",
        signal="nDCG@10 that the optimum brings more", grades=(0.1, 0.5, 1.0))
def theta_moved(trial: Trial, dose: Dose) -> Trial:
    """θ* is edited by up to itself after it was fitted."""
    found = _routed(trial)
    if found is None or dose.severity == 0:
        return trial
    theta = found.gate.theta
    moved = Theta(theta.entropy, theta.gain + dose.severity * max(abs(theta.gain), 0.01))
    return _with(trial, replace(found, gate=replace(found.gate, theta=moved)))


@defect("spends_everywhere", caught_by=lambda measure: measure in {"rerank share", "mean extra ms", "p95 extra ms"},
        goes="up", signal="how many are reranked, and what that takes")
def spends_everywhere(trial: Trial, dose: Dose) -> Trial:
    """A share of the queries is reranked in full whatever the rule says, each a hundred times as slow at most."""
    found = _routed(trial)
    if found is None or dose.severity == 0:
        return trial
    decisions = np.where(dose.share(len(found.decisions)), 2, found.decisions)
    table = replace(found.table, rerank_ms=found.table.rerank_ms * (1.0 + 99.0 * dose.severity))
    return _with(trial, replace(found, decisions=decisions, table=table))


@defect("served_otherwise", caught_by=lambda measure: measure == "decision mismatches", goes="up",
        signal="queries served with another spend", grades=(0.001, 0.01, 1.0))
def served_otherwise(trial: Trial, dose: Dose) -> Trial:
    """A share of the queries is served with another spend than the rule's: an old table in one replica."""
    found = _routed(trial)
    if found is None or dose.severity == 0:
        return trial
    other = np.asarray(found.ladder)[(found.decisions + 1) % 3]
    return _with(trial, replace(found, served=np.where(_at_least_one(dose, len(other)), other, found.served)))


def _at_least_one(dose: Dose, n: int) -> Bools:
    chosen = dose.share(n)
    if n and not chosen.any():
        chosen[0] = True
    return chosen


def _routed(trial: Trial) -> RoutedObserved | None:
    found = trial.candidate.studies.get("routed")
    return found if isinstance(found, RoutedObserved) else None


def _with(trial: Trial, found: RoutedObserved) -> Trial:
    studies = {**trial.candidate.studies, "routed": found}
    return replace(trial, candidate=replace(trial.candidate, studies=studies))
