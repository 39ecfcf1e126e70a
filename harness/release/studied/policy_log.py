"""The record of the study `counterfactual`: rows that values of a target policy are read off, and the truth beside.

Reward models are cross-fitted by unit, once, over all rows: a slice is then a cut of the same predictions, and no row
was predicted by a model that saw its query or its user.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from harness.data.log_models import MOST_CELLS
from harness.errors import InputError, nearest
from harness.estimators.propensity import fit_logistic
from harness.records import Floats
from harness.release.observed import Bools, Trial
from harness.release.studied.choices import FOLDS, LEAST_ROWS, Choices, Codes, Labels, fitted_propensities, unit_folds
from harness.release.studied.decisions import DecisionLog
from harness.shown import brief

__all__ = ["STUDY", "OnPolicy", "Outcomes", "PolicyLog", "cross_fitted_rewards", "policies_of", "policy_log"]

STUDY = "counterfactual"
RIDGE = 10.0
REPEATS = 3
MOST_INTERACTIONS = 60  # columns; of more, actions add to the context and do not bend it


class OnPolicy(NamedTuple):
    """What the target policy earned itself, on a log of its own.

    Attributes:
        reward: (m,) what it earned.
        units: (m,) labels; rows of one depend on each other.
        slices: Name → (m,) bool; `all` is always there.
    """

    reward: Floats
    units: Labels
    slices: Mapping[str, Bools]


class Outcomes(NamedTuple):
    """Of models that did not see the row's unit: (n,) q of the logged action, and (n,) q under the target policy."""

    fitted: Floats
    expected: Floats


@dataclass(frozen=True, eq=False)
class PolicyLog:
    """Logged decisions, n rows.

    Attributes:
        units: (n,) labels: intervals are by them.
        reward: (n,) what was earned.
        propensity: (n,) the log's probability of the action, in (0, 1].
        target: (n,) the target policy's probability of it.
        taken: (n,) index of the logged action, among K.
        fitted: (n,) predicted reward of the logged action; None where nothing says the target's other probabilities.
        expected: (n,) predicted reward under the target policy; None as `fitted`.
        chances: (n, K) fitted propensities of every action; None where the log told its own.
        groups: (n,) the model that each row's propensities are from; None as `chances`.
        earned: (n,) what the target earns at the row in truth, where every action was measured.
        slices: Name → (n,) bool; `all` is always there.
        on_policy: What the target earned on a log of its own, where there is one.
        logged: Whether `propensity` is what the log told; else it is fitted.
        names: Of the K actions.
        unused: A column of the log that looks like a language, where one model was fitted for all.
    """

    units: Labels
    reward: Floats
    propensity: Floats
    target: Floats
    taken: Codes
    fitted: Floats | None
    expected: Floats | None
    chances: Floats | None
    groups: Labels | None
    earned: Floats | None
    slices: Mapping[str, Bools]
    on_policy: OnPolicy | None = None
    logged: bool = True
    names: tuple[str, ...] = ()
    unused: str | None = None

    __repr__ = brief

    def __len__(self) -> int:
        return len(self.reward)

    def slice(self, name: str) -> PolicyLog:
        """The rows of a slice, here and in the target's own log; none there where it knows no such slice.

        Raises InputError for an unknown slice, with the nearest, and for one without rows.
        """
        if name not in self.slices:
            raise InputError("no such slice", where="log", expected=f"one of {', '.join(self.slices)}", found=name,
                             hint=nearest(name, self.slices))
        mask = self.slices[name]
        if not mask.any():
            raise InputError("no rows", where=f"log, slice {name}", expected="at least one decision")
        cut: dict[str, Any] = {key: value[mask] for key, value in vars(self).items() if isinstance(value, np.ndarray)}
        held = replace(self, slices={key: one[mask] for key, one in self.slices.items()},
                       on_policy=None if self.on_policy is None else _cut(self.on_policy, name))
        return replace(held, **cut)


def policies_of(trial: Trial) -> PolicyLog:
    """The candidate's record. Raises InputError where the study was not made: nothing measured is no pass."""
    found = trial.candidate.studies.get(STUDY)
    if not isinstance(found, PolicyLog):
        raise InputError("no log of decisions", where=trial.candidate.release,
                         expected="live parts with a reranker, or studies.confounding.log", found=None)
    return found


def policy_log(log: DecisionLog, *, rng: np.random.Generator, on_policy: OnPolicy | None = None) -> PolicyLog:
    """A log with the models that its values need: rewards, and propensities, both cross-fitted by unit.

    A drawn log's propensities are known, and fitted all the same: that shows what models would have made of them. Its
    values are read off the known ones.

    Args:
        log: `DecisionLog.of` a table, or drawn.
        rng: Draws the folds.
        on_policy: What the target earned on its own, if that is known.

    Raises:
        InputError: A table too large to model; a log without propensities, one of whose actions is too rare to fit.

    >>> import pandas as pd
    >>> from harness.release.studied.decisions import LogColumns
    >>> frame = pd.DataFrame({"r": [0.0, 1.0] * 60, "p": 0.5, "pi": [0.25, 0.75] * 60, "a": [0, 1] * 60,
    ...                       "pi_0": 0.25, "pi_1": 0.75, "x": np.arange(120.0), "c": 1.0})
    >>> log = DecisionLog.of(frame, LogColumns("r", "p", "pi", "a", ("x",), ("c",), prefix="pi_"),
    ...                      rng=np.random.default_rng(1))
    >>> policy_log(log, rng=np.random.default_rng(1)).expected[:3].round(1).tolist()
    [0.7, 0.6, 0.7]
    """
    choices = log.choices or _bare(log)
    outcomes, chances, groups = None, choices.chances, choices.groups
    if choices.policy is not None:
        outcomes = cross_fitted_rewards(choices, log.reward, units=log.units, rng=rng)
    if choices.earned is not None and choices.context is not None and _common(choices):
        found = fitted_propensities(choices.context, choices.taken, names=choices.names, levels=choices.levels,
                                    units=log.units, rng=rng)
        chances, groups = found
    return PolicyLog(log.units, log.reward, log.propensity, log.target, choices.taken,
                     None if outcomes is None else outcomes.fitted, None if outcomes is None else outcomes.expected,
                     chances, groups, choices.earned, log.slices, on_policy, logged=choices.chances is None,
                     names=choices.names, unused=choices.unused)


def cross_fitted_rewards(choices: Choices, reward: Floats, *, units: Labels, rng: np.random.Generator) -> Outcomes:
    """Rewards by context and action, in three folds of units: logistic for 0 and 1, else linear, both with a ridge.

    Chernozhukov et al. (Econometrics Journal 21, 2018) fold by row; here by unit, so that a query asked twice teaches
    nothing of itself. The mean of three such foldings, as rare rewards fall into folds by luck.

    Raises:
        InputError: More cells than can be held; no context or policy.
    """
    if choices.context is None or choices.policy is None:
        raise InputError("no model of rewards", where="log", expected="a context, and the target's policy", found=None)
    wide = _beside(choices.context[:1], 0, len(choices.names)).shape[1]
    if wide * len(reward) > MOST_CELLS:
        raise InputError("too large to model", where="log", expected=f"rows times features of at most {MOST_CELLS:g}",
                         found=f"{len(reward)} rows, {wide} features")
    logged = np.empty((len(reward), wide))
    for at in range(len(choices.names)):
        logged[choices.taken == at] = _beside(choices.context[choices.taken == at], at, len(choices.names))
    found = [_folded(choices.context, choices.policy, logged, reward, unit_folds(units, rng)) for _ in range(REPEATS)]
    return Outcomes(*(np.mean(columns, axis=0) for columns in zip(*found, strict=True)))


def _folded(context: Floats, policy: Floats, logged: Floats, reward: Floats, folds: Codes) -> Outcomes:
    """One folding: each row by the models of the other folds."""
    fitted, expected, actions = np.empty(len(reward)), np.zeros(len(reward)), policy.shape[1]
    binary = bool(np.isin(reward, (0.0, 1.0)).all())
    for fold in range(FOLDS):
        train, test = folds != fold, np.flatnonzero(folds == fold)
        model = _Model.of(logged[train], reward[train], binary=binary)
        fitted[test] = model.predict(logged[test])
        for at in range(actions):
            rows = test[policy[test, at] > 0.0]
            if len(rows):
                expected[rows] += policy[rows, at] * model.predict(_beside(context[rows], at, actions))
    return Outcomes(fitted, expected)


class _Model(NamedTuple):
    """A reward's model: a logistic one where it has slopes of its own, else linear."""

    intercept: float
    slopes: Floats
    logistic: bool

    @classmethod
    def of(cls, features: Floats, reward: Floats, *, binary: bool) -> _Model:
        if not len(reward) or reward.min() == reward.max():
            return cls(float(reward[0]) if len(reward) else 0.0, np.zeros(features.shape[1]), logistic=False)
        if binary:
            found = fit_logistic(features, reward, ridge=RIDGE)
            return cls(found.intercept, found.slopes, logistic=True)
        centre, scale = features.mean(axis=0), features.std(axis=0)
        scale = np.where(scale > 1e-12 * (1.0 + np.abs(centre)), scale, np.inf)
        design, mean = (features - centre) / scale, float(reward.mean())
        slopes = np.linalg.solve(design.T @ design + RIDGE * np.eye(design.shape[1]), design.T @ (reward - mean))
        return cls(mean - float(slopes / scale @ centre), slopes / scale, logistic=False)

    def predict(self, features: Floats) -> Floats:
        from scipy.special import expit

        score = self.intercept + features @ self.slopes
        return np.asarray(expit(score) if self.logistic else score, dtype=np.float64)


def _beside(context: Floats, action: int, actions: int) -> Floats:
    """Context and action side by side; of few columns also their products, as what an action does may depend on it."""
    which = np.zeros((len(context), actions))
    which[:, action] = 1.0
    wide = context.shape[1] * actions  # told, as rows of an action that was never logged are none
    if wide > MOST_INTERACTIONS:
        return np.hstack([context, which])
    return np.hstack([context, which, (which[:, :, None] * context[:, None, :]).reshape(len(context), wide)])


def _bare(log: DecisionLog) -> Choices:
    names, taken = np.unique(log.actions, return_inverse=True)
    return Choices(tuple(names.tolist()), taken.astype(np.int64))


def _common(choices: Choices) -> bool:
    """Whether propensities can be fitted where they need not be."""
    counts = np.bincount(choices.taken, minlength=len(choices.names))
    return len(counts) > 1 and int(counts.min()) >= LEAST_ROWS


def _cut(found: OnPolicy, name: str) -> OnPolicy | None:
    mask = found.slices.get(name)
    if mask is None or not mask.any():
        return None
    return OnPolicy(found.reward[mask], found.units[mask], {key: held[mask] for key, held in found.slices.items()})
