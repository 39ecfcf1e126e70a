"""What an audit says beyond the weights, from rows held in memory: doubly robust values, and negative controls.

E_π q needs what a single column cannot say: the target's probability of *every* action at each row. It is asked for as
one column an action, named by a prefix and the action (`pi_17`); the logged action's must be the target's own column.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.columns import Floats
from harness.data.log_table import Batch, LogTable, column_of_labels, column_of_numbers, column_of_probabilities
from harness.data.logs import Audits, Roles, basics, parts_of
from harness.data.stream import Progress
from harness.errors import InputError, nearest
from harness.estimate import Estimate
from harness.estimators.counterfactual_outcome import Outcome, cross_fitted_outcome
from harness.estimators.counterfactual_robust import Direct, direct_method, doubly_robust
from harness.estimators.logged_control import LogControl, logged_control

__all__ = ["MOST_CELLS", "MOST_LEVELS", "ModelColumns", "Robust", "actions_of", "control_findings", "features_of",
           "policy_of", "robust_values", "taken_of", "unit_error"]

MOST_CELLS = 200_000_000  # rows times features of the model: 1.6 GB
MOST_LEVELS = 50
SAME = 1e-6  # two columns that say one probability


class ModelColumns(NamedTuple):
    """Which columns the reward's model reads.

    Attributes:
        context: Known before the action: numbers as they are, text as one feature a value.
        action: The logged action, text or whole numbers.
        prefix: Before an action's name: the column of the target's probability of it.
    """

    context: tuple[str, ...]
    action: str
    prefix: str


class Robust(NamedTuple):
    """Doubly robust and direct values of one slice, beside its SNIPS.

    Attributes:
        dr: Doubly robust, with its interval.
        dm: The direct method: shown, decides nothing.
        dr_in_snips: Whether DR's value lies in SNIPS' interval.
        snips_in_dr: The reverse; DR's interval may be much the narrower one.
        apart: Whether the two intervals share no value: then propensities or model inputs are wrong.
        error: Standard error of DR, by unit.
    """

    dr: Estimate
    dm: Direct
    dr_in_snips: bool
    snips_in_dr: bool
    apart: bool
    error: float


def robust_values(
    table: LogTable,
    roles: Roles,
    models: ModelColumns,
    audits: Audits,
    *,
    rng: np.random.Generator,
    confidence: float = 0.9,
    progress: Progress | None = None,
) -> dict[str, Robust]:
    """Doubly robust values by slice, of those slices of `audits` that have weight; a model each position.

    Cross-fitted in three folds of rows, also where rows are clustered: the intervals are by cluster, the folds are not.
    Held in memory: reward, propensities, context and the target's columns of all rows, and their feature table.

    Raises InputError by file, row and column: an action without a column, probabilities that do not sum to 1, a target
    that is not its action's column, text of more than 50 values, a table beyond 2e8 cells.
    """
    other = {*roles.columns, *models.context, models.action}
    actions = actions_of(table.names, models.prefix, other=other, where=table.path)
    batch = table.held([*roles.columns, *models.context, models.action, *actions.values()], progress)
    log = basics(batch, roles)
    model = _fitted(batch, roles, models, actions, rng)
    units = column_of_labels(batch, roles.units, "an id") if roles.units else None
    parts = {name: here for name, here in parts_of(batch, roles.slices).items() if log[2][here].any()}
    found = {}
    for name, here in parts.items():
        columns, clusters = tuple(column[here] for column in log), None if units is None else units[here]
        fitted, expected = model.fitted[here], model.expected[here]
        dr = doubly_robust(*columns, fitted=fitted, expected=expected, clusters=clusters, confidence=confidence)
        rows = expected + columns[2] / columns[1] * (columns[0] - fitted) - dr.value
        found[name] = _beside(audits[name].snips, dr, direct_method(expected), unit_error(rows, clusters))
    return found


def unit_error(rows: Floats, units: NDArray[Any] | None) -> float:
    """Standard error of the mean of rows (n,), whose own mean is 0, by unit (n,); NaN under two units.

    >>> unit_error(np.array([-1.0, 1.0, -1.0, 1.0]), None).__round__(3)
    0.577
    """
    sums = rows if units is None else np.bincount(np.unique(units, return_inverse=True)[1], weights=rows)
    if len(sums) < 2:
        return math.nan
    return math.sqrt(len(sums) / (len(sums) - 1) * float(((sums - sums.mean()) ** 2).sum())) / len(rows)


def _fitted(
    batch: Batch, roles: Roles, models: ModelColumns, actions: dict[str, str], rng: np.random.Generator
) -> Outcome:  # fmt: skip
    """Predictions of every row by models that did not see it, once the columns are known to be one policy."""
    log, taken = basics(batch, roles), taken_of(batch, models.action, actions, prefix=models.prefix)
    policy = policy_of(batch, roles.target, log[2], actions, taken)
    context = features_of(batch, models.context)
    wide = context.shape[1] + len(actions)
    if len(taken) * wide > MOST_CELLS:
        raise InputError("too large to model", where=batch.path, found=f"{len(taken)} rows, {wide} features",
                         expected=f"rows times features of at most {MOST_CELLS:g}")  # fmt: skip
    by = column_of_labels(batch, roles.position, "a position") if roles.position else None
    return cross_fitted_outcome(context, taken, log[0], actions=np.eye(len(actions)), policy=policy.__getitem__,
                                rng=rng, by=by)  # fmt: skip


def _beside(snips: Estimate, dr: Estimate, dm: Direct, error: float) -> Robust:
    return Robust(dr, dm, snips.low <= dr.value <= snips.high, dr.low <= snips.value <= dr.high,
                  dr.high < snips.low or snips.high < dr.low, error)  # fmt: skip


def actions_of(names: Sequence[str], prefix: str, *, other: Collection[str], where: Path | str) -> dict[str, str]:
    """Action: the column of the target's probability of it; `other` columns have a role of their own.

    Raises InputError, with the nearest column, where none begins with the prefix.

    >>> actions_of(["pi", "pi_1", "pi_2"], "pi_", other={"pi"}, where="log")
    {'1': 'pi_1', '2': 'pi_2'}
    """
    found = {name.removeprefix(prefix): name for name in names if name.startswith(prefix) and name not in other}
    if not found:
        raise InputError("no column begins with this prefix", where=where, column=prefix,
                         expected="one column an action, of the target's probability of it",
                         hint=nearest(prefix, [name for name in names if name not in other]))  # fmt: skip
    return found


def taken_of(batch: Batch, name: str, actions: Mapping[str, str], *, prefix: str) -> NDArray[np.int64]:
    """(rows,) index of the logged action, column `name`, among those that have a column.

    Raises InputError by row for an action that has none.
    """
    labels = column_of_labels(batch, name, "the logged action").astype(np.str_)
    distinct, code = np.unique(labels, return_inverse=True)
    place = {action: at for at, action in enumerate(actions)}
    index = np.array([place.get(one, -1) for one in distinct.tolist()], dtype=np.int64)[code]
    if index.min() < 0:
        at = int(np.argmin(index))
        raise batch.fault("action without its column of target probabilities", name, at,
                          f"a column {prefix}{labels[at]}", str(labels[at]))  # fmt: skip
    return index


def policy_of(
    batch: Batch, name: str, target: Floats, actions: Mapping[str, str], taken: NDArray[np.int64]
) -> list[Floats]:  # fmt: skip
    """(rows,) the target's probability of each action: one policy.

    Raises InputError by row, at the target's column `name`, where they do not sum to 1, or do not say of the logged
    action what the target says.
    """
    policy = [column_of_probabilities(batch, one, zero=True) for one in actions.values()]
    total, own = np.zeros(len(target)), np.zeros(len(target))
    for at, column in enumerate(policy):
        total += column
        own[taken == at] = column[taken == at]
    for wrong, what, expected, found in (
        (np.abs(total - 1.0) > SAME, "the actions' probabilities do not sum to 1", "1", total),
        (np.abs(own - target) > SAME, "not the probability that the action's own column says", "the same", target),
    ):
        if wrong.any():
            at = int(np.argmax(wrong))
            raise batch.fault(what, name, at, expected, float(found[at]))
    return policy


def features_of(batch: Batch, names: Sequence[str]) -> Floats:
    """(rows, features): numbers as they are, a column of 0 and 1 for each value of text.

    Raises InputError for text of more than 50 values, and by row for what is missing.
    """
    columns: list[Floats] = []
    for name in names:
        values = batch.columns[name]
        if values.dtype.kind in "iufb" or (values.dtype == object and all(map(_is_number, values))):
            columns.append(column_of_numbers(batch, name))
            continue
        labels = column_of_labels(batch, name, "a value of the context")
        levels = np.unique(labels)
        if len(levels) > MOST_LEVELS:
            raise InputError("too many values for a context", where=batch.path, column=name, found=len(levels),
                             expected=f"numbers, or text of at most {MOST_LEVELS} values")  # fmt: skip
        columns += [(labels == level).astype(np.float64) for level in levels]
    return np.column_stack(columns)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return not (isinstance(value, str) and "_" in value)


def control_findings(
    table: LogTable,
    roles: Roles,
    controls: Sequence[str],
    *,
    margin: float = 0.1,
    alpha: float = 0.05,
    progress: Progress | None = None,
) -> list[LogControl]:
    """Each column that no action can have moved, judged over all rows at alpha / m of m; clustered as the audit is.

    Held in memory: the three columns of the log, the controls, and the ids of the units. A log without weight tells
    nothing: no finding. Raises InputError by file, row and column.
    """
    if not controls:
        return []
    names = [roles.reward, roles.propensity, roles.target, *controls, *([roles.units] if roles.units else [])]
    batch = table.held(names, progress)
    _, propensity, target = basics(batch, roles)
    units = column_of_labels(batch, roles.units, "an id") if roles.units else None
    if not target.any():
        return []
    return [logged_control(column_of_numbers(batch, name), propensity, target, margin=margin, clusters=units,
                           alpha=alpha / len(controls), name=name) for name in controls]  # fmt: skip
