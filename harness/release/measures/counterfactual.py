"""Measures of a target policy's value, read off another policy's log.

| measure | its number |
|---|---|
| `policy value` | what the target would have earned, by SNIPS; without ends where `signoff audit` doubts or refuses |
| `estimators disagree` | 0 where DR lies inside SNIPS's interval and SNIPS inside DR's, else 1 |
| `estimator gap z` | SNIPS less DR, in standard errors of that difference, without its sign |
| `policy value error z` | SNIPS less what the target earned in truth, in standard errors, without its sign |
| `propensity calibration` | calibration error of the fitted propensities, of the action where it is largest |

Each is read on any slice of the log. DM, the model of rewards alone, is shown in notes and decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from harness.estimate import Estimate
from harness.estimators.calibration import calibration_error
from harness.estimators.logged import Audit
from harness.metrics.calibration import equal_mass
from harness.release.judge import Reading
from harness.release.observed import Trial
from harness.release.policy import Check, Limit
from harness.release.studied.audited import ess, kappa, magnitude
from harness.release.studied.choices import ONE_MODEL
from harness.release.studied.policy_log import PolicyLog, policies_of
from harness.release.studied.policy_values import agreement, audit_of, error_z, gap_z, truth_of, values_of

__all__ = ["EXAMPLES", "owns", "read"]

EXAMPLES = ("policy value", "estimators disagree", "estimator gap z", "policy value error z", "propensity calibration")
BINS = 10
_NO_MODEL = "no model of rewards: the log does not say the target's probability of every action (columns.prefix)"
_NO_TRUTH = "what the target earned itself is not known on this slice (studies.confounding.truth)"
_NOT_FITTED = "propensities were logged: none was fitted (columns.propensity: null fits them)"


def owns(measure: str) -> bool:
    """True for the names in EXAMPLES.

    >>> owns("policy value"), owns("value")
    (True, False)
    """
    return measure in EXAMPLES


def read(trial: Trial, check: Check) -> Reading:
    """Read one measure off the study `counterfactual`, on the slice of the check.

    Raises InputError where the study was not made, or where the log has no such slice.
    """
    log = policies_of(trial).slice(check.slice)
    found, note = _READERS[check.measure](log, check.confidence, np.random.default_rng(trial.seed))
    audit = audit_of(log)
    if check.measure == "policy value":
        found, note = _audited(found, note, audit, check.limit)
    weights = audit.check
    details: dict[str, float | str] = {
        "units": float(len(np.unique(log.units))), "ESS/N": ess(weights, confidence=check.confidence).value,
        "kappa": kappa(weights, confidence=check.confidence).value, "gap z": gap_z(log),
        "propensities": "logged" if log.logged else "fitted"}
    return Reading(found._replace(confidence=check.confidence), details=details, note=note)


def _value(log: PolicyLog, confidence: float, _: np.random.Generator) -> tuple[Estimate, str]:
    return values_of(log, confidence=confidence)["SNIPS"], _told(log, confidence)


def _audited(found: Estimate, note: str, audit: Audit, limit: Limit | None) -> tuple[Estimate, str]:
    """The value as far as the audit lets it be used; why it does not stands before the note.

    Weights that are refused or doubted leave no ends, and no value to go by. Where only the interval is doubted, the
    end that would have to clear the limit is gone; the other one may still refuse.
    """
    weights, doubts = (*audit.check.refusals, *audit.check.doubts), audit.doubts[len(audit.check.doubts) :]
    if weights:
        gone_by = limit is not None and limit.by == "value"
        found = found._replace(value=math.nan if gone_by else found.value, low=-math.inf, high=math.inf)
    elif doubts and limit is not None:
        least = limit.direction == "at_least"
        found = found._replace(low=-math.inf if least else found.low, high=found.high if least else math.inf)
    return found, "; ".join([*weights, *doubts, note])


def _disagree(log: PolicyLog, confidence: float, _: np.random.Generator) -> tuple[Estimate, str]:
    answer = agreement(values_of(log, confidence=confidence))
    value = {"yes": 0.0, "no": 1.0, "": math.nan}[answer]
    why = _NO_MODEL if log.fitted is None else _told(log, confidence)
    return Estimate(value, value, value, len(log), confidence, "SNIPS and DR in each other's interval"), why


def _error(log: PolicyLog, confidence: float, _: np.random.Generator) -> tuple[Estimate, str]:
    known = truth_of(log, confidence=confidence) is not None
    return _normal(error_z(log, "SNIPS"), log, confidence), _told(log, confidence) if known else _NO_TRUTH


def _gap(log: PolicyLog, confidence: float, _: np.random.Generator) -> tuple[Estimate, str]:
    return _normal(gap_z(log), log, confidence), _NO_MODEL if log.fitted is None else _told(log, confidence)


def _normal(z: float, log: PolicyLog, confidence: float) -> Estimate:
    """|z| with the interval of a normal number about it; nothing where nothing varies."""
    from scipy.special import ndtri

    if math.isnan(z):
        return _nothing(log, confidence)
    reach = float(ndtri((1.0 + confidence) / 2.0))
    return magnitude(Estimate(z, z - reach, z + reach, len(log), confidence, "standard errors, by unit"))


def _calibration(log: PolicyLog, confidence: float, rng: np.random.Generator) -> tuple[Estimate, str]:
    """The worst action's error; K of them at (1 - confidence) / K, so that all intervals hold together (Dunn 1961)."""
    if log.chances is None:
        return _nothing(log, confidence), _NOT_FITTED
    each = 1.0 - (1.0 - confidence) / log.chances.shape[1]
    found = [calibration_error(said, log.taken == at, equal_mass(said, bins=BINS), clusters=log.units, rng=rng,
                               confidence=each) for at, said in enumerate(log.chances.T)]
    errors = [one.estimate for one in found]
    worst = max(errors, key=lambda one: one.value)
    note = f"{_models(log)}; a perfect one would score {max(one.floor for one in found):.4f}"
    return worst._replace(low=max(one.low for one in errors), high=max(one.high for one in errors)), note


def _models(log: PolicyLog) -> str:
    """Which models said the propensities, and which column would give each language its own."""
    models = [] if log.groups is None else np.unique(log.groups).tolist()
    if models != [ONE_MODEL]:
        return f"{len(models)} models by level ({', '.join(map(str, models[:6]))})"
    return ONE_MODEL + (f" (columns.language: {log.unused} gives each its own)" if log.unused else "")


def _told(log: PolicyLog, confidence: float) -> str:
    """The estimates side by side, as the report's reader wants them."""
    found, truth = values_of(log, confidence=confidence), truth_of(log, confidence=confidence)
    parts = [f"{name} {one.value:.4g}" + (f" [{one.low:.4g}, {one.high:.4g}]" if math.isfinite(one.low) else "")
             for name, one in found.items()]
    return ", ".join([*parts, *([] if truth is None else [f"in truth {truth.value:.4g}"])])


def _nothing(log: PolicyLog, confidence: float) -> Estimate:
    return Estimate(math.nan, -math.inf, math.inf, len(log), confidence, "not measured")


_READERS: dict[str, Callable[[PolicyLog, float, np.random.Generator], tuple[Estimate, str]]] = {
    "policy value": _value, "estimators disagree": _disagree, "estimator gap z": _gap, "policy value error z": _error,
    "propensity calibration": _calibration}
