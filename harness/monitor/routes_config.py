"""The routes of live settings: an operator proposes, another person's approver token agrees, and then it applies.

The kill switch alone is set by an operator at once; to release it takes both. What is set is a row of the trail.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from harness.monitor.access import Approver, Operator, ServiceOf, Viewer
from harness.monitor.context import Service
from harness.monitor.tokens import Known, allows, held_tokens
from harness.rollout.overrides import Believed, Person
from harness.rollout.settings import SETTINGS, Change, approve, open_proposals, propose
from harness.rollout.shapes import Entry
from harness.rollout.switches import APPLIED, settings_of
from harness.rollout.tables import moment_text

__all__ = ["ApproveRequest", "ProposeRequest", "router"]

router = APIRouter()
_TOKEN = "token "


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ProposeRequest(_Request):
    """A setting and its new value; without one it is unset."""

    name: str = Field(max_length=100)
    value: str | None = Field(default=None, max_length=100)
    why: str = Field(min_length=1, max_length=500)


class ApproveRequest(_Request):
    """A proposal, by the number of its row in the trail."""

    proposal: int = Field(ge=1)


@router.get("/v1/config")
def _config(service: ServiceOf, _: Viewer) -> dict[str, Any]:
    """What is set in the store, what counts with the environment's own switches, and what waits for an approval."""
    with service.store.reading() as connection:
        stored = settings_of(connection, service.environment)
        waiting = open_proposals(connection, service.environment, service.now())
    return {"environment": service.environment, "stored": stored, "waiting": [_facts(one) for one in waiting],
            "counts": {name: service.environ[name] for name in SETTINGS if name in service.environ}}


@router.post("/v1/config")
def _propose(asked: ProposeRequest, service: ServiceOf, who: Operator) -> dict[str, Any]:
    """Propose a change; the kill switch is set at once."""
    found = propose(service.store, service.environment, Change(asked.name, asked.value), _person(who), why=asked.why,
                    now=service.now(), believed=_believed(service))
    return _done(service, found)


@router.post("/v1/config/approve")
def _approve(asked: ApproveRequest, service: ServiceOf, who: Approver) -> dict[str, Any]:
    """Agree to somebody else's proposal; it applies at once."""
    return _done(service, approve(service.store, service.environment, asked.proposal, _person(who), now=service.now(),
                                  believed=_believed(service)))


def _person(who: Known) -> Person:
    return Person(who.name, _TOKEN + who.name)


def _believed(service: Service) -> Believed:
    """A row counts by a token that is valid still and of the role that it took; one that was signed is its signer's."""
    roles = {one.name: one.role for one in held_tokens(service.store) if one.revoked_at is None}

    def believed(entry: Entry, _: bytes) -> bool:
        identity = str(entry.body.get("identity"))
        if not identity.startswith(_TOKEN):
            return False
        needed = "approver" if "proposal" in entry.body else "operator"
        return identity == _TOKEN + entry.who and allows(roles.get(entry.who, "viewer"), needed)

    return believed


def _done(service: Service, found: Entry) -> dict[str, Any]:
    service.arms.look()  # the switches are read with the pointer
    return {"applied": found.kind == APPLIED, **_facts(found)}


def _facts(one: Entry) -> dict[str, Any]:
    return {"number": one.seq, "at": moment_text(one.at), "who": one.who,
            **{name: one.body[name] for name in ("name", "value", "why")}}
