"""What stands behind logged actions: the contexts, every action's probability, and what each would have earned.

A log of three columns has none of it. Doubly robust values need the target's probability of *every* action; where
propensities were not logged, they come from models of the action, one a language, cross-fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.data.log_models import actions_of, features_of, policy_of, taken_of
from harness.data.log_table import Batch, column_of_labels
from harness.errors import InputError
from harness.estimators.propensity import fit_logistic
from harness.records import Floats
from harness.release.observed import Bools
from harness.shown import brief

if TYPE_CHECKING:
    from harness.release.studied.decisions import LogColumns

__all__ = ["FOLDS", "LEAST_ROWS", "ONE_MODEL", "Choices", "Codes", "Fitted", "Labels", "choices_of",
           "fitted_propensities", "languages_in", "merged_levels", "unit_folds"]

FOLDS = 3
LEAST_ROWS = 30  # of each action, under which a level has no model of its own
REST = "rest"
ONE_MODEL = "one model for all"
LANGUAGE = "language"
Labels = NDArray[Any]
Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Choices:
    """Beside the n rows of a log, as far as it is known.

    Attributes:
        names: The K actions.
        taken: (n,) index of the logged one.
        context: (n, k) features known before the action; None where no column was named.
        policy: (n, K) the target's probability of each action; None where no columns say it.
        levels: (n,) which propensity model is a row's (a language); None for one model.
        chances: (n, K) fitted propensities, from models that did not see the row's unit; None where they were logged.
        groups: (n,) the level that each row's model was fitted in, once thin ones were merged; None as `chances`.
        earned: (n,) what the target policy earns at the row in truth, known where every action was measured.
        unused: A column that looks like a language, where one model was fitted for all.
    """

    names: tuple[str, ...]
    taken: Codes
    context: Floats | None = None
    policy: Floats | None = None
    levels: Labels | None = None
    chances: Floats | None = None
    groups: Labels | None = None
    earned: Floats | None = None
    unused: str | None = None

    __repr__ = brief

    def where(self, mask: Bools) -> Choices:
        """The rows where `mask` (n,) is true; the actions stay."""
        cut: dict[str, Any] = {name: value[mask] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return replace(self, **cut)


def choices_of(batch: Batch, columns: LogColumns, actions: Labels, *, target: Floats) -> Choices | None:
    """What the columns say beyond the logged actions; None where they name neither a prefix nor lack propensities.

    The context is the columns named so, else those of the strata.

    Raises:
        InputError: No column of the prefix, an action without one, or one whose probabilities are no policy's.
    """
    if columns.prefix is None and columns.propensity is not None:
        return None
    context = features_of(batch, columns.context or columns.strata)
    told = [*columns.strata, *columns.context, *columns.slices]
    by = columns.language or (LANGUAGE if LANGUAGE in told else None)
    levels = column_of_labels(batch, by, "the name of a language") if by else None
    unused = next(iter(languages_in(list(batch.columns))), None) if by is None and columns.propensity is None else None
    if columns.prefix is None:
        names, taken = np.unique(actions, return_inverse=True)
        return Choices(tuple(names.tolist()), taken.astype(np.int64), context, levels=levels, unused=unused)
    found = actions_of(list(batch.columns), columns.prefix, other=columns.names, where=batch.path)
    taken = taken_of(batch, columns.action, found, prefix=columns.prefix)
    policy = policy_of(batch, columns.target, target, found, taken)
    return Choices(tuple(found), taken, context, np.column_stack(policy), levels, unused=unused)


def languages_in(columns: Sequence[str]) -> list[str]:
    """Columns that look like a language: named `lang…`, in any case.

    >>> languages_in(["query", "Lang", "language_id"])
    ['Lang', 'language_id']
    """
    return [name for name in columns if name.casefold().startswith("lang")]


class Fitted(NamedTuple):
    """Propensities of every action, (n, K), and the group of rows, (n,), that each model was fitted in."""

    chances: Floats
    groups: Labels


def fitted_propensities(context: Floats, taken: Codes, *, names: Sequence[str], levels: Labels | None, units: Labels,
                        rng: np.random.Generator) -> Fitted:
    """Probabilities of each action from what was known before it, a model each level, cross-fitted by unit.

    Continuation ratios: a logistic model tells the first action from the rest, the next one of what is left, and so
    on, so that the K probabilities sum to 1 (Agresti, Categorical Data Analysis, 8.3).

    Args:
        context: (n, k) finite numbers.
        taken: (n,) index of the logged action, 0 to K - 1.
        names: Of the K actions, at least 2.
        levels: (n,) labels, a model each (language); None for one. Thin ones are merged: `merged_levels`.
        units: (n,) labels; no row is predicted by a model that saw its unit.
        rng: Draws the folds.

    Raises:
        InputError: Under two actions; an action with too few rows in the whole log (`merged_levels`).

    >>> x = np.tile([[0.0], [1.0]], (300, 1))
    >>> found = fitted_propensities(x, np.tile([0, 0, 1, 0, 1, 1], 100), names=["a", "b"], levels=None,
    ...                             units=np.arange(600), rng=np.random.default_rng(1))
    >>> found.chances.sum(axis=1).round(9).tolist() == [1.0] * 600
    True
    """
    if len(names) < 2:
        raise InputError("no choice to fit", where="log", column="action", expected="at least 2 actions",
                         found=", ".join(names))
    every = np.full(len(taken), ONE_MODEL) if levels is None else levels
    groups = merged_levels(every, taken, names=names)
    folds = unit_folds(units, rng)
    chances = np.empty((len(taken), len(names)))
    for group in np.unique(groups):
        for at in range(FOLDS):
            train, test = (groups == group) & (folds != at), (groups == group) & (folds == at)
            if test.any():
                chances[test] = _chain(context[train], taken[train], context[test], len(names))
    return Fitted(chances, groups)


def merged_levels(levels: Labels, taken: Codes, *, names: Sequence[str]) -> Labels:
    """(n,) text: levels as they are; thin ones are one group, `rest`, and join the largest level if that is thin too.

    A level is thin where any of the actions has under 30 rows in it: no model of its own can tell them apart.

    Raises:
        InputError: An action with under 30 rows in the whole log: its propensity cannot be fitted at all.

    >>> found = merged_levels(np.repeat(["de", "en", "fr"], [80, 200, 6]), np.arange(286) % 2, names=["a", "b"])
    >>> np.unique(found, return_counts=True)[1].tolist()
    [80, 206]
    """
    counts = np.bincount(taken, minlength=len(names))
    if counts.min() < LEAST_ROWS:
        raise InputError("too few rows of an action to fit its propensity", where="log", column="action",
                         expected=f"at least {LEAST_ROWS} of each action, or logged propensities",
                         found=f"{counts.min()} of {names[int(counts.argmin())]}")
    told = levels.astype(np.str_)
    distinct, code = np.unique(told, return_inverse=True)
    table = np.zeros((len(distinct), len(names)), dtype=np.int64)
    np.add.at(table, (code, taken), 1)
    thin = table.min(axis=1) < LEAST_ROWS
    if not thin.any():
        return np.asarray(told)
    if table[thin].sum(axis=0).min() >= LEAST_ROWS or thin.all():
        joined = REST
    else:
        joined = str(distinct[np.where(thin, -1, table.sum(axis=1)).argmax()])
    return np.where(thin[code], joined, told)


def unit_folds(units: Labels, rng: np.random.Generator) -> Codes:
    """(n,) a fold of three for each row, all rows of a unit in the same one.

    >>> found = unit_folds(np.array(["a", "b", "c", "a"]), np.random.default_rng(1))
    >>> bool(found[0] == found[3]), sorted(set(found.tolist()))
    (True, [0, 1, 2])
    """
    distinct, code = np.unique(units, return_inverse=True)
    return np.asarray(rng.permutation(len(distinct))[code] % FOLDS, dtype=np.int64)


def _chain(train: Floats, taken: Codes, test: Floats, actions: int) -> Floats:
    """(m, K) continuation ratios of the rows on test."""
    found, left = np.empty((len(test), actions)), np.ones(len(test))
    for at in range(actions - 1):
        here = taken >= at
        chance = _chance(train[here], (taken[here] == at).astype(np.float64), test)
        found[:, at] = left * chance
        left = left * (1.0 - chance)
    found[:, -1] = left
    return found


def _chance(train: Floats, hit: Floats, test: Floats) -> Floats:
    """A logistic model, or the smoothed share where the rows at hand are all of one kind."""
    if not len(hit) or hit.min() == hit.max():
        return np.full(len(test), (hit.sum() + 0.5) / (len(hit) + 1.0))
    return fit_logistic(train, hit).predict(test)
