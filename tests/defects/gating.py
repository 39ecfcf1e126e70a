"""What a fair policy asks of the sound trial, a gate as the session runs it, and what makes two trials equal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from harness.defects.catalogue import Defect
from harness.defects.owners import owner
from harness.release.evidence import rounded
from harness.release.judge import Control, Finding, Reading, judge
from harness.release.measures import read
from harness.release.observed import Trial
from harness.release.policy import Check, Limit

# Measure → a limit that a fair policy would set for the sound trial.
LIMITS = {
    "R@5": ("at_least", 0.9, "lcb"), "RR": ("at_least", 0.8, "lcb"), "RR@10": ("at_least", 0.8, "value"),
    "policy value": ("at_least", 0.35, "lcb"), "estimators disagree": ("at_most", 0.0, "value"),
    "estimator gap z": ("at_most", 3.0, "value"),
    "policy value error z": ("at_most", 3.0, "value"), "propensity calibration": ("at_most", 0.06, "ucb"),
    "R@100": ("at_least", 0.95, "lcb"),
    "Success@50": ("at_least", 0.95, "value"), "nDCG@10": ("at_least", 0.8, "lcb"), "AP": ("at_least", 0.6, "lcb"),
    "P@10": ("at_least", 0.15, "value"), "delta nDCG@10": ("at_least", 0.0, "lcb"),
    "lift R@5": ("at_least", 0.0, "lcb"), "over last_vector R@5": ("at_least", 0.0, "lcb"),
    "acceptance": ("at_least", 0.1, "value"), "unanswered": ("at_most", 0.0, "value"),
    "unjudged@10": ("at_most", 0.2, "value"), "cosine>=0.5": ("at_least", 0.9, "value"),
    "p50 total_ms": ("at_most", 8.0, "ucb"), "p95 retrieval_ms": ("at_most", 8.0, "ucb"),
    "p95 rerank_ms": ("at_most", 2.0, "ucb"), "p95 total_ms": ("at_most", 8.0, "ucb"),
    "p99 total_ms": ("at_most", 8.0, "ucb"), "p99/p50 total_ms": ("at_most", 3.0, "ucb"),
    "p99/p95 total_ms": ("at_most", 2.0, "ucb"), "delta p95 total_ms": ("at_most", 1.0, "ucb"),
    "delta p99 total_ms": ("at_most", 1.0, "ucb"), "Jaccard@10 baseline": ("at_least", 0.8, "lcb"),
    "conformal coverage": ("at_least", 0.95, "lcb"), "AECE drift": ("at_most", 0.02, "ucb"),
    "harvest p95 change": ("at_most", 0.0, "ucb"), "harvest sign disagreements": ("at_most", 0.0, "value"),
    "harvest nDCG@10 loss": ("at_most", 0.0, "ucb"), "harvest Jaccard@10": ("at_least", 0.8, "lcb"),
    "agreement@10": ("at_least", 0.9, "lcb"), "norm error": ("at_most", 0.001, "value"),
    "ids missing": ("at_most", 0.0, "value"), "ids doubled": ("at_most", 0.0, "value"),
    "largest cell share": ("at_most", 0.2, "value"),
    "run manifest gaps": ("at_most", 0.0, "value"), "digest mismatches": ("at_most", 0.0, "value"),
    "replay differences": ("at_most", 0.0, "value"), "config drift": ("at_most", 0.0, "value"),
    "unsigned baseline": ("at_most", 0.0, "value"),
    "tied at cut@10": ("at_most", 0.01, "value"), "duplicated hits": ("at_most", 0.0, "value"),
    "non-finite scores": ("at_most", 0.0, "value"), "leaked judgements": ("at_most", 0.0, "value"),
    "same as baseline": ("at_most", 0.0, "value"),
    "regressions": ("at_most", 0.0, "value"), "pinned regressions": ("at_least", 20.0, "value"),
    "monotone faults": ("at_most", 0.0, "value"), "rounding excess": ("at_most", 0.0, "value"),
    "regret nDCG@10": ("at_least", -0.0005, "lcb"), "beyond chance nDCG@10": ("at_least", 0.0, "lcb"),
    "beyond chance per rerank nDCG@10": ("at_least", 0.0, "lcb"),
    "lift kept": ("at_least", 0.25, "lcb"), "rerank share": ("at_most", 0.25, "ucb"),
    "mean extra ms": ("at_most", 0.25, "ucb"), "p95 extra ms": ("at_most", 2.0, "ucb"),
    "theta gap": ("at_most", 1e-6, "value"), "decision mismatches": ("at_most", 0.0, "value"),
    "log ESS/N": ("at_least", 0.2, "value"), "log kappa": ("at_most", 0.5, "value"),
    "unlogged share": ("at_most", 0.2, "ucb"), "control shift": ("at_most", 0.2, "ucb"),
    "negative control p": ("at_least", 0.05, "value"), "negative control effect": ("at_most", 0.3, "ucb"),
    "shuffled effect": ("at_most", 0.05, "ucb"), "unstratified p": ("at_most", 0.05, "value"),
    "surrogate coverage": ("at_least", 0.95, "lcb"), "surrogate width ms": ("at_most", 30.0, "ucb"),
    "surrogate sharpness": ("at_most", 1.0, "ucb"), "surrogate p95 bound ms": ("at_most", 4.78, "ucb"),
    "surrogate ms": ("at_most", 1.0, "ucb"),
    "stress Jaccard@10": ("at_least", 0.8, "lcb"), "stress delta nDCG@10": ("at_least", 0.0, "lcb"),
    "stress loss nDCG@10": ("at_most", 0.05, "ucb"), "stress sign consistency": ("at_least", 0.9, "lcb"),
    "language delta nDCG@10": ("at_least", 0.0, "lcb"), "stress sign stability": ("at_least", 0.9, "value"),
    "answer precision": ("at_least", 0.2, "lcb"), "answer recall": ("at_least", 0.45, "lcb"),
    "answer F1": ("at_least", 0.22, "lcb"), "faithfulness": ("at_least", 0.6, "lcb"),
    "oracle_retrieval_hit_prefilter": ("at_least", 0.85, "lcb"), "reader_used_gold": ("at_least", 0.7, "lcb"),
    "delta answer precision": ("at_least", -0.02, "lcb"), "delta answer recall": ("at_least", 0.0, "lcb"),
    "delta answer F1": ("at_least", 0.0, "lcb"), "delta faithfulness": ("at_least", 0.0, "lcb"),
    "delta oracle_retrieval_hit_prefilter": ("at_least", 0.0, "lcb"),
    "delta reader_used_gold": ("at_least", 0.0, "lcb"), "p95 answer_ms": ("at_most", 30_000.0, "ucb"),
    "embedding ms": ("at_most", 65.0, "ucb"), "answer p95 ratio": ("at_most", 1.15, "ucb"),
    "answer throughput ratio": ("at_least", 0.87, "lcb"), "retry share": ("at_most", 0.01, "ucb"),
    "hard time-outs": ("at_most", 0.0, "value"),
    "tool schema conformance": ("at_least", 0.95, "lcb"), "mutations without dry run": ("at_most", 0.0, "value"),
    "calls without intent": ("at_most", 0.0, "value"), "probes let through": ("at_most", 0.0, "value"),
    "passages over budget": ("at_most", 0.0, "value"), "prefix leakage": ("at_most", 0.0, "value"),
    "near-duplicate share": ("at_most", 0.35, "value"), "snapshot breadth": ("at_least", 0.9, "value"),
    "evaluation differences": ("at_most", 0.0, "value"), "health faults": ("at_most", 0.0, "value"),
    "few-shot leaks": ("at_most", 0.0, "value"), "few-shot differences": ("at_most", 0.0, "value"),
}  # fmt: skip


def check(measure: str, on: str = "all") -> Check:
    """The row of a fair policy, on a slice."""
    return Check(measure, measure, None, on, Limit(*LIMITS[measure]))


def gated(measure: str, trial: Trial, severity: float | None = None) -> Finding:
    """A trial judged as the gate judges it: with its owner's defect planted beside it."""
    plant = owner(measure)
    return found(check(measure), trial, plant, plant.grades[-1] if severity is None else severity)


def found(row: Check, trial: Trial, plant: Defect, severity: float | None = None, *, now: Trial | None = None
          ) -> Finding:
    """The row's finding on `now` (on the trial itself where None), with the plant in the trial for its control."""
    shown = plant.grades[-1] if severity is None else severity
    broken = read(plant.plant(trial, shown), row)
    return _judged(row, read(trial if now is None else now, row), broken, plant.name, shown)


def both(row: Check, trial: Trial, plant: Defect) -> tuple[Finding, Finding]:
    """The row's findings on the trial and on the trial with the plant's last grade in it, each read once."""
    shown = plant.grades[-1]
    sound, broken = read(trial, row), read(plant.plant(trial, shown), row)
    before, after = (_judged(row, reading, broken, plant.name, shown) for reading in (sound, broken))
    return before, after


def _judged(row: Check, reading: Reading, broken: Reading, name: str, shown: float) -> Finding:
    twin = broken.estimate
    return judge(row, rounded(replace(
        reading, control=Control(name, shown, twin.value, twin.low, twin.high, twin.n),
        alternatives=tuple(one._replace(broken=other.estimate) for one, other
                           in zip(reading.alternatives, broken.alternatives, strict=True)))))


def equal(one: Any, two: Any) -> bool:
    """The same to the bit, however deep: records, arrays, frames, mappings; NaN equals NaN."""
    if type(one) is not type(two):
        return False
    if is_dataclass(one):
        return all(equal(getattr(one, each.name), getattr(two, each.name)) for each in fields(one))
    if isinstance(one, np.ndarray):
        return one.dtype == two.dtype and np.array_equal(one, two, equal_nan=one.dtype.kind == "f")
    if isinstance(one, pd.DataFrame):
        return one.equals(two)
    if isinstance(one, Mapping):
        return list(one) == list(two) and all(equal(one[key], two[key]) for key in one)
    if isinstance(one, tuple | list):
        return len(one) == len(two) and all(equal(first, second) for first, second in zip(one, two, strict=True))
    return bool(one == two)
