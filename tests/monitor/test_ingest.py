"""Batches of observations over HTTP: counted once, whole or not at all, and only what has a place."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta

import pytest
from sqlalchemy import insert

from harness.estimators.tally import Tally
from harness.monitor.window_store import read_windows
from harness.monitor.windows import merged
from harness.rollout import tables
from tests.monitor.serving import CANDIDATE, DAY, STABLE, Fake, client_of, http, service_of

AT = DAY.isoformat()
ROW = {"at": AT, "assignment": "candidate", "latency_ms": {"total": 4.0}, "slices": ["language=de", "user=eve"]}
BATCH = {"batch": "engine-1", "stable": STABLE, "candidate": CANDIDATE,
         "observations": [ROW, {"at": AT, "assignment": "stable", "error": True}]}


@pytest.fixture
def sent(tmp_path):
    """(service, client of an operator)."""
    service = service_of(tmp_path, {STABLE: Fake(), CANDIDATE: Fake()})
    with http(service) as address, client_of(service, address, "operator") as client:
        yield service, client


def seen(service, assignment, name="all"):
    with service.store.reading() as connection:
        found = read_windows(connection, "prod", since=DAY - timedelta(hours=2))
    return merged(one for key, one in found.items() if (key.assignment, key.slice) == (assignment, name))


def test_a_batch_counts_once_however_often_it_is_sent(sent):
    """The second answer says that it was known."""
    service, client = sent
    answers = [client.post("/v1/observations", json=BATCH).json() for _ in range(2)]
    assert answers == [{"counted": 2, "late": 0, "known": False}, {"counted": 0, "late": 0, "known": True}]
    assert seen(service, "candidate").requests == Tally(0, 1) and seen(service, "stable").requests == Tally(1, 1)


def test_an_id_that_comes_with_other_observations_is_refused(sent):
    """A sender that counts its batches anew after a restart hears that nothing of the second was counted."""
    service, client = sent
    client.post("/v1/observations", json=BATCH)
    answer = client.post("/v1/observations", json=BATCH | {"observations": [ROW, ROW]})
    assert answer.status_code == 409 and "another batch was counted under this id" in answer.json()["error"]
    assert seen(service, "candidate").requests == Tally(0, 1)
    spaced = json.dumps(BATCH, indent=2).encode()
    assert client.post("/v1/observations", content=spaced).json()["known"]


def test_names_that_nobody_asks_for_are_not_counted(sent):
    """Guards, policy, ramps and presets say what is kept of a row: a new name a row would grow windows without end."""
    service, client = sent
    rows = [{**ROW, "latency_ms": {"total": 4.0, f"stage{n}": 1.0, "rerank": 1.0},
             "values": {f"m{n}": 1.0, "R@5": 0.5, "memory_mb": 9.0}} for n in range(3)]
    assert client.post("/v1/observations", json=BATCH | {"observations": rows}).json()["counted"] == 3
    found = seen(service, "candidate")
    assert set(found.means) == {"R@5", "memory_mb"} and set(found.latency) == {"total", "rerank"}


def test_a_batch_for_a_store_whose_file_was_replaced_is_refused(sent, tmp_path):
    """What would be written into a deleted file is not acknowledged; health says why, the file put back mends it."""
    service, client = sent
    store, away = tmp_path / "rollout.db", tmp_path / "away.db"
    store.rename(away)
    for there in (False, True):
        if there:
            shutil.copy(away, store)
        answer = client.post("/v1/observations", json=BATCH)
        assert answer.status_code == 409 and "no longer the file that was opened" in answer.json()["error"]
    service.arms.clock = lambda: 1e9
    service.arms.look()
    status, told = service.health.told()
    assert status == "degraded" and "no longer the file that was opened" in told["why"][0]
    away.replace(store)
    assert client.post("/v1/observations", json=BATCH).json()["counted"] == 2


def test_the_same_id_of_another_environment_is_another_batch(sent):
    """Environments share a store, not the numbers that their senders count their batches by."""
    service, client = sent
    with service.store.writing() as connection:
        connection.execute(insert(tables.admissions), [
            {"environment": "staging", "digest": one, "at": DAY, "who": "ada"} for one in (STABLE, CANDIDATE)])
    told = []
    for environment in ("prod", "staging"):
        service.environment = environment
        told.append(client.post("/v1/observations", json=BATCH).json())
    assert told == [{"counted": 2, "late": 0, "known": False}] * 2


def test_only_slices_of_the_policy_are_counted_apart(sent):
    """A sender cannot make windows without end, nor name a user."""
    service, client = sent
    client.post("/v1/observations", json=BATCH)
    assert seen(service, "candidate", "language=de").requests.n == 1
    assert seen(service, "candidate", "user=eve").requests.n == 0


@pytest.mark.parametrize(("change", "status", "said"), [
    ({"batch": ""}, 422, "batch: "), ({"stable": "abc"}, 422, "stable: "),
    ({"stable": "f" * 64}, 409, "not admitted"), ({"candidate": None}, 409, "no candidate is named"),
    ({"observations": [{**ROW, "text": "secret"}]}, 422, "observations.0.text: "),
    ({"observations": [{**ROW, "at": "yesterday"}]}, 422, "observations.0.at: "),
    ({"observations": [{**ROW, "at": "2025-03-01T12:00:00"}]}, 422, "observations.0.at: "),
    ({"batch": "a\0b"}, 422, "batch: "),
    ({"observations": [{**ROW, "ndcg_delta": 1.5}]}, 422, "observations.0.ndcg_delta: "),
    ({"observations": [{**ROW, "rr_delta": -1.5}]}, 422, "observations.0.rr_delta: "),
    ({"observations": [{**ROW, "jaccard": -0.1}]}, 422, "observations.0.jaccard: "),
    ({"observations": [{**ROW, "values": {"delta nDCG@10": -90.0}}]}, 409, "has a field of its own"),
    ({"observations": [{**ROW, "values": {f"m{n}": 1.0 for n in range(33)}}]}, 422, "observations.0.values: "),
    ({"observations": [{**ROW, "latency_ms": {"x" * 121: 1.0}}]}, 422, "observations.0.latency_ms."),
    ({"observations": [ROW, {**ROW, "latency_ms": {"total": -1}}]}, 409, "total")])  # fmt: skip
def test_a_batch_that_is_wrong_counts_for_nothing(sent, change, status, said):
    """The first fault is told in one line that repeats nothing, and not one of its observations is kept."""
    service, client = sent
    answer = client.post("/v1/observations", json=BATCH | change)
    assert answer.status_code == status and said in answer.json()["error"] and "secret" not in answer.text
    assert seen(service, "candidate").requests.n == 0


def test_what_is_late_is_told(sent):
    """An hour later its minutes have decided."""
    _, client = sent
    late = {**ROW, "at": (DAY - timedelta(hours=2)).isoformat()}
    answer = client.post("/v1/observations", json=BATCH | {"observations": [late]}).json()
    assert answer == {"counted": 0, "late": 1, "known": False}
