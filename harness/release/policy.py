"""The policy: which measures a release must show, on which task and slice, by which end of the interval.

A policy row names one measure and any number of slices; each (row, slice) is one `Check`, and each check leaves one
finding. Nothing here measures or judges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from harness.release.charter import seconds_of

__all__ = ["AnyWith", "Check", "Direction", "Finite", "Guard", "Limit", "Row", "checks_of", "rows_of",
           "weakened"]

By = Literal["value", "lcb", "ucb"]
Direction = Literal["at_least", "at_most"]
Severity = Literal["info", "warning", "critical", "emergency"]  # ascending, as what follows is
Then = Literal["alert", "hold", "rollback"]
Finite = Annotated[float, Field(allow_inf_nan=False, strict=True)]  # a whole number is one; true and '0.5' are not
_GATES_OWN = ("by", "slices", "any_with", "confidence", "expect")  # what a gate of the user's own says itself


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Guard(_Model):
    """A limit watched live: how long it must be missed, how grave that is, and what follows."""

    for_: str = Field("0m", alias="for", pattern=r"^\d+[smhd]$")
    severity: Severity = "warning"
    then: Then = "alert"
    warn_within: Finite | None = None


@dataclass(frozen=True)
class Limit:
    """A threshold and the end of the interval that must clear it."""

    direction: Direction
    bound: float
    by: By

    def __str__(self) -> str:
        sign = "≥" if self.direction == "at_least" else "≤"
        return f"{self.by} {sign} {self.bound:g}"


class AnyWith(_Model):
    """An alternative measure: the row passes when this one does."""

    measure: str
    at_least: Finite | None = None
    at_most: Finite | None = None

    @model_validator(mode="after")
    def _one_limit(self) -> AnyWith:
        _exactly_one(self.at_least, self.at_most)
        return self

    def limit(self, by: By) -> Limit:
        """The alternative's own limit, judged by the same end as its row."""
        return _limit(self.at_least, self.at_most, by)


class Row(_Model):
    """One line of a policy: a measure with its limit, or the name of a gate of the user's own."""

    measure: str | None = None
    gate: str | None = None
    task: str | None = None
    by: By = "value"
    at_least: Finite | None = None
    at_most: Finite | None = None
    slices: tuple[str, ...] = ("all",)
    any_with: tuple[AnyWith, ...] = ()
    confidence: float = Field(0.9, gt=0.5, lt=1.0, strict=True)
    required: bool = Field(True, strict=True)
    why: str | None = None
    expect: tuple[Finite, Finite] | None = None
    guard: Guard | None = None

    @field_validator("slices")
    @classmethod
    def _some_slices(cls, slices: tuple[str, ...]) -> tuple[str, ...]:
        if not slices or len(set(slices)) != len(slices):
            raise ValueError("slices must be named, each once")
        return slices

    @model_validator(mode="after")
    def _consistent(self) -> Row:
        if (self.measure is None) == (self.gate is None):
            raise ValueError("a row names either a measure or a gate")
        if self.measure is not None:
            _exactly_one(self.at_least, self.at_most)
            if (self.by, self.at_least is None) in {("lcb", True), ("ucb", False)}:
                raise ValueError("lcb goes with at_least, ucb with at_most: the other end proves nothing")
        elif self.at_least is not None or self.at_most is not None:
            raise ValueError("a row that names a gate of your own carries no limit: the gate states it")
        elif unheard := [key for key in _GATES_OWN if getattr(self, key) != type(self).model_fields[key].default]:
            raise ValueError(f"a row that names a gate of your own carries no {unheard[0]}: nothing would heed it")
        if self.expect is not None and self.expect[0] > self.expect[1]:
            raise ValueError("expect goes from low to high")
        if not self.required and not self.why:
            raise ValueError("required: false needs a why")
        return self


@dataclass(frozen=True)
class Check:
    """One thing to show: a policy row on one slice. `id` is unique within a policy and is the pytest id.

    `own_gate` is the name of a user's own gate, which states its measure and limit itself.
    """

    id: str
    measure: str
    task: str | None
    slice: str
    limit: Limit | None
    any_with: tuple[tuple[str, Limit], ...] = ()
    confidence: float = 0.9
    required: bool = True
    why: str | None = None
    expect: tuple[float, float] | None = None
    own_gate: str | None = None


def checks_of(rows: Sequence[Row]) -> tuple[Check, ...]:
    """Every check that a policy asks for, in the policy's order; a repeated check is an error.

    A measure may be asked for again with another limit, as a goal beside what is required: the later check carries its
    limit in its id.

    >>> [check.id for check in checks_of([Row(measure="R@5", at_least=0.3), Row(measure="R@5", at_least=0.4)])]
    ['all-R@5-value', 'all-R@5-value-0.4']
    """
    checks: dict[str, Check] = {}
    for check in (check for row in rows for check in _checks(row)):
        first = checks.get(check.id)
        if first is not None and first.limit is not None and check.limit is not None and first.limit != check.limit:
            check = replace(check, id=f"{check.id}-{check.limit.bound:g}")  # noqa: PLW2901 the same check, told apart
        if check.id in checks:
            raise ValueError(f"the check {check.id!r} stands twice in the policy")
        checks[check.id] = check
    return tuple(checks.values())


def rows_of(rows: Sequence[Row]) -> dict[str, tuple[Check, Row]]:
    """Check id → the check and the row that asks for it, under the ids that the whole policy gives them.

    >>> goal = Row(measure="R@5", at_least=0.4, guard={"for": "3m"})
    >>> [(name, row.guard is None) for name, (_, row) in rows_of([Row(measure="R@5", at_least=0.3), goal]).items()]
    [('all-R@5-value', True), ('all-R@5-value-0.4', False)]
    """
    asking = (row for row in rows for _ in _checks(row))
    return {check.id: (check, row) for check, row in zip(checks_of(rows), asking, strict=True)}


def weakened(before: Sequence[Row], after: Sequence[Row]) -> list[str]:
    """Ways in which `after` demands less than `before`, one line each; an empty list is a policy at least as strict.

    Rows on one measure, task, slice and end are a set of limits: nothing is lost where some new one implies the old,
    required as it was and guarded at least as well. Of several new ones the nearest is told.

    >>> old = [Row(measure="R@5", at_least=0.3)]
    >>> weakened(old, [Row(measure="R@5", at_least=0.2)])
    ['all-R@5-value: limit moved from value ≥ 0.3 to value ≥ 0.2']
    >>> weakened([*old, Row(measure="R@5", at_least=0.4)], [Row(measure="R@5", at_least=0.4)])
    []
    """
    new = rows_of(after)
    return [line for one in rows_of(before).values() for line in _missed(one, new)]


def _missed(old: tuple[Check, Row], new: Mapping[str, tuple[Check, Row]]) -> list[str]:
    name = old[0].id
    rivals = [now for now in new.values() if _subject(now[0]) == _subject(old[0])]
    if not rivals:
        return [f"{name}: {'measures something else under the same name' if name in new else 'no longer asked for'}"]
    return min((_weaker(old, now) for now in sorted(rivals, key=lambda now: now[0].id != name)), key=len)


def _subject(check: Check) -> tuple[str | None, ...]:
    return check.measure, check.task, check.slice, check.own_gate, None if check.limit is None else check.limit.by


def _weaker(before: tuple[Check, Row], after: tuple[Check, Row]) -> list[str]:
    (old, row), (now, its), lines = before, after, []
    if old.required and not now.required:
        lines.append(f"{old.id}: no longer required")
    if old.limit is not None and (now.limit is None or _looser(old.limit, now.limit)):
        lines.append(f"{old.id}: limit moved from {old.limit} to {now.limit}")
    if now.confidence < old.confidence:
        lines.append(f"{old.id}: confidence lowered from {old.confidence:g} to {now.confidence:g}")
    known = dict(old.any_with)
    for measure, limit in now.any_with:
        if measure not in known or _looser(known[measure], limit):
            lines.append(f"{old.id}: new or looser alternative {measure} {limit}")
    if row.guard is not None and not _guarded(_watch(row.guard, old.limit), _watch(its.guard, now.limit)):
        lines.append(f"{old.id}: its guard was changed")
    return lines


def _looser(old: Limit, now: Limit) -> bool:
    if old.direction != now.direction or old.by != now.by:
        return True
    return now.bound < old.bound if old.direction == "at_least" else now.bound > old.bound


def _watch(guard: Guard | None, limit: Limit | None) -> tuple[float, ...]:
    """A guard as numbers of which more is stricter: how soon, how grave, what follows, where it warns; none, none."""
    if guard is None:
        return ()
    bound = 0.0 if limit is None else limit.bound if limit.direction == "at_least" else -limit.bound
    reach = 0.1 * abs(bound) if guard.warn_within is None else guard.warn_within  # as it is watched
    return (-seconds_of(guard.for_), get_args(Severity).index(guard.severity), get_args(Then).index(guard.then),
            bound + reach)


def _guarded(old: tuple[float, ...], now: tuple[float, ...]) -> bool:
    return len(now) == len(old) and all(it >= was for was, it in zip(old, now, strict=True))


def _checks(row: Row) -> list[Check]:
    if row.gate is not None:
        return [Check(id=row.gate, measure=row.gate, task=row.task, slice="all", limit=None, required=row.required,
                      why=row.why, own_gate=row.gate)]
    limit = _limit(row.at_least, row.at_most, row.by)
    shared: dict[str, Any] = {
        "measure": row.measure, "task": row.task, "limit": limit, "confidence": row.confidence,
        "required": row.required, "why": row.why, "expect": row.expect,
        "any_with": tuple((other.measure, other.limit(row.by)) for other in row.any_with),
    }
    prefix = f"{row.task}-" if row.task else ""
    return [Check(id=f"{prefix}{name}-{row.measure}-{row.by}", slice=name, **shared) for name in row.slices]


def _limit(at_least: float | None, at_most: float | None, by: By) -> Limit:
    return Limit("at_least", at_least, by) if at_least is not None else Limit("at_most", float(at_most or 0.0), by)


def _exactly_one(at_least: float | None, at_most: float | None) -> None:
    if (at_least is None) == (at_most is None):
        raise ValueError("a measure needs exactly one of at_least and at_most")
