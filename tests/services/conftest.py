"""One checkout for all tests that serve it: making it runs the gates twice."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fixtures.living import checkout


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """Two releases, gated, signed, admitted."""
    return checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture
def folder(made, tmp_path) -> Path:
    """A copy of it, store and all, for one test."""
    return shutil.copytree(made, tmp_path / "checkout")
