"""What moves the pointer over HTTP: the same functions as the command line's, in the trail by the token's name."""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager

import pytest

from harness.monitor.tokens import revoke_token
from harness.rollout.pointer import current
from harness.rollout.trail import entries, verify_trail
from tests.monitor.serving import CANDIDATE, DAY, STABLE, Fake, client_of, http, service_of


@contextmanager
def clients(tmp_path, *roles):
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake()})
    with http(service) as address, ExitStack() as stack:
        yield service, *(stack.enter_context(client_of(service, address, role)) for role in roles)


def pointer(service):
    with service.store.reading() as connection:
        found = current(connection, "prod")
    return found.stable[0], found.candidate and found.candidate[0], found.percent


def trail(service):
    with service.store.reading() as connection:
        rows = entries(connection)
    verify_trail(rows)
    return [(one.kind, one.who) for one in rows]


START = {"action": "start", "candidate": "release-b", "why": "tuesday"}


def test_a_ramp_is_begun_and_ended(tmp_path):
    """Start gives the first stage's share by the signed manifest's own section, abort takes it back at once."""
    with clients(tmp_path, "operator") as (service, operator):
        begun = operator.post("/v1/ramp", json=START).json()
        assert (begun["decision"]["percent"], pointer(service)) == (50.0, ("a", "b", 50.0))
        assert operator.get("/v1/ramp").json()["ramp"]["phase"] == "up"
        ended = operator.post("/v1/ramp", json={"action": "abort", "why": "a complaint"}).json()
        assert (ended["phase"], pointer(service)) == ("rolled_back", ("a", None, 0.0))
        assert ("ramp begun", "t0-operator") in trail(service) and ("flip", "t0-operator") in trail(service)


def test_a_rollback_takes_the_candidate_back(tmp_path):
    """The answer comes after the flip; the service itself follows at once."""
    with clients(tmp_path, "operator") as (service, operator):
        operator.post("/v1/ramp", json=START)
        answer = operator.post("/v1/rollback", json={"why": "by hand"})
        assert answer.status_code == 200 and answer.json()["pointer"]["percent"] == 0.0
        assert service.arms.serving.candidate is None
        assert ("rollback", "t0-operator") in trail(service)


def test_a_second_rollback_of_the_same_candidate_takes_nothing(tmp_path):
    """Two people saw it and both ask: the sound release, which served before it too, stays."""
    with clients(tmp_path, "operator", "operator") as (service, one, two):
        operator_asks = {"why": "slow", "leaving": "release-b"}
        one.post("/v1/ramp", json=START)
        assert one.post("/v1/rollback", json=operator_asks).status_code == 200
        answer = two.post("/v1/rollback", json=operator_asks)
        assert answer.status_code == 409 and pointer(service) == ("a", None, 0.0)


def test_an_override_takes_as_many_approvers_as_the_charter_asks_for(tmp_path):
    """The first approver is heard, the second one's agreement moves the ramp; nobody agrees twice."""
    ask = {"action": "advance", "why": "the holiday is over"}
    with clients(tmp_path, "operator", "approver", "approver") as (service, operator, one, two):
        operator.post("/v1/ramp", json=START)
        first = one.post("/v1/override", json=ask).json()
        assert (first["missing"], pointer(service)[2]) == (1, 50.0)
        again = one.post("/v1/override", json=ask)
        assert again.status_code == 409 and "agreed already" in again.json()["error"]
        second = two.post("/v1/override", json=ask).json()
        assert (second["missing"], second["agreed"], pointer(service)[2]) == (0, ["t1-approver", "t2-approver"], 100.0)


def test_an_agreement_of_a_revoked_token_no_longer_counts(tmp_path):
    """Whoever lost the token has not agreed."""
    ask = {"action": "advance", "why": "the holiday is over"}
    with clients(tmp_path, "operator", "approver", "approver") as (service, operator, one, two):
        operator.post("/v1/ramp", json=START)
        one.post("/v1/override", json=ask)
        revoke_token(service.store, "t1-approver", who="ada", now=DAY)
        assert two.post("/v1/override", json=ask).json()["missing"] == 1
        assert pointer(service)[2] == 50.0


@pytest.mark.parametrize(("path", "body", "status", "said"), [
    ("/v1/ramp", {"action": "start", "why": "x"}, 409, "nobody to roll out"),
    ("/v1/ramp", {**START, "candidate": "release-c"}, 409, "not admitted.*nearest: release-"),
    ("/v1/ramp", {"action": "abort", "why": "x"}, 409, "no ramp was begun there"),
    ("/v1/ramp", {"action": "start", "candidate": "release-b"}, 422, "body.why: Field required"),
    ("/v1/rollback", {"why": "x"}, 409, "nothing to go back to"),
    ("/v1/rollback", {"why": "x", "to": "release-a"}, 409, "it serves already"),
    ("/v1/override", {"action": "hold", "why": "x"}, 409, "not an override"),
    ("/v1/override", {"action": "advance", "why": "x"}, 409, "no ramp was begun there")])  # fmt: skip
def test_what_cannot_be_done_is_one_line_and_moves_nothing(tmp_path, path, body, status, said):
    """A conflict is told with what was expected; the pointer stays."""
    with clients(tmp_path, "approver") as (service, approver):
        before = pointer(service)
        answer = approver.post(path, json=body)
        assert answer.status_code == status and pointer(service) == before
        assert re.search(said, answer.json()["error"])


def test_a_cookie_moves_nothing(tmp_path):
    """What another site could make a browser send opens what is looked at, and nothing that changes anything."""
    with clients(tmp_path, "approver") as (_, approver):
        token = approver.headers.pop("authorization").split()[1]
        answer = approver.post("/login", data={"token": token})
        assert answer.status_code == 303 and "HttpOnly" in answer.headers["set-cookie"]
        assert "samesite=strict" in answer.headers["set-cookie"].lower()
        approver.cookies.set("signoff_token", token)
        assert approver.get("/v1/verdict").status_code == 200
        assert approver.post("/v1/ramp", json=START).status_code == 401
