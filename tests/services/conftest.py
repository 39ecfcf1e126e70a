"""One checkout for all tests that serve it: making it runs the gates twice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.living import checkout
from tests.monitor.serving import OPEN


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """Two releases, gated, signed, admitted."""
    return checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture
def folder(made, tmp_path) -> Path:
    """A copy of it, store and all, for one test."""
    return shutil.copytree(made, tmp_path / "checkout")


@pytest.fixture(autouse=True)
def _let_go() -> Iterator[None]:
    """Connections of the services that a test made in its own process are closed when it ends."""
    yield
    for one in OPEN:
        one.close()
