"""`signoff gates`: run every gate of a manifest in a child process, show what was decided, and sign on request."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import JsonFlag, console, print_json
from harness.cli.running import GateRun, manifests_here, run_gates
from harness.errors import Exit, SignoffError

__all__ = ["command"]


def command(
    manifests: Annotated[list[Path] | None, typer.Argument(metavar="[MANIFEST]...", show_default=False,
                         help="Manifests to gate; all of manifests/*.yaml when none is given.")] = None,
    sign: Annotated[bool, typer.Option("--sign", help="Sign each release that passes, then verify it.")] = False,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="Signing key (default: SIGNOFF_KEY, else a "
                   "development key).")] = None,
    as_json: JsonFlag = False,
) -> int:
    """Run every gate of a manifest; exit 0 passed, 10 refused, 11 inconclusive, 12 evidence invalid, 2 bad input."""
    told, codes = [], []
    for manifest in manifests or manifests_here():
        run = run_gates(manifest)
        code, signed = _signed(run, key) if sign and run.exit_code is Exit.PASSED else (run.exit_code, None)
        _show(run, signed, as_json=as_json)
        told.append({"release": run.loaded.manifest.release, "verdict": run.verdict.name, "exit_code": int(code),
                     "findings": list(run.evidence.findings), "signed": signed, "reports": str(run.folder)})
        codes.append(code)
    if as_json:
        print_json(told)
    return int(max(codes, key=_gravity))


def _signed(run: GateRun, key: Path | None) -> tuple[Exit, str | None]:
    from harness.cli.sign import sign_run

    try:
        return Exit.PASSED, str(sign_run(run.loaded, run.raw, key=key))
    except SignoffError as error:
        console(as_json=True).print(f"signoff: {error}")
        return error.exit_code, None


def _show(run: GateRun, signed: str | None, *, as_json: bool) -> None:
    from harness.report.table import terminal_table
    from harness.report.write import write_reports

    out = console(as_json=as_json)
    terminal_table(run.evidence, out, signed=signed)
    write_reports(run.evidence, run.folder, signed=signed)
    out.print(f"report: {run.folder / 'report.html'}")


def _gravity(code: Exit) -> int:
    return [Exit.PASSED, Exit.INCONCLUSIVE, Exit.REFUSED, Exit.USAGE, Exit.INVALID].index(code)
