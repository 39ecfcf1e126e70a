"""Traces of tool calls: OpenAI-style messages in JSON lines, each call beside the schema of its tool and its outcome.

A line is a message: `{"role": "assistant", "content": "Intent: …", "tool_calls": [{"id", "type", "function": {"name",
"arguments"}}]}` or `{"role": "tool", "tool_call_id", "content"}`; others are passed over. The first line may be the
tools, `{"tools": [...]}`, as a request names them. Beyond OpenAI's keys a message may say its `session`, and that it
is a `probe`: a call that is wrong on purpose and must be refused. A tool says `"mutating": true`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.data.canonical import strict_json
from harness.data.files import read_text
from harness.data.store import atomic_write_text, sha256_bytes
from harness.errors import InputError, nearest
from harness.release.schema_patterns import bounded_validator, schema_fault

__all__ = ["DRY_RUN", "FILE", "Call", "ToolTrace", "conforms", "read_tools", "read_trace", "tools_of", "trace_of",
           "write_trace"]

FILE = "tool_trace.jsonl"
DRY_RUN = "dry_run"  # the argument by which a mutating call asks what it would do
_INTENT = re.compile(r"^[^\S\n]*(?:tool[ -])?intent[^\S\n]*:[^\n]*?[^\W_]", re.IGNORECASE | re.MULTILINE)
_FAILED = ("error", "refused")
Tools = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Call:
    """One call of a tool.

    Attributes:
        id: Its id, unique in the trace.
        session: Within which calls resemble each other; "" where none is told.
        tool: The name that was called.
        arguments: What was given; None where that is no JSON object.
        intent: Whether the message says why.
        probe: Whether it is wrong on purpose.
        outcome: `answered`, `failed` (an answer that is an object with `error` or `refused`), or `unknown`.
        answered_at: Number of the message that holds the answer; None where nobody answered.
        at: Number of its own message.
    """

    id: str
    session: str
    tool: str
    arguments: Mapping[str, Any] | None
    intent: bool
    probe: bool
    outcome: str
    answered_at: int | None = field(default=None, compare=False)
    at: int = field(default=0, compare=False)

    @property
    def dry(self) -> bool:
        """Whether it asks only what would be done."""
        return self.arguments is not None and self.arguments.get(DRY_RUN) is True


@dataclass(frozen=True)
class ToolTrace:
    """Tools by name, calls in their order, and the messages that they were read from."""

    tools: Tools
    calls: tuple[Call, ...]
    messages: tuple[Mapping[str, Any], ...]

    def mutating(self, call: Call) -> bool:
        """Whether a call changes something; one of an unknown tool may, and one that is dry off its schema."""
        return not self.tries(call) and bool(self.tools.get(call.tool, {"mutating": True}).get("mutating", False))

    def tries(self, call: Call) -> bool:
        """Whether a call is a dry run: a tool that names its arguments, and not this one, would overlook it."""
        named = self.tools.get(call.tool, {}).get("parameters", {}).get("properties", {DRY_RUN: {}})
        return call.dry and DRY_RUN in named and conforms(self.tools, call.tool, call.arguments) is None


def read_trace(path: Path | str, *, tools: Path | str | None = None) -> ToolTrace:
    """A trace from its file; the tools from theirs where one is named, else from the first line.

    Raises:
        InputError: By file and line: not JSON, no message, a call without an id or with one twice, an answer to no
            call, no call at all, no tools, other tools than the named ones, a body that is not of its digest.
    """
    lines = [line for line in read_text(path).split("\n") if line.strip()]  # a text may hold U+2028
    rows = [strict_json(line, where=f"{path}, line {number}") for number, line in enumerate(lines, start=1)]
    head = rows[0] if rows and isinstance(rows[0], dict) and "tools" in rows[0] else None
    if head is not None and "sha256" in head and head["sha256"] != (found := _digest(head["tools"], lines[1:])):
        raise InputError("not the calls that were written", where=path, expected=head["sha256"], found=found)
    named = None if tools is None else read_tools(tools)
    told = None if head is None else tools_of(head["tools"], where=f"{path}, line 1")
    if named is None and told is None:
        raise InputError("no tools", where=path, row=1, expected='a first line {"tools": [...]}, or a file of tools')
    if named is not None and told is not None and named != told:
        raise InputError("other tools than the manifest names", where=path, row=1, expected=", ".join(named),
                         found=", ".join(told))
    return trace_of(rows if head is None else rows[1:], (named if named is not None else told) or {}, where=path,
                    first=1 if head is None else 2)


def trace_of(messages: Sequence[Any], tools: Tools, *, where: object = "trace", first: int = 1) -> ToolTrace:
    """Messages as a trace; `first` is the number of the first message's line. Raises InputError as `read_trace`.

    >>> call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    >>> said = {"role": "assistant", "content": "Intent: see what serves", "tool_calls": [call]}
    >>> [(one.tool, one.intent, one.outcome) for one in trace_of([said], {"look": {"parameters": {}}}).calls]
    [('look', True, 'unknown')]
    """
    outcomes, asked = _outcomes(messages, where, first), {}
    for row, message in enumerate(messages, start=first):
        for call in message.get("tool_calls") or ():
            one = _call(call, message, outcomes, where, row)
            if one.id in asked:
                raise InputError("a call's id stands twice", where=where, row=row, expected="each id once",
                                 found=one.id)
            asked[one.id] = one
    if not asked:
        raise InputError("no tool was called", where=where, expected="messages with tool_calls", found=len(messages))
    if stray := sorted(set(outcomes) - set(asked)):
        raise InputError("an answer to no call", where=where, expected="the id of a call", found=stray[0],
                         hint=nearest(stray[0], asked))
    return ToolTrace(tools, tuple(asked.values()), tuple(messages))


def read_tools(path: Path | str) -> dict[str, Mapping[str, Any]]:
    """Tools from JSON lines, a tool each as a request names it. Raises InputError where one is none."""
    lines = [line for line in read_text(path).split("\n") if line.strip()]
    return tools_of([strict_json(line, where=f"{path}, line {number}") for number, line in enumerate(lines, start=1)],
                    where=path)


def tools_of(told: Any, *, where: object = "tools") -> dict[str, Mapping[str, Any]]:
    """Name → function, of a list of `{"type": "function", "function": {"name", "parameters"}}`.

    Raises:
        InputError: Not such a list, a name twice, no parameters, or a schema that is none.

    >>> list(tools_of([{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]))
    ['look']
    """
    found: dict[str, Mapping[str, Any]] = {}
    for row, one in enumerate(told if isinstance(told, list) else [told], start=1):
        function = one.get("function") if isinstance(one, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(function, dict) or not isinstance(name, str) or not name or name in found:
            raise InputError("not a tool", where=where, row=row, expected='{"function": {"name", "parameters"}}, '
                             "each name once", found=str(name or one)[:80])
        schema = function.get("parameters")
        if not isinstance(schema, dict) or not isinstance(function.get("mutating", False), bool):
            raise InputError("a tool without a schema", where=where, row=row, column=name,
                             expected="parameters: a JSON Schema; mutating, where it stands: true or false")
        if (fault := schema_fault(schema)) is not None:
            raise InputError("not a JSON Schema", where=where, row=row, column=name, found=fault,
                             expected="draft 2020-12, with patterns that end")
        found[name] = function
    return found


def conforms(tools: Tools, tool: str, arguments: Mapping[str, Any] | None) -> str | None:
    """None where a call is of a known tool and its arguments of its schema; else what is wrong, in one line.

    >>> known = {"look": {"parameters": {"type": "object", "required": ["at"]}}}
    >>> conforms(known, "look", {"at": 1}), conforms(known, "lok", {}), conforms(known, "look", {})
    (None, 'no such tool: lok', "'at' is a required property")
    """
    from jsonschema.exceptions import best_match
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    if tool not in tools:
        return f"no such tool: {tool}"
    if arguments is None:
        return "arguments are no JSON object"
    checker = bounded_validator()(tools[tool]["parameters"], registry=Registry())  # nothing is fetched
    try:
        fault = best_match(checker.iter_errors(dict(arguments)))
    except Unresolvable as error:
        return f"its schema leads nowhere: {error.ref}"
    except (RecursionError, ArithmeticError, ValueError) as error:  # it never ends, or counts past all bounds
        return f"cannot be held to its schema: {type(error).__name__}"
    return None if fault is None else fault.message.splitlines()[0][:200]


def write_trace(path: Path, tools: Iterable[Mapping[str, Any]], messages: Iterable[Mapping[str, Any]]) -> Path:
    """Write tools and messages as a trace, whole or not at all, under the body's digest. Returns the path."""
    lines = [json.dumps(one) for one in messages]  # ASCII: half a pair of surrogates is no UTF-8
    listed = [{"type": "function", "function": dict(one)} for one in tools]
    head = json.dumps({"tools": listed, "sha256": _digest(listed, lines)})
    return atomic_write_text(path, "\n".join([head, *lines]) + "\n")


def _digest(tools: object, lines: Sequence[str]) -> str:
    return sha256_bytes("\n".join([json.dumps(tools, sort_keys=True), *lines]).encode("utf-8"))


def _outcomes(messages: Sequence[Any], where: object, first: int) -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    for row, message in enumerate(messages, start=first):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise InputError("not a message", where=where, row=row, expected='{"role": …}', found=str(message)[:80])
        if not isinstance(message.get("tool_calls") or (), list | tuple):
            raise InputError("not calls", where=where, row=row, column="tool_calls", expected="a list",
                             found=str(message["tool_calls"])[:80])
        if message["role"] == "tool":
            name = message.get("tool_call_id")
            if not isinstance(name, str) or name in found:
                raise InputError("not an answer to a call", where=where, row=row, column="tool_call_id",
                                 expected="the id of a call, each once", found=name)
            found[name] = ("failed" if _failed(message.get("content")) else "answered"), row
    return found


def _failed(content: Any) -> bool:
    """Whether an answer says that nothing was done: `"error": null` beside a result says the contrary."""
    told = _object(content)
    return told is not None and any(told.get(key) not in (None, False, "") for key in _FAILED)


def _call(call: Any, message: Mapping[str, Any], outcomes: Mapping[str, tuple[str, int]], where: object,
          row: int) -> Call:
    function = call.get("function") if isinstance(call, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not isinstance(call.get("id"), str):
        raise InputError("not a call", where=where, row=row, column="tool_calls", found=str(call)[:80],
                         expected='{"id", "type": "function", "function": {"name", "arguments"}}')
    after: int | None
    said, (outcome, after) = message.get("content"), outcomes.get(call["id"], ("unknown", None))
    return Call(call["id"], str(message.get("session", "")), name, _object(function.get("arguments")),
                isinstance(said, str) and _INTENT.search(said) is not None, message.get("probe") is True,
                outcome, after, row)


def _object(text: Any) -> dict[str, Any] | None:
    """The object that a JSON text says; None where it says none, or says one ambiguously."""
    try:
        told = strict_json(text, where="arguments") if isinstance(text, str) else None
    except InputError:
        return None
    return told if isinstance(told, dict) else None
