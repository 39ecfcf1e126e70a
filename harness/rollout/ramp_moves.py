"""What moves a ramp from outside: people who abort or override, and a pointer that does not stand where it should."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from harness.errors import InputError
from harness.rollout.ramp import moved_down
from harness.rollout.ramp_state import RampState, Waiver
from harness.rollout.shapes import Decision, Pointer

__all__ = ["LONGEST_WAIVER", "aborted", "advanced", "reconciled", "waived"]

LONGEST_WAIVER = timedelta(hours=24)


def aborted(state: RampState, now: datetime, reason: str, *, gradual: bool = False) -> tuple[RampState, Decision]:
    """A rollback by hand: at once, or down the reverse ladder. Raises InputError where the ramp is over.

    >>> from harness.release.rollout_terms import Rollout
    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> state = RampState.begun("prod", "ab", "cd", Rollout(preset="5-25-50-100"), now=day)
    >>> aborted(state, day, "a complaint")[1].percent
    0.0
    """
    _running(state)
    at = now.astimezone(UTC)
    if gradual:
        return moved_down(state, at, reason)
    moved = replace(state.entering("rolled_back", 0, max(at, state.entered)), said=reason, waiver=None)
    return moved, Decision("rollback", moved.name, 0.0, reason)


def advanced(state: RampState, now: datetime, reason: str) -> tuple[RampState, Decision]:
    """One stage further without its criteria, because enough people said so. Raises InputError unless on its way up.

    The last stage is left by its criteria alone: nobody makes a candidate the stable release by word.
    """
    if state.phase != "up" or state.index == len(state.ramp.stages) - 1:
        raise InputError("no stage to go on to", where=state.environment, expected="a ramp below its last stage",
                         found=state.name)
    moved = state.entering("up", state.index + 1, max(now.astimezone(UTC), state.seen))
    return moved, Decision("proceed", moved.name, moved.percent, reason)


def waived(state: RampState, guard: str, *, until: datetime, now: datetime, who: tuple[str, ...]) -> RampState:
    """The ramp with one guard's rollback held back. Raises InputError: over, in the past, or longer than a day."""
    _running(state)
    if not now < until <= now + LONGEST_WAIVER:
        raise InputError("not a time to hold a rollback for", where=state.environment, found=until.isoformat(),
                         expected=f"within {LONGEST_WAIVER.total_seconds() / 3600:g} h from now")
    return replace(state, waiver=Waiver(guard, until.astimezone(UTC), who))


def reconciled(state: RampState, pointer: Pointer | None, now: datetime) -> RampState:
    """The ramp as the pointer lets it be: whichever of the two gives the candidate less traffic is right.

    They stand apart where somebody flipped the pointer by hand, or a program died between the two. A pointer without
    this candidate ends the ramp: promoted where it serves as the stable release, else rolled back.
    """
    if state.over:
        return state
    at = max(now.astimezone(UTC), state.seen)
    if pointer is None or pointer.candidate != state.candidate or pointer.stable != state.stable:
        serves = pointer is not None and pointer.stable == state.candidate
        return replace(state.entering("promoted" if serves else "rolled_back", 0, at), waiver=None,
                       said="the pointer was flipped elsewhere")
    if pointer.percent >= state.percent:
        return state
    if state.phase == "down":
        below = [place for place, rung in enumerate(state.rungs) if rung.percent <= pointer.percent]
        return state.entering("down", below[0], at)
    fitting = [place for place, stage in enumerate(state.ramp.stages) if stage.percent <= pointer.percent]
    if not fitting:
        return replace(state.entering("rolled_back", 0, at), waiver=None, said="the pointer gives it no traffic")
    return state.entering("up", fitting[-1], at)


def _running(state: RampState) -> None:
    if state.over:
        raise InputError("no ramp is under way", where=state.environment, expected="a candidate on its way",
                         found=state.name)
