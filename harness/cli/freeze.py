"""`signoff freeze`: artifacts with digests and a run manifest, from a manifest; a git tag is offered, not forced."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, print_json
from harness.cli.live import built_live, tell
from harness.errors import InputError
from harness.release.audit_trail import TRAIL, record, whoever
from harness.release.freeze import IN_YAML, RUN_MANIFEST, artifact_sums

__all__ = ["command"]


def command(
    manifest: Annotated[Path, typer.Argument(help="The release's manifest, with live parts.")],
    *,
    tag: Annotated[bool, typer.Option("--tag", help="Also tag the current commit with the release's name.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write artifacts/RELEASE with SHA256SUMS and run_manifest.json, the same in YAML; note who did it."""
    loaded, _, folder = built_live(manifest)
    record(folder, who=whoever(), when=datetime.now(UTC), command=["signoff", "freeze", manifest.as_posix()])
    facts = json.loads((folder / RUN_MANIFEST).read_bytes())
    tell("")
    _, found = artifact_sums(folder)
    name = loaded.manifest.release
    if tag:
        _tag(name, loaded.folder)
    if as_json:
        print_json({"release": name, "folder": folder, "config_hash": loaded.manifest.config_hash, "artifacts": found,
                    "ingest_run_id": facts["INGEST_RUN_ID"], "prompt_hash": facts["prompt_hash"],
                    "tag": name if tag else None})
        return
    _tell(name, folder, found, facts, tagged=tag)


def _tell(name: str, folder: Path, found: dict[str, str], facts: dict[str, Any], *, tagged: bool) -> None:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    lines = (f"{name} frozen: {len(found)} files, {size / 2**20:.1f} MiB, in {folder}",
             f"  CONFIG_HASH {facts['CONFIG_HASH']}", f"  INGEST_RUN_ID {facts['INGEST_RUN_ID']}",
             f"  check the bytes: cd {folder} && sha256sum -c SHA256SUMS; what went in: {RUN_MANIFEST}, {IN_YAML};",
             f"  who froze it, when: {TRAIL}",
             f"  tagged {name}" if tagged else f"  to tag this commit: git tag {name}")
    out = console()
    for line in lines:
        out.print(line, soft_wrap=True)


def _tag(name: str, folder: Path) -> None:
    done = subprocess.run(["git", "tag", "--", name], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError("cannot tag", where="git", expected="a checkout without that tag", found=done.stderr.strip())
