"""Traces that make a change look tried, refused or reasoned: each counts as what it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from fixtures.governed import TOOLS, messages_of
from harness.errors import InputError
from harness.governance.registry import Registry, Tool
from harness.release.audit_trail import read_trail, record
from harness.release.measures.governed import CONFORMANCE, INTENT, MUTATIONS, PROBES
from harness.release.studied.governed import governed_of
from harness.release.tool_traces import conforms, read_trace, tools_of, trace_of, write_trace
from tests.release.test_tool_traces import DRY, KNOWN, REAL, value


def faults(messages, measure=MUTATIONS, tools=KNOWN):
    return value(governed_of(trace_of(messages, tools)), measure)


def test_a_dry_run_that_was_answered_only_after_the_change_allows_nothing():
    """Nobody had seen what it would do; in its order the same four messages are sound."""
    dry, dried, real, done = messages_of(DRY, REAL)
    assert faults([dry, dried, real, done]) == 0
    assert faults([dry, real, dried, done]) == faults([dry, real, done, dried]) == 1
    both = {**dry, "tool_calls": [*dry["tool_calls"], *real["tool_calls"]]}
    assert faults([both, dried, done]) == 1


def test_a_late_dry_run_takes_nothing_from_one_that_was_answered_in_time():
    """Two dry runs, the second answered after the change: the first one allows it."""
    first, seen, real, done = messages_of(DRY, REAL)
    again, late = ({**one, **change} for one, change in zip(messages_of(DRY), (
        {"tool_calls": [{**first["tool_calls"][0], "id": "again"}]}, {"tool_call_id": "again"}), strict=True))
    assert faults([first, seen, again, real, done, late]) == 0


@pytest.mark.parametrize("answer", ['{"ok": true, "error": null}', '{"serves": "b", "error": ""}',
                                    '{"refused": false}'])
def test_an_answer_without_an_error_in_it_is_no_refusal(answer):
    """A key `error` that holds nothing stands beside the results of many tools: the change was made."""
    assert faults(messages_of(REAL, answers=answer)) == 1
    assert faults(messages_of(DRY, REAL, answers=answer)) == 0
    assert faults(messages_of(REAL, answers=answer, probe=True), PROBES) == 1


def test_a_dry_run_that_the_tool_does_not_know_is_a_change():
    """`dry_run` is overlooked where the schema names arguments and not this one, and refused nothing off its schema."""
    for closed in ({}, {"additionalProperties": False}):
        schema = {"type": "object", "properties": {"to": {"type": "string"}}, **closed}
        tools = tools_of([{"function": {"name": "flip", "mutating": True, "parameters": schema}}])
        assert faults(messages_of(DRY), tools=tools) == 1
    assert faults(messages_of(("flip", '{"dry_run": true}'), ("flip", "{}"))) == 2  # off the schema: `to` is required


def test_arguments_that_are_no_object_were_never_tried():
    """A dry run without arguments allows no call whose arguments cannot be read."""
    tools = tools_of([{"function": {"name": "flip", "mutating": True, "parameters": {}}}])
    assert faults(messages_of(("flip", '{"dry_run": true}'), ("flip", "to b, please")), tools=tools) == 1


@pytest.mark.parametrize("said", ["Intent:\n\nand now to something else", "Intent: -", "Intent: \u200b", "Intent: …"])
def test_an_intent_says_a_word_on_its_own_line(said):
    """What follows in another line is no reason, nor is a sign."""
    assert faults(messages_of(DRY, content=said), INTENT) == 1


@pytest.mark.parametrize("schema", [
    {"$ref": "#"}, {"allOf": [{"$ref": "#"}]}, {"$id": "http://[", "$ref": "x"},
    {"properties": {"to": {"multipleOf": 0.1}}}])
def test_a_schema_that_cannot_be_held_to_is_conformed_to_by_nothing(schema):
    """Endless, nowhere or past all bounds: told in a line, counted as off the schema, and nothing falls over."""
    tools = tools_of([{"function": {"name": "flip", "parameters": schema}}])
    assert str(conforms(tools, "flip", {"to": 10**400})).startswith("cannot be held to its schema: ")
    assert faults(messages_of(("flip", f'{{"to": {10**400}}}')), CONFORMANCE, tools) == 0


@pytest.mark.parametrize("sign", ["\u2028", "\u0085", "\x0b", "\ud800"])
def test_a_trace_is_cut_at_line_feeds_alone(sign, tmp_path):
    """Whatever else ends a line somewhere, or is half a sign, stands in a message and comes back."""
    messages = messages_of(DRY, REAL, content=f"Intent: go{sign} back")
    assert list(read_trace(write_trace(tmp_path / "t.jsonl", KNOWN.values(), messages)).messages) == messages
    raw = [json.dumps(one, ensure_ascii=sign == "\ud800") for one in ({"tools": TOOLS}, *messages)]  # another writer's
    (tmp_path / "raw.jsonl").write_text("\n".join(raw), encoding="utf-8")
    assert list(read_trace(tmp_path / "raw.jsonl").messages) == messages


@pytest.mark.parametrize("calls", [5, True, "x"])
def test_calls_that_are_no_list_are_one_line(calls):
    """By row and column."""
    with pytest.raises(InputError, match="row 1, column tool_calls: not calls; expected a list"):
        trace_of([{"role": "assistant", "tool_calls": calls}], KNOWN)


def test_a_registry_lets_no_sign_pass_for_a_reason_and_reads_long_arguments_at_once():
    """As the trace's reader has it; a megabyte does not take its square."""
    registry = Registry([Tool("look", "See.", {"at": {"type": "string"}}, lambda *_: {})])
    assert registry.call("look", {"at": "x"}, intent=" - ").why == "no line of intent"
    assert registry.call("look", {"at": "x" * 1_000_000}, intent="see").good
    told = registry.call("look", {"at": "x" * 1_000_000 + " ada@example.org"}, intent="see")
    assert told.why == "arguments look like an address of a person"


def test_a_trail_holds_whatever_a_command_was_called_with(tmp_path):
    """Lines within a word, bytes that are no text: the next row finds the trail whole."""
    (tmp_path / "run_manifest.json").write_text('{"CONFIG_HASH": "cc", "git_commit": null}', encoding="utf-8")
    for word in ("a\u2028b", "a\x85b", "a\udcffb"):
        file = record(tmp_path, who="ada", when=datetime(2025, 3, 1, tzinfo=UTC), command=["freeze", word])
    assert [row["command"] for row in read_trail(file)] == ["freeze a\u2028b", "freeze a\x85b", "freeze a\udcffb"]


def test_an_address_behind_escapes_is_refused_and_struck_out():
    """JSON may write any sign as its number; what is read is what is looked at, and what is kept."""
    registry = Registry([Tool("look", "See.", {"at": {"type": "string"}}, lambda *_: {})])
    told = registry.call("look", '{"at": "ada\\u0040example.org"}', intent="see")
    assert told.why == "arguments look like an address of a person"
    assert "example.org" not in json.dumps(registry.trace().messages)


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_a_result_that_cannot_be_written_is_the_tools_fault(value):
    """The night goes on, and the trace has its answer."""
    registry = Registry([Tool("look", "See.", {}, lambda *_: {"value": value})])
    assert not registry.call("look", {}, intent="see").good
    assert [one.outcome for one in registry.trace().calls] == ["failed"]


@pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)+$", "^(?:(?:a*)b?)*$", "a*a*a*b", "^((a{1,99}){1,99})$",
                                     "a" * 501])
def test_a_pattern_that_may_never_end_is_refused_when_it_is_read(pattern):
    """One line with the pattern, as a pattern of a text, of names, or deep in the schema; nothing is matched."""
    for held in ({"pattern": pattern}, {"patternProperties": {pattern: {}}}, {"$defs": {"x": {"pattern": pattern}}}):
        with pytest.raises(InputError, match="pattern ") as told:
            tools_of([{"type": "function", "function": {"name": "x", "parameters": {"allOf": [held]}}}])
        assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("pattern", ["^[0-9a-f]{64}$", "^[a-z]+$", "^(stable|candidate)$", r"^\d{4}-\d{2}$",
                                     "^v?[0-9]+$", "^(ab)+$"])
def test_usual_patterns_are_held_and_long_texts_are_not(pattern):
    """A digest, a word, a choice; a text without measure is refused unread, a name too."""
    held = {"properties": {"to": {"pattern": pattern}}, "patternProperties": {pattern: {}}}
    tools = tools_of([{"type": "function", "function": {"name": "x", "parameters": held}}])
    assert conforms(tools, "x", {"to": "?"}) is not None
    assert conforms(tools, "x", {"to": "a" * 2000}) == "2000 signs are too many for a pattern: at most 1000"
    assert conforms(tools, "x", {"a" * 2000: 1}) == "2000 signs are too many for a pattern: at most 1000"
