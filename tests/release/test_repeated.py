"""The evaluation is the same in another process, and what makes it differ is caught: each run in a child, for real."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from itertools import count

import pytest

from fixtures import openai_server
from fixtures.answers import answers_world
from fixtures.readiness import lines_of, repeated_of
from fixtures.trials import sound
from harness.data.corpus import World
from harness.defects.catalogue import caught
from harness.defects.owners import named, owners
from harness.defects.spoilt_readers import SPOILT, WarmCache
from harness.errors import InputError
from harness.generation.extractive import ExtractiveReader
from harness.hunting.repeating import AUDIT, PROCESSES, repeated, with_repeated
from harness.release.asking import Asking
from harness.release.deterministic import evidence_lines
from harness.release.judge import Verdict
from harness.release.measures import read
from harness.release.studied.answers_rows import SHARES
from harness.release.studied.repeated import RepeatedObserved, by_question, differing
from tests.defects.gating import check, found
from tests.release.answering import answering, frozen_answering

MEASURE = "evaluation differences"
ROW = "{measure: evaluation differences, at_most: 0}"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("bakery")


@pytest.fixture(scope="module")
def loaded(place):
    return answering(place, rows=ROW)


@pytest.fixture(scope="module")
def folder(place, loaded):
    with pytest.MonkeyPatch.context() as patch:
        return frozen_answering(loaded, place, patch)


@pytest.fixture(scope="module")
def record(loaded, folder) -> RepeatedObserved:
    return repeated(loaded, folder)


@pytest.fixture(scope="module")
def asking(loaded, folder) -> Asking:
    parts = {name: folder / name for name in ("world", "lexical", "passages")}
    return Asking.load(loaded.manifest, World.load(folder / "world"), parts)


def lines(asking: Asking, *, audit: bool = True):
    world = answers_world()
    return evidence_lines(asking, world.task("answers"), world, audit=audit)


def test_two_processes_write_the_same_to_the_byte(record):
    """Other hash seeds, other numbers of threads: the same evidence, a line for every judged question."""
    assert record.first == record.second and record.digests[0] == record.digests[1]
    assert len(record.first) > 5 and differing(record.first, record.second) == ()
    one, two = PROCESSES
    assert all(one[name] != two[name] for name in ("PYTHONHASHSEED", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"))


@pytest.mark.parametrize("name", SPOILT)
def test_a_process_that_was_spoilt_for_real_is_caught(record, name):
    """An unseeded step, the order of a set, a warm cache: run in both processes, each differs, and its gate refuses."""
    first, second = record.spoilt[name]
    assert len(differing(first, second)) >= len(first) / 3 > 0
    trial, row = sound(queries=20).with_study("repeated", record), check(MEASURE)
    clean = found(row, trial, named(name))
    spoilt = found(row, trial, named(name), now=named(name).plant(trial, 1.0))
    assert clean.verdict is Verdict.PASS, clean.reason
    assert caught(named(name), spoilt, sound=clean)


def test_every_spoilt_reader_is_a_defect_of_the_gate():
    """What is run in the children is what the gate is shown."""
    assert {one.name for one in owners(MEASURE)} == set(SPOILT)


def test_an_evaluation_here_is_that_of_the_children(record, asking):
    """What the children wrote is what this process finds: the study looks at the release, not at itself."""
    here = by_question(lines(asking))
    assert {name: here[name] for name in by_question(record.first)} == by_question(record.first)


def test_a_cache_that_heeds_the_switch_is_no_difference(asking, tmp_path):
    """EVAL_DISABLE_CACHE=1 asks again and gives the same; the same cache without it gives something else."""
    def twice(environ, name):
        reader = WarmCache(ExtractiveReader(), tmp_path / name, environ)
        return lines(replace(asking, reader=reader)), lines(replace(asking, reader=reader))

    assert differing(*twice({"EVAL_DISABLE_CACHE": "1"}, "off")) == () and not (tmp_path / "off").exists()
    assert differing(*twice({}, "on"))


def test_prompts_leave_their_digests_where_they_are_audited(asking):
    """PROMPT_AUDIT adds the prompt's digest, which no two questions share; without it there is none."""
    told = [json.loads(line) for line in lines(asking)]
    assert len({row["prompt_sha256"] for row in told}) == len(told) and told[0]["few_shot_ids"] == []
    assert set(SHARES) <= set(told[0]) and "total_ms" not in told[0]
    assert "prompt_sha256" not in lines(asking, audit=False)[0]


def test_the_audit_is_written_beside_what_was_frozen(loaded, place, record, monkeypatch):
    """A row a question in prompt_audit.jsonl, and the record in the trial."""
    monkeypatch.chdir(place)
    monkeypatch.setattr("harness.hunting.repeating.repeated", lambda *_: record)
    trial = sound(queries=20)
    live = replace(trial, candidate=replace(trial.candidate, live=object()))
    assert with_repeated(loaded, live).candidate.studies["repeated"] is record
    rows = [json.loads(line) for line in (place / "artifacts" / "bakery" / AUDIT).read_text().splitlines()]
    assert len(rows) == len(record.first) and set(rows[0]) == {"query_id", "prompt_sha256", "few_shot_ids"}
    assert with_repeated(loaded, trial) is trial  # nothing of it lives


@pytest.mark.parametrize(("code", "told"), [
    ("import sys; sys.exit('no passages')", "the evaluating process failed: no passages"), ("", "evidence.jsonl")])
def test_a_process_that_fails_or_writes_nothing_is_an_error(loaded, folder, monkeypatch, code, told):
    """What was not evaluated is no sameness: one line says why."""
    monkeypatch.setattr("harness.hunting.repeating._spawn", lambda *_: subprocess.Popen(
        [sys.executable, "-S", "-c", code], stderr=subprocess.PIPE))
    with pytest.raises(InputError, match=told) as error:
        repeated(loaded, folder)
    assert "\n" not in str(error.value)


# counted


def value(first, second) -> float:
    trial = sound(queries=20).with_study("repeated", RepeatedObserved(first, second))
    return read(trial, check(MEASURE)).estimate.value


def test_differences_are_counted_by_question():
    """A changed number, a question that one lacks, one that only the other has; and an order that moved is all."""
    one = lines_of(questions=4)
    assert value(one, one) == 0.0
    assert value(one, (one[0].replace("Answer 0.", "Another."), *one[1:])) == 1.0
    assert value(one, one[1:]) == value(one[1:], one) == 1.0
    assert value(one, one[::-1]) == 4.0


def test_nothing_that_was_evaluated_proves_nothing():
    """Two processes that wrote nothing agree, and do not pass."""
    trial = sound(queries=20).with_study("repeated", replace(repeated_of(), first=(), second=()))
    assert found(check(MEASURE), trial, named("answers_unseeded")).verdict is not Verdict.PASS


@pytest.mark.parametrize("bad", [("torn",), ("{}",), ("[]",), lines_of(questions=1) * 2])
def test_a_line_that_is_none_is_an_error(bad):
    """Torn lines, lines without a question, a question twice."""
    with pytest.raises(InputError, match="row"):
        differing(bad, lines_of(questions=1))


@pytest.mark.worlds
@pytest.mark.parametrize("samples", [False, True])
def test_a_model_over_http_repeats_itself_or_is_caught(folder, tmp_path, monkeypatch, samples):
    """One process asks after the other, at temperature 0 with the seed; a server that samples all the same is seen."""
    drawn = count()
    if samples:
        sound_text = openai_server._extracted
        monkeypatch.setattr(openai_server, "_extracted", lambda asked: f"{next(drawn)} {sound_text(asked)}")
    with openai_server.model_server() as server:
        reader = f"{{impl: http, model: tiny, url: '{server.url}', documents: 5, passages: 3, limits: {{retries: 0}}}}"
        record = repeated(answering(tmp_path, reader=reader, rows=ROW), folder)
        assert {(one.sent["temperature"], one.sent["seed"]) for one in server.seen} == {(0, 42)}
        assert max(one.under_way for one in server.seen) == 1
    assert len(differing(record.first, record.second)) == (len(record.first) if samples else 0)
    assert all(differing(*record.spoilt[name]) for name in SPOILT)
