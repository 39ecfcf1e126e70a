"""Readings and ramps as the tests of the machine make them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from harness.release.policy import Limit
from harness.release.rollout_terms import Criterion, Rollout, Rung, Stage
from harness.rollout.ramp_state import RampState, criteria_of
from harness.rollout.shapes import Guarded, Reading, Severity, State, Then

DAY = datetime(2025, 3, 1, tzinfo=UTC)
QUICK = Rollout(
    stages=tuple(Stage(percent=percent, hold="2m", criteria=(Criterion(measure="delta error rate", at_most=0.01),))
                 for percent in (5, 25, 50)),
    reverse=(Rung(percent=25, hold="3m"), Rung(percent=10, hold="3m"), Rung(percent=0)))


def begun(rollout: Rollout = QUICK) -> RampState:
    return RampState.begun("prod", "a" * 64, "b" * 64, rollout, now=DAY)


def guard(name: str = "quality", *, then: Then = "rollback", severity: Severity = "critical") -> Guarded:
    return Guarded(name, "delta nDCG@10", "all", Limit("at_least", 0.0, "lcb"), 0, severity, then)


def told(one: Guarded, state: State = "ok", low: float | None = 0.01, high: float | None = 0.03) -> Reading:
    value = None if low is None or high is None else (low + high) / 2
    return Reading(one, state, value, low, high, 0 if value is None else 500, None, f"{one.name} is {state}")


def well(one: Guarded) -> Reading:
    return told(one, "ok", one.limit.bound + 0.01, one.limit.bound + 0.03) if one.limit.direction == "at_least" \
        else told(one, "ok", one.limit.bound - 0.03, one.limit.bound - 0.01)


def open_(one: Guarded) -> Reading:
    return told(one, "ok", one.limit.bound - 0.01, one.limit.bound + 0.01)


def missed(one: Guarded) -> Reading:
    return told(one, "critical", one.limit.bound - 0.03, one.limit.bound - 0.01) \
        if one.limit.direction == "at_least" else told(one, "critical", one.limit.bound + 0.01, one.limit.bound + 0.03)


def absent(one: Guarded) -> Reading:
    return told(one, "missing", None, None)


def all_well(state: RampState, *guards: Guarded) -> list[Reading]:
    return [well(one) for one in (*guards, *criteria_of(state))]


def after(seconds: float) -> datetime:
    return DAY + timedelta(seconds=seconds)
