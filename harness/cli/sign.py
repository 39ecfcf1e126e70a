"""`signoff sign MANIFEST`: derive the verdict from the evidence again, and sign the release if it passes."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import JsonFlag, console, print_json
from harness.data.store import atomic_write_bytes
from harness.errors import EvidenceError
from harness.release.attest import bundle_path, hash_subjects, sign_release
from harness.release.keys import SigningKey, load_key, signing_key
from harness.release.manifest import load_manifest

__all__ = ["command"]


def command(
    manifest: Annotated[Path, typer.Argument(help="The release's manifest.")],
    *,
    key: Annotated[list[Path] | None, typer.Option(help="Private key file; repeatable. Default: SIGNOFF_KEY, else "
                                                        "a development key made on first use.")] = None,
    evidence: Annotated[Path | None, typer.Option(help="Default: reports/RELEASE/evidence.jsonl.")] = None,
    artifacts: Annotated[Path | None, typer.Option(help="Default: artifacts/RELEASE.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Default: signed/RELEASE.intoto.jsonl by the manifest.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign a release whose evidence passes: 10 refused, 11 inconclusive, 12 evidence not to be believed."""
    loaded = load_manifest(manifest)
    release = loaded.manifest.release
    source = evidence or Path("reports") / release / "evidence.jsonl"
    raw = _read(source, manifest)
    subjects = hash_subjects(loaded, artifacts or Path("artifacts") / release)
    keys = [load_key(path) for path in key] if key else [signing_key(None, os.environ)]
    signed = sign_release(loaded, raw, subjects, keys, now=datetime.now(UTC), where=source)
    target = atomic_write_bytes(bundle or bundle_path(loaded), signed)
    _tell(release, target, keys, len(subjects), as_json=as_json)


def _read(source: Path, manifest: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise EvidenceError("no evidence", where=source, expected="the file that gates write",
                            found=error.strerror or str(error), hint=f"signoff gates {manifest}") from None


def _tell(release: str, target: Path, keys: list[SigningKey], subjects: int, *, as_json: bool) -> None:
    development = any(key.development for key in keys)
    if as_json:
        print_json({"signed": True, "release": release, "bundle": target, "development": development,
                    "keys": [{"name": key.name, "keyid": key.keyid} for key in keys], "subjects": subjects})
        return
    out = console()
    names = ", ".join(f"{key.name} ({key.keyid[:12]})" for key in keys)
    out.print(f"{release} signed by {names} over {subjects} subjects: {target}", markup=False, soft_wrap=True)
    if development:
        out.print("DEVELOPMENT KEY: this shows that nothing changes from here on, not that anyone stands for it.",
                  style="bold yellow", soft_wrap=True)
