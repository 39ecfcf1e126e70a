"""Overrides: what people may do to a ramp against its findings, once as many as the charter names have agreed.

The charter is the one of the candidate's signed manifest. Each agreement is a row of the trail over one request: the
candidate, the stage it stands on, what is asked and for which guard. As soon as enough different people, by key or
token, stand behind the same request, it takes effect in the same transaction. Agreements are good for a day.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, select

from harness.data.canonical import canonical_json
from harness.data.store import sha256_bytes
from harness.errors import EvidenceError, InputError, nearest
from harness.release.charter import Override, seconds_of
from harness.release.manifest import Manifest, parse_manifest
from harness.rollout import tables
from harness.rollout.ramp_moves import LONGEST_WAIVER, advanced, waived
from harness.rollout.ramp_state import RampState
from harness.rollout.ramp_store import Advanced, moved
from harness.rollout.shapes import Decision, Entry
from harness.rollout.store import Store
from harness.rollout.trail import append, entries

__all__ = ["ASKED", "GOOD_FOR", "MAY", "Agreement", "Believed", "Person", "Request", "manifest_of", "override",
           "request_bytes"]

ASKED = "override asked"
GOOD_FOR = timedelta(hours=24)
Ask = Literal["advance", "hold"]
MAY: Mapping[Ask, str] = {"advance": "advance a ramp", "hold": "hold a rollback"}  # as a charter words them


@dataclass(frozen=True)
class Request:
    """What is asked: to `advance` by one stage, or to `hold` the rollback of a guard for a span such as `2h`."""

    action: Ask
    guard: str | None = None
    span: str | None = None

    def __post_init__(self) -> None:
        if (self.action == "hold") != (self.guard is not None) or (self.guard is None) != (self.span is None):
            raise InputError("not an override", where=self.action, found=self.guard or self.span,
                             expected="a guard and for how long, to hold a rollback; neither, to advance")
        try:
            fits = self.span is None or 0 < seconds_of(self.span) <= LONGEST_WAIVER.total_seconds()
        except ValueError:
            fits = False
        if not fits:
            raise InputError("not a time to hold a rollback for", where=self.action, found=self.span,
                             expected="a span such as 2h, of a day at most")


@dataclass(frozen=True)
class Person:
    """Who agrees: a name, what makes two people two (a key's material, a token), and a signature where there is one."""

    name: str
    identity: str
    sign: Callable[[bytes], str] = lambda _: ""


Believed = Callable[[Entry, bytes], bool]


@dataclass(frozen=True)
class Agreement:
    """How a request stands: who agreed, how many are needed, and what became of the ramp."""

    may: Override
    people: tuple[str, ...]
    advanced: Advanced

    @property
    def missing(self) -> int:
        """Agreements that are still needed."""
        return max(0, self.may.needs - len(self.people))


def override(store: Store, environment: str, request: Request, person: Person, *, why: str, now: datetime,
             believed: Believed) -> Agreement:
    """Agree to a request; where enough people do, it takes effect.

    Args:
        store: Where the ramp stands.
        environment: Whose ramp.
        request: What is asked.
        person: Who agrees.
        why: For what reason, in the person's words.
        now: The moment.
        believed: Whether an agreement of the trail counts, given the bytes that it is over; the new one must count too.

    Raises: InputError where no ramp is under way, its charter lets nobody do this, or the person agreed already;
    EvidenceError where the person's own agreement is not believed.
    """
    found: list[tuple[Override, tuple[str, ...]]] = []

    def note(connection: Connection, state: RampState) -> None:
        if state.over:
            raise InputError("no ramp is under way", where=environment, expected="a candidate on its way",
                             found=state.name)
        may = _allowed(manifest_of(connection, state.candidate), request, environment)
        found.append((may, _agreed(connection, state, request, person, why=why, now=now, believed=believed)))

    def move(state: RampState) -> tuple[RampState, Decision]:
        may, people = found[0]
        if len(people) < may.needs:
            return state, Decision("hold", state.name, state.percent, f"{len(people)} of {may.needs} agree")
        return _effect(state, request, people, now, why)

    done = moved(store, environment, move, who=person.name, now=now, note=note)
    return Agreement(found[0][0], found[0][1], done)


def request_bytes(state: RampState, request: Request) -> bytes:
    """What an agreement is over: this candidate, on this stage, and what is asked."""
    return canonical_json({"environment": state.environment, "candidate": state.candidate, "stage": state.name,
                           "entered": state.entered.isoformat(), **vars(request)})


def manifest_of(connection: Connection, digest: str) -> Manifest:
    """The manifest that a release was admitted with. Raises EvidenceError where it was admitted nowhere."""
    asked = select(tables.releases.c.manifest).where(tables.releases.c.digest == digest)
    raw = connection.execute(asked).scalar_one_or_none()
    if raw is None:
        raise EvidenceError("not admitted", where="releases", expected="the candidate of a ramp", found=digest)
    return parse_manifest(raw, where=f"manifest of {digest[:12]}")


def _allowed(manifest: Manifest, request: Request, environment: str) -> Override:
    may, charter = MAY[request.action], manifest.contract
    overrides = () if charter is None else charter.overrides
    found = [one for one in overrides if one.may == may]
    if not found:
        raise InputError(f"the charter lets nobody {may}", where=environment, found=manifest.release,
                         expected="contract.overrides of the signed manifest: {who, may, needs}",
                         hint=nearest(may, [one.may for one in overrides]))
    return max(found, key=lambda one: one.needs)


def _agreed(connection: Connection, state: RampState, request: Request, person: Person, *, why: str, now: datetime,
            believed: Believed) -> tuple[str, ...]:
    """Names of all who agree, with this person's agreement entered; each identity once."""
    over = request_bytes(state, request)
    digest = sha256_bytes(over)
    people = {str(one.body["identity"]): one.who for one in entries(connection, kind=ASKED)
              if one.body.get("request") == digest and now - one.at <= GOOD_FOR and believed(one, over)}
    if person.identity in people:
        raise InputError("agreed already", where=state.environment, found=people[person.identity],
                         expected="somebody else, with another key")
    body: dict[str, Any] = {"environment": state.environment, "candidate": state.candidate, "stage": state.name,
                            **vars(request), "request": digest, "identity": person.identity, "why": why,
                            "signature": person.sign(over)}
    entry = append(connection, ASKED, body, who=person.name, at=now)
    if not believed(entry, over):
        raise EvidenceError("this agreement would not count", where=person.name, expected="a key that is trusted")
    return (*people.values(), person.name)


def _effect(state: RampState, request: Request, people: tuple[str, ...], now: datetime, why: str
            ) -> tuple[RampState, Decision]:
    told = f"{', '.join(people)} {MAY[request.action]}: {why}"
    if request.action == "advance":
        return advanced(state, now, told)
    assert request.guard is not None and request.span is not None
    until = now + timedelta(seconds=seconds_of(request.span))
    held = waived(state, request.guard, until=until, now=now, who=people)
    return held, Decision("hold", state.name, state.percent, told, request.guard)
