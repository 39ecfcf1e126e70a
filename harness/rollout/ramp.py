"""The ramp: a pure machine. State, readings and a moment in; the next state and the decision with its reason out.

The rules, in this order; the first that applies decides.
 1. A ramp that is over stays so: a rollback is final, and so is a promotion.
 2. The kill switch rolls back at once.
 3. A guard with `then: rollback` that is shown to be missed rolls back: at once where its severity is critical or
    graver, else down the reverse ladder. A waiver by the people whom the charter names turns that one guard's into a
    hold, for as long as it runs.
 4. On the way down, each rung is kept for its hold, whatever the readings say, until nothing is left.
 5. A clock that shows less than was seen before holds. One that shows far less, though not less than the start, was
    ahead at a look before: the stage's hold begins anew, without its waiver, and goes on by the present clock. Missing
    data holds, too: no readings at all, or none of a criterion or of a guard that may hold or roll back. One that only
    alerts is told, and holds under `guards: all`.
 6. A guard with `then: hold` (or a waived one) that is shown to be missed holds.
 7. A criterion that is shown to be missed asks to tune: waiting cannot mend it.
 8. A guard with `then: hold` or `rollback`, or a criterion, that is not shown to hold, holds.
 9. All shown and the stage held for long enough: proceed, by one stage.

Of a stage's hold, only time that was watched and sound counts: not while readings were missing, a guard or a criterion
was missed, or nobody looked (a gap counts for `WATCH_GAP_S` at most).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from harness.errors import InputError
from harness.release.judge import Verdict
from harness.rollout.ramp_rules import asked, beyond, unproven
from harness.rollout.ramp_state import RampState, criteria_of
from harness.rollout.shapes import Action, Decision, Reading

__all__ = ["AHEAD", "WATCH_GAP_S", "moved_down", "step"]

WATCH_GAP_S = 600.0
AHEAD = timedelta(minutes=5)  # clocks of two machines may differ by so much


def step(state: RampState, readings: Sequence[Reading], now: datetime, *, killed: bool = False
         ) -> tuple[RampState, Decision]:
    """One look at a ramp.

    Args:
        state: Where it stands.
        readings: Of the release's guards and of `criteria_of(state)`, at this moment.
        now: The moment, with its offset.
        killed: Whether the kill switch is set.

    Returns: the next state, and the decision: `proceed` (the percent is the next stage's), `hold`, `tune` or
    `rollback`, with the reason and the guard that decided. Raises InputError where the moment has no offset.

    >>> from harness.release.rollout_terms import Rollout
    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> state = RampState.begun("prod", "ab", "cd", Rollout(preset="5-25-50-100"), now=day)
    >>> step(state, [], day)[1].reason
    'nothing was observed'
    """
    if now.utcoffset() is None:
        raise InputError("no offset", where="now", expected="a time with its offset", found=now.isoformat())
    at = now.astimezone(UTC)
    if state.over:
        return state, _over(state)
    if killed:
        return _rolled_back(state, at, "the kill switch is set", None)
    was, state = state, _steadied(state, at)
    harm = _harm(state, readings, at)
    if harm is not None:
        return harm
    if state.phase == "down":
        return _down(state, at)
    if state is not was:
        return state, _stay(state, "hold", f"the clock was at {was.seen:%FT%TZ} before: the hold begins anew", None)
    return _up(state, readings, at)


def _steadied(state: RampState, now: datetime) -> RampState:
    """The state without moments that a clock far ahead left in it: else nothing would move until they come.

    A clock before the start may be behind itself: taking the start back would end its time of validation too early.
    """
    if now >= state.seen - AHEAD or now < state.started:
        return state
    return replace(state, entered=min(state.entered, now), seen=now, held_s=0.0, waiver=None)


def moved_down(state: RampState, now: datetime, reason: str, guard: str | None = None) -> tuple[RampState, Decision]:
    """The first rung of the reverse ladder below the present share; without one, all the way back."""
    below = [place for place, rung in enumerate(state.rungs) if rung.percent < state.percent]
    if not below or state.rungs[below[0]].percent == 0.0:
        return _rolled_back(state, now, reason, guard)
    moved = state.entering("down", below[0], max(now, state.entered))
    return moved, Decision("rollback", moved.name, moved.percent, reason, guard)


def _over(state: RampState) -> Decision:
    if state.phase == "promoted":
        return Decision("hold", state.name, state.percent, "it serves: the ramp is over")
    return Decision("rollback", state.name, 0.0, state.said or "it was rolled back: the ramp is over")


def _rolled_back(state: RampState, now: datetime, reason: str, guard: str | None) -> tuple[RampState, Decision]:
    moved = replace(state.entering("rolled_back", 0, max(now, state.entered)), said=reason, waiver=None)
    return moved, Decision("rollback", moved.name, 0.0, reason, guard)


def _harm(state: RampState, readings: Sequence[Reading], now: datetime) -> tuple[RampState, Decision] | None:
    """What guards with `then: rollback` ask for; None where none does."""
    harmed = [one for one in beyond(readings, "rollback") if not _waived(state, one, now)]
    grave = [one for one in harmed if one.guard.severity in {"critical", "emergency"}]
    if grave:
        return _rolled_back(state, now, grave[0].reason, grave[0].guard.name)
    if harmed and state.phase == "up":
        return moved_down(state, now, harmed[0].reason, harmed[0].guard.name)
    return None


def _waived(state: RampState, reading: Reading, now: datetime) -> bool:
    waiver = state.waiver
    return waiver is not None and waiver.guard == reading.guard.name and now < waiver.until


def _down(state: RampState, now: datetime) -> tuple[RampState, Decision]:
    rung = state.rungs[state.index]
    if (now - state.entered).total_seconds() < rung.hold_s:
        kept = replace(state, seen=max(now, state.seen))
        return kept, Decision("rollback", state.name, state.percent, f"down step by step, {rung.hold} at each")
    return moved_down(state, now, f"{rung.percent:g} % was kept for {rung.hold}")


def _up(state: RampState, readings: Sequence[Reading], now: datetime) -> tuple[RampState, Decision]:
    if now < state.seen:
        return state, _stay(state, "hold", "the clock went backwards", None)
    stopped = _stopped(state, readings)
    if stopped is not None:
        return _looked(state, now, sound=False), _stay(state, "hold", *stopped)
    verdict, reason, guard = asked(state, readings)
    looked = _looked(state, now, sound=verdict is not Verdict.REFUSE)
    if verdict is Verdict.REFUSE:
        return looked, _stay(state, "tune", reason, guard)
    verdict, reason, guard = max((verdict, reason, guard), unproven(readings), key=lambda one: one[0])
    if verdict is not Verdict.PASS:
        return looked, _stay(state, "hold", reason, guard)
    left = _left(looked, now)
    return (looked, _stay(state, "hold", left, None)) if left else _proceeded(looked, now, reason)


def _stopped(state: RampState, readings: Sequence[Reading]) -> tuple[str, str | None] | None:
    """Why nothing may move, whatever the criteria say."""
    if not readings:
        return "nothing was observed", None
    own = {one.name for one in criteria_of(state)}
    missing = next((one for one in readings if one.state == "missing"
                    and (one.guard.then != "alert" or one.guard.name in own)), None)
    if missing is not None:
        return missing.reason, missing.guard.name
    missed = next(iter((*beyond(readings, "hold"), *beyond(readings, "rollback"))), None)
    return None if missed is None else (missed.reason, missed.guard.name)


def _looked(state: RampState, now: datetime, *, sound: bool) -> RampState:
    gap = min((now - state.seen).total_seconds(), WATCH_GAP_S)
    return replace(state, seen=now, held_s=state.held_s + gap * sound)


def _left(state: RampState, now: datetime) -> str:
    """What of the hold is still to come, in words; empty where it is over."""
    stage = state.stage
    assert stage is not None
    if state.held_s < stage.hold_s:
        return f"held for {int(state.held_s)} of {stage.hold_s} s"
    age = (now - state.started).total_seconds()
    if state.index == len(state.ramp.stages) - 1 and age < state.ramp.validate_s:
        return f"{int(age)} of {state.ramp.validate_s} s since the start"
    return ""


def _proceeded(state: RampState, now: datetime, reason: str) -> tuple[RampState, Decision]:
    last = state.index == len(state.ramp.stages) - 1
    moved = state.entering("promoted", 0, now) if last else state.entering("up", state.index + 1, now)
    return moved, Decision("proceed", moved.name, moved.percent, reason)


def _stay(state: RampState, action: Action, reason: str, guard: str | None) -> Decision:
    return Decision(action, state.name, state.percent, reason, guard)
