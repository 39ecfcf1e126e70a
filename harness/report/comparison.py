"""Two evaluations side by side: paired differences with intervals, and the checklist's decision.

|Δ| under 2 percentage points: `plan`, the change may be planned in. 2 to 5: `tune` first. Over 5: `hold`, whichever
way it went, for a leap that large is to be understood before it ships. The value decides; an interval that reaches
into another band is said to leave the decision open.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from harness.errors import InputError
from harness.estimate import Estimate
from harness.records import Floats, Ids
from harness.report.rows import number_text

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["DECISIONS", "Column", "Difference", "compare", "comparison_table", "decision_of", "gravest"]

DECISIONS = ("plan", "tune", "hold")
PLAN_BELOW, HOLD_ABOVE = 0.02, 0.05


class Column(NamedTuple):
    """One measure on one task, per query: (n,) ids, (n,) values, and (n,) cluster labels or None."""

    queries: Ids
    values: Floats
    clusters: Ids | None = None


class Difference(NamedTuple):
    """One measure's paired difference, after minus before, over the queries that both have.

    `reach` names every decision that the interval allows; `left_out` counts the queries that only one side has.
    """

    task: str
    measure: str
    before: float
    after: float
    delta: Estimate
    better: int
    worse: int
    left_out: int
    decision: str
    reach: tuple[str, ...]


def compare(before: Mapping[tuple[str, str], Column], after: Mapping[tuple[str, str], Column], *,
            confidence: float = 0.9) -> list[Difference]:
    """Compare every (task, measure) that both sides have, in the order of `before`.

    Raises InputError where they share no measure, or a measure's sides share no query.
    """
    shared = [key for key in before if key in after]
    if not shared:
        raise InputError("nothing to compare", where="measures", expected="a task and measure on both sides",
                         found=(list(before)[:4], list(after)[:4]))
    return [_difference(*key, before[key], after[key], confidence) for key in shared]


def decision_of(delta: float) -> str:
    """The checklist's decision for a difference in [-1, 1].

    >>> decision_of(0.019), decision_of(-0.02), decision_of(0.05), decision_of(-0.051)
    ('plan', 'tune', 'tune', 'hold')
    """
    if math.isnan(delta):
        raise InputError("not a number", where="delta", expected="a finite difference", found=delta)
    size = round(abs(delta), 12)
    return "plan" if size < PLAN_BELOW else "tune" if size <= HOLD_ABOVE else "hold"


def gravest(differences: Sequence[Difference]) -> str:
    """The decision for the whole comparison."""
    return max((one.decision for one in differences), key=DECISIONS.index, default="hold")


def comparison_table(differences: Sequence[Difference]) -> Table:
    """The differences as a terminal table, in percentage points."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    tasks = len({one.task for one in differences}) > 1
    numbers = ("before", "after", "Δ pp", "interval", "n", "up/down")
    for title in (*(("task",) if tasks else ()), "measure", *numbers, "decision"):
        table.add_column(title, justify="right" if title in numbers else "left", no_wrap=title in numbers)
    for one in differences:
        within = "" if len(one.reach) == 1 else f"\n({one.reach[0]} to {one.reach[-1]})"
        interval = f"[{_points(one.delta.low)}, {_points(one.delta.high)}]"
        table.add_row(*([Text(one.task)] if tasks else []), Text(one.measure), f"{one.before:.4f}", f"{one.after:.4f}",
                      _points(one.delta.value), Text(interval), f"{one.delta.n:,}", f"{one.better}/{one.worse}",
                      one.decision + within)
    return table


def _points(value: float) -> str:
    """Percentage points, with as many digits as keep the number in its band."""
    edge = math.copysign(min((PLAN_BELOW, HOLD_ABOVE), key=lambda limit: abs(abs(value) - limit)), value)
    return number_text(value, measure="delta measure", limit=edge).removesuffix(" pp")


def _difference(task: str, measure: str, before: Column, after: Column, confidence: float) -> Difference:
    from harness.estimators.intervals import mean_interval, paired

    one, two, left_out = _aligned(before, after, f"{measure} on {task}")
    x = paired(two.values, one.values)
    delta = mean_interval(x, clusters=two.clusters, confidence=confidence, support=_support(measure))
    return Difference(task, measure, float(one.values.mean()), float(two.values.mean()), delta, int((x > 0).sum()),
                      int((x < 0).sum()), left_out, decision_of(delta.value), _reach(delta))


def _aligned(before: Column, after: Column, where: str) -> tuple[Column, Column, int]:
    """Both columns at the queries that both have, ascending."""
    for side in (before, after):
        if len(np.unique(side.queries.astype(str))) != len(side.queries):
            raise InputError("a query stands twice", where=where, expected="one value a query")
    shared, one, two = np.intersect1d(before.queries.astype(str), after.queries.astype(str), return_indices=True)
    if not len(shared):
        raise InputError("no query on both sides", where=where, expected="the same queries",
                         found=(before.queries[:2].tolist(), after.queries[:2].tolist()))
    left_out = len(before.queries) + len(after.queries) - 2 * len(shared)
    return _taken(before, one), _taken(after, two), left_out


def _taken(column: Column, rows: Any) -> Column:
    return Column(column.queries[rows], column.values[rows], None if column.clusters is None else column.clusters[rows])


def _support(measure: str) -> tuple[float, float] | None:
    """What a difference of the measure can be at most: measures of the catalogue lie in [0, 1]."""
    from harness.errors import UsageError
    from harness.metrics.spec import parse

    try:
        parse(measure)
    except UsageError:
        return None
    return (-1.0, 1.0)


def _reach(delta: Estimate) -> tuple[str, ...]:
    """Every decision that some value within the interval would lead to, mildest first."""
    least = 0.0 if delta.low <= 0.0 <= delta.high else min(abs(delta.low), abs(delta.high))
    most = max(abs(delta.low), abs(delta.high))
    first, last = DECISIONS.index(decision_of(least)), DECISIONS.index(decision_of(most))
    return DECISIONS[first : last + 1]
