"""`signoff status MANIFEST`: the release's whole checklist, who or what did each item, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, print_json
from harness.cli.contracting import Places
from harness.cli.status_read import Believed, believed
from harness.cli.status_rows import STATES, StatusRow, exit_of, next_steps, status_rows
from harness.errors import Exit
from harness.release.judge import Finding, Verdict
from harness.release.manifest import Loaded, load_manifest
from harness.release.predicates import time_text

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["command"]

_STYLE = {"done": "green", "refused": "bold red", "inconclusive": "yellow", "missing": "yellow"}


def command(
    manifest: Annotated[Path, typer.Argument(help="The release's manifest.")],
    *,
    evidence: Annotated[Path | None, typer.Option(
        help="Default: reports/RELEASE/evidence.jsonl, else the signed bundle's.")] = None,
    artifacts: Annotated[Path | None, typer.Option(help="Default: artifacts/RELEASE.")] = None,
    as_json: JsonFlag = False,
) -> int:
    """Show the checklist: 0 all done, 10 something refused, 11 something missing or open, 12 not to be believed."""
    loaded = load_manifest(manifest)
    found = believed(loaded, Places.of(loaded, evidence=evidence, artifacts=artifacts), now=datetime.now(UTC))
    rows = status_rows(loaded, found.findings, found.standings)
    code = exit_of(rows, found.problems)
    steps = next_steps(loaded, rows, signed=found.verified is not None)
    if as_json:
        print_json(_document(loaded, found, rows, steps, code))
    else:
        _tell(loaded, found, rows, steps)
    return int(code)


def _document(loaded: Loaded, found: Believed, rows: Sequence[StatusRow], steps: list[str], code: Exit
              ) -> dict[str, Any]:
    return {"release": loaded.manifest.release, "manifest": loaded.path, "exit_code": int(code),
            "counts": {state: sum(one.state == state for one in rows) for state in STATES},
            "items": [_item(one) for one in rows], "evidence": found.evidence, "set_aside": found.aside,
            "signed": found.verified is not None, "unsigned": found.unsigned or None,
            "integrity_only": found.integrity_only, "problems": found.problems, "next": steps}


def _item(row: StatusRow) -> dict[str, Any]:
    told: dict[str, Any] = {"item": row.item, "state": row.state}
    if row.asks is None:
        by_id = {one.check.id: one for one in row.findings}
        return told | {"gates": [
            {"gate": check.id, "verdict": by_id[check.id].verdict.name if check.id in by_id else None,
             "reason": by_id[check.id].reason if check.id in by_id else None, "required": check.required}
            for check in row.checks]}
    told |= {"asks": row.asks}
    if row.standing is None:
        return told
    return told | {"needs": row.standing.item.needs, "by": row.standing.item.by, "missing": row.standing.missing,
                   "approvals": [{"who": one.key.name, "when": time_text(one.when), "says": one.says}
                                 for one in row.standing.approvals],
                   "not_counted": [{"who": one.key.name, "when": time_text(one.when), "why": why}
                                   for one, why in row.standing.passed_over]}


def _tell(loaded: Loaded, found: Believed, rows: Sequence[StatusRow], steps: list[str]) -> None:
    out, counts = console(), [(state, sum(one.state == state for one in rows)) for state in STATES]
    out.print(f"{loaded.manifest.release}: {', '.join(f'{count} {state}' for state, count in counts if count)} "
              f"({loaded.path})", markup=False)
    out.print(_table(rows))
    if not loaded.manifest.checklist:
        out.print("No checklist in this manifest: the gates of its policy are all there is.", markup=False)
    if found.verified is not None:
        out.print(f"Signed by {', '.join(found.verified.signers)}, {time_text(found.verified.signed_at)}.",
                  markup=False)
    else:
        out.print(f"{found.unsigned[:1].upper()}{found.unsigned[1:]}.", markup=False)
    if found.aside is not None:
        out.print(f"The last run was of another version of this manifest ({found.aside}): what was signed is shown.",
                  markup=False)
    if found.integrity_only:
        out.print("No trust file says who may approve or sign: this shows integrity, not authority.",
                  style="bold yellow")
    for problem in found.problems:
        out.print(f"NOT BELIEVED: {problem}", style="bold red", markup=False)
    for number, step in enumerate(steps):
        out.print(f"{'next: ' if not number else '      '}{step}", markup=False, soft_wrap=True)  # whole, to be copied


def _table(rows: Sequence[StatusRow]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(max_width=24, overflow="fold")
    table.add_column(overflow="fold", ratio=1)
    for row in rows:
        table.add_row(Text(row.state, style=_STYLE[row.state]), Text(row.item), Text("\n".join(_words(row))))
    return table


def _words(row: StatusRow) -> list[str]:
    if row.asks is None:
        return _gate_words(row)
    if row.standing is None:
        return [f"asks: {row.asks}", "its approvals cannot be believed"]
    given = [f"{one.key.name}, {time_text(one.when)}{f': {one.says}' if one.says else ''}"
             for one in row.standing.approvals]
    return [f"asks: {row.asks}", *given] if row.standing.done else [f"asks: {row.asks}", *given, row.standing.words]


def _gate_words(row: StatusRow) -> list[str]:
    passed = sum(one.verdict is Verdict.PASS for one in row.findings)
    lines = [f"{passed} of {len(row.checks)} gate{'' if len(row.checks) == 1 else 's'} passed"
             if row.findings else f"{len(row.checks)} to be measured"]
    return lines + [_finding_words(one) for one in row.findings if one.verdict is not Verdict.PASS]


def _finding_words(one: Finding) -> str:
    why = f" (excused: {one.check.why})" if not one.blocks else ""
    return f"{one.verdict.name} {one.check.id}: {one.reason}{why}"
