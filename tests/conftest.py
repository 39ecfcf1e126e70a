"""Shared fixtures: lent randomness, and real data found through SIGNOFF_DATA."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from tests.postgres import postgres_cluster, postgres_url

__all__ = ["postgres_cluster", "postgres_url", "rng", "shared_data"]

# A law holds or fails by what it finds, not by how busy the machine is; in CI the examples are the same every time.
settings.register_profile("suite", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("suite")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under SIGNOFF_NO_SKIPS a test that could not run is a failure: `tox -e services` says what it tried."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("SIGNOFF_NO_SKIPS") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def rng() -> np.random.Generator:
    """A fresh generator with a fixed seed: randomness is lent, never global."""
    return np.random.default_rng(20240917)


@pytest.fixture
def shared_data() -> Path:
    """The folder of real public data sets; tests that need it skip where it is absent."""
    folder = os.environ.get("SIGNOFF_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("real data not at hand: set SIGNOFF_DATA to its folder")
    return Path(folder)
