"""The nightly suites: driven for real on a scratch store, they pass where all is sound and fail where it is not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

import harness.governance.tools
from harness.cli.app import main
from harness.errors import UsageError
from harness.governance.driving import night_of, with_governed
from harness.governance.scratch import scratch
from harness.governance.suites import SUITES, Night, run_suites
from harness.governance.tools import Scene
from harness.release.manifest import parse_manifest
from harness.release.measures.governed import CONFORMANCE
from harness.release.observing import observe
from harness.release.studied.governed import governed_of
from harness.release.tool_traces import read_trace
from harness.rollout.pointer import flip as real_flip
from tests.release.small import served, small

QUESTIONS = tuple(f"q{number:02d}" for number in range(40))
GATES = """[{measure: RR, at_least: 0.1}, {measure: tool schema conformance, by: lcb, at_least: 0.95},
  {measure: mutations without dry run, at_most: 0}, {measure: calls without intent, at_most: 0},
  {measure: probes let through, at_most: 0}]"""


def night(names=("all",), asks=lambda _: {"answered": 1.0, "found": 0.5}) -> Night:
    with scratch() as made:
        return run_suites(Scene(made, made.refused["unsigned"], QUESTIONS, asks), names)


def failed(found: Night) -> list[str]:
    return [check.name for _, check in found.checks if not check.good]


def test_a_sound_night_passes_with_enough_calls_to_bound_conformance():
    """Every check of every suite; 59 conforming calls are the fewest that bound 95 %; same night, same bytes."""
    found, again = night(), night()
    assert failed(found) == [] and {name for name, _ in found.checks} == set(SUITES)
    record = governed_of(found.registry.trace())
    assert (~record.probes).sum() >= 59 and record.mutating.sum() >= 4 and record.probes.sum() >= 12
    assert found.registry.trace().messages == again.registry.trace().messages


@pytest.mark.parametrize("name", SUITES)
def test_each_suite_runs_by_itself(name):
    """A suite needs no other before it."""
    assert failed(night([name])) == []


def test_refusals_are_for_the_reason_that_each_probe_has():
    """An unsigned release is refused as unsigned, not for a missing file."""
    told = {check.name: check.told for suite, check in night(["negatives"]).checks}
    assert told["a release nobody signed"] == "refused: not signed"
    assert told["a bundle that is no signature"] == "refused: wrong number of statements"
    assert "not tried dry" in told["flip without a dry run"]
    assert told["a release that was not admitted"] == "refused: not admitted"


def test_a_flip_that_changes_nothing_is_seen(monkeypatch):
    """The tool says it is done and the pointer stands: the database suite fails."""
    def idle(connection, environment, *, stable, **said):
        return replace(real_flip(connection, environment, stable=_serving(connection), **said), stable=stable)

    monkeypatch.setattr(harness.governance.tools, "flip", idle)
    assert "flip" in failed(night(["database"]))


def test_an_admission_that_looks_at_no_signature_is_seen(monkeypatch):
    """Let through: the negatives fail, and so does the gate on probes."""
    class Admitted:
        digest = "f" * 64

    monkeypatch.setattr(harness.governance.tools, "admit", lambda *_, **__: Admitted())
    found = night(["negatives"])
    assert failed(found) == ["a release nobody signed", "a bundle that is no signature"]
    record = governed_of(found.registry.trace())
    assert (record.probes & ~record.refused).sum() == 2


@pytest.mark.parametrize(("asks", "fault"), [(lambda _: {"answered": 0.0}, "answers"), (lambda _: 1 / 0, "answers")])
def test_a_release_that_answers_nothing_or_breaks_fails_the_questions(asks, fault):
    """Nothing answered, or an error a question: neither is a quiet night."""
    assert fault in failed(night(["rag"], asks))


@pytest.mark.parametrize("silent", [lambda query: {"answered": float(query != "q07")},
                                    lambda query: {"answered": 1.0 if query == "q07" else 0.0}])
def test_one_question_without_an_answer_is_no_quiet_night(silent):
    """All must be answered: neither one of many silent nor one of many answered passes."""
    assert failed(night(["rag"], silent)) == ["answers"]


def test_figures_that_change_from_one_time_to_the_next_are_seen():
    """A release that answers otherwise the second time is not deterministic."""
    turns = iter(range(1000))
    assert failed(night(["rag"], lambda _: {"answered": 1.0, "found": float(next(turns) % 7 == 0)})) == ["repeats"]


def test_an_unknown_suite_is_told_with_the_nearest():
    """Before anything is made."""
    with pytest.raises(UsageError, match=r"no such suite: 'databse'.*nearest: database"):
        night(["databse"])


def test_a_live_release_is_driven_and_its_trace_believed(tmp_path, monkeypatch, capsys):
    """Its judged queries are asked; the verb writes the trace and passes; a dead index does not."""
    monkeypatch.chdir(tmp_path)
    loaded = small(tmp_path, policy=GATES)
    assert main(["smoke", str(loaded.path), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["good"] and {one["suite"] for one in told["checks"]} == set(SUITES)
    assert next(one for one in told["governance"] if one["measure"] == CONFORMANCE)["low"] >= 0.95
    assert len(read_trace(told["trace"]).calls) == sum(
        one["calls"] for one in told["governance"] if one["measure"] in {CONFORMANCE, "probes let through"})
    parts, live = served(loaded, tmp_path)
    task = replace(live.world.task("search"), texts=tuple("" for _ in live.world.task("search").texts))
    monkeypatch.setattr(type(live), "search", lambda *_, **__: 1 / 0)
    assert "answers" in failed(night_of(loaded, live, parts.folders, task, ["rag"]))


@pytest.mark.parametrize("words", [(), ("m.yaml", "--env", "prod"), ("--env", "prod", "--suite", "ops"),
                                   ("m.yaml", "--db", "sqlite:///x.db"), ("m.yaml", "--suite", "opps")])
def test_words_that_contradict_each_other_are_one_line(words, capsys):
    """Exit 2, before a file is read."""
    assert main(["smoke", *words]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def _serving(connection):
    from harness.governance.scratch import ENVIRONMENT
    from harness.rollout.pointer import current

    return current(connection, ENVIRONMENT).stable


def test_a_policy_on_tool_calls_is_served_by_the_suites_or_by_the_trace_it_names(tmp_path, monkeypatch):
    """A live trial without a record is driven; a named trace is read instead; one that has its record stays."""
    monkeypatch.chdir(tmp_path)
    loaded = small(tmp_path, policy=GATES)
    trial = observe(loaded)
    driven = with_governed(loaded, trial)
    record = driven.candidate.studies["governed"]
    assert len(record) > 60 and with_governed(loaded, driven) is driven
    written = tmp_path / "artifacts" / "small" / "tool_trace.jsonl"
    assert len(read_trace(written).calls) == len(record)
    written.rename(loaded.folder / "mine.jsonl")
    raw = loaded.raw + b"\nstudies: {governed: {trace: {jsonl: mine.jsonl}}}\n"
    named = replace(loaded, manifest=parse_manifest(raw, where="small"), raw=raw)
    monkeypatch.setattr("harness.governance.driving.night_of", lambda *_, **__: 1 / 0)
    again = with_governed(named, trial).candidate.studies["governed"]
    assert again.tools.tolist() == record.tools.tolist()
    plain = small(tmp_path, name="plain")
    assert with_governed(plain, trial) is trial
