"""A target policy's value by four estimators side by side, whether they agree, and how far each lies from the truth.

IPS and SNIPS (self-normalised, the same as weighted importance sampling) need the weights alone; DR corrects a model of
the reward by weighted residuals and is right if either propensities or model are; DM is the model alone, whose bias
nothing bounds: it is shown, and decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from harness.data.log_models import unit_error
from harness.estimate import Estimate
from harness.estimators.counterfactual import ips, snips
from harness.estimators.counterfactual_robust import direct_method, doubly_robust
from harness.estimators.intervals import mean_interval
from harness.estimators.logged import Audit, LoggedRows
from harness.estimators.logged_units import LoggedUnits
from harness.estimators.overlap import WeightCheck
from harness.records import Floats
from harness.release.studied.audited import ess, kappa
from harness.release.studied.policy_log import PolicyLog

__all__ = ["ESTIMATORS", "Agreement", "Name", "PolicyValue", "agreement", "audit_of", "distance", "error_z", "gap_z",
           "influence", "policy_values", "truth_of", "value_by", "values_of", "weights_of"]

Name = Literal["IPS", "SNIPS", "DR", "DM"]
ESTIMATORS: tuple[Name, ...] = ("IPS", "SNIPS", "DR", "DM")
Agreement = Literal["yes", "no", ""]


class PolicyValue(NamedTuple):
    """One estimator's value of the target policy on one slice; NaN where it could not be had.

    Attributes:
        slice: Its name.
        estimator: IPS, SNIPS, DR or DM.
        value: In the unit of the reward.
        low: Lower end of its interval; DM has none, and reads -inf.
        high: Upper end.
        n: Decisions.
        ess_share: ESS/N of the weights.
        kappa: Shape of their tail.
        agree: Whether SNIPS and DR each lie in the other's interval; empty where one of them is missing.
        truth: What the target earned in truth, where that is known.
        error: Standard error of the distance from the truth.
        z: That distance in such errors.
    """

    slice: str
    estimator: Name
    value: float
    low: float
    high: float
    n: int
    ess_share: float
    kappa: float
    agree: Agreement
    truth: float
    error: float
    z: float


def policy_values(log: PolicyLog, *, slices: Sequence[str] = ("all",),
                  confidence: float = 0.9) -> tuple[PolicyValue, ...]:
    """Every estimator on every slice asked for; those that need a model are left out where there is none.

    Args:
        log: As `policy_log` makes it.
        slices: Of the log.
        confidence: Two-sided, of each interval.

    Raises:
        InputError: An unknown slice or one without rows.

    >>> import pandas as pd
    >>> from harness.release.studied.decisions import DecisionLog, LogColumns
    >>> from harness.release.studied.policy_log import policy_log
    >>> rng = np.random.default_rng(1)
    >>> dear = rng.random(4000) < 0.5  # the log tosses a coin; the target takes the dear action three times in four
    >>> frame = pd.DataFrame({"reward": rng.random(4000) < 0.2 + 0.4 * dear, "p": 0.5, "pi_0": 0.25,
    ...                       "pi": np.where(dear, 0.75, 0.25), "dear": dear.astype(int), "x": rng.random(4000),
    ...                       "pi_1": 0.75, "before": 1.0})
    >>> columns = LogColumns("reward", "p", "pi", "dear", ("x",), ("before",), prefix="pi_")
    >>> log = policy_log(DecisionLog.of(frame, columns, rng=rng), rng=rng)
    >>> [(row.estimator, round(row.value, 2), row.agree) for row in policy_values(log)]
    [('IPS', 0.5, 'yes'), ('SNIPS', 0.49, 'yes'), ('DR', 0.49, 'yes'), ('DM', 0.49, 'yes')]
    """
    return tuple(row for name in slices for row in _rows(name, log.slice(name), confidence))


def _rows(name: str, log: PolicyLog, confidence: float) -> list[PolicyValue]:
    found, check, truth = values_of(log, confidence=confidence), weights_of(log), truth_of(log, confidence=confidence)
    agree = agreement(found)
    shared = (ess(check, confidence=confidence).value, kappa(check, confidence=confidence).value)
    known = math.nan if truth is None else truth.value
    return [PolicyValue(name, estimator, one.value, one.low, one.high, len(log), *shared, agree, known,
                        distance(log, estimator)[1], error_z(log, estimator)) for estimator, one in found.items()]


def values_of(log: PolicyLog, *, confidence: float) -> dict[Name, Estimate]:
    """Every estimator that the log can give, in the order of `ESTIMATORS`; none without overlap."""
    if not log.target.any():
        return {name: Estimate(math.nan, -math.inf, math.inf, len(log), confidence, "no overlap")
                for name in ESTIMATORS[:2]}
    return {name: value_by(log, name, confidence=confidence) for name in _given(log)}


def value_by(log: PolicyLog, name: Name, *, confidence: float) -> Estimate:
    """The value by one estimator, its interval by unit. DR and DM need the log's models (`PolicyLog.fitted`)."""
    columns = (log.reward, log.propensity, log.target)
    if name == "IPS":
        return ips(*columns, clusters=log.units, confidence=confidence)
    if name == "SNIPS":
        return snips(*columns, clusters=log.units, confidence=confidence)
    assert log.fitted is not None and log.expected is not None
    if name == "DR":
        return doubly_robust(*columns, fitted=log.fitted, expected=log.expected, clusters=log.units,
                             confidence=confidence)
    return direct_method(log.expected).estimate._replace(confidence=confidence)


def agreement(found: dict[Name, Estimate]) -> Agreement:
    """Whether DR lies inside SNIPS's interval and SNIPS inside DR's.

    >>> one = Estimate(0.5, 0.4, 0.6, 99, 0.9, "t")
    >>> agreement({"SNIPS": one, "DR": one._replace(value=0.55, low=0.52, high=0.58)}), agreement({"SNIPS": one})
    ('no', '')
    """
    one, other = found.get("SNIPS"), found.get("DR")
    if one is None or other is None or not all(map(math.isfinite, (*one[:3], *other[:3]))):
        return ""
    return "yes" if one.low <= other.value <= one.high and other.low <= one.value <= other.high else "no"


def influence(log: PolicyLog, name: Name) -> Floats:
    """(n,) what each row adds to the estimator's error: the mean of these is its value less the one it is near.

    IPS w r - V; SNIPS w (r - V) / mean w (Owen, ch. 9); DR and DM theirs less V (Dudík et al. 2011).
    """
    weight = log.target / log.propensity
    if name == "SNIPS":
        scale = weight / weight.mean()
        return np.asarray(scale * (log.reward - float(scale @ log.reward) / len(log)), dtype=np.float64)
    if name == "IPS":
        rows = weight * log.reward
    else:
        assert log.fitted is not None and log.expected is not None
        rows = log.expected + (weight * (log.reward - log.fitted) if name == "DR" else 0.0)
    return np.asarray(rows - rows.mean(), dtype=np.float64)


def gap_z(log: PolicyLog) -> float:
    """(SNIPS - DR) in standard errors of that very difference, by unit; NaN without a model of rewards.

    Sound logs give a standard normal number, however much narrower one of the two is.
    """
    if log.fitted is None or not log.target.any():
        return math.nan
    one, other = (value_by(log, name, confidence=0.9).value for name in ("SNIPS", "DR"))
    error = unit_error(influence(log, "SNIPS") - influence(log, "DR"), log.units)
    return (one - other) / error if error > 0.0 else math.nan


def truth_of(log: PolicyLog, *, confidence: float) -> Estimate | None:
    """What the target policy earned in truth: exact where every action was measured, else the mean of its own log."""
    if log.earned is not None:
        value = float(log.earned.mean())
        return Estimate(value, value, value, len(log), confidence, "every action measured")
    if log.on_policy is None:
        return None
    found = mean_interval(log.on_policy.reward, clusters=log.on_policy.units, confidence=confidence)
    return found._replace(method=f"on policy, {found.method}")


def error_z(log: PolicyLog, name: Name) -> float:
    """The estimator's distance from the truth in standard errors, with its sign; NaN where the truth is not known."""
    gap, error = distance(log, name)
    return gap / error if error > 0.0 else math.nan


def distance(log: PolicyLog, name: Name) -> tuple[float, float]:
    """The estimator's value less the truth, and the standard error of that; NaN where the truth is not known.

    Against a target's own log both errors count, sqrt(se² + se_truth²). Where every action was measured the truth is
    that of the same rows, and what they have in common cancels: the error is that of the actions' draw alone. That of
    DM knows nothing of its bias.
    """
    if name not in _given(log) or not log.target.any() or (log.earned is None and log.on_policy is None):
        return math.nan, math.nan
    value, rows = value_by(log, name, confidence=0.9).value, influence(log, name)
    if log.earned is not None:
        truth = float(log.earned.mean())
        return value - truth, unit_error(rows - (log.earned - truth), log.units)
    assert log.on_policy is not None
    reward = log.on_policy.reward
    both = unit_error(rows, log.units), unit_error(reward - reward.mean(), log.on_policy.units)
    return value - float(reward.mean()), math.hypot(*both)


def weights_of(log: PolicyLog) -> WeightCheck:
    """The target policy's weights, judged as `signoff audit` judges them."""
    return audit_of(log).check


def audit_of(log: PolicyLog) -> Audit:
    """What `signoff audit` says of the same rows and units: refusals of the weights, and doubts of the value."""
    columns = (log.reward, log.propensity, log.target)
    return LoggedUnits.of(*columns, log.units).audit(LoggedRows.of(*columns).audit())


def _given(log: PolicyLog) -> tuple[Name, ...]:
    return ESTIMATORS[:2] if log.fitted is None else ESTIMATORS
