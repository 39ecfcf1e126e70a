"""`signoff sign MANIFEST`: derive the verdict from the evidence again, and sign the release if it passes."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.common import JsonFlag, console, print_json
from harness.cli.verify import TRUST_FILE, bundle_bytes, hash_now
from harness.data.store import atomic_write_bytes
from harness.errors import EvidenceError, InputError
from harness.release.attest import bundle_path, countersign, hash_subjects, sign_release
from harness.release.keys import SigningKey, load_key, material_of, signing_key
from harness.release.manifest import Loaded, load_manifest
from harness.release.trust import load_trust
from harness.release.verify import verify

__all__ = ["command"]


def command(
    manifest: Annotated[Path, typer.Argument(help="The release's manifest.")],
    *,
    key: Annotated[list[Path] | None, typer.Option(help="Private key file; repeatable. Default: SIGNOFF_KEY, else "
                                                        "a development key made on first use.")] = None,
    evidence: Annotated[Path | None, typer.Option(help="Default: reports/RELEASE/evidence.jsonl.")] = None,
    artifacts: Annotated[Path | None, typer.Option(help="Default: artifacts/RELEASE.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Default: signed/RELEASE.intoto.jsonl by the manifest.")] = None,
    second: Annotated[bool, typer.Option("--countersign", help="Add a signature to a bundle that verifies.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Sign a release whose evidence passes: 10 refused, 11 inconclusive, 12 evidence not to be believed."""
    loaded = load_manifest(manifest)
    release, target = loaded.manifest.release, bundle or bundle_path(loaded)
    folder = artifacts or Path("artifacts") / release
    if second:
        keys = _keys(key)
        signed = _countersigned(loaded, target, folder, keys)
    else:
        source = evidence or Path("reports") / release / "evidence.jsonl"
        raw, subjects = _read(source, manifest), hash_subjects(loaded, folder)
        keys = _keys(key)
        signed = sign_release(loaded, raw, subjects, keys, now=datetime.now(UTC), where=source)
    _tell(release, atomic_write_bytes(target, signed), keys, as_json=as_json)


def _keys(paths: list[Path] | None) -> list[SigningKey]:
    return [load_key(path) for path in paths] if paths else [signing_key(None, os.environ)]


def _countersigned(loaded: Loaded, target: Path, artifacts: Path, keys: list[SigningKey]) -> bytes:
    """A second person vouches for what verifies with the signatures that are there, under the trust file's keys."""
    trust = load_trust(loaded.folder / TRUST_FILE)
    for key in keys:
        if material_of(key.signer.public_key) not in {known.material for known in trust.keys}:
            raise InputError("this key is not trusted, and would spoil the bundle", where=key.name,
                             expected=f"a key of {trust.source}", found=key.keyid)
    raw = bundle_bytes(target, loaded.path)
    verify(raw, manifest=loaded, subjects=hash_now(loaded, artifacts), trust=replace(trust, threshold=1),
           now=datetime.now(UTC), where=target)
    for key in keys:
        raw = countersign(raw, key, where=target)
    return raw


def _read(source: Path, manifest: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise EvidenceError("no evidence", where=source, expected=f"a file (made by: signoff gates {manifest})",
                            found=error.strerror or str(error)) from None


def _tell(release: str, target: Path, keys: list[SigningKey], *, as_json: bool) -> None:
    development = any(key.development for key in keys)
    if as_json:
        print_json({"signed": True, "release": release, "bundle": target, "development": development,
                    "keys": [{"name": key.name, "keyid": key.keyid} for key in keys]})
        return
    out = console()
    names = ", ".join(f"{key.name} ({key.keyid[:12]})" for key in keys)
    out.print(f"{release} signed by {names}: {target}", markup=False, soft_wrap=True)
    if development:
        out.print("DEVELOPMENT KEY: this shows that nothing changes from here on, not that anyone stands for it.",
                  style="bold yellow", soft_wrap=True)
