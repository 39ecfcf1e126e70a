"""The bench on which gates are run in this process, warmed once."""

from __future__ import annotations

import pytest

from gates.session import GateSession
from harness.defects.owners import owner
from harness.release.measures import read
from tests.gates.recorded import DOUBTFUL, Bench, checkout


@pytest.fixture(scope="session", autouse=True)
def _warm(tmp_path_factory):
    """Load every module that a run loads: pytester forgets those that are new in it, and some load once only."""
    folder = tmp_path_factory.mktemp("warm")
    session = GateSession.open(checkout(folder, DOUBTFUL), evidence=folder / "evidence.jsonl")
    (check,) = session.checks
    for one in (session.trial, owner(check.measure).plant(session.trial, 1.0)):
        read(one, check)


@pytest.fixture
def bench(pytester) -> Bench:
    return Bench(pytester)
