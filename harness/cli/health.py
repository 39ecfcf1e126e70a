"""`signoff health MANIFEST`: is a release that answers fit to be evaluated? Each fault says what to do about it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonFlag, console, own_code, print_json, tell
from harness.errors import Exit, InputError

if TYPE_CHECKING:
    from harness.release.health import HealthObserved

__all__ = ["command"]


def command(
    manifest: Annotated[Path, typer.Argument(help="The release's manifest, with parts.reader, frozen before.")],
    *,
    as_json: JsonFlag = False,
) -> int:
    """Environment, database, model, frozen bytes, run manifest, token budget, prefixes, stages: builds nothing.

    0 where all is well, 12 where bytes are not those that were frozen, else 2.
    """
    from harness.release.health import UnhealthyError

    name, record = _looked_at(manifest)
    code = UnhealthyError(record.faults, release=name).exit_code if record.faults else Exit.PASSED
    if as_json:
        print_json({"release": name, "healthy": not record.faults, "exit_code": int(code),
                    "checks": [one._asdict() for one in record.checks]})
        return int(code)
    out = console()
    passed = len(record.checks) - len(record.faults)
    out.print(f"{name}: {passed} of {len(record.checks)} checks passed", markup=False, soft_wrap=True)
    for one in record.checks:
        out.print(f"  {'ok  ' if one.good else 'FAIL'} {one.line}", markup=False, soft_wrap=True)
    if record.faults:
        out.print("  nothing is evaluated until each of these is mended", markup=False, soft_wrap=True)
    return int(code)


def _looked_at(manifest: Path) -> tuple[str, HealthObserved]:
    """The release's name and all its checks. Raises InputError for a release that does not answer."""
    from harness.release.health import HealthObserved, healthy, reads, ready
    from harness.release.manifest import load_manifest
    from harness.release.observing import ARTIFACTS
    from harness.release.overrides import overridden
    from harness.release.switches import DEFAULTS

    loaded = overridden(load_manifest(manifest), os.environ)
    name = loaded.manifest.release
    if not reads(loaded):
        raise InputError("nothing answers", where=manifest, column="parts.reader", found=None,
                         expected="a release with a reader; signoff diagnose looks into others")
    own_code()
    tell(f"looking after the health of {name}")
    before = ready(loaded, DEFAULTS | os.environ).checks
    found = HealthObserved((*before, *healthy(loaded, ARTIFACTS / name).checks))
    tell("")
    return name, found
