"""What readings show: which guards are missed for certain, and what a stage's criteria come to."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.estimate import Estimate
from harness.release.judge import Verdict, verdict_of
from harness.release.rollout_terms import Criterion
from harness.rollout.ramp_state import RampState, criteria_of
from harness.rollout.shapes import Reading, Then

__all__ = ["Told", "asked", "beyond", "shown", "unproven"]

_GRAVE = {"critical", "emergency"}
Told = tuple[Verdict, str, str | None]


def beyond(readings: Sequence[Reading], then: Then) -> list[Reading]:
    """Readings that are beyond their limit for certain and for long enough, of guards that ask for `then`."""
    return [one for one in readings if one.state in _GRAVE and one.guard.then == then]


def shown(reading: Reading) -> Verdict:
    """What a reading's numbers show of its limit: the judge's own word, as at the release's gates.

    A reading that is missing, or beyond its limit, is never a PASS, whatever its numbers; otherwise an alternative
    that is shown to be kept speaks for it, as at the gates.

    >>> from harness.release.policy import Limit
    >>> from harness.rollout.shapes import Guarded
    >>> guard = Guarded("g", "delta nDCG@10", "all", Limit("at_least", 0.0, "lcb"))
    >>> shown(Reading(guard, "ok", 0.01, -0.01, 0.03, 90, None, "")).name
    'INCONCLUSIVE'
    """
    value, low, high = (math.nan if one is None else one for one in (reading.value, reading.low, reading.high))
    said = verdict_of(Estimate(value, low, high, reading.n, 0.9, "live"), reading.guard.limit)
    if reading.spoken and reading.state in {"ok", "warning"}:
        return Verdict.PASS
    if said is Verdict.PASS and reading.state not in {"ok", "warning"}:
        return Verdict.INCONCLUSIVE
    return said


def unproven(readings: Sequence[Reading]) -> Told:
    """The first guard that may hold or roll back and is not shown to be within its limit; else a PASS.

    No proof is no pass: such a guard holds a ramp, and only proof of the contrary rolls it back.

    >>> unproven([])
    (<Verdict.PASS: 0>, 'no guard holds', None)
    """
    told = (_said(one, _settled(one)) for one in readings if one.guard.then != "alert")
    return next((one for one in told if one[0] is not Verdict.PASS), (Verdict.PASS, "no guard holds", None))


def asked(state: RampState, readings: Sequence[Reading]) -> Told:
    """What a stage's criteria come to: the gravest verdict, its reason, and the guard that gave it.

    Args:
        state: A ramp on its way up.
        readings: Of the guards and of the stage's criteria; a criterion without a reading is not shown.
    """
    stage = state.stage
    assert stage is not None
    own = {one.name for one in criteria_of(state)}
    there = {one.guard.name: one for one in readings}
    guards = [one for one in readings if one.guard.name not in own]
    told = [_guards(criterion, guards) if criterion.guards else _own(f"ramp {stage.name}: {criterion.name}", there)
            for criterion in stage.criteria]
    worst = max(told, key=lambda one: one[0])
    if worst[0] is not Verdict.PASS:
        return worst
    return Verdict.PASS, "; ".join(reason for _, reason, _ in told), worst[2]


def _own(name: str, there: dict[str, Reading]) -> Told:
    reading = there.get(name)
    if reading is None:
        return Verdict.INCONCLUSIVE, f"{name} was not read", name
    return _said(reading, shown(reading))


def _guards(criterion: Criterion, guards: Sequence[Reading]) -> Told:
    """Guards that are asked for together. One that its limit alone says is missed waits for its own `for`."""
    named = [one for one in guards if criterion.guards == "all" or one.guard.severity in _GRAVE]
    if not named:
        return Verdict.INCONCLUSIVE, f"there are no guards to show ({criterion.name})", None
    told = [_said(one, _settled(one)) for one in named]
    worst = max(told, key=lambda one: one[0])
    held = "the guard is" if len(named) == 1 else f"all {len(named)} guards are"
    return worst if worst[0] is not Verdict.PASS else (Verdict.PASS, f"{held} shown to be kept", None)


def _settled(reading: Reading) -> Verdict:
    verdict = shown(reading)
    return Verdict.INCONCLUSIVE if verdict is Verdict.REFUSE and reading.state not in _GRAVE else verdict


def _said(reading: Reading, verdict: Verdict) -> Told:
    words = {Verdict.PASS: "shown", Verdict.INCONCLUSIVE: "not shown", Verdict.REFUSE: "shown to be missed"}[verdict]
    low, value, high = ("–" if one is None else f"{one:.6g}" for one in (reading.low, reading.value, reading.high))
    return (verdict, f"{reading.guard.measure} {reading.guard.limit} is {words}: {value} [{low}, {high}], "
                     f"n {reading.n}", reading.guard.name)
