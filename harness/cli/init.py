"""`signoff init [DIR]`: a commented manifest, tox.ini and a CI workflow, written all or not at all; or a demo."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import JsonFlag, console, print_json, prose
from harness.data.store import atomic_write_bytes
from harness.errors import Exit, InputError, SignoffError, UsageError
from harness.release.manifest import parse_manifest

__all__ = ["command", "starter_files"]

_STARTER = Path(__file__).parent / "starter"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def command(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="The repository to begin in.")] = Path(),
    *,
    release: Annotated[str, typer.Option(metavar="NAME", help="Name of the release.")] = "my-release",
    demo_rollout: Annotated[bool, typer.Option(
        "--demo-rollout", help="Instead: two small releases, signed and admitted, one of which turns bad.")] = False,
    as_json: JsonFlag = False,
) -> int:
    """Write a commented manifest, tox.ini and a CI workflow; an existing file is never overwritten."""
    if demo_rollout:
        return _demo(folder, release, as_json=as_json)
    written = _write_all(folder, starter_files(release))
    if as_json:
        print_json({"release": release, "written": written})
        return int(Exit.PASSED)
    _told(folder, written)
    return int(Exit.PASSED)


def _told(folder: Path, written: Sequence[Path]) -> None:
    out = console()
    for path in written:
        out.print(f"wrote {path}", markup=False, soft_wrap=True)
    manifest = next(path for path in written if path.suffix == ".yaml")
    inside = manifest.relative_to(folder)
    entered = "" if folder == Path() else f"  cd {folder}\n"
    out.print()
    prose(out, f"Next: put your judgements and two runs where {manifest} names them, then")
    out.print(f"{entered}  signoff gates {inside}", markup=False, soft_wrap=True)  # whole, to be copied
    prose(out, "Before CI can sign: `signoff keygen`, its public half in manifests/trust.yaml, the key as the secret "
               "SIGNOFF_KEY of an environment named release.")


def _demo(folder: Path, release: str, *, as_json: bool) -> int:
    from harness.cli import init_rollout

    if release != "my-release":
        raise UsageError("init --demo-rollout names its releases itself: leave --release out")
    init_rollout.own_store()
    for made in (folder / name for name in init_rollout.MADE):
        _unused(made)
    _write_all(folder, init_rollout.demo_files())
    return init_rollout.demo_rollout(folder, as_json=as_json)


def starter_files(release: str) -> Mapping[str, bytes]:
    """Relative path → content, for a release of that name. The manifest among them loads."""
    if not _NAME.fullmatch(release) or release == "trust":
        raise UsageError(f"init: {release!r} is no name; expected letters, digits, '.', '_', '-', and not 'trust'")
    manifest = (_STARTER / "manifest.yaml").read_bytes().replace(b"@RELEASE@", release.encode())
    parse_manifest(manifest, where="the starter manifest")
    return {f"manifests/{release}.yaml": manifest, "tox.ini": (_STARTER / "tox.ini").read_bytes(),
            ".github/workflows/signoff.yml": (_STARTER / "signoff.yml").read_bytes()}


def _unused(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise InputError("exists already, so nothing was written; move it away or name another DIR", where=target)


def _write_all(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write every file, or leave the folder as it was."""
    targets = {folder / name: content for name, content in files.items()}
    for target in targets:
        _unused(target)
    missing = [parent for target in targets for parent in target.parents if not parent.exists()]
    written: list[Path] = []
    try:
        for target, content in targets.items():
            written.append(atomic_write_bytes(target, content))
    except SignoffError:
        for target in written:
            target.unlink(missing_ok=True)
        for parent in sorted(set(missing), key=lambda parent: -len(parent.parts)):
            if parent.is_dir():
                parent.rmdir()
        raise
    return written
