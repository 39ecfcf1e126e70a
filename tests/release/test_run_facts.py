"""The run manifest of a release that answers: whole, the same in two forms, and a trail of who made it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import yaml

from harness.data.store import sha256_tree
from harness.errors import EvidenceError, InputError
from harness.generation.prompts import Template
from harness.release.audit_trail import TRAIL, read_trail, record
from harness.release.freeze import IN_YAML, RUN_MANIFEST, artifact_sums
from harness.release.measures.integrity import RUN_MANIFEST_KEYS
from harness.release.run_facts import gaps_of, ingest_run_id, run_facts
from tests.release.answering import answering, frozen_answering

NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("bakery")
    with pytest.MonkeyPatch.context() as patch:
        return frozen_answering(answering(place, reader="{shots: 0, cot: true}"), place, patch)


@pytest.fixture(scope="module")
def facts(folder):
    return json.loads((folder / RUN_MANIFEST).read_bytes())


def test_json_and_yaml_say_the_same(folder, facts):
    """Whoever reads one has read the other, and both are under the release's digests."""
    assert yaml.safe_load((folder / IN_YAML).read_bytes()) == facts
    assert {RUN_MANIFEST, IN_YAML} <= set(artifact_sums(folder)[0])


def test_a_reader_is_told_whole(facts):
    """Nothing is missing; prompt, chain of thought, models, thresholds and data sets are those of the manifest."""
    assert gaps_of(facts, RUN_MANIFEST_KEYS) == []
    assert facts["prompt_hash"] == Template(cot=True).hash != Template().hash and facts["cot"] is True
    assert facts["models"]["reader"]["id"] == "extractive" and len(facts["models"]["lexical"]["version"]) == 64
    assert [row["limit"] for row in facts["thresholds"]] == ["value ≤ 0", "value ≤ 0"]
    assert [one["id"] for one in facts["datasets"]] == ["pyanswers", "pyanswers gold answers"]
    assert facts["datasets"][0]["sha256"] == facts["data"]["world"] and facts["temperature"] == 0


def test_the_ingest_is_corpus_and_passages(facts):
    """INGEST_RUN_ID changes with a passage and stays with an index: it names what was taken in, nothing else."""
    files = facts["artifacts"]
    assert facts["INGEST_RUN_ID"] == ingest_run_id(files)
    assert ingest_run_id(files | {"passages/passages.json": "0" * 64}) != facts["INGEST_RUN_ID"]
    assert ingest_run_id(files | {"lexical/part.json": "0" * 64}) == facts["INGEST_RUN_ID"]


@pytest.mark.parametrize("key", RUN_MANIFEST_KEYS)
def test_each_key_is_missed(facts, key):
    """A run manifest without one of its keys has that gap, by name."""
    assert gaps_of({name: value for name, value in facts.items() if name != key}, RUN_MANIFEST_KEYS) == [key]


@pytest.mark.parametrize(("key", "empty"), [
    ("prompt_hash", None), ("INGEST_RUN_ID", None), ("datasets", []), ("thresholds", []), ("artifacts", {})])
def test_a_reader_may_leave_none_of_these_empty(facts, key, empty):
    """Present and empty is a gap where a reader needs it."""
    assert gaps_of(facts | {key: empty}, RUN_MANIFEST_KEYS) == [key]


def test_shots_that_are_asked_for_are_named(facts):
    """A reader that shows examples says which."""
    models = facts["models"] | {"reader": facts["models"]["reader"] | {"shots": 3}}
    assert gaps_of(facts | {"models": models}, RUN_MANIFEST_KEYS) == ["few_shot_ids"]
    assert gaps_of(facts | {"models": models, "few_shot_ids": ["a"]}, RUN_MANIFEST_KEYS) == []


def noted(folder, *commands):
    for command in commands:
        record(folder, who="ada", when=NOON, command=["signoff", command])
    return folder / TRAIL


def test_the_trail_says_who_when_by_which_command(folder):
    """Two runs leave two rows, of this configuration and this run manifest, and no digest of the release moves."""
    before = artifact_sums(folder)
    rows = read_trail(noted(folder, "freeze", "gates"))
    assert [(row["who"], row["when"], row["command"]) for row in rows] == [
        ("ada", "2025-03-01T12:00:00+00:00", "signoff freeze"), ("ada", "2025-03-01T12:00:00+00:00", "signoff gates")]
    assert {row["run_manifest_sha256"] for row in rows} == {sha256_tree(folder)[RUN_MANIFEST]}
    assert artifact_sums(folder) == before


@pytest.mark.parametrize("change", [
    lambda lines: [lines[0].replace("ada", "eve"), *lines[1:]], lambda lines: lines[1:],
    lambda lines: [lines[1], lines[0], lines[2]], lambda lines: [lines[0], "torn"],
], ids=["renamed", "first gone", "swapped", "torn"])  # fmt: skip
def test_a_trail_that_was_changed_is_not_believed(tmp_path, change):
    """A row that was changed, taken out or moved shows in the row after it, and nothing is added to it."""
    (tmp_path / RUN_MANIFEST).write_text('{"CONFIG_HASH": "cc", "git_commit": null}')
    file = noted(tmp_path, "freeze", "gates", "gates")
    file.write_text("\n".join(change(file.read_text().splitlines())) + "\n")
    with pytest.raises(EvidenceError, match="audit trail"):
        read_trail(file)
    with pytest.raises(EvidenceError):
        noted(tmp_path, "gates")


def test_a_trail_is_of_something_frozen(tmp_path):
    """Without a run manifest there is nothing to say who made."""
    with pytest.raises(InputError):
        noted(tmp_path, "freeze")
    assert not (tmp_path / TRAIL).exists()


def test_a_model_behind_http_is_told_as_it_is_asked_and_its_key_nowhere(tmp_path, monkeypatch):
    """Address and limits of the environment, not the manifest's alone; an address with a password stands nowhere."""
    loaded = answering(tmp_path, reader="{impl: http, model: tiny, shots: 0, limits: {workers: 2}}")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:8000/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("READER_RETRIES", "1")
    facts = run_facts(loaded, data={}, artifacts={})
    reader = facts["models"]["reader"]
    assert reader["url"] == "http://localhost:8000/v1" and "sk-secret" not in json.dumps(facts)
    assert (reader["limits"]["retries"], reader["limits"]["workers"]) == (1, 2)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://ada:sk-secret@localhost:8000/v1")
    facts = run_facts(loaded, data={}, artifacts={})
    assert facts["models"]["reader"]["url"] is None and "sk-secret" not in json.dumps(facts)
