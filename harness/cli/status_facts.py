"""The checklist as a report of a gate run shows it: one line an item, as things stand when it is written."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from harness.cli.approve_files import believed_by
from harness.cli.status_rows import StatusRow, status_rows
from harness.errors import SignoffError
from harness.release.approvals_counted import Standing, approve_command, standings_of
from harness.release.checklist import human_items
from harness.release.judge import Finding, Verdict
from harness.release.manifest import Loaded
from harness.release.predicates import time_text
from harness.release.standing import approvals_beside, trust_beside

__all__ = ["awaited", "checklist_facts"]


def checklist_facts(loaded: Loaded, findings: Iterable[Finding]) -> dict[str, str]:
    """Item → its state in words; empty where the manifest has no checklist. Approvals not believed are said so."""
    if not loaded.manifest.checklist:
        return {}
    standings: tuple[Standing, ...] = ()
    problem = ""
    try:
        if human_items(loaded.manifest.checklist):
            filed = approvals_beside(loaded)
            standings = standings_of(filed, manifest=loaded, trust=believed_by(trust_beside(loaded), filed),
                                     now=datetime.now(UTC))
    except SignoffError as error:
        problem = f"not believed: {error}"
    rows = status_rows(loaded, {one.check.id: one for one in findings}, standings)
    return {f"checklist, {row.item}": _words(row, problem) for row in rows}


def awaited(loaded: Loaded) -> list[str]:
    """Commands that approve what people have still to approve; what shows why, where the approvals are not believed."""
    if not human_items(loaded.manifest.checklist):
        return []
    try:
        filed = approvals_beside(loaded)
        standings = standings_of(filed, manifest=loaded, trust=believed_by(trust_beside(loaded), filed),
                                 now=datetime.now(UTC))
    except SignoffError:
        return [f"signoff status {loaded.path}"]
    return [approve_command(loaded, one.item) for one in standings if not one.done]


def _words(row: StatusRow, problem: str) -> str:
    if row.asks is None:
        passed = sum(one.verdict is Verdict.PASS for one in row.findings)
        return f"{row.state}: {passed} of {len(row.checks)} gates passed"
    if row.standing is None:
        return f"{row.state}: {row.asks}; {problem}"
    by = ", ".join(f"{one.key.name} {time_text(one.when)}" for one in row.standing.approvals)
    return f"{row.state}: {row.asks}; {f'approved by {by}' if row.standing.done else row.standing.words}"
