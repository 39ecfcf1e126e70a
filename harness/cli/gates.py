"""`signoff gates`: run every gate of a manifest in a child process, show what was decided, and sign on request."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, print_json
from harness.cli.running import GateRun, manifests_here, run_gates
from harness.errors import Exit, SignoffError
from harness.release.manifest import load_manifest

__all__ = ["command"]

_GRAVITY = (Exit.PASSED, Exit.INCONCLUSIVE, Exit.REFUSED, Exit.USAGE, Exit.INVALID)


def command(
    manifests: Annotated[list[Path] | None, typer.Argument(
        metavar="[MANIFEST]...", show_default=False,
        help="Manifests to gate; all of manifests/*.yaml when none is given.")] = None,
    *,
    sign: Annotated[bool, typer.Option("--sign", help="Sign each release that passes, then verify it.")] = False,
    key: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Signing key. Default: SIGNOFF_KEY, else a development key.")] = None,
    as_json: JsonFlag = False,
) -> int:
    """Run every gate of each manifest: 0 passed, 10 refused, 11 inconclusive, 12 evidence invalid, 2 bad input."""
    chosen = manifests or manifests_here()
    if len(chosen) == 1:
        told = [_one(chosen[0], key, sign=sign, as_json=as_json)]
    else:
        told = [_told(manifest, key, sign=sign, as_json=as_json) for manifest in chosen]
    if as_json:
        print_json(told)
    return int(max((row["exit_code"] for row in told), key=_GRAVITY.index))


def _told(manifest: Path, key: Path | None, *, sign: bool, as_json: bool) -> dict[str, Any]:
    """One of several: an input that cannot be read is told, counted, and keeps no other manifest from its gates."""
    try:
        return _one(manifest, key, sign=sign, as_json=as_json)
    except SignoffError as error:
        console(as_json=True).print(f"signoff: {error}", markup=False, soft_wrap=True)
        return {"manifest": manifest, "error": str(error), "exit_code": int(error.exit_code)}


def _one(manifest: Path, key: Path | None, *, sign: bool, as_json: bool) -> dict[str, Any]:
    if sign:
        from harness.cli.signing import can_sign

        can_sign(load_manifest(manifest), key)
    run = run_gates(manifest)
    _write(run, None)  # before anything is signed: a run that cannot be reported signs nothing
    code, signed = _signed(run, key) if sign and run.exit_code is Exit.PASSED else (run.exit_code, None)
    _show(run, signed, as_json=as_json)
    return {"release": run.loaded.manifest.release, "verdict": run.verdict.name, "exit_code": int(code),
            "evidence_digest": run.digest, "findings": list(run.evidence.findings), "signed": signed,
            "reports": run.folder}


def _signed(run: GateRun, key: Path | None) -> tuple[Exit, str | None]:
    from harness.cli.signing import sign_and_verify

    try:
        return Exit.PASSED, sign_and_verify(run, key)
    except SignoffError as error:
        console(as_json=True).print(f"signoff: {error}", markup=False, soft_wrap=True)
        return error.exit_code, None


def _write(run: GateRun, signed: str | None) -> None:
    from harness.cli.status_facts import checklist_facts
    from harness.release.evidence import finding_of
    from harness.report.write import write_reports

    facts = {"seconds": run.seconds, "policy": run.loaded.path.name, "evidence, timings apart": run.digest,
             **checklist_facts(run.loaded, map(finding_of, run.evidence.findings))}
    write_reports(run.shown, run.folder, signed=signed, facts=facts)


def _show(run: GateRun, signed: str | None, *, as_json: bool) -> None:
    from harness.report.table import terminal_table

    out = console(as_json=as_json)
    out.print()
    terminal_table(run.shown, out, signed=signed)
    if signed is not None:
        _write(run, signed)
    if run.other is not None:
        out.print(f"Measured was {run.other}, which the environment made of {run.loaded.manifest.release} (RERANKER or "
                  "RETRIEVER_IMPL is set): a trial, never signed.", markup=False, soft_wrap=True)
    out.print(f"{run.seconds:.0f} s; evidence, timings apart: {run.digest[:16]}; report: "
              f"{run.folder / 'report.html'}", markup=False)
