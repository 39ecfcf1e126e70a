"""The ramp in the store: state, pointer and trail change in one transaction, or not at all.

What decides is the pure machine of `harness.rollout.ramp`. Here its state is read, held to the pointer, stepped and
written; a program that dies at any moment leaves the step whole or undone, and the next look goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from harness.errors import InputError, nearest
from harness.release.rollout_terms import Rollout
from harness.rollout import tables
from harness.rollout.files import environment_named
from harness.rollout.flags import KILL
from harness.rollout.going_back import Cache, Smoke, after_rollback
from harness.rollout.incidents import Seen
from harness.rollout.pointer import DEGRADED, current, flip
from harness.rollout.ramp import step
from harness.rollout.ramp_moves import aborted, reconciled
from harness.rollout.ramp_state import RampState, document_of, state_of
from harness.rollout.released import digest_called
from harness.rollout.shapes import Decision, Pointer, Reading
from harness.rollout.store import Store
from harness.rollout.switches import kept_off
from harness.rollout.trail import append

__all__ = ["Advanced", "Move", "abort", "advance", "begin", "moved", "ramp_of"]

Move = Callable[[RampState], tuple[RampState, Decision]]


@dataclass(frozen=True)
class Advanced:
    """What one look came to: the state that is written, the decision, the pointer, and whether it was flipped."""

    state: RampState
    decision: Decision
    pointer: Pointer | None
    flipped: bool


def ramp_of(connection: Connection, environment: str) -> RampState | None:
    """The ramp of an environment, the last one where it is over. Raises EvidenceError where it is none."""
    asked = select(tables.ramp.c.state).where(tables.ramp.c.environment == environment)
    found = connection.execute(asked).scalar_one_or_none()
    return None if found is None else state_of(found, where=f"ramp of {environment}")


def begin(store: Store, environment: str, candidate: str, rollout: Rollout, *, who: str, why: str, now: datetime
          ) -> Advanced:
    """Give an admitted release the first stage's share of traffic.

    Args:
        store: Where it was admitted.
        environment: Where it shall serve.
        candidate: Its digest, the first letters of it, or its name.
        rollout: The section of its manifest, or a preset.
        who: Who begins.
        why: For what reason.
        now: The moment.

    Raises: InputError where nothing serves there, the release was not admitted, or another rollout is under way.
    """
    environment_named(environment)
    with store.writing() as connection:
        pointer, before = current(connection, environment), ramp_of(connection, environment)
        if pointer is None or pointer.stable is None:
            raise InputError("nothing serves there that a candidate could fall back to", where=environment,
                             expected="signoff admit MANIFEST --env NAME first")
        if kept_off(connection, environment):
            raise InputError("the kill switch is set", where=environment, found=f"{KILL}=1, in the store",
                             expected="its release, proposed and approved (signoff rollout config tells)")
        if pointer.stage == DEGRADED:
            raise InputError("nothing whole to go back to", where=environment, found=pointer.why,
                             expected="signoff backup restore --confirm first")
        under_way = before is not None and not reconciled(before, pointer, now).over
        if pointer.candidate is not None or under_way:
            raise InputError("a rollout is under way", where=environment, found=pointer.candidate,
                             expected="one candidate at a time (signoff rollout abort ends it)")
        digest = digest_called(connection, environment, candidate)
        state = RampState.begun(environment, pointer.stable, digest, rollout, now=now)
        made = _flipped(connection, pointer, state, who=who, why=why, now=now)
        _entered(connection, state, Decision("proceed", state.name, state.percent, why), who=who, now=now,
                 kind="ramp begun", more={"ramp": state.ramp.model_dump(mode="json", by_alias=True, exclude_none=True)})
        return Advanced(state, Decision("proceed", state.name, state.percent, why), made, flipped=True)


def advance(store: Store, environment: str, readings: Sequence[Reading], *, who: str, now: datetime,
            killed: bool = False, caches: Sequence[Cache] = (), smoke: Smoke | None = None, seen: Seen | None = None
            ) -> Advanced:
    """One look at the ramp of an environment, and what follows: flip, rollback, trail.

    Args:
        store: Where it stands.
        environment: Whose ramp.
        readings: Of the guards, and of `criteria_of` the stage.
        who: What looks.
        now: The moment.
        killed: Whether the kill switch is set; the store's own one counts as well.
        caches: Cleared after a rollback.
        smoke: What looks at the stable release after a rollback.
        seen: What the incident file tells of readings and windows (`incidents.written`).

    Raises: InputError where the environment has no ramp.
    """
    off = [killed]

    def note(connection: Connection, _: RampState) -> None:
        off.append(kept_off(connection, environment))

    return moved(store, environment, lambda state: step(state, readings, now, killed=any(off)), who=who, now=now,
                 caches=caches, smoke=smoke, seen=seen, note=note)


def abort(store: Store, environment: str, *, who: str, why: str, now: datetime, gradual: bool = False,
          caches: Sequence[Cache] = (), smoke: Smoke | None = None, seen: Seen | None = None) -> Advanced:
    """End a ramp by hand: at once, or down the reverse ladder. Raises InputError where none is under way."""
    return moved(store, environment, lambda state: aborted(state, now, why, gradual=gradual), who=who, now=now,
                 caches=caches, smoke=smoke, seen=seen)


def moved(store: Store, environment: str, move: Move, *, who: str, now: datetime, caches: Sequence[Cache] = (),
          smoke: Smoke | None = None, seen: Seen | None = None,
          note: Callable[[Connection, RampState], None] | None = None) -> Advanced:
    """Apply a move to a ramp in one transaction: state, pointer where the share changes, trail where anything is new.

    `note` is called with the state before the move, in the same transaction, and may refuse it by raising.
    """
    with store.writing() as connection:
        state, pointer = _there(connection, environment), current(connection, environment)
        before = reconciled(state, pointer, now)
        if note is not None:
            note(connection, before)
        after, decision = move(before)
        fresh = (decision.action, decision.stage, decision.guard)
        if after != state and (_said(fresh) != before.said or before.percent != after.percent):
            after = after if after.over else replace(after, said=_said(fresh))
            _entered(connection, after, decision, who=who, now=now)
        elif after != state:
            _kept(connection, after, now)
        made = pointer and _flipped(connection, pointer, after, who=who, why=decision.reason, now=now)
        flipped = made is not None and pointer is not None and made.seq != pointer.seq
    if flipped and made is not None and after.phase == "rolled_back":
        after_rollback(store, made, who=who, now=now, caches=caches, smoke=smoke, seen=seen)
    return Advanced(after, decision, made, flipped)


def _there(connection: Connection, environment: str) -> RampState:
    found = ramp_of(connection, environment)
    if found is None:
        known = [str(row.environment) for row in connection.execute(select(tables.ramp.c.environment))]
        raise InputError("no ramp was begun there", where=environment, expected="signoff rollout start MANIFEST --env",
                         hint=nearest(environment, known))
    return found


def _said(fresh: tuple[str, str | None, str | None]) -> str:
    return ", ".join(one for one in fresh if one)


def _entered(connection: Connection, state: RampState, decision: Decision, *, who: str, now: datetime,
             kind: str = "ramp", more: Mapping[str, Any] | None = None) -> None:
    _kept(connection, state, now)
    append(connection, kind, {
        "environment": state.environment, "candidate": state.candidate, "action": decision.action,
        "stage": decision.stage, "percent": decision.percent, "reason": decision.reason, "guard": decision.guard,
        **(more or {})}, who=who, at=now)


def _kept(connection: Connection, state: RampState, now: datetime) -> None:
    connection.execute(delete(tables.ramp).where(tables.ramp.c.environment == state.environment))
    connection.execute(insert(tables.ramp).values(environment=state.environment, state=document_of(state), at=now))


def _flipped(connection: Connection, pointer: Pointer, state: RampState, *, who: str, why: str, now: datetime
             ) -> Pointer:
    """The pointer as the state wants it; a new row only where that differs."""
    stable, candidate = state.stable, state.candidate
    if state.over and pointer.candidate != candidate:
        return pointer  # somebody flipped it elsewhere: that stands
    under_way = (stable, candidate, state.percent, state.name)
    wanted = {"promoted": (candidate, None, 0.0, None), "rolled_back": (stable, None, 0.0, None)}.get(
        state.phase, under_way)
    if wanted == (pointer.stable, pointer.candidate, pointer.percent, pointer.stage):
        return pointer
    return flip(connection, state.environment, stable=wanted[0], candidate=wanted[1], percent=wanted[2],
                stage=wanted[3], who=who, why=why, at=now)
