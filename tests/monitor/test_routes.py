"""The routes over HTTP: what they answer, who may use them, and that nothing of a query is told elsewhere."""

from __future__ import annotations

import logging

import pytest

from harness.monitor.service import make_app
from harness.monitor.tokens import ROLES
from tests.monitor.serving import CANDIDATE, STABLE, Fake, client_of, http, service_of


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """(service, address): two arms, half of the traffic each."""
    folder = tmp_path_factory.mktemp("served")
    made = service_of(folder, {STABLE: Fake(), CANDIDATE: Fake()}, candidate=CANDIDATE, percent=50.0)
    with http(made) as address:
        yield made, address


@pytest.fixture(scope="module")
def client(served):
    with client_of(*served) as found:
        yield found


@pytest.fixture
def stranger(served):
    with client_of(*served, role=None) as found:
        yield found


def test_a_query_is_answered(client):
    """Ranks from 1, the release by name and digest, and what each stage took."""
    told = client.post("/search", json={"query": "sorted lists", "k": 2, "unit": "s1"}).json()
    assert told["release"] in {"release-a", "release-b"} and told["assignment"] in {"stable", "candidate"}
    assert told["hits"] == [{"rank": 1, "id": "doc-00"}, {"rank": 2, "id": "doc-01"}]
    assert told["latency_ms"]["total"] == 2.0


@pytest.mark.parametrize(("body", "said"), [
    ({}, "body.query: Field required"), ({"query": ""}, "body.query: String should have at least 1 character"),
    ({"query": "secret", "k": 0}, "body.k: Input should be greater than or equal to 1"),
    ({"query": "secret", "quarry": 1}, "body.quarry: Extra inputs are not permitted")])  # fmt: skip
def test_a_wrong_request_is_told_in_one_line_that_repeats_nothing(client, body, said):
    """The place and the rule; never what was sent."""
    found = client.post("/search", json=body)
    assert found.status_code == 422 and found.json() == {"error": said} and "secret" not in found.text


def test_a_body_without_its_content_type_is_told_so(client):
    """What was sent is JSON; the header that says so is what is missing."""
    found = client.post("/search", content=b'{"query": "sort"}', headers={"content-type": "text/plain"})
    assert found.status_code == 422 and "content-type: application/json" in found.json()["error"]


@pytest.mark.parametrize("query", ["release=" + "x" * 5000, "release=%ff%00", "release=a&release=b", "bogus=1"])
def test_a_verdict_is_an_answer_whatever_it_is_asked_about(client, query):
    """Always 200: what reads it takes another status for a service that is down."""
    found = client.get("/v1/verdict?" + query)
    assert found.status_code == 200 and found.json()["verdict"] == "inconclusive"


@pytest.mark.parametrize("path", ["/search", "/v1/rollback", "/v1/ramp", "/v1/override"])
def test_nobody_fills_the_memory_with_a_body(stranger, path):
    """What is longer than any request is refused while it is read, with a length or without."""
    def endless():
        yield b'{"query":"'
        for _ in range(200):
            yield b"x" * 1_000

    for body in (endless(), b'{"query":"' + b"x" * 200_000):
        found = stranger.post(path, content=body, headers={"content-type": "application/json"})
        assert found.status_code == 413 and "100,000 bytes at most" in found.json()["error"]


def test_health_says_each_part(stranger):
    """Version, release, index, model and database; open to all."""
    told = stranger.get("/health")
    assert told.status_code == 200
    assert {**told.json(), "version": ""} == {
        "status": "ok", "why": [], "version": "", "environment": "prod",
        "release": {"name": "release-a", "digest": STABLE}, "candidate": {"name": "release-b", "digest": CANDIDATE},
        "percent": 50.0, "index": True, "model": True, "database": True}


def test_a_model_that_does_not_answer_is_down(tmp_path):
    """503, with the kind of failure and nothing else."""
    def broken(_):
        raise RuntimeError("inner words")

    service = service_of(tmp_path, {STABLE: Fake(does=broken)})
    with http(service) as address, client_of(service, address, role=None) as stranger:
        told = stranger.get("/health")
    assert told.status_code == 503 and told.json()["why"] == ["the model does not answer: RuntimeError"]


def counted(text):
    return sum(float(line.rpartition(" ")[2]) for line in text.splitlines()
               if line.startswith("signoff_requests_total{"))


def test_metrics_tell_counts_by_release_and_assignment(client, stranger):
    """Histograms by stage, requests, hits above the cosine, the share: in Prometheus' own format, open to all."""
    before = counted(stranger.get("/metrics").text)
    for number in range(20):
        client.post("/search", json={"query": "q", "unit": f"u{number}"})
    text = stranger.get("/metrics").text
    assert counted(text) - before == 20
    for digest, assignment in ((STABLE, "stable"), (CANDIDATE, "candidate")):
        arm = f'assignment="{assignment}",le="0.001",release="{digest}",stage="encode"'
        assert f"signoff_request_seconds_bucket{{{arm}}}" in text
    assert f'signoff_vectors_moved{{is="added",release="{CANDIDATE}"}} 0.0' in text
    assert "signoff_canary_percent 50.0" in text and "process_resident_memory_bytes" in text


def test_no_query_and_no_unit_is_told_elsewhere(served, client, caplog):
    """Neither text nor unit of a request shows in logs, metrics or the store."""
    service, _ = served
    caplog.set_level(logging.DEBUG)
    client.post("/search", json={"query": "zebracrossing", "unit": "user-4711", "slices": ["user-4711"]})
    assert service.batches.write()
    kept = b"".join(path.read_bytes() for path in service.store.home.glob("rollout.db*"))
    told = caplog.text + client.get("/metrics").text
    assert "/search" in caplog.text
    for word in ("zebracrossing", "user-4711"):
        assert word not in told and word.encode() not in kept


OPEN = {("GET", "/health"), ("GET", "/metrics"), ("POST", "/login"), ("POST", "/logout")}
NEEDS = {("POST", "/search"): "viewer", ("POST", "/ask"): "viewer", ("GET", "/"): "viewer",
         ("GET", "/v1/verdict"): "viewer",
         ("GET", "/v1/config"): "viewer", ("POST", "/v1/config"): "operator",
         ("POST", "/v1/config/approve"): "approver", ("GET", "/v1/ramp"): "viewer",
         ("POST", "/v1/ramp"): "operator", ("POST", "/v1/rollback"): "operator",
         ("POST", "/v1/observations"): "operator", ("POST", "/v1/override"): "approver"}


def test_every_route_is_in_the_table(served):
    """A new route is given a role, or said to be open, before it is served."""
    paths = make_app(served[0]).openapi()["paths"]
    found = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert found == OPEN | set(NEEDS)


@pytest.mark.parametrize("role", [None, "wrong", *ROLES])
@pytest.mark.parametrize("route", sorted(OPEN | set(NEEDS)), ids=" ".join)
def test_each_route_opens_to_its_roles_alone(served, route, role):
    """401 without a token that counts, 403 below the role that a route needs, anything else above."""
    with client_of(*served, role if role in ROLES else None) as client:
        if role == "wrong":
            client.headers["authorization"] = "Bearer signoff_t0-approver_" + "0" * 64
        status = client.request(*route, json={}).status_code
    if route == ("POST", "/login"):
        assert status == 401  # the form was empty
    elif route in OPEN:
        assert status in {200, 303}
    elif role not in ROLES:
        assert status == 401
    elif ROLES.index(role) < ROLES.index(NEEDS[route]):
        assert status == 403
    else:
        assert status not in {401, 403}
