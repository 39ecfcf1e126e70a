"""What `signoff status` shows: each item of the checklist with its state, and what follows from all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.errors import Exit
from harness.release.approvals_counted import Standing, approve_command
from harness.release.checklist import asked_for
from harness.release.judge import Finding, Verdict
from harness.release.manifest import Loaded
from harness.release.policy import Check

__all__ = ["OTHERS", "STATES", "StatusRow", "exit_of", "next_steps", "status_rows"]

State = Literal["done", "refused", "inconclusive", "missing"]
STATES: tuple[State, ...] = ("done", "refused", "inconclusive", "missing")
OTHERS = "(every other gate)"


@dataclass(frozen=True)
class StatusRow:
    """One item: its state, the findings of the gates that it waits for, or how its approvals stand.

    `standing` is None for an automatic item, and for a human one whose approvals cannot be believed.
    """

    item: str
    state: State
    checks: tuple[Check, ...] = ()
    findings: tuple[Finding, ...] = ()
    standing: Standing | None = None
    asks: str | None = None


def status_rows(loaded: Loaded, findings: Mapping[str, Finding], standings: Sequence[Standing]
                ) -> tuple[StatusRow, ...]:
    """The items in the manifest's order, then every gate of the policy that no item waits for.

    `findings` are the evidence's by check id, empty where there is none to be believed; so are `standings`.
    """
    manifest, by_item = loaded.manifest, {one.item.item: one for one in standings}
    waits = asked_for(manifest.checklist, manifest.checks)
    rows = []
    for one in manifest.checklist:
        standing = by_item.get(one.item)
        if one.human:
            done = standing is not None and standing.done
            rows.append(StatusRow(one.item, "done" if done else "missing", standing=standing, asks=one.asks))
        else:
            rows.append(_automatic(one.item, waits[one.item], findings, excuses=False))
    listed = {check.id for checks in waits.values() for check in checks}
    others = tuple(check for check in manifest.checks if check.id not in listed)
    return (*rows, *([_automatic(OTHERS, others, findings, excuses=True)] if others else []))


def exit_of(rows: Sequence[StatusRow], problems: Sequence[str]) -> Exit:
    """12 where something is not to be believed, 10 where a gate refused, 11 where anything is left, else 0."""
    states = {one.state for one in rows}
    if problems:
        return Exit.INVALID
    if "refused" in states:
        return Exit.REFUSED
    return Exit.PASSED if states == {"done"} else Exit.INCONCLUSIVE


def next_steps(loaded: Loaded, rows: Sequence[StatusRow], *, signed: bool) -> list[str]:
    """Commands that bring the list forward, in the order in which they are best given."""
    gates = [one for one in rows if one.checks and one.state != "done"]
    approvals = [approve_command(loaded, one.standing.item) for one in rows
                 if one.standing is not None and not one.standing.done]
    steps = [f"signoff gates {loaded.path}"] if gates else []
    steps += approvals
    if not steps:
        steps = [f"signoff verify {loaded.path}" if signed else f"signoff sign {loaded.path}"]
    return steps


def _automatic(item: str, checks: tuple[Check, ...], findings: Mapping[str, Finding], *, excuses: bool) -> StatusRow:
    """An item on the list is done when all of its gates passed; of the rest, what the policy excuses is no obstacle."""
    found = tuple(findings[check.id] for check in checks if check.id in findings)
    verdicts = {Verdict.PASS if excuses and not one.blocks else one.verdict for one in found}
    if Verdict.REFUSE in verdicts:
        state: State = "refused"
    elif len(found) < len(checks):
        state = "missing"
    else:
        state = "inconclusive" if Verdict.INCONCLUSIVE in verdicts else "done"
    return StatusRow(item, state, checks, found)
