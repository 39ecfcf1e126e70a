"""`signoff sustain MANIFEST`: one cycle over today's data, ending in a new manifest for the gates; never signs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, print_json

__all__ = ["command"]


def command(
    manifest: Annotated[Path, typer.Argument(help="The manifest of the release that is sustained.")],
    *,
    every: Annotated[str | None, typer.Option(metavar="6w", help="Run nothing: print the lines that schedule it.")
                     ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="State, pool, artifacts and gallery of the cycle. "
                                                                 "Default: reports/RELEASE/sustain.")] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Begin again, whatever an unfinished cycle left.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Refresh, audit again, coverage, gating, artifacts, candidate: resumed where it stopped; the release stays."""
    if every is not None:
        _schedule(every, manifest, as_json=as_json)
        return
    from harness.cli.sustaining import sustained

    document = sustained(manifest, out, now=datetime.now(UTC), anew=anew)
    if as_json:
        print_json(document)
    else:
        _tell(document)


def _schedule(every: str, manifest: Path, *, as_json: bool) -> None:
    from harness.release.manifest import load_manifest
    from harness.release.sustaining import schedule

    cron, lines = schedule(every, load_manifest(manifest).path)
    if as_json:
        print_json({"every": every, "cron": cron, "ci": lines})
        return
    out = console()
    for line in ("# crontab -e, from the checkout's folder", cron, "", "# .github/workflows/sustain.yml", lines):
        out.print(line, markup=False, soft_wrap=True)


def _tell(document: dict[str, Any]) -> None:
    out = console()
    for step in document["steps"]:
        out.print(f"{step['name']}{' (done before)' if step['kept'] else ''}: {step['result']['said']}", markup=False,
                  soft_wrap=True)
        for row in step["result"].get("lines", ()):
            out.print(f"  {row}", markup=False, soft_wrap=True)
    out.print(f"→ Nothing is signed. The gates decide: signoff gates {document['candidate']}", markup=False,
              soft_wrap=True)
