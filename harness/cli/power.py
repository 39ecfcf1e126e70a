"""`signoff power`: how large a defect must be for each gate to refuse it, and how often a sound release is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, plain, print_json
from harness.errors import Exit

if TYPE_CHECKING:
    from harness.cli.power_study import Studied
    from harness.defects.power_run import Size

__all__ = ["command"]

REPORTS = Path("reports")
LEAST = 59  # fewer trials cannot show .95: all of 58 caught still allows .9497


def command(
    manifest: Annotated[Path, typer.Argument(help="The release's manifest.")],
    *,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer trials and severities, no rebuilds.")] = False,
    trials: Annotated[int | None, typer.Option(min=LEAST, help="At each severity; 200, with --quick 60.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of all trials. Default: the manifest's.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Processes. Default: one a core.")] = None,
    rebuilds: Annotated[int | None, typer.Option(min=0, help="Of a live release; 20, with --quick 0.")] = None,
    gate: Annotated[list[str] | None, typer.Option(metavar="ID", help="Only this gate; repeatable.")] = None,
    defect: Annotated[list[str] | None, typer.Option(metavar="NAME", help="This defect, on gates that own it.")] = None,
    as_json: JsonFlag = False,
) -> int:
    """Exit 0 where every gate catches its defect and refuses no more sound releases than its share; else 10 or 11."""
    from harness.defects.power_run import Size

    size = Size(60, 100, 5, 0, quick=True) if quick else Size()
    size = size._replace(trials=trials or size.trials, rebuilds=size.rebuilds if rebuilds is None else rebuilds)
    found, folder, seconds = _run(manifest, gate, defect, size, seed=seed, jobs=jobs or os.cpu_count() or 1)
    if as_json:
        print_json(_document(found))
    else:
        _show(found, folder, seconds)
    return int((Exit.PASSED, Exit.INCONCLUSIVE, Exit.REFUSED)[found.verdict])


def _run(manifest: Path, gates: list[str] | None, defects: list[str] | None, size: Size, *, seed: int | None,
         jobs: int) -> tuple[Studied, Path, float]:
    from harness.cli.power_study import studied, wanted
    from harness.release.manifest import load_manifest
    from harness.release.overrides import overridden

    started = monotonic()
    loaded = overridden(load_manifest(manifest), os.environ)
    found = studied(loaded, wanted(loaded.manifest.checks, gates, defects), size, processes=jobs,
                    seed=loaded.manifest.seed if seed is None else seed)
    return found, _kept(found, REPORTS / loaded.manifest.release / "power"), monotonic() - started


def _document(found: Studied) -> dict[str, Any]:
    """What `power.json` holds: no time, no path, so that one seed gives the same bytes."""
    from harness.defects.power import CATCH
    from harness.report.power import power_document

    return {"release": found.release, "seed": found.seed, "trials": found.trials, "catch": CATCH,
            "verdict": found.verdict, "facts": found.facts, "gates": power_document(found.gates)}


def _kept(found: Studied, folder: Path) -> Path:
    """power.json, one picture a gate, and the page that shows them; older pictures go."""
    from harness.data.store import atomic_write_text, unlisted
    from harness.defects.power_pool import interrupts_held
    from harness.report.power import picture_name, power_markdown
    from harness.report.power_pictures import power_svg

    text = json.dumps(plain(_document(found)), indent=1, ensure_ascii=False, allow_nan=False)
    pages = {picture_name(one): power_svg(one) for one in found.gates if one.points}
    pages["power.md"] = power_markdown(found.gates, release=found.release, facts=found.facts)
    unlisted(REPORTS)
    with interrupts_held():  # the page, its pictures and the numbers are of one study
        for name, page in {**pages, "power.json": text + "\n"}.items():
            atomic_write_text(folder / name, page)
        for old in folder.glob("*.svg"):
            if old.name not in pages:
                old.unlink()
    return folder


def _show(found: Studied, folder: Path, seconds: float) -> None:
    from harness.report.power import next_steps, power_table

    out = console()
    out.print(power_table(found.gates))
    shown = sum(one.verdict.name == "PASS" for one in found.gates)
    out.print(f"{found.release}: {shown} of {len(found.gates)} gates catch their defect and spare what is sound "
              f"({found.verdict.name})", markup=False)
    for fact in found.facts:
        out.print(f"- {fact}", markup=False)
    for number, step in enumerate(next_steps(found.gates)):
        out.print(f"{'Next: ' if not number else '      '}{step}", markup=False)
    out.print(f"{seconds:.0f} s; {folder}/power.md, power.json and a picture a gate", markup=False, soft_wrap=True)
