"""The canary of a release that answers: two days on replayed time, sound or getting worse; what a rollback leaves."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import insert

from fixtures.canary import START, canary
from fixtures.rollout import planted
from harness.cli.app import main
from harness.data.store import sha256_bytes
from harness.errors import InputError
from harness.generation.client import Completion
from harness.monitor.answered import ANSWER_DELTAS, ANSWERS, ORACLE, RATE, rate_of
from harness.monitor.incidents import replayed_incident
from harness.monitor.measures import measure_of, observed_as
from harness.monitor.presets import rag
from harness.monitor.replaying import replay
from harness.monitor.running import tick
from harness.monitor.trace import read_observations
from harness.monitor.windows import Window, windows_of
from harness.release.measures.answered import COLUMNS
from harness.release.rollout_presets import PRESETS
from harness.rollout import tables
from harness.rollout.caches import caches_of, replies_in
from harness.rollout.going_back import Checked
from harness.rollout.pointer import current, flip
from harness.rollout.ramp_store import begin
from tests.house.source import TOP
from tests.monitor.traffic import request

HOUR = 3600
RAMP = PRESETS["canary-48h"]
QUICK = RAMP.model_copy(update={"validate_": "6h", "stages": (RAMP.stages[0].model_copy(update={"hold": "6h"}),)})
STABLE, CANDIDATE = (sha256_bytes(name) for name in (b"old", b"new"))


@pytest.fixture(scope="module")
def worse(tmp_path_factory):
    """Two days, a little traffic; from hour 30 on four of five answers of the candidate are worthless."""
    return canary(tmp_path_factory.mktemp("canary") / "worse.parquet", np.random.default_rng(8), fault_at=30.0,
                  fault=0.8, per_minute=6, hours=49.0)


def test_a_candidate_that_gets_worse_at_hour_30_is_taken_back(worse, tmp_path, capsys, monkeypatch):
    """Held first and then, after two hours beyond, rolled back by a measure of answers; the incident says so."""
    monkeypatch.setenv("MONITORING_RESOLUTION", "1h")
    monkeypatch.setenv("MONITORING_ARMS", "together")
    store = f"sqlite:///{tmp_path}/ops/rollout.db"
    asked = ["monitor", "replay", str(worse), "--preset", "rag", "--ramp", "canary-48h", "--db", store, "--json"]
    assert main(asked) == 10
    told = json.loads(capsys.readouterr().out)
    assert (START + timedelta(hours=32)).isoformat() < told["rolled_back"] < (START + timedelta(hours=44)).isoformat()
    assert told["by"].startswith("rag 2h: rise ") and told["stage"] == "rolled back"
    held = next(one for one in told["events"] if one["what"].startswith("rag: rise")
                and one["state"] in {"critical", "emergency"})
    assert held["at"] < told["rolled_back"]
    (found,) = (tmp_path / "ops" / "incidents").glob("*.json")
    incident = json.loads(found.read_text())
    assert told["incident"] == str(found.with_suffix(".md")) and found.with_suffix(".md").is_file()
    assert incident["tripped"]["guard"] == told["by"] and incident["tripped"]["high"] < -0.15
    assert {one["as"] for one in incident["windows"]} == {"stable", "candidate"} and len(incident["windows"]) == 48


def test_a_sound_canary_goes_on_by_proof(tmp_path):
    """More found, answers no worse, as quick: the six criteria are shown, and nothing ever holds or goes back."""
    trace = canary(tmp_path / "sound.parquet", np.random.default_rng(8), per_minute=60, judged=4, hours=6.5)
    found = replay(read_observations(trace), rag(), rollout=QUICK, resolution_s=600, together=True)
    assert found.ramp is not None and found.ramp.phase == "promoted" and found.rolled_back is None
    assert {one.state for one in found.readings} == {"ok"}
    with pytest.raises(InputError, match="nothing was rolled back"):
        replayed_incident(found, tmp_path)


@pytest.mark.worlds
def test_the_whole_48_hours_of_a_sound_canary_end_promoted(tmp_path):
    """At its own pace: a judged question a minute, windows of ten minutes, two days; by proof and no sooner."""
    trace = canary(tmp_path / "sound.parquet", np.random.default_rng(8))
    found = replay(read_observations(trace), rag(), rollout=RAMP, resolution_s=600, together=True)
    assert found.ramp is not None and found.ramp.phase == "promoted" and found.rolled_back is None
    assert found.events[-1].at - START >= timedelta(hours=48)


@pytest.mark.parametrize(("more", "alert"), [(0.0, "ok"), (0.3, "critical")])
def test_what_finds_no_more_is_held_and_what_finds_too_much_is_told(more, alert):
    """Below five points more the ramp waits; above fifteen somebody is told, and nothing goes back for it."""
    deltas = dict.fromkeys(ANSWER_DELTAS, 0.0) | {f"delta {ORACLE}": more}
    rows = [request(place, ms=500.0, arm=arm, values=dict.fromkeys(ANSWERS, 0.5) | (
        deltas if arm == "candidate" else {})) for place in range(400) for arm in ("stable", "candidate")]
    guards = [one for one in rag() if ORACLE in one.measure]
    found = replay(rows, guards, rollout=QUICK, resolution_s=600, together=True)
    assert found.ramp is not None and (found.ramp.phase, found.rolled_back) == ("up", None)
    assert [one.state for one in found.readings if one.guard.name == guards[-1].name] == [alert]


def test_live_measures_of_answers_are_those_of_the_gates():
    """Every mean of the gates has a live name in [0, 1] and a paired difference that is counted under its own."""
    assert set(ANSWERS) == set(COLUMNS)
    assert all(measure_of(name).support == (0.0, 1.0) for name in ANSWERS)
    assert all(measure_of(name).per_query and observed_as(name) == ("value", name) for name in ANSWER_DELTAS)
    assert observed_as(f"rise {RATE}") == ("stage", "total") and observed_as("rise answer F1") == ("value", "answer F1")


def test_answers_a_minute_count_what_was_answered(rng):
    """Half of the answers failing halves the rate, twice the time does too; merged windows are the whole's."""
    rate = {}
    for name, ms, error in (("sound", 500.0, False), ("slow", 1000.0, False), ("failing", 500.0, True)):
        rows = [request(ms=ms, error=error and place % 2 == 0) for place in range(40)]
        whole, parts = Window.of(rows), Window.of(rows[:13]).merge(Window.of(rows[13:]))
        assert rate_of(whole) == rate_of(parts)
        rate[name] = rate_of(whole)[0]
    assert rate["sound"] == pytest.approx(120.0, rel=0.01)
    assert rate["slow"] / rate["sound"] == pytest.approx(0.5, rel=0.03)
    assert rate["failing"] / rate["sound"] == pytest.approx(0.5)


def serving(store):
    """`old` serves, `new` gets a tenth of the traffic since START."""
    manifest = (TOP / "manifests" / "retriever-v0.yaml").read_bytes()
    with store.writing() as connection:
        for name in ("old", "new"):
            planted(connection, "prod", name, manifest=manifest, at=START - timedelta(days=2))
        flip(connection, "prod", stable=STABLE, candidate=None, percent=0, stage=None, who="ada", why="first",
             at=START - timedelta(days=1))
    begin(store, "prod", "new", RAMP, who="ada", why="a new release", now=START)


def watched(store, trace) -> None:
    """The trace's windows of an hour, as the service would have written them."""
    digests = {"stable": STABLE, "candidate": CANDIDATE}
    rows = [{**key._replace(environment="prod", release=digests[key.assignment])._asdict(), "state": one.raw,
             "sha256": sha256_bytes(one.raw)}
            for key, one in windows_of(read_observations(trace), resolution_s=HOUR).items()]
    with store.writing() as connection:
        connection.execute(insert(tables.windows), rows)


def test_the_monitor_takes_it_back_clears_looks_and_writes(store, worse):
    """Through the store: pointer back, replies gone, smoke gates run, and an incident with number, limit and since."""
    serving(store)
    watched(store, worse)
    replies_in(store.home).put("http://localhost/v1", {"seed": 42}, Completion("Yes.", 3, 1, "tiny"))
    for hour in range(34, 46):
        last = tick(store, "prod", START + timedelta(hours=hour), guards=rag(), resolution_s=HOUR, together=True,
                    caches=caches_of(store.home), smoke=lambda _: [Checked("answers", True, "3 of 3")])
        if last.advanced.flipped:
            break
    with store.reading() as connection:
        pointer = current(connection, "prod")
    assert (pointer.stable, pointer.candidate) == (STABLE, None)
    assert replies_in(store.home).get("http://localhost/v1", {"seed": 42}) is None
    (path,) = (store.home / "incidents").glob("*.json")
    found = json.loads(path.read_text())
    assert path.stem == f"{pointer.at:%Y%m%dT%H%M%S}-prod-new"
    assert found["tripped"]["guard"].startswith("rag 2h: rise ") and found["tripped"]["limit"] == "lcb ≥ -0.15"
    assert found["tripped"]["high"] < -0.15 and found["tripped"]["since"] < found["at"]
    assert found["cleared"] == [{"name": "cache 1", "good": True, "told": "1 kept replies of models cleared"}]
    assert found["smoke"] == [{"name": "answers", "good": True, "told": "3 of 3"}]
    assert found["pointer"]["before"]["candidate"] == CANDIDATE and found["pointer"]["after"]["candidate"] is None
    assert len(found["windows"]) == 48 and "3 of 3" in path.with_suffix(".md").read_text()
