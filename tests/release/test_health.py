"""Nothing is evaluated on an unhealthy system: each fault is seen, says what to do, and leaves no evidence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from fixtures.answers import answers_world
from fixtures.openai_server import model_server
from gates.session import GateSession
from harness.errors import Exit
from harness.generation.choosing import word_index
from harness.generation.passages import Passages
from harness.release.audit_trail import TRAIL, read_trail
from harness.release.cache import write_sums
from harness.release.freeze import IN_YAML, RUN_MANIFEST
from harness.release.health import (
    HealthCheck,
    HealthObserved,
    UnhealthyError,
    checked_healthy,
    checked_ready,
    healthy,
    ready,
    required,
)
from harness.release.switches import DEFAULTS, SWITCHES
from harness.retrieval.bm25 import Bm25
from tests.cli.test_live_verbs import document
from tests.release.answering import answering, frozen_answering
from tests.release.small import small

ROW = "{measure: health faults, at_most: 0}"
MODEL = "{{impl: http, model: tiny, url: '{0}', limits: {{retries: 0, text_timeout_s: 1, call_timeout_s: 1}}}}"


@pytest.fixture(scope="module")
def frozen(tmp_path_factory) -> Path:
    """The release, frozen once; tests that break it copy it."""
    place = tmp_path_factory.mktemp("bakery")
    with pytest.MonkeyPatch.context() as patch:
        frozen_answering(answering(place), place, patch)
    return place


@pytest.fixture
def here(frozen, tmp_path, monkeypatch) -> Path:
    """A copy of the checkout as the current folder, in an environment that says nothing."""
    shutil.copytree(frozen, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    for name in (*SWITCHES, "SIGNOFF_DB"):
        monkeypatch.delenv(name, raising=False)
    for name, value in DEFAULTS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("harness.release.build.build_pyanswers", lambda *, seed: answers_world(seed=seed))
    return tmp_path / "here"


def faults(found: HealthObserved) -> list[str]:
    assert all(one.do for one in found.faults), "a fault that does not say what to do"
    return [one.name for one in found.faults]


def of_folder(here: Path, **more: str) -> list[str]:
    return faults(healthy(answering(here, **more), here / "artifacts" / "bakery"))


def test_a_sound_release_is_healthy(here):
    """Every check is made and good, from the environment to a question that finds something."""
    found = [*ready(answering(here)).checks, *healthy(answering(here), here / "artifacts" / "bakery").checks]
    assert all(one.good for one in found)
    assert [one.name for one in found] == [*SWITCHES, "reader", "artifacts", "run manifest", "data", "token budget",
                                           "prefix leakage", "retrieval"]


# before anything is built


@pytest.mark.parametrize(("environ", "fault"), [
    ({}, ["EVAL_DISABLE_CACHE", "PROMPT_AUDIT"]), (DEFAULTS | {"PROMPT_AUDIT": "0"}, ["PROMPT_AUDIT"]),
    (DEFAULTS | {"EVAL_DISABLE_CACHE": "0"}, ["EVAL_DISABLE_CACHE"]),
    (DEFAULTS | {"EVAL_DISABLE_CACHE": "yes"}, ["EVAL_DISABLE_CACHE"]),
    (DEFAULTS | {"EVAL_SEED": "43"}, ["EVAL_SEED"]), (DEFAULTS | {"OPENAI_TEMPERATURE": "0.2"}, ["OPENAI_TEMPERATURE"]),
    (DEFAULTS | {"SIGNOFF_DB": "sqlite:////nowhere/rollout.db"}, ["database"]),
    (DEFAULTS | {"SIGNOFF_DB": "postgresql+psycopg://nobody@127.0.0.1:9/none"}, ["database"]),
    (DEFAULTS | {"SIGNOFF_DB": "no url"}, ["database"]),
    (DEFAULTS | {"EVAL_SEED": "42", "OPENAI_TEMPERATURE": "0.0"}, []),
])  # fmt: skip
def test_the_environment_is_as_it_must_be(here, environ, fault):
    """Switches that are not set or set otherwise, a database that is not there: each by its name."""
    assert faults(ready(answering(here), environ)) == fault


def test_a_file_that_is_no_database_does_not_answer(here):
    """SQLite answers what needs no file without a look at it; the check reads it."""
    (here / "rollout.db").write_text("no database\n" * 100, encoding="utf-8")
    found = ready(answering(here), DEFAULTS | {"SIGNOFF_DB": f"sqlite:///{here}/rollout.db"})
    assert [one.name for one in found.faults] == ["database"] and "not a database" in found.faults[0].line


def test_a_database_that_is_there_answers(here):
    """A store that can be asked is healthy, and no password is told."""
    (here / "rollout.db").touch()
    found = ready(answering(here), DEFAULTS | {"SIGNOFF_DB": f"sqlite:///{here}/rollout.db"})
    assert "database" in [one.name for one in found.checks] and not found.faults


def test_a_model_behind_http_answers_or_is_told(here):
    """A server that answers is healthy; one that fails, and one that is not there, are not."""
    with model_server() as server:
        assert faults(ready(answering(here, reader=MODEL.format(server.url)), DEFAULTS)) == []
    assert faults(ready(answering(here, reader=MODEL.format("http://127.0.0.1:9/v1")), DEFAULTS)) == ["reader"]
    assert faults(ready(answering(here, reader="{impl: http, model: tiny}"), DEFAULTS)) == ["reader"]


# what was frozen


def edited(here: Path, **facts: object) -> None:
    """The run manifest with other facts, under new sums: as if it had been frozen so."""
    folder = here / "artifacts" / "bakery"
    told = json.loads((folder / RUN_MANIFEST).read_bytes()) | facts
    (folder / RUN_MANIFEST).write_text(json.dumps(told))
    (folder / IN_YAML).write_text(yaml.safe_dump(told))
    write_sums(folder)


@pytest.mark.parametrize("spoil", [
    lambda folder: shutil.rmtree(folder / "lexical"),
    lambda folder: (folder / "world" / "corpus.json").write_text("{}"),
    lambda folder: (folder / "SHA256SUMS").unlink(), shutil.rmtree, lambda folder: (folder / "stray").touch(),
], ids=["index gone", "data changed", "no sums", "never frozen", "stray"])  # fmt: skip
def test_frozen_bytes_are_as_they_were(here, spoil):
    """What is gone, changed or added is seen, and is not loaded to look further."""
    spoil(here / "artifacts" / "bakery")
    assert of_folder(here) == ["artifacts"]


def test_new_sums_over_another_index_are_not_what_was_frozen(here):
    """Who edits a part and writes the sums afresh is told by the run manifest, which holds its digest."""
    folder = here / "artifacts" / "bakery"
    part = next(path for path in sorted((folder / "lexical").iterdir()) if path.suffix == ".json")
    part.write_bytes(part.read_bytes() + b"\n")
    write_sums(folder)
    assert "run manifest" in of_folder(here)


def test_the_run_manifest_is_whole_and_of_this_configuration(here):
    """A gap, another configuration, and a YAML that says something else are each a fault."""
    edited(here, prompt_hash=None)
    assert of_folder(here) == ["run manifest"]
    edited(here, prompt_hash="a" * 64)
    assert of_folder(here) == []
    assert of_folder(here, reader="{documents: 4}") == ["run manifest"]
    (here / "artifacts" / "bakery" / IN_YAML).write_text("release: another\n")
    write_sums(here / "artifacts" / "bakery")
    assert of_folder(here) == ["run manifest"]


def test_data_are_those_of_the_run_manifest(here):
    """A world under another digest than the run manifest's is a fault of bytes."""
    edited(here, data={"world": "0" * 64})
    found = healthy(answering(here), here / "artifacts" / "bakery")
    assert faults(found) == ["data"] and found.faults[0].bytes


def test_a_budget_without_room_is_no_budget(here):
    """64 tokens hold no passage: the question would be asked without any."""
    found = of_folder(here, reader="{budget: 64}")
    assert found[0] == "run manifest" and set(found) & {"token budget", "stages"}


def test_a_prefix_that_is_indexed_is_seen(here, monkeypatch):
    """An index over prefix and text is found out from its own postings."""
    def leaking(passages: Passages) -> Bm25:
        return Bm25().fit([f"{one.prefix} {one.text}" for one in passages.all])

    monkeypatch.setattr("harness.generation.choosing.word_index", leaking)
    assert of_folder(here) == ["prefix leakage"]
    assert word_index is not leaking


def test_a_check_that_breaks_has_failed(here, monkeypatch):
    """An exception inside a check is a fault, never a pass: the stages after it are not called good."""
    def broken(*_: object) -> object:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("harness.release.health_checks.LiveRelease.load", broken)
    found = healthy(answering(here), here / "artifacts" / "bakery")
    assert faults(found) == ["stages"] and "RuntimeError: out of memory" in found.faults[0].line


# nothing is evaluated


def test_an_unhealthy_system_begins_no_evidence(here, monkeypatch):
    """Gates end before a query is run: no evidence, one line that names each fault, exit 2."""
    monkeypatch.setenv("EVAL_DISABLE_CACHE", "0")
    monkeypatch.setattr("harness.release.observing.build", lambda *_: pytest.fail("built on an unhealthy system"))
    answering(here)
    session = GateSession.open(here / "bakery.yaml", evidence=here / "out" / "evidence.jsonl")
    with pytest.raises(pytest.exit.Exception):
        _ = session.trial
    session.close(1)
    assert not (here / "out" / "evidence.jsonl").exists()
    told = json.loads((here / "out" / "error.json").read_text())
    assert told["code"] == 2 and "\n" not in told["line"] and "EVAL_DISABLE_CACHE: is not 1" in told["line"]


def test_what_breaks_between_freezing_and_evaluating_is_seen(here, monkeypatch):
    """A file that changes after it was frozen ends the run with exit 12, before any query is run."""
    from harness.release import observing

    freeze = observing.freeze

    def spoilt(*given, **more):
        folder = freeze(*given, **more)
        (folder / "lexical" / "part.json").write_text("{}")
        return folder

    monkeypatch.setattr(observing, "freeze", spoilt)
    monkeypatch.setattr(observing, "observe_live", lambda *_, **__: pytest.fail("evaluated on an unhealthy system"))
    with pytest.raises(UnhealthyError, match=r"artifacts: 1 of .* lexical/part.json; freeze the release") as error:
        observing.observe(answering(here))
    assert error.value.exit_code is Exit.INVALID


def test_a_sound_system_is_evaluated_and_its_checks_counted(here):
    """The record of the checks stands in the trial that the gates judge."""
    from harness.release.observing import observe

    trial = observe(answering(here, rows=ROW))
    record = trial.candidate.studies["healthy"]
    assert len(record.checks) == 11 and not record.faults


def test_others_are_not_looked_at(tmp_path):
    """A release without a reader has no such checks, and is evaluated as ever."""
    loaded = small(tmp_path)
    checked_ready(loaded)
    assert checked_healthy(loaded, tmp_path) == {}


def test_nothing_looked_at_is_not_healthy():
    """No check is no health."""
    required(HealthObserved((HealthCheck("data", True, "there"),)), release="r")
    with pytest.raises(UnhealthyError, match="nothing was looked at"):
        required(HealthObserved(()), release="r")


def test_a_run_is_noted_before_its_evidence_begins(here):
    """The trail has who ran the gates; one that was changed ends the run with exit 12 and no evidence."""
    session = GateSession.open(_written(here), evidence=here / "out" / "evidence.jsonl")
    row, trail = session.checks[0], here / "artifacts" / "bakery" / TRAIL
    gate = session.gate(SimpleNamespace(node=SimpleNamespace(nodeid="a test", user_properties=[])))
    gate.judge(row, gate.measure(row, session.trial))
    session.close(0)
    assert [one["command"] for one in read_trail(trail)] == [f"signoff gates {here.as_posix()}/bakery.yaml"]
    trail.write_text(trail.read_text().replace("gates", "freeze").replace('"number": 1', '"number": 2'))
    session = GateSession.open(here / "bakery.yaml", evidence=here / "out" / "evidence.jsonl")
    gate = session.gate(SimpleNamespace(node=SimpleNamespace(nodeid="a test", user_properties=[])))
    with pytest.raises(pytest.exit.Exception, match="the audit trail was changed"):
        gate.judge(row, gate.measure(row, session.trial))
    session.close(1)
    assert not (here / "out" / "evidence.jsonl").exists()
    assert json.loads((here / "out" / "error.json").read_text())["code"] == 12


def _written(here: Path) -> Path:
    return answering(here, rows=ROW).path


# the verb


def test_the_verb_tells_each_check_and_what_to_do(here, capfd, monkeypatch):
    """0 where all is well, 2 with a line for each fault, 12 for other bytes; --json has the same."""
    from harness.__main__ import main

    answering(here)
    assert document(capfd, "health", "bakery.yaml")["healthy"] is True
    monkeypatch.setenv("PROMPT_AUDIT", "0")
    assert main(["health", "bakery.yaml"]) == 2
    assert "FAIL PROMPT_AUDIT: is not 1: prompts would leave no trace; set 1" in capfd.readouterr().out
    (here / "artifacts" / "bakery" / "lexical" / "part.json").unlink()
    assert main(["health", "bakery.yaml", "--json"]) == 12
    told = json.loads(capfd.readouterr().out)
    assert [one["name"] for one in told["checks"] if not one["good"]] == ["PROMPT_AUDIT", "artifacts"]


def test_the_verb_is_for_releases_that_answer(tmp_path, capfd):
    """A release without a reader is bad input, in one line."""
    from harness.__main__ import main

    assert main(["health", str(small(tmp_path).path)]) == 2
    err = capfd.readouterr().err
    assert err.count("\n") == 1 and "nothing answers" in err
