"""The reward's model for doubly robust estimates: cross-fitted, so that no row is predicted by a model that saw it.

Features are those of context and action side by side; E_π q is summed action by action, from the target policy's
column for that action, so that no table of (rows, actions, positions) is ever held.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError
from harness.estimators._check import Floats, count, generator, grid, labels, numbers, real, same_length
from harness.estimators.propensity import fit_logistic

__all__ = ["Outcome", "Policy", "cross_fitted_outcome"]

Policy = Callable[[int], Floats]
"""The target policy: action index -> (n,) its probability at each row."""

Predict = Callable[[Floats], Floats]


class Outcome(NamedTuple):
    """Predictions of models that did not see the row.

    Attributes:
        fitted: (n,) q(x_i, a_i), of the logged action.
        expected: (n,) Σ_a π(a|x_i) q(x_i, a), over the target policy.
    """

    fitted: Floats
    expected: Floats


def cross_fitted_outcome(
    context: ArrayLike,
    action: ArrayLike,
    reward: ArrayLike,
    *,
    actions: ArrayLike,
    policy: Policy,
    rng: np.random.Generator,
    by: ArrayLike | None = None,
    folds: int = 3,
    ridge: float = 1.0,
) -> Outcome:
    """Fit the reward on context and action features in `folds` folds, and predict each row from the other folds.

    Rewards of 0 and 1 get a logistic model, others a linear one, both with a ridge on standardised features; a
    training part with one reward only is predicted by it. Folds follow Chernozhukov et al. 2018.

    Args:
        context: (n, k) finite numbers, known before the action.
        action: (n,) whole numbers, index of the logged action.
        reward: (n,) finite numbers.
        actions: (n_actions, m) features of the actions.
        policy: Gives the target's (n,) probabilities of one action; over all actions they sum to 1 in every row.
        rng: Draws the folds.
        by: (n,) labels, a model each (position of a slate, language); None for one.
        folds: At least 2.
        ridge: Above 0.

    Raises:
        InputError: An action without features, a policy that does not sum to 1, a group with fewer rows than folds.

    >>> import numpy as np
    >>> x, a = np.zeros((60, 1)), np.arange(60) % 2
    >>> model = cross_fitted_outcome(x, a, a * 2.0, actions=np.eye(2), policy=lambda one: np.full(60, float(one == 1)),
    ...                              rng=np.random.default_rng(0), ridge=1e-6)
    >>> model.expected.round(3).tolist() == [2.0] * 60
    True
    """
    table, things, earned = _table(context, "context"), _table(actions, "actions"), numbers(reward, "reward")
    taken, parts = _taken(action, len(things)), count(folds, "folds", least=2)
    groups = np.zeros(len(earned), dtype=np.int64) if by is None else labels(by, "by")
    same_length(reward=earned, context=table, action=taken, by=groups)
    chance = _chances(policy, len(things), len(earned))
    fitted, expected = np.empty(len(earned)), np.empty(len(earned))
    logged, logistic = np.hstack([table, things[taken]]), bool(np.isin(earned, (0.0, 1.0)).all())
    for train, test in _folds(groups, parts, generator(rng)):
        predict = _fit(logged[train], earned[train], ridge, logistic=logistic)
        fitted[test] = predict(logged[test])
        expected[test] = _expected(predict, table[test], things, (chance(at)[test] for at in range(len(things))))
    return Outcome(fitted, expected)


def _expected(predict: Predict, context: Floats, actions: Floats, chances: Iterable[Floats]) -> Floats:
    """Σ_a π(a|x) q(x, a), action by action; one that the target never takes at a row costs nothing there."""
    total = np.zeros(len(context))
    for thing, chance in zip(actions, chances, strict=True):
        rows = np.flatnonzero(chance)
        if len(rows):
            features = np.hstack([context[rows], np.broadcast_to(thing, (len(rows), len(thing)))])
            total[rows] += chance[rows] * predict(features)
    return total


def _folds(groups: NDArray[np.generic], folds: int, rng: np.random.Generator) -> list[tuple[NDArray[np.intp], ...]]:
    """Training and test rows, fold by fold within each group."""
    found: list[tuple[NDArray[np.intp], ...]] = []
    for name in np.unique(groups):
        rows = rng.permutation(np.flatnonzero(groups == name))
        if len(rows) < folds:
            raise InputError(f"group {name!s} is too small", where="by", expected=f"at least {folds} rows",
                             found=len(rows))  # fmt: skip
        parts = np.array_split(rows, folds)
        found += [(np.concatenate(parts[:at] + parts[at + 1 :]), part) for at, part in enumerate(parts)]
    return found


def _fit(features: Floats, reward: Floats, ridge: float, *, logistic: bool) -> Predict:
    ridge = real(ridge, "ridge", above=0.0)
    if reward.min() == reward.max():
        constant = float(reward[0])
        return lambda rows: np.full(len(rows), constant)
    if logistic:
        return fit_logistic(features, reward, ridge=ridge).predict
    centre, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-12 * (1.0 + np.abs(centre)), scale, np.inf)
    design, mean = (features - centre) / scale, float(reward.mean())
    slopes = np.linalg.solve(design.T @ design + ridge * np.eye(design.shape[1]), design.T @ (reward - mean))
    return lambda rows: mean + ((rows - centre) / scale) @ slopes


def _chances(policy: Policy, actions: int, n: int) -> Policy:
    """The policy with its columns checked: probabilities that sum to 1 in each row."""
    total = np.zeros(n)

    def column(at: int) -> Floats:
        values = numbers(policy(at), f"policy({at})", low=0.0, high=1.0)
        same_length(reward=total, policy=values)
        return values

    for at in range(actions):
        total += column(at)
    off = np.abs(total - 1.0) > 1e-6
    if off.any():
        row = int(np.argmax(off))
        raise InputError(f"index {row}: probabilities of all actions do not sum to 1", where="policy",
                         expected="1", found=float(total[row]))  # fmt: skip
    return column


def _taken(action: ArrayLike, actions: int) -> NDArray[np.int64]:
    values = numbers(action, "action", low=0.0, high=float(max(0, actions - 1)))
    broken = values != np.rint(values)
    if broken.any():
        at = int(np.argmax(broken))
        raise InputError(f"index {at} is not an index", where="action", expected="a whole number",
                         found=float(values[at]))  # fmt: skip
    return values.astype(np.int64)


def _table(features: ArrayLike, name: str) -> Floats:
    array = grid(features, name, "(rows, features)")
    if array.ndim != 2 or not array.size:
        raise InputError("wrong shape", where=name, expected="(rows, features)", found=array.shape)
    return np.column_stack([numbers(array[:, at], f"{name}[:, {at}]") for at in range(array.shape[1])])
