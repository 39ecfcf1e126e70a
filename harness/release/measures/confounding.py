"""Measures of a log of decisions: whether strata took its confounding away, and whether its weights can carry a value.

| measure | its number |
|---|---|
| `log ESS/N` | effective sample size of the target policy's weights, as a share of the slice's decisions |
| `log kappa` | shape κ of their tail; 0 where they are bounded and none is large |
| `unlogged share` | share of the target policy on actions that the log never takes: 1 less the mean weight |
| `control shift` | most that weighting moves a negative control, in standard deviations: wrong propensities |
| `negative control p` | p of all negative controls within strata |
| `negative control effect` | largest effect of the action on one within strata, in standard deviations |
| `shuffled effect` | effect on the reward of actions dealt out anew within strata |
| `unstratified p` | p of the controls in the log whose context is forgotten: it must be flagged |

An effect counts without its sign; by its upper bound it is shown to be small on both sides.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.estimate import Estimate
from harness.release.judge import Reading
from harness.release.observed import Trial
from harness.release.policy import Check
from harness.release.studied.audited import (
    control_effect,
    control_p,
    control_shift,
    ess,
    kappa,
    mean_weight,
    shuffled_effect,
    weights_of,
)
from harness.release.studied.decisions import DecisionLog, decisions_of

__all__ = ["EXAMPLES", "owns", "read"]

EXAMPLES = ("log ESS/N", "log kappa", "unlogged share", "control shift", "negative control p",
            "negative control effect", "shuffled effect", "unstratified p")


def owns(measure: str) -> bool:
    """True for the names in EXAMPLES.

    >>> owns("log kappa"), owns("kappa")
    (True, False)
    """
    return measure in EXAMPLES


def read(trial: Trial, check: Check) -> Reading:
    """Read one measure off the log of the study `confounded`, on the slice of the check.

    Raises InputError where the study was not made, or where the log has no such slice.
    """
    log = decisions_of(trial).slice(check.slice)
    found = _READERS[check.measure](log, check.confidence, np.random.default_rng(trial.seed))
    details: dict[str, float | str] = {
        "units": float(len(np.unique(log.units))), "strata": float(len(np.unique(log.strata.codes))),
        "share exposed": float(log.exposed.mean()), "reward": float(log.reward.mean())}
    found = found._replace(confidence=check.confidence)  # as written in the policy, to the bit
    return Reading(found, details=details, note=found.method)


def _unlogged(log: DecisionLog, confidence: float, _: np.random.Generator) -> Estimate:
    one = mean_weight(log, confidence=confidence)
    return one._replace(value=max(0.0, 1.0 - one.value), low=max(0.0, 1.0 - one.high), high=max(0.0, 1.0 - one.low),
                        method="1 less the mean weight")


def _forgotten(log: DecisionLog, confidence: float, rng: np.random.Generator) -> Estimate:
    """Where no control says anything nothing was flagged: that is a p of 1, not one that nobody knows."""
    found = control_p(log.forgetful(), alpha=(1.0 - confidence) / 2.0, rng=rng)
    return found._replace(value=1.0, low=1.0, high=1.0) if np.isnan(found.value) else found


_READERS: dict[str, Callable[[DecisionLog, float, np.random.Generator], Estimate]] = {
    "log ESS/N": lambda log, confidence, _: ess(weights_of(log), confidence=confidence),
    "log kappa": lambda log, confidence, _: kappa(weights_of(log), confidence=confidence),
    "unlogged share": _unlogged,
    "control shift": lambda log, confidence, _: control_shift(log, confidence=confidence),
    "negative control p": lambda log, confidence, rng: control_p(log, alpha=(1.0 - confidence) / 2.0, rng=rng),
    "negative control effect": lambda log, confidence, _: control_effect(log, confidence=confidence),
    "shuffled effect": lambda log, confidence, _: shuffled_effect(log, confidence=confidence),
    "unstratified p": _forgotten,
}
