"""A log of decisions, of any length and any column names, folded into its audit, whole and by slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.columns import Floats
from harness.data.log_table import (
    LARGEST,
    Batch,
    LogTable,
    column_of_labels,
    column_of_numbers,
    column_of_probabilities,
)
from harness.data.stream import Progress
from harness.errors import InputError, UsageError, nearest
from harness.estimators.logged import Audit, LoggedRows
from harness.estimators.logged_units import LoggedUnits
from harness.estimators.overlap import ESS_FLOOR

__all__ = ["ALL", "MOST_SLICES", "Audits", "Mask", "Roles", "audit_log", "basics", "parts_of",
           "require_propensity"]

ALL = "all"
MOST_SLICES = 1000

Audits = Mapping[str, Audit]
Mask = NDArray[np.bool_] | slice


class Roles(NamedTuple):
    """Which column of a log is what.

    Attributes:
        reward: What the logged action earned.
        propensity: The log's probability of it, in (0, 1].
        target: The target policy's probability of it, in [0, 1].
        by: Slices: one audit a value of each column.
        cluster: Rows of one value depend on each other: intervals are by its values.
        decision: Id of the decision. Rows that share one are a slate, which needs `position`.
        position: Of the action in its slate: one audit each.
    """

    reward: str
    propensity: str
    target: str
    by: tuple[str, ...] = ()
    cluster: str | None = None
    decision: str | None = None
    position: str | None = None

    @property
    def units(self) -> str | None:
        """The column whose values are independent: the cluster; of a slate log its decision; else every row."""
        return self.cluster or (self.decision if self.position else None)

    @property
    def slices(self) -> tuple[str, ...]:
        """The columns of which every value is audited."""
        return tuple(dict.fromkeys([*([self.position] if self.position else []), *self.by]))

    @property
    def columns(self) -> list[str]:
        """All of them, each once."""
        labels = [*self.slices, self.cluster, self.decision]
        return list(dict.fromkeys([self.reward, self.propensity, self.target, *(name for name in labels if name)]))


@dataclass(frozen=True)
class _State:
    """Of one slice: its rows, and, of each column of units, its sums."""

    rows: LoggedRows = field(default_factory=LoggedRows)
    units: Mapping[str, LoggedUnits] = field(default_factory=dict)

    def merge(self, other: _State) -> _State:
        units = {name: self.units.get(name, LoggedUnits()).merge(state) for name, state in other.units.items()}
        return _State(self.rows.merge(other.rows), {**self.units, **units})


def audit_log(
    table: LogTable,
    roles: Roles,
    *,
    floor: float = ESS_FLOOR,
    confidence: float = 0.9,
    progress: Progress | None = None,
) -> dict[str, Audit]:
    """The audit of a log: of all rows under `all`, then by slice, the slices of a column in order of their values.

    Held in memory: a state of fixed size a slice; with a column of units (`cluster`, `decision`) also four sums a unit
    and slice.

    Raises InputError by file, row and column: what is missing, no number, or no probability; a slate without a
    position. A log in which the target policy takes none of the logged actions is not an error but a refusal.
    """
    if len({roles.reward, roles.propensity, roles.target}) < len(("reward", "propensity", "target")):
        raise UsageError("audit: reward, propensity and target are three columns")
    states: dict[str, _State] = {}
    for batch in table.batches(roles.columns, progress):
        _fold(states, batch, roles)
        if len(states) > MOST_SLICES + 1:
            raise InputError("not a slice", where=table.path, column=", ".join(roles.slices),
                             expected=f"at most {MOST_SLICES} values")  # fmt: skip
    if ALL not in states:
        raise InputError("no rows", where=table.path, expected="at least one row")
    _one_action_a_decision(states, roles, table)
    return {name: _audited(states[name], roles, floor, confidence) for name in _in_order(states, roles)}


def _in_order(states: Mapping[str, _State], roles: Roles) -> list[str]:
    """`all`, then column by column as asked for; whole numbers by size, text by name."""
    def key(name: str) -> tuple[int, bool, float, str]:
        column = next(one for one in roles.slices if name.startswith(f"{one}="))
        value = name.removeprefix(f"{column}=")
        whole = value.lstrip("-").isdecimal()
        return roles.slices.index(column), not whole, float(value) if whole else 0.0, value

    return [ALL, *sorted(states.keys() - {ALL}, key=key)]


def _audited(state: _State, roles: Roles, floor: float, confidence: float) -> Audit:
    found = state.rows.audit(floor=floor, confidence=confidence)
    if roles.units is None:
        return found
    return state.units[roles.units].audit(found, name=roles.units, confidence=confidence)


def _one_action_a_decision(states: Mapping[str, _State], roles: Roles, table: LogTable) -> None:
    """A slate's rows are not one action: without a position they are refused, with one each stands once on it."""
    if roles.decision is None:
        return
    for name, state in states.items():
        if roles.position is not None and not name.startswith(f"{roles.position}="):
            continue
        units = state.units[roles.decision]
        rows = units.sums[:, 0]
        if rows.max() > 1:
            twice = f"{units.ids[int(np.argmax(rows))]!s} on {int(rows.max())} rows"
            ask = "say --position for one audit a position, with each position's own propensity"
            what = "a slate is not one action" if roles.position is None else f"one action a decision at {name}"
            raise InputError(what, where=table.path, column=roles.decision, found=twice,
                             expected=f"each decision once; {ask}" if roles.position is None else "each decision once")


def _fold(states: dict[str, _State], batch: Batch, roles: Roles) -> None:
    rows = basics(batch, roles)
    expected = "an id in every row"
    units = {name: column_of_labels(batch, name, expected) for name in (roles.cluster, roles.decision) if name}
    for name, here in parts_of(batch, roles.slices).items():
        r, p, t = (column[here] for column in rows)
        sums = {one: LoggedUnits.of(r, p, t, ids[here]) for one, ids in units.items()}
        state = _State(LoggedRows.of(r, p, t), sums)
        states[name] = states[name].merge(state) if name in states else state


def basics(batch: Batch, roles: Roles) -> tuple[Floats, Floats, Floats]:
    """Reward, propensity and target of a batch, (rows,) each; InputError by row for what none of them can be."""
    reward = column_of_numbers(batch, roles.reward)
    propensity = column_of_probabilities(batch, roles.propensity, zero=False)
    target = column_of_probabilities(batch, roles.target, zero=True)
    heavy = np.flatnonzero(target > LARGEST * propensity)
    if heavy.size:
        at = int(heavy[0])
        raise batch.fault("too small for a weight", roles.propensity, at, f"at least {1 / LARGEST:g} of the target's",
                          float(propensity[at]))  # fmt: skip
    return reward, propensity, target


def require_propensity(table: LogTable, name: str | None, *, otherwise: str) -> None:
    """Refuse a log without its column of propensities; `otherwise` says what does without. None asks for none."""
    if name is not None and name not in table.names:
        raise InputError("missing column", where=table.path, column=name, found=table.names,
                         expected=f"the log's probability of the action, or {otherwise}",
                         hint=nearest(name, table.names))  # fmt: skip


def parts_of(batch: Batch, slices: tuple[str, ...]) -> dict[str, Mask]:
    """Which rows of a batch are whose: all of them, and those of each slice, as `column=value`."""
    parts: dict[str, Mask] = {ALL: slice(None)}
    for column in slices:
        names: NDArray[Any] = column_of_labels(batch, column, "the name of a slice")
        for value in np.unique(names).tolist():
            parts[f"{column}={value}"] = names == value
            if len(parts) > MOST_SLICES + 1:
                raise InputError("not a slice", where=batch.path, column=column,
                                 expected=f"at most {MOST_SLICES} values")  # fmt: skip
    return parts
