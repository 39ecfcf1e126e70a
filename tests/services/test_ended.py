"""How a service ends: by the signal of a supervisor it loses nothing it saw, and by kill -9 nothing it acknowledged."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fixtures.living import client_of, served, token_of
from harness.monitor.window_store import read_windows
from harness.monitor.windows import merged
from harness.rollout.pointer import current
from harness.rollout.store import open_store
from tests.monitor.serving import DAY

pytestmark = pytest.mark.services


def counted(folder):
    with open_store(f"sqlite:///{folder}/.signoff/rollout.db") as store, store.reading() as connection:
        found = read_windows(connection, "prod", since=DAY)
        assert current(connection, "prod") is not None
    return merged(one for key, one in found.items() if key.slice == "all").requests.n


def test_a_service_that_is_asked_to_end_writes_what_it_saw(folder):
    """Every answer of the last second is in the store after SIGTERM."""
    token = token_of(folder, "one", "viewer")
    with served(folder, "--no-monitor") as address, client_of(address, token) as client:
        for _ in range(25):
            assert client.post("/search", json={"query": "sort"}).status_code == 200
    assert counted(folder) == 25


def test_what_was_acknowledged_survives_a_kill(folder):
    """A batch that was answered is there after kill -9, once, and the next service counts it no second time."""
    token = token_of(folder, "one", "operator")
    with open_store(f"sqlite:///{folder}/.signoff/rollout.db") as store, store.reading() as connection:
        stable = current(connection, "prod").stable
    batch = {"batch": "b", "stable": stable, "observations": [
        {"at": datetime.now(UTC).isoformat(), "assignment": "stable"}] * 40}
    with served(folder, "--no-monitor", ends="KILL") as address, client_of(address, token) as client:
        assert client.post("/v1/observations", json=batch).json()["counted"] == 40
    assert counted(folder) == 40
    with served(folder, "--no-monitor") as address, client_of(address, token) as client:
        assert client.post("/v1/observations", json=batch).json()["known"] is True
    assert counted(folder) == 40
