"""Stores for tests: each test that takes `store` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from harness.rollout.store import Store, open_store

BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.services)]


@pytest.fixture(params=BOTH)
def url(request, tmp_path) -> str:
    """Where the test's database is."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/home/rollout.db"
    return request.getfixturevalue("postgres_url")


@pytest.fixture
def store(url, tmp_path) -> Iterator[Store]:
    """An empty store, its files below `home`."""
    with open_store(url, home=tmp_path / "home") as made:
        yield made
