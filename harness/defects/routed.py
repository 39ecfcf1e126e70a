"""Defects of the spend rule: tables bent, θ* moved, decisions at random, everywhere, or other than served."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.defects.catalogue import Dose, defect
from harness.defects.changes import of_study
from harness.gating.terms import Theta
from harness.release.observed import Bools
from harness.release.studied.routed import RoutedObserved, decide
from harness.routing.int8 import Int8Router
from harness.routing.tables import TOP

__all__ = ["bent_segment", "coarse_rounding", "non_monotone_table", "served_otherwise", "spends_everywhere",
           "spends_nowhere", "spends_on_the_worst", "theta_moved"]

_of_the_rule = of_study("routed", RoutedObserved)


@defect("non_monotone_table", caught_by=lambda measure: measure == "monotone faults", goes="up",
        signal="levels that move against a promise", grades=(0.02, 0.1, 1.0))
@_of_the_rule
def non_monotone_table(found: RoutedObserved, dose: Dose) -> RoutedObserved:
    """Entries of the entropy curve of τ are turned about: a table written by hand, a bit flipped."""
    router, signal = found.router, found.router.names.index("entropy")
    table = router.tables["tau"]
    values = table.values.copy()
    steps = np.linspace(TOP, -TOP, values.shape[1]).astype(np.int8)  # falls everywhere
    count = max(2, round(dose.severity * values.shape[1]))
    values[signal, -count:] = steps[-count:]
    multipliers = np.maximum(table.multipliers, 1)
    bent = {**router.tables, "tau": table._replace(values=values, multipliers=multipliers)}
    broken = Int8Router(router.names, bent, router.monotone, router.error_bound)
    return replace(found, router=broken)


@defect("bent_segment", caught_by=lambda measure: measure == "regret nDCG@10", goes="down",
        signal="what the decisions bring beside the teacher's")
@_of_the_rule
def bent_segment(found: RoutedObserved, dose: Dose) -> RoutedObserved:
    """The distilled gain is bent for a share of the queries until it ranks them the wrong way about."""
    distilled = np.where(dose.share(len(found.distilled)), -found.gains[:, 2], found.distilled)
    return replace(found, distilled=distilled, decisions=decide(found.gate, found.entropy, distilled))


@defect("coarse_rounding", caught_by=lambda measure: measure == "rounding excess", goes="up",
        signal="how far the tables' answers lie from the curves")
@_of_the_rule
def coarse_rounding(found: RoutedObserved, dose: Dose) -> RoutedObserved:
    """The tables are rounded to fewer bits than their bound was stated for."""
    rounding = {output: far + dose.severity for output, far in found.rounding.items()}
    return replace(found, rounding=rounding)


@defect("spends_on_the_worst", goes="down", signal="what the decisions bring over chance", caught_by=lambda measure:
        measure in {"beyond chance nDCG@10", "beyond chance per rerank nDCG@10", "lift kept"})
@_of_the_rule
def spends_on_the_worst(found: RoutedObserved, dose: Dose) -> RoutedObserved:
    """Decisions go to the queries that gain least: a sign lost between router and gate."""
    moved = np.flatnonzero(dose.share(len(found.decisions)))
    decisions = found.decisions.copy()
    worst = moved[np.argsort(found.gains[moved, 2], kind="stable")]
    decisions[worst] = np.sort(found.decisions[moved])[::-1]
    return replace(found, decisions=decisions)


@defect("theta_moved", caught_by=lambda measure: measure == "theta gap", goes="up",
        signal="nDCG@10 that the optimum brings more", grades=(0.1, 0.5, 1.0))
@_of_the_rule
def theta_moved(found: RoutedObserved, dose: Dose) -> RoutedObserved:
    """θ* is edited by up to itself after it was fitted."""
    theta = found.gate.theta
    moved = Theta(theta.entropy, theta.gain + dose.severity * max(abs(theta.gain), 0.01))
    return replace(found, gate=replace(found.gate, theta=moved))


@defect("spends_everywhere", caught_by=lambda measure: measure in {"rerank share", "mean extra ms", "p95 extra ms"},
        goes="up", signal="how many are reranked, and what that takes")
@_of_the_rule
def spends_everywhere(found: RoutedObserved, dose: Dose) -> RoutedObserved:
    """A share of the queries is reranked in full whatever the rule says, each a hundred times as slow at most."""
    decisions = np.where(dose.share(len(found.decisions)), 2, found.decisions)
    table = replace(found.table, rerank_ms=found.table.rerank_ms * (1.0 + 99.0 * dose.severity))
    return replace(found, decisions=decisions, table=table)


@defect("spends_nowhere", caught_by=lambda measure: measure == "rerank share", goes="down",
        signal="how many are reranked")
@_of_the_rule
def spends_nowhere(found: RoutedObserved, dose: Dose) -> RoutedObserved:
    """A share of the queries that the rule would rerank is left alone: a reranker that times out, silently."""
    return replace(found, decisions=np.where(dose.share(len(found.decisions)), 0, found.decisions))


@defect("served_otherwise", caught_by=lambda measure: measure == "decision mismatches", goes="up",
        signal="queries served with another spend", grades=(0.001, 0.01, 1.0))
@_of_the_rule
def served_otherwise(found: RoutedObserved, dose: Dose) -> RoutedObserved:
    """A share of the queries is served with another spend than the rule's: an old table in one replica."""
    other = np.asarray(found.ladder)[(found.decisions + 1) % 3]
    return replace(found, served=np.where(_at_least_one(dose, len(other)), other, found.served))


def _at_least_one(dose: Dose, n: int) -> Bools:
    chosen = dose.share(n)
    if n and not chosen.any():
        chosen[0] = True
    return chosen
