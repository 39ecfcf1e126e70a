"""Smoke gates: a release is whole, answers, and is where its figures were recorded, or it is told which is not so."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from fixtures.attested import FINISHED, evidence_of, key_named, rows_of
from fixtures.signed import TRUSTING, signed
from harness.data.store import atomic_write_bytes
from harness.errors import InputError
from harness.release.attest import bundle_path, hash_subjects, sign_release
from harness.release.build import Built
from harness.release.derived import measured_files
from harness.release.evidence import row_of
from harness.release.judge import Control, judge
from harness.release.manifest import Loaded
from harness.release.measures import read
from harness.release.observed import Trial
from harness.release.observing import observe_live
from harness.rollout.admitting import rollback
from harness.rollout.shapes import Admitted
from harness.rollout.smoke import live_of, smoke_of
from harness.rollout.store import Store, open_store
from tests.gates.recorded import PASSING, checkout
from tests.release.small import DENSE, served, small
from tests.rollout.released import let_in, promoted, told

POLICY = "[{measure: RR, at_least: 0.1}, {measure: R@5, at_least: 0.1, by: lcb}]"


def live_signed(folder: Path) -> tuple[Loaded, Path]:
    """A small live release, built, frozen, measured and signed; its manifest and its artifacts."""
    loaded = small(folder, DENSE, POLICY)
    built, _ = served(loaded, folder)
    artifacts = folder / "artifacts" / loaded.manifest.release
    trial = Trial(observe_live(loaded, Built(built.world, built.folders), tell=lambda _: None, measured=False), None, 7)

    def row(check):
        reading = read(trial, check)
        return row_of(judge(check, replace(reading, control=Control("shuffled", 1.0, 0.0, 0.0, 0.001, 1500))))

    rows = rows_of(loaded, measured_files(artifacts), row=row)
    raw = sign_release(loaded, evidence_of(rows), hash_subjects(loaded, artifacts), [key_named("release")],
                       now=FINISHED)
    atomic_write_bytes(bundle_path(loaded), raw)
    return loaded, artifacts


@pytest.fixture(scope="module")
def lasting(tmp_path_factory) -> tuple[Store, Admitted]:
    """A store with the live release admitted to it: nobody changes it."""
    folder = tmp_path_factory.mktemp("live")
    loaded, artifacts = live_signed(folder)
    with open_store(f"sqlite:///{folder}/home/rollout.db") as store:
        yield store, let_in(store, loaded, artifacts=artifacts)


def looked_at(store, release):
    return [(one.name, one.good) for one in smoke_of(store)(release)]


GOOD = [("files", True), ("answers", True), ("all-RR-value", True), ("all-R@5-lcb", True)]


def test_a_release_that_is_as_it_was_passes(lasting):
    """Files, answers, and each recorded figure of quality measured again to the same digit."""
    store, release = lasting
    found = smoke_of(store)(release)
    assert [(one.name, one.good) for one in found] == GOOD
    told = found[2].told.split()
    assert told[1].rstrip(",") == told[3]


def test_an_admitted_release_answers_from_its_copy(lasting):
    """What is loaded is the frozen copy, by the manifest that was admitted."""
    _, release = lasting
    loaded, live = live_of(release)
    assert loaded.manifest.release == release.release
    assert len(live.search(next(iter(live.world.tasks.values())).texts[0]).codes) > 0


def test_a_file_that_changed_is_told_before_anything_is_loaded(lasting, tmp_path):
    """One byte of an index: the first smoke gate fails and says what mends it; the others do not run."""
    store, release = lasting
    path = next((release.artifacts / "index").glob("*.npy"), None) or next((release.artifacts / "index").iterdir())
    raw = path.read_bytes()
    try:
        path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
        (found,) = smoke_of(store)(release)
    finally:
        path.write_bytes(raw)
    assert (found.name, found.good) == ("files", False) and "signoff backup restore" in found.told
    assert looked_at(store, release) == GOOD


def test_a_release_that_answers_worse_than_recorded_is_told(lasting, monkeypatch):
    """The same bytes under a library that ranks otherwise: files and answers are fine, the figures are not back."""
    from harness.release.live import LiveRelease

    store, release = lasting
    real = LiveRelease.answer

    def worse(self, task):
        answers = real(self, task)
        run = answers.run
        return answers._replace(run=replace(run, query=np.roll(run.query, 200)))

    monkeypatch.setattr(LiveRelease, "answer", worse)
    assert looked_at(store, release) == [*GOOD[:2], ("all-RR-value", False), ("all-R@5-lcb", False)]


def test_a_release_without_answers_is_told(lasting, monkeypatch):
    """An index that finds nothing fails by name."""
    from harness.release.live import LiveRelease

    store, release = lasting
    real = LiveRelease.search
    monkeypatch.setattr(LiveRelease, "search", lambda self, text: real(self, text)._replace(codes=np.array([])))
    assert looked_at(store, release)[1] == ("answers", False)


def test_a_release_of_recorded_files_answers_elsewhere(lasting, tmp_path):
    """It has no parts to load, and says so; its files are looked at all the same."""
    store, release = lasting
    recorded = replace(release, manifest=checkout(tmp_path, PASSING))
    with pytest.raises(InputError, match="recorded files answer nothing"):
        live_of(recorded)
    assert looked_at(store, recorded) == GOOD[:2]


def test_a_rollback_is_looked_at_by_the_smoke_gates(tmp_path):
    """From another release back to the live one: what serves again is measured, and the trail says that it is back."""
    loaded, artifacts = live_signed(tmp_path)
    with open_store(f"sqlite:///{tmp_path}/home/rollout.db") as store:
        let_in(store, loaded, artifacts=artifacts)
        other = let_in(store, signed(tmp_path / "other", days=1), days=1, trust=TRUSTING)
        promoted(store, other.digest)
        rollback(store, "prod", who="ada", why="slow", now=datetime.fromisoformat("2025-04-01T00:00:00+00:00"),
                 smoke=smoke_of(store))
        (checked,) = told(store, "checked")
        assert checked.body["good"] and [(one["name"], one["good"]) for one in checked.body["checks"]] == GOOD
