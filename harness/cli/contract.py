"""`signoff contract MANIFEST`: what the last gate run showed, as a contract, with what will watch it live."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonFlag, console, print_json, prose
from harness.errors import Exit, UsageError

if TYPE_CHECKING:
    from harness.release.contract import ReleaseContract
    from harness.release.manifest import Loaded

__all__ = ["command"]


_Evidence = Annotated[Path | None, typer.Option(
    help="Default: reports/RELEASE/evidence.jsonl, else the signed bundle's.")]
_Runbooks = Annotated[Path | None, typer.Option(
    metavar="DIR", help="Write the runbooks of the policy's guards there, and nothing else.")]


def command(
    manifest: Annotated[Path, typer.Argument(help="The release's manifest.")],
    *,
    evidence: _Evidence = None,
    artifacts: Annotated[Path | None, typer.Option(help="What was gated. Default: artifacts/RELEASE.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Default: artifacts/RELEASE.")] = None,
    runbooks: _Runbooks = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing: is what lies there still this?")] = False,
    as_json: JsonFlag = False,
) -> int:
    """Write contract, monitoring configuration and gallery: 0 holds, 10 refused, 11 inconclusive, 12 not believed."""
    from harness.cli.contracting import Places, checked, made, written
    from harness.release.manifest import load_manifest

    loaded = load_manifest(manifest)
    if runbooks is not None:
        return _runbooks(loaded, runbooks, check=check, as_json=as_json)
    places = Places.of(loaded, evidence=evidence, artifacts=artifacts, out=out)
    found = made(loaded, places)
    files = checked(loaded, found, places) if check else written(loaded, found, places)
    if as_json:
        print_json({**found.contract.document, "checked": check, "files": files})
    else:
        _tell(found.contract, files, loaded, check=check)
    return int((Exit.PASSED, Exit.INCONCLUSIVE, Exit.REFUSED)[found.contract.verdict])


def _runbooks(loaded: Loaded, folder: Path, *, check: bool, as_json: bool) -> int:
    from harness.cli.app import VERBS
    from harness.data.store import atomic_write_text
    from harness.report.runbooks import runbooks_of

    if check:
        raise UsageError("contract: --runbooks writes, --check writes nothing: give one of them")
    pages = runbooks_of(loaded.manifest, path=loaded.path.as_posix(), verbs=VERBS)
    files = [atomic_write_text(folder / name, text) for name, text in pages.items()]
    if as_json:
        print_json({"release": loaded.manifest.release, "files": files})
    else:
        prose(console(), f"{len(files)} runbooks of {loaded.manifest.release} written to {folder}")
    return int(Exit.PASSED)


def _tell(contract: ReleaseContract, files: list[Path], loaded: Loaded, *, check: bool) -> None:
    out, clauses = console(), contract.clauses
    held = sum(one.holds for one in clauses)
    guarded = sum(one.guard is not None for one in clauses)
    prose(out, f"{contract.release}: the contract {'holds' if contract.holds else 'does NOT hold'}: {held} of "
               f"{len(clauses)} clauses shown", style="green" if contract.holds else "bold red")
    for one in clauses:
        if one.finding.blocks:
            prose(out, f"  {one.finding.verdict.name} {one.finding.check.id}: {one.finding.reason}")
    signed = "signed" if contract.signed is not None else f"not signed (signoff sign {loaded.path})"
    prose(out, f"  {signed}; {guarded} clause{'' if guarded == 1 else 's'} watched live; "
               + ("who decides is named" if contract.charter else "nobody is named to decide (`contract:`)"))
    for path in files:
        out.print(f"  {'unchanged' if check else 'written'}: {path}", markup=False, soft_wrap=True)
