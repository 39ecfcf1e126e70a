"""Killed with -9 at any moment: no half state, nothing acknowledged is lost, and the same goes through next."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from harness.rollout.store import open_store
from tests.faults import killing
from tests.faults.killing import OPERATIONS, TWINS, Worker, stands

SHORT, LONG = 3, 40  # kills an operation: of five, fifteen in the suite and two hundred at full length
pytestmark = pytest.mark.skipif(not hasattr(killing.os, "fork"), reason="no fork on this system")


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    with Worker() as started:
        yield started


class Template:
    """An operation made ready once, and copied for each trial: its folder, and its database."""

    def __init__(self, name: str, folder: Path, cluster: str | None = None) -> None:
        self.name, self.folder, self.cluster, self.count = name, folder / "template", cluster, 0
        (self.folder / "home").mkdir(parents=True)
        self.url = f"sqlite:///{self.folder}/home/rollout.db" if cluster is None else self._database("ready")
        with open_store(self.url, home=self.folder / "home") as store:
            (OPERATIONS | TWINS)[name].ready(store, self.folder)

    def copy(self) -> tuple[str, Path]:
        """URL and folder of a fresh copy."""
        self.count += 1
        place = self.folder.parent / f"trial-{self.count}"
        shutil.copytree(self.folder, place)
        if self.cluster is None:
            return f"sqlite:///{place}/home/rollout.db", place
        return self._database(f"trial_{self.count}", "ready"), place

    def _database(self, name: str, template: str | None = None) -> str:
        made = f"kill_{self.name}_{name}"
        after = "" if template is None else f" TEMPLATE kill_{self.name}_{template}"
        engine = create_engine(self.cluster, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {made}")
            connection.exec_driver_sql(f"CREATE DATABASE {made}{after}")
        engine.dispose()
        return self.cluster.replace("/postgres?", f"/{made}?")


def trial(worker, template, after_s):
    """One child, killed or left to end; returns whether it was killed in time, and how long it lived."""
    url, place = template.copy()
    said, killed, lived = worker.killed({"name": template.name, "url": url, "place": str(place)}, after_s)
    stands(template.name, url, place, said)
    shutil.rmtree(place)
    return killed, lived


def many(worker, template, kills, rng):
    """A kill at once, and others at uniform moments of a life's length; returns how many came in time."""
    lived = min(trial(worker, template, None)[1] for _ in range(2))
    return sum(trial(worker, template, after)[0] for after in [0.0, *rng.uniform(0.0, lived, size=kills - 1)])


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_kill_leaves_no_half_state(worker, tmp_path, rng, name):
    """A few moments of each operation, on SQLite."""
    assert many(worker, Template(name, tmp_path), SHORT, rng) >= 1


@pytest.mark.services
@pytest.mark.parametrize("name", OPERATIONS)
def test_a_kill_leaves_no_half_state_in_postgres(worker, tmp_path, rng, name, postgres_cluster):
    """The same on PostgreSQL, where the server outlives the client."""
    assert many(worker, Template(name, tmp_path, postgres_cluster), SHORT, rng) >= 1


@pytest.mark.worlds
@pytest.mark.parametrize("name", OPERATIONS)
def test_two_hundred_kills_leave_no_half_state(worker, tmp_path, rng, name):
    """Forty moments of each of the five operations; a good part of them in time, however busy the machine is."""
    assert many(worker, Template(name, tmp_path), LONG, rng) >= LONG // 4


def test_a_rollback_in_two_transactions_would_be_seen(worker, tmp_path):
    """The check has teeth: a twin that dies between trail and pointer leaves what `stands` refuses."""
    template = Template("torn rollback", tmp_path)
    url, place = template.copy()
    said, killed, _ = worker.killed({"name": template.name, "url": url, "place": str(place)}, None)
    assert killed
    with pytest.raises(AssertionError):
        stands(template.name, url, place, said)


def test_an_acknowledgement_before_the_commit_would_be_seen(worker, tmp_path):
    """A twin that says that a batch is counted and dies before it is."""
    template = Template("hasty windows", tmp_path)
    url, place = template.copy()
    said, killed, _ = worker.killed({"name": template.name, "url": url, "place": str(place)}, None)
    assert killed and said == ["batch-0"]
    with pytest.raises(AssertionError):
        stands(template.name, url, place, said)
