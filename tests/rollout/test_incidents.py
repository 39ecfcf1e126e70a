"""Incident files: every way back leaves one, whole; one that cannot be written stops nothing."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from fixtures.attested import NOW
from harness.errors import EvidenceError
from harness.rollout.caches import caches_of
from harness.rollout.files import alone
from harness.rollout.going_back import Checked, after_rollback, rollback
from harness.rollout.incidents import INCIDENT, written
from harness.rollout.proving import verify_store
from tests.rollout.released import promoted, served, serving

LATER = NOW + timedelta(days=30)


def back(store, **more):
    return rollback(store, "prod", **({"who": "ada", "why": "slow", "now": LATER} | more))


def incident(store):
    (found,) = (store.home / "incidents").glob("*.json")
    return json.loads(found.read_text())


def test_a_rollback_by_hand_leaves_both_files(store, tmp_path):
    """Who, why, from where to where, and the trail's head at that moment, by which it can be held to it."""
    one, two = served(store, tmp_path, "one", "two")
    back(store, caches=caches_of(store.home), smoke=lambda _: [Checked("answers", True, "3 of 3")])
    found = incident(store)
    assert found["incident"] == f"{LATER:%Y%m%dT%H%M%S}-prod-two"
    assert (found["left"]["digest"], found["serves"]["digest"]) == (two.digest, one.digest)
    assert found["tripped"] == {"guard": None, "reason": "slow", "since": None, "at": found["at"]}
    assert found["pointer"]["before"]["stable"] == two.digest and found["pointer"]["after"]["stable"] == one.digest
    assert [row["what"] for row in found["timeline"]][-3:] == ["rollback", "flip", "checked"]
    assert found["answering_after_s"] >= 0.0 and [one["name"] for one in found["smoke"]] == ["answers"]
    row, head = found["trail"]["row"], found["trail"]["sha256"]
    verify_store(store, head=(row, head))
    page = next((store.home / "incidents").glob("*.md")).read_text()
    assert "two was taken back from prod" in page and f"{row}:{head}" in page


def test_a_flip_is_told_before_the_smoke_gates_are_through(store, tmp_path):
    """Smoke gates that do not come back leave a file all the same, which says that they are still to come."""
    served(store, tmp_path, "one", "two")
    seen = []
    back(store, smoke=lambda _: seen.append(incident(store)) or [Checked("answers", False, "no hits")])
    assert seen[0]["smoke"] == [] and seen[0]["answering_after_s"] is None
    assert seen[0]["next"][0].startswith("Smoke gates: not run yet")
    assert incident(store)["next"][0].startswith("Smoke gates: answers failed")


def test_an_incident_that_cannot_be_written_stops_nothing(store, tmp_path):
    """No folder to write to: the release serves again, the trail is whole, and the failure is among what was told."""
    one, _ = served(store, tmp_path, "one", "two")
    (store.home / "incidents").write_text("in the way")
    made = back(store)
    assert serving(store).stable == one.digest == made.stable
    last = after_rollback(store, made, who="ada", now=LATER, smoke=lambda _: [Checked("answers", True, "")])[-1]
    assert (last.name, last.good) == (INCIDENT, False)
    verify_store(store)


def test_what_cannot_be_read_is_said_and_the_rest_is_there(store, tmp_path):
    """Windows that were changed, say: the incident names the failure and tells what the trail knows."""
    one, two = served(store, tmp_path, "one", "two")
    promoted(store, one.digest, candidate=two.digest, percent=10.0)

    def broken():
        raise EvidenceError("changed", where="windows")

    back(store, seen=broken)
    found = incident(store)
    assert found["not_read"] == "EvidenceError" and found["left"]["digest"] == two.digest


def test_nothing_whole_to_go_back_to_is_an_incident_too(store, tmp_path):
    """What serves stays, alone; the card says that files have to be brought back first."""
    one, _ = served(store, tmp_path, "one", "two")
    with alone(store.home):
        for path in (store.home / "releases" / one.digest).rglob("*"):
            if path.is_file():
                path.unlink()
    with pytest.raises(EvidenceError, match="nothing whole"):
        back(store)
    assert "nothing whole to go back to" in incident(store)["next"][0]


def test_equal_facts_give_equal_bytes(store, tmp_path):
    """Written twice from the same store, the files do not differ."""
    served(store, tmp_path, "one", "two")
    made = back(store)
    first = written(store, made).read_bytes()
    assert written(store, made).read_bytes() == first
