"""Live settings: the switches of `harness.rollout.flags` as the store holds them, changed by two people and the trail.

One proposes, another one who may approve agrees, and in the same transaction the change applies: a row of the trail,
which is all that a setting is. So nothing is set that no row tells, and no row can be changed unseen. Alone, and at
once, anybody may set the kill switch, which takes traffic away; to release it takes two like every other change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from harness.data.canonical import canonical_json
from harness.errors import EvidenceError, InputError, nearest
from harness.rollout.files import environment_named
from harness.rollout.flags import CANARY_PERCENT, KILL, RERANKER, RETRIEVER_IMPL
from harness.rollout.overrides import GOOD_FOR, Believed, Person
from harness.rollout.pointer import current, history
from harness.rollout.shapes import Entry
from harness.rollout.store import Store
from harness.rollout.switches import APPLIED, settings_of
from harness.rollout.trail import append, entries

__all__ = ["PROPOSED", "SETTINGS", "Change", "approve", "change_bytes", "open_proposals", "propose"]

PROPOSED = "config proposed"
SETTINGS = (CANARY_PERCENT, KILL, RERANKER, RETRIEVER_IMPL)
_SWITCHES = {KILL: ("0", "1"), RERANKER: ("off", "on")}


@dataclass(frozen=True)
class Change:
    """A setting and its new value; None unsets it.

    Raises InputError for a setting that is none, or a value that it cannot have.

    >>> Change.of("CANARY_PERCENT=10"), Change.of("RERANKER=")
    (Change(name='CANARY_PERCENT', value='10'), Change(name='RERANKER', value=None))
    """

    name: str
    value: str | None

    def __post_init__(self) -> None:
        if self.name not in SETTINGS:
            raise InputError("no such setting", where="config", expected=", ".join(SETTINGS), found=self.name,
                             hint=nearest(self.name, SETTINGS))
        if self.value is not None and not _fits(self.name, self.value):
            raise InputError("not a value of it", where=self.name, found=self.value,
                             expected=" or ".join(_words(self.name) or ("a number in [0, 100]",)))

    @classmethod
    def of(cls, said: str) -> Change:
        """A change as it is typed, NAME=VALUE; no value unsets the setting. Raises InputError."""
        name, equals, value = said.partition("=")
        if not equals:
            raise InputError("not a change", where="config", expected="NAME=VALUE", found=said)
        return cls(name, value or None)

    @property
    def alone(self) -> bool:
        """True where nobody need agree: the kill switch, set."""
        return (self.name, self.value) == (KILL, "1")


def propose(store: Store, environment: str, change: Change, person: Person, *, why: str, now: datetime,
            believed: Believed) -> Entry:
    """Propose a change, or set the kill switch at once; returns the row of the trail, whose number approvals name.

    Args:
        store: Where the environment's settings are.
        environment: Whose.
        change: What shall be.
        person: Who proposes.
        why: For what reason.
        now: The moment.
        believed: Whether a row of the trail is by who it says, given the bytes that it is over.

    Raises: InputError where nothing serves there or it is so already; EvidenceError where the person is not believed.
    """
    environment_named(environment)
    with store.writing() as connection:
        _known(connection, environment)
        if settings_of(connection, environment).get(change.name) == change.value:
            raise InputError("it is so already", where=environment, found=f"{change.name}={change.value or ''}",
                             expected="a change")
        body = {"environment": environment, "name": change.name, "value": change.value, "why": why,
                "identity": person.identity}
        over = change_bytes(body)
        kind = APPLIED if change.alone else PROPOSED
        entry = append(connection, kind, body | {"signature": person.sign(over)}, who=person.name, at=now)
        return _counts(entry, over, believed)


def approve(store: Store, environment: str, proposal: int, person: Person, *, now: datetime, believed: Believed
            ) -> Entry:
    """Agree to a proposal of somebody else; it applies at once, in the same transaction.

    Args:
        store: Where the environment's settings are.
        environment: Whose.
        proposal: The proposal's row in the trail.
        person: Who agrees; `believed` must say that this person may approve.
        now: The moment.
        believed: As in `propose`; proposal and approval must both count.

    Raises: InputError where there is no such proposal that is open, or it is the person's own; EvidenceError where one
    of the two is not believed. Then nothing is set.
    """
    with store.writing() as connection:
        asked = _open(connection, environment, proposal, now)
        if asked.body["identity"] == person.identity or asked.who == person.name:
            raise InputError("proposed by the same person", where=f"proposal {proposal}", found=person.name,
                             expected="somebody else's approval")
        if not believed(asked, change_bytes(asked.body)):
            raise EvidenceError("this proposal does not count", where=f"proposal {proposal}", found=asked.who,
                                expected="one by somebody who is trusted still")
        body = {name: asked.body[name] for name in ("environment", "name", "value", "why")} | {
            "proposal": asked.seq, "proposal_sha256": asked.sha256, "proposed_by": asked.who,
            "identity": person.identity}
        over = change_bytes(body)
        entry = append(connection, APPLIED, body | {"signature": person.sign(over)}, who=person.name, at=now)
        return _counts(entry, over, believed)


def open_proposals(connection: Connection, environment: str, now: datetime) -> list[Entry]:
    """Proposals that may still be approved: a day old at most, and nothing was applied to the same setting since."""
    applied = {str(one.body["name"]): one.seq for one in entries(connection, kind=APPLIED)
               if one.body.get("environment") == environment}
    return [one for one in entries(connection, kind=PROPOSED) if one.body.get("environment") == environment
            and now - one.at <= GOOD_FOR and applied.get(str(one.body["name"]), 0) < one.seq]


def change_bytes(body: Mapping[str, Any]) -> bytes:
    """What a signature of a proposal or an approval is over: everything in the row but the signature.

    >>> change_bytes({"name": "RERANKER", "value": None, "signature": "ab"})
    b'{"name":"RERANKER","value":null}'
    """
    return canonical_json({name: value for name, value in body.items() if name != "signature"})


def _counts(entry: Entry, over: bytes, believed: Believed) -> Entry:
    if not believed(entry, over):  # raised within the transaction: the row is not kept
        raise EvidenceError("this would not count", where=entry.who, expected="somebody who may and is trusted")
    return entry


def _open(connection: Connection, environment: str, proposal: int, now: datetime) -> Entry:
    found = open_proposals(connection, environment, now)
    for one in found:
        if one.seq == proposal:
            return one
    told = ", ".join(f"{one.seq} ({one.body['name']}={one.body['value'] or ''})" for one in found)
    raise InputError("no open proposal of that number", where=environment, found=proposal,
                     expected=told or "a proposal that is a day old at most (there is none)")


def _known(connection: Connection, environment: str) -> None:
    if current(connection, environment) is None:
        raise InputError("nothing serves there", where=environment,
                         expected="an environment that a release was admitted to",
                         hint=nearest(environment, {one.environment for one in history(connection)}))


def _words(name: str) -> tuple[str, ...]:
    """The values of a setting that has so many; nothing for the share."""
    if name == RETRIEVER_IMPL:
        from harness.retrieval.sequence import SEQUENCE_MODELS  # loads what models are made of: only where it is asked

        return tuple(SEQUENCE_MODELS)
    return _SWITCHES.get(name, ())


def _fits(name: str, value: str) -> bool:
    if words := _words(name):
        return value in words
    try:
        return math.isfinite(share := float(value)) and 0.0 <= share <= 100.0 and value.isprintable()
    except ValueError:
        return False
