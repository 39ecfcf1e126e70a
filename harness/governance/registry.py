"""A governed registry of tools: what may be called, with which arguments, and that every call leaves its trace.

In order, a call is refused that names no known tool, whose arguments are not of the schema, that does not say why, or
that changes something and was not tried dry just so before. A dry run allows one change. What a tool refuses itself is
refused too, and what breaks in it is an error. Call and outcome are written either way, the outcome as a digest, and
what looks like an address of a person is struck out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.data.canonical import digest_of, strict_json
from harness.errors import EvidenceError, InputError, SignoffError
from harness.release.tool_traces import DRY_RUN, ToolTrace, conforms, tools_of, trace_of, write_trace

__all__ = ["Outcome", "Registry", "Tool"]

_PERSON = re.compile(r"(?<![^\s@\"])[^\s@\"]+@[^\s@\"]+\.[^\s@\"]+|\+\d[\d ()/-]{7,}\d")
Run = Callable[[Mapping[str, Any], bool], Mapping[str, Any]]


@dataclass(frozen=True)
class Tool:
    """A tool: its name, what it does, its arguments by JSON Schema, and what runs it.

    Attributes:
        name: As it is called.
        description: One sentence.
        properties: Name of an argument → its schema; every one is required, others are none.
        run: Takes the arguments and whether it is a dry run, and returns plain values.
        mutating: Whether it changes something: then it takes `dry_run` too.
    """

    name: str
    description: str
    properties: Mapping[str, Any]
    run: Run
    mutating: bool = False

    @property
    def function(self) -> dict[str, Any]:
        """The tool as a request names it."""
        own = dict(self.properties) | ({DRY_RUN: {"type": "boolean"}} if self.mutating else {})
        schema = {"type": "object", "properties": own, "required": list(self.properties),
                  "additionalProperties": False}
        return {"name": self.name, "description": self.description, "parameters": schema, "mutating": self.mutating}


@dataclass(frozen=True)
class Outcome:
    """What became of a call: its values, or why there are none."""

    good: bool
    values: Mapping[str, Any] = field(default_factory=dict)
    why: str = ""


class Registry:
    """Tools by name, and the messages of every call so far.

    >>> registry = Registry([Tool("look", "See what serves.", {}, lambda _, dry: {"serves": "t1"})])
    >>> registry.call("look", {}, intent="see what serves").values["serves"]
    't1'
    >>> registry.call("look", {"at": 1}, intent="see").why, registry.call("look", {}, intent="").why
    ("Additional properties are not allowed ('at' was unexpected)", 'no line of intent')
    >>> [call.outcome for call in registry.trace().calls]
    ['answered', 'failed', 'failed']
    """

    def __init__(self, tools: Sequence[Tool]) -> None:
        """Take the tools. Raises InputError where a name stands twice or a schema is none."""
        self._tools = {one.name: one for one in tools}
        self.functions = tools_of([{"type": "function", "function": one.function} for one in tools])
        self._messages: list[Mapping[str, Any]] = []
        self._tried: set[str] = set()
        self._calls = 0

    def call(self, tool: str, arguments: Mapping[str, Any] | str, *, intent: str, session: str = "",
             probe: bool = False) -> Outcome:
        """Call a tool, or refuse to; either way the call and its outcome are in the trace.

        Args:
            tool: Its name.
            arguments: An object, or the JSON text of one as a model wrote it.
            intent: Why, in one line.
            session: Within which a dry run counts.
            probe: That the call is wrong on purpose.
        """
        self._calls += 1
        name = f"call-{self._calls:04d}"
        text = arguments if isinstance(arguments, str) else json.dumps(dict(arguments), sort_keys=True)
        told = _object(text)
        if told is not None and _PERSON.search(shown := json.dumps(told, ensure_ascii=False)):
            text = shown  # an address behind escapes is one
        outcome = self._outcome(tool, text, intent, session)
        self._write(name, tool, text, intent, session, probe=probe)
        answer = {"sha256": digest_of(outcome.values)} if outcome.good else {"refused": _struck(outcome.why)}
        self._messages.append({"role": "tool", "tool_call_id": name, "content": json.dumps(answer)})
        return outcome

    def trace(self) -> ToolTrace:
        """Every call so far. Raises InputError before the first."""
        return trace_of(self._messages, self.functions)

    def write(self, path: Path) -> Path:
        """Write the trace, whole or not at all; returns the path."""
        return write_trace(path, self.functions.values(), self._messages)

    def _outcome(self, tool: str, text: str, intent: str, session: str) -> Outcome:
        arguments = _object(text)
        fault = conforms(self.functions, tool, arguments)
        if fault is not None or arguments is None:
            return Outcome(False, why=fault or "arguments are no JSON object")
        if not any(sign.isalnum() for sign in intent):
            return Outcome(False, why="no line of intent")
        if _PERSON.search(text):
            return Outcome(False, why="arguments look like an address of a person")
        dry = arguments.pop(DRY_RUN, False)
        key = digest_of([session, tool, arguments])
        if self._tools[tool].mutating and not dry and key not in self._tried:
            return Outcome(False, why="changes something and was not tried dry before: call it with dry_run first")
        self._tried.discard(key)
        outcome = _run(self._tools[tool], arguments, dry=dry)
        if dry and outcome.good:
            self._tried.add(key)
        return outcome

    def _write(self, name: str, tool: str, text: str, intent: str, session: str, *, probe: bool) -> None:
        said = f"Intent: {_struck(' '.join(intent.split()))}" if intent.strip() else ""
        call = {"id": name, "type": "function", "function": {"name": tool, "arguments": _struck(text)}}
        message: dict[str, Any] = {"role": "assistant", "content": said, "session": session, "tool_calls": [call]}
        self._messages.append(message | ({"probe": True} if probe else {}))


def _run(tool: Tool, arguments: Mapping[str, Any], *, dry: bool) -> Outcome:
    try:
        values = tool.run(arguments, dry)
        digest_of(values)  # what cannot be written is a fault of the tool, and told as one
        return Outcome(True, values)
    except (InputError, EvidenceError) as error:
        return Outcome(False, why=error.what)  # without the path, which is the machine's own
    except SignoffError as error:
        return Outcome(False, why=type(error).__name__)
    except Exception as error:  # a tool that breaks must not break the night, and is not let pass
        return Outcome(False, why=f"broke: {type(error).__name__}")


def _object(text: str) -> dict[str, Any] | None:
    try:
        told = strict_json(text, where="arguments")
    except InputError:
        return None
    return told if isinstance(told, dict) else None


def _struck(text: str) -> str:
    return _PERSON.sub("[struck out]", text)
