"""The routes that move what serves: ramp, rollback, override; by the functions that the command line calls.

Who did it is the token's name, in the trail. An override counts one token as one person: it takes as many approvers'
tokens as the charter of the candidate's signed manifest asks for.
"""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, BackgroundTasks
from pydantic import BaseModel, ConfigDict, Field

from harness.errors import InputError
from harness.monitor.access import Approver, Operator, ServiceOf, Viewer
from harness.monitor.context import Service
from harness.monitor.incidents import seen_before
from harness.monitor.terms import guards_asked
from harness.monitor.tokens import held_tokens
from harness.rollout.caches import caches_of
from harness.rollout.flags import KILL, killed
from harness.rollout.going_back import after_rollback, leaves, rollback
from harness.rollout.incidents import Seen
from harness.rollout.overrides import Person, Request, manifest_of, override
from harness.rollout.ramp_store import Advanced, abort, begin, ramp_of
from harness.rollout.released import digest_called
from harness.rollout.shapes import Entry, Pointer
from harness.rollout.smoke import smoke_of
from harness.rollout.tables import moment_text

__all__ = ["OverrideRequest", "RampRequest", "RollbackRequest", "router"]

router = APIRouter()
_TOKEN = "token "


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")

    why: str = Field(min_length=1, max_length=500)


class RampRequest(_Request):
    """`start` a candidate's ramp by its manifest's section, or `abort` the one under way, at once or `gradual`."""

    action: Literal["start", "abort"]
    candidate: str | None = Field(default=None, max_length=200)
    gradual: bool = False


class RollbackRequest(_Request):
    """Go back to the release before, or `to` one by digest or name; `leaving` is the one that the caller saw."""

    to: str | None = Field(default=None, max_length=200)
    leaving: str | None = Field(default=None, min_length=1, max_length=200)


class OverrideRequest(_Request):
    """`advance` the ramp by one stage, or `hold` a guard's rollback for a span such as `2h`."""

    action: Literal["advance", "hold"]
    guard: str | None = Field(default=None, max_length=400)
    span: str | None = Field(default=None, alias="for", max_length=20)


@router.get("/v1/ramp")
def _ramp(service: ServiceOf, _: Viewer) -> dict[str, Any]:
    """Where the ramp stands, and the pointer."""
    with service.store.reading() as connection:
        state = ramp_of(connection, service.environment)
    pointer = service.arms.serving.pointer
    return {"environment": service.environment, "pointer": pointer and _facts(pointer), "ramp": state and {
        "candidate": state.candidate, "phase": state.phase, "stage": state.name, "percent": state.percent,
        "held_s": state.held_s, "entered": moment_text(state.entered), "said": state.said}}


@router.post("/v1/ramp")
def _move(asked: RampRequest, service: ServiceOf, who: Operator, after: BackgroundTasks) -> dict[str, Any]:
    """Begin or end a ramp."""
    if asked.action == "abort":
        found = abort(service.store, service.environment, who=who.name, why=asked.why, now=service.now(),
                      gradual=asked.gradual, caches=caches_of(service.store.home), seen=_seen(service))
        if found.flipped and found.state.phase == "rolled_back" and found.pointer is not None:
            after.add_task(_look_after, service, found.pointer, who.name)
        return _done(service, found)
    if killed(service.environ):
        raise InputError("the kill switch is set", where=KILL, expected="unset, for a rollout to begin")
    if asked.candidate is None:
        raise InputError("nobody to roll out", where="candidate", expected="an admitted release, by digest or name")
    with service.store.reading() as connection:
        digest = digest_called(connection, service.environment, asked.candidate)
        rollout = manifest_of(connection, digest).rollout
        if rollout is None:
            raise InputError("its signed manifest has no section rollout", where=asked.candidate,
                             expected="rollout: {preset: …} or stages")
        guards_asked(connection, digest, rollout)
    return _done(service, begin(service.store, service.environment, digest, rollout, who=who.name, why=asked.why,
                                now=service.now()))


@router.post("/v1/rollback")
def _back(asked: RollbackRequest, service: ServiceOf, who: Operator, after: BackgroundTasks) -> dict[str, Any]:
    """Flip back at once; the smoke gates look at it after the answer has gone, and enter the trail."""
    leaving = asked.leaving or leaves(service.store, service.environment)
    made = rollback(service.store, service.environment, to=asked.to, leaving=leaving, who=who.name, why=asked.why,
                    now=service.now(), caches=caches_of(service.store.home), seen=_seen(service))
    service.arms.look()
    after.add_task(_look_after, service, made, who.name)
    return {"rolled_back": True, "pointer": _facts(made)}


@router.post("/v1/override")
def _override(asked: OverrideRequest, service: ServiceOf, who: Approver) -> dict[str, Any]:
    """Agree to an override; it takes effect once enough approvers do."""
    approvers = {_TOKEN + one.name for one in held_tokens(service.store)
                 if one.role == "approver" and one.revoked_at is None}

    def believed(entry: Entry, _: bytes) -> bool:
        return str(entry.body.get("identity")) in approvers and entry.body["identity"] == _TOKEN + entry.who

    found = override(service.store, service.environment, Request(asked.action, asked.guard, asked.span),
                     Person(who.name, _TOKEN + who.name), why=asked.why, now=service.now(), believed=believed)
    return _done(service, found.advanced) | {"agreed": list(found.people), "missing": found.missing}


def _done(service: Service, found: Advanced) -> dict[str, Any]:
    service.arms.look()
    return {"decision": vars(found.decision), "phase": found.state.phase,
            "pointer": found.pointer and _facts(found.pointer)}


def _look_after(service: Service, made: Pointer, who: str) -> None:
    """The smoke gates, once the answer has gone; what they find is in the trail and in the incident file."""
    after_rollback(service.store, made, who=who, now=service.now(), smoke=smoke_of(service.store), seen=_seen(service))


def _seen(service: Service) -> Seen:
    return seen_before(service.store, service.environment, resolution_s=service.resolution_s)


def _facts(pointer: Pointer) -> dict[str, Any]:
    return {**vars(pointer), "at": moment_text(pointer.at)}
