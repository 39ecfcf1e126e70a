"""The study `governed`: how tools were called, from a trace of one's own or of the nightly suites.

Of live parts without a trace the suites are run by `harness.governance.driving`, a floor above this one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import InputError, nearest
from harness.records import Ids
from harness.release.measures.governed import owns
from harness.release.observed import Bools
from harness.release.studied.slices import require_slices
from harness.release.tool_traces import DRY_RUN, FILE, Call, ToolTrace, conforms, read_trace, write_trace
from harness.shown import brief

if TYPE_CHECKING:
    from harness.release.manifest import Loaded, Manifest

__all__ = ["ARTIFACTS", "GovernedObserved", "governed_of", "kept", "recorded", "wanted"]

ARTIFACTS = Path("artifacts")


@dataclass(frozen=True, eq=False)
class GovernedObserved:
    """A row is one call of a tool, in the trace's order; columns are (n,).

    Attributes:
        tools: The name that was called.
        sessions: Labels within which calls resemble each other.
        conforming: True where the tool is known and the arguments are of its schema.
        mutating: True where the call changes something: no dry run, and not refused.
        dry_first: True where the very same call was tried dry before it, for this one call.
        intended: True where a line says why.
        probes: True where the call is wrong on purpose.
        refused: True where the answer was that it failed or was refused.
        slices: Slices of the calls, by name.
    """

    tools: Ids
    sessions: Ids
    conforming: Bools
    mutating: Bools
    dry_first: Bools
    intended: Bools
    probes: Bools
    refused: Bools
    slices: Mapping[str, Bools] = field(default_factory=dict)

    __repr__ = brief

    def __len__(self) -> int:
        return len(self.tools)

    def rows(self, name: str) -> Bools:
        """(n,) true for the calls of a slice, probes among them. Raises InputError for one that there is not."""
        if name == "all":
            return np.ones(len(self), dtype=np.bool_)
        if name not in self.slices:
            known = ["all", *self.slices]
            raise InputError("no such slice", where="tool calls", expected=f"one of {', '.join(known)}", found=name,
                             hint=nearest(name, known))
        return np.asarray(self.slices[name], dtype=np.bool_)


def wanted(manifest: Manifest) -> bool:
    """Whether a row of the policy reads this study."""
    return any(check.own_gate is None and owns(check.measure) for check in manifest.checks)


def recorded(loaded: Loaded, tell: Callable[[str], None]) -> GovernedObserved:
    """The trace that a manifest names. Raises InputError where it names none, or it cannot be believed."""
    options = loaded.manifest.studies.governed
    if options.trace is None:
        raise InputError("no trace of tool calls", where=loaded.path, column="studies.governed.trace", found=None,
                         expected="a file of messages with tool calls (jsonl)")
    tell("reading tool calls")
    tools = None if options.tools is None else loaded.folder / options.tools.path
    return kept(loaded, read_trace(loaded.folder / options.trace.path, tools=tools))


def kept(loaded: Loaded, trace: ToolTrace) -> GovernedObserved:
    """A trace's record, its slices as the policy asks; the trace itself is kept beside the artifacts."""
    record = governed_of(trace)
    require_slices(loaded, owns, lambda _: tuple(record.slices))
    write_trace(ARTIFACTS / loaded.manifest.release / FILE, trace.tools.values(), trace.messages)
    return record


def governed_of(trace: ToolTrace) -> GovernedObserved:
    """A trace as a record: every call held to its schema, every change to the dry run before it.

    A dry run allows one change: of the same tool, with the same arguments, in the same session, after it was answered.
    What nobody answered may have been done.

    >>> from harness.release.tool_traces import trace_of
    >>> def said(id, arguments):
    ...     call = {"id": id, "function": {"name": "flip", "arguments": arguments}}
    ...     return {"role": "assistant", "content": "Intent: go back", "tool_calls": [call]}
    >>> answer = {"role": "tool", "tool_call_id": "1", "content": "{}"}
    >>> tools = {"flip": {"parameters": {}, "mutating": True}}
    >>> calls = [said("1", '{"dry_run": true}'), answer, said("2", "{}"), said("3", "{}")]
    >>> found = governed_of(trace_of(calls, tools))
    >>> found.mutating.tolist(), found.dry_first.tolist()
    ([False, True, True], [False, True, False])
    """
    calls = trace.calls
    tools, sessions = (np.array([getattr(one, name) for one in calls], dtype=object) for name in ("tool", "session"))
    refused = _mask(one.outcome == "failed" for one in calls)
    slices = {f"tool={name}": np.asarray(tools == name) for name in sorted(set(tools.tolist()))}
    slices |= {f"session={name}": np.asarray(sessions == name) for name in sorted(set(sessions.tolist())) if name}
    return GovernedObserved(
        tools, sessions, _mask(conforms(trace.tools, one.tool, one.arguments) is None for one in calls),
        _mask(trace.mutating(one) for one in calls) & ~refused, _dry_first(trace),
        _mask(one.intent for one in calls), _mask(one.probe for one in calls), refused, slices)


def _dry_first(trace: ToolTrace) -> Bools:
    tried: dict[tuple[str, str, str], int] = {}  # to the message that answered the dry run
    found = np.zeros(len(trace.calls), dtype=np.bool_)
    for row, call in enumerate(trace.calls):
        key = _key(call)
        if trace.tries(call):
            if call.outcome == "answered" and call.answered_at is not None:
                tried[key] = min(call.answered_at, tried.get(key, call.answered_at))
        elif trace.mutating(call) and call.arguments is not None and key in tried:
            found[row] = tried.pop(key) < call.at  # who did not wait for the answer did not look at it
    return found


def _key(call: Call) -> tuple[str, str, str]:
    same = {name: value for name, value in (call.arguments or {}).items() if name != DRY_RUN}
    return call.session, call.tool, json.dumps(same, sort_keys=True)


def _mask(values: object) -> Bools:
    return np.fromiter(values, dtype=np.bool_)  # type: ignore[call-overload, no-any-return] # an iterator of bools
