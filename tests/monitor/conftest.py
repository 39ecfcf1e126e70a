"""Stores for the monitor's tests: each test that takes `store` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.rollout.store import Store, open_store
from tests.monitor.serving import OPEN


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    """Connections of the services that a test made are closed when it ends; a store opens new ones where it goes on."""
    yield
    for one in OPEN:
        one.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def store(request, tmp_path) -> Iterator[Store]:
    """An empty store, its files below `home`."""
    url = f"sqlite:///{tmp_path}/home/rollout.db" if request.param == "sqlite" else request.getfixturevalue(
        "postgres_url")
    with open_store(url, home=tmp_path / "home") as made:
        yield made
