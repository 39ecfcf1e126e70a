"""The governed registry: what it refuses, in which order, and what it writes of every call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from harness.errors import InputError
from harness.governance.registry import Registry, Tool
from harness.release.measures.governed import CONFORMANCE, EXAMPLES, reading
from harness.release.policy import Check, Limit
from harness.release.studied.governed import governed_of
from harness.release.tool_traces import read_trace

PLACE = {"place": {"type": "string"}}


class Shelf:
    """What a tool changes: a list of places."""

    def __init__(self) -> None:
        self.held: list[str] = []

    def put(self, said: Mapping[str, Any], dry: bool) -> Mapping[str, Any]:
        if said["place"] == "nowhere":
            raise InputError("no such place", where="/home" + "/ada/shelf", found=said["place"])
        if said["place"] == "broken":
            raise RuntimeError("ada's shelf fell down")
        if not dry:
            self.held.append(said["place"])
        return {"held": len(self.held)}


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def registry(shelf) -> Registry:
    return Registry([Tool("put", "Put something there.", PLACE, shelf.put, mutating=True),
                     Tool("count", "Count what is there.", {}, lambda _said, _dry: {"held": len(shelf.held)})])


def figures(registry: Registry) -> dict[str, float]:
    """The gates' own numbers of what was called."""
    record = governed_of(registry.trace())
    return {name: reading(record, Check(name, name, None, "all", Limit("at_least", 0.0, "value"))).estimate.value
            for name in EXAMPLES}


def test_a_change_needs_the_same_call_dry_before_it_each_time(registry, shelf):
    """Other arguments, another session and a second change on one dry run are refused; nothing is done then."""
    dry = {"place": "a", "dry_run": True}
    assert registry.call("put", dry, intent="try it", session="one").good and shelf.held == []
    for arguments, session in (({"place": "b"}, "one"), ({"place": "a"}, "two")):
        assert "not tried dry" in registry.call("put", arguments, intent="do it", session=session).why
    assert registry.call("put", {"place": "a"}, intent="do it", session="one").good and shelf.held == ["a"]
    assert "not tried dry" in registry.call("put", {"place": "a"}, intent="again", session="one").why
    assert shelf.held == ["a"] and figures(registry)["mutations without dry run"] == 0.0


def test_a_dry_run_that_failed_allows_nothing(registry, shelf):
    """The tool refused it dry: in earnest it is refused for that."""
    assert registry.call("put", {"place": "nowhere", "dry_run": True}, intent="try").why == "no such place"
    assert "not tried dry" in registry.call("put", {"place": "nowhere"}, intent="do").why and shelf.held == []


@pytest.mark.parametrize(("tool", "arguments", "why"), [
    ("putt", {"place": "a"}, "no such tool"), ("count", {"place": "a"}, "Additional properties"),
    ("put", {}, "'place' is a required property"), ("put", {"place": 3}, "is not of type 'string'"),
    ("count", "{", "no JSON object"), ("count", "[]", "no JSON object"),
    ("count", '{"a": 1, "a": 2}', "no JSON object"),
    ("put", {"place": "a", "dry_run": "yes"}, "is not of type 'boolean'"),
    ("put", {"place": "ada@example.org", "dry_run": True}, "address of a person")])
def test_wrong_calls_are_refused_and_written(registry, shelf, tool, arguments, why):
    """By schema or by content; the tool never runs, and the trace holds the refusal."""
    outcome = registry.call(tool, arguments, intent="try it")
    assert not outcome.good and why in outcome.why and shelf.held == []
    (call,) = registry.trace().calls
    assert call.outcome == "failed" and call.tool == tool


def test_what_breaks_in_a_tool_is_a_refusal_and_tells_no_more_than_its_kind(registry):
    """Neither a path nor a message of the machine's own gets into the trace."""
    assert registry.call("put", {"place": "broken", "dry_run": True}, intent="try").why == "broke: RuntimeError"
    registry.call("put", {"place": "nowhere", "dry_run": True}, intent="try")
    text = json.dumps(registry.trace().messages)
    assert "ada" not in text and "/home" not in text


def test_a_trace_holds_no_address_and_results_as_digests_alone(registry, tmp_path):
    """Addresses in intent and arguments are struck out; what a tool found is there as a digest."""
    registry.call("count", {}, intent="as ada@example.org asked, +44 20 7946 0958")
    registry.call("put", {"place": "bob@example.org"}, intent="try")
    text = registry.write(tmp_path / "trace.jsonl").read_text(encoding="utf-8")
    assert "example.org" not in text and "7946" not in text and text.count("struck out") == 3
    answer = json.loads(read_trace(tmp_path / "trace.jsonl").messages[1]["content"])
    assert list(answer) == ["sha256"]


def test_a_registry_that_looks_at_nothing_is_caught_by_the_gates(registry, monkeypatch):
    """Its twin runs whatever it is told: each of the four figures shows it."""
    sound = dict.fromkeys(EXAMPLES, 0.0) | {CONFORMANCE: 1.0}
    calls = [("put", {"place": "a", "dry_run": True}, "try", False), ("put", {"place": "a"}, "do", False),
             ("put", {"place": "b"}, "do", True)]
    for tool, arguments, intent, probe in calls:
        registry.call(tool, arguments, intent=intent, probe=probe)
    assert figures(registry) == sound
    tools = registry._tools
    monkeypatch.setattr(Registry, "_outcome", lambda self, tool, text, intent, session: _blind(tools, text))
    for arguments, intent, probe in (({"place": "c"}, "do", False), ({"place": "c", "sure": True}, "", False),
                                     ({"place": "d"}, "do", True)):
        registry.call("put", arguments, intent=intent, probe=probe)
    now = figures(registry)
    assert now["mutations without dry run"] == 2.0 and now["calls without intent"] == 1.0
    assert now["probes let through"] == 1.0 and now[CONFORMANCE] == pytest.approx(3 / 4)


def _blind(tools: Mapping[str, Tool], text: str) -> Any:
    from harness.governance.registry import Outcome

    return Outcome(True, tools["put"].run(json.loads(text), False))
