"""Live settings over HTTP: proposed by one token, applied by another one's approval, felt at the next request."""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager

import pytest

from harness.monitor.tokens import revoke_token
from harness.rollout.trail import entries, verify_trail
from tests.monitor.serving import CANDIDATE, DAY, STABLE, Fake, client_of, http, service_of

CAP = {"name": "CANARY_PERCENT", "value": "10", "why": "a busy day"}


@contextmanager
def clients(tmp_path, *roles):
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake()}, candidate=CANDIDATE, percent=50.0)
    with http(service) as address, ExitStack() as stack:
        yield service, *(stack.enter_context(client_of(service, address, role)) for role in roles)


def trail(service):
    with service.store.reading() as connection:
        rows = entries(connection)
    verify_trail(rows)
    return [(one.kind, one.who) for one in rows if one.kind.startswith("config")]


def test_a_change_is_proposed_approved_applied_and_told(tmp_path):
    """Nothing changes until somebody else approves; then the share falls at once, and the trail has both."""
    with clients(tmp_path, "operator", "approver") as (service, operator, approver):
        asked = operator.post("/v1/config", json=CAP).json()
        assert not asked["applied"] and service.percent == 50.0
        assert [one["number"] for one in operator.get("/v1/config").json()["waiting"]] == [asked["number"]]
        done = approver.post("/v1/config/approve", json={"proposal": asked["number"]}).json()
        assert done["applied"] and service.percent == 10.0
        told = operator.get("/v1/config").json()
        assert (told["stored"], told["counts"], told["waiting"]) == ({"CANARY_PERCENT": "10"},) * 2 + ([],)
        assert trail(service) == [("config proposed", "t0-operator"), ("config applied", "t1-approver")]


def test_the_kill_switch_is_set_by_one_and_released_by_two(tmp_path):
    """Harm ends at once; that it may come back takes a proposal and an approval."""
    with clients(tmp_path, "operator", "approver") as (service, operator, approver):
        assert operator.post("/v1/config", json={"name": "SIGNOFF_KILL", "value": "1", "why": "harm"}).json()["applied"]
        assert service.percent == 0.0
        start = operator.post("/v1/ramp", json={"action": "start", "candidate": "release-b", "why": "again"})
        assert start.status_code == 409 and "kill switch" in start.json()["error"]
        asked = operator.post("/v1/config", json={"name": "SIGNOFF_KILL", "value": "0", "why": "it was the network"})
        assert not asked.json()["applied"] and service.percent == 0.0
        approver.post("/v1/config/approve", json={"proposal": asked.json()["number"]})
        assert service.percent == 50.0


@pytest.mark.parametrize(("body", "status", "said"), [
    (CAP | {"value": "110"}, 409, "not a value of it"), (CAP | {"value": "nan"}, 409, "not a value of it"),
    (CAP | {"name": "CANARY_PERCEN"}, 409, "no such setting.*nearest: CANARY_PERCENT"),
    (CAP | {"why": ""}, 422, "body.why"), (CAP | {"name": "RERANKER", "value": None}, 409, "it is so already"),
])  # fmt: skip
def test_what_is_no_change_is_one_line(tmp_path, body, status, said):
    """Named with what was expected; no row of the trail."""
    with clients(tmp_path, "operator") as (service, operator):
        answer = operator.post("/v1/config", json=body)
        assert answer.status_code == status and re.search(said, answer.json()["error"])
        assert trail(service) == []


def test_nobody_approves_alone_for_the_gone_or_what_nobody_proposed(tmp_path):
    """One's own proposal, one by a token that was revoked since, a number that is none: refused, nothing is set."""
    with clients(tmp_path, "operator", "approver") as (service, operator, approver):
        own = approver.post("/v1/config", json=CAP).json()["number"]
        gone = operator.post("/v1/config", json=CAP | {"value": "5"}).json()["number"]
        revoke_token(service.store, "t0-operator", who="ada", now=DAY)
        for number, said in ((own, "the same person"), (gone, "does not count"), (99, "no open proposal")):
            answer = approver.post("/v1/config/approve", json={"proposal": number})
            assert answer.status_code == 409 and said in answer.json()["error"]
        assert service.percent == 50.0 and [kind for kind, _ in trail(service)] == ["config proposed"] * 2


@pytest.mark.parametrize(("said", "reason"), [
    ("release-a", None), (STABLE, None), (STABLE[:8], None), ("", None),
    ("aaaaaaa", "not admitted"), ("release-", "not admitted.*nearest"), ("%00%ff&x", "not admitted|not the release"),
    ("release-b", "not the release that is watched")])  # fmt: skip
def test_a_verdict_is_asked_for_by_name_digest_or_its_beginning(tmp_path, said, reason):
    """What names the watched release is judged; all else is 200 and inconclusive, with why."""
    with clients(tmp_path, "viewer") as (service, viewer):
        assert service.watching.look() is not None
        answer = viewer.get("/v1/verdict", params={"release": said})
        told = answer.json()
        assert answer.status_code == 200 and told["verdict"] == "inconclusive"
        assert bool(told["guards"]) is (reason is None)
        assert reason is None or re.search(reason, told["reason"])
