"""`signoff sign MANIFEST`: derive the verdict from the evidence again, and sign the release if it passes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.approve_files import believed_by
from harness.cli.common import JsonFlag, console, print_json
from harness.cli.signing import materials_of, missing_signatures, own_place, signing_keys, still_needed
from harness.cli.verify import bundle_bytes, hash_now
from harness.data.store import atomic_write_bytes
from harness.errors import EvidenceError
from harness.release.attest import bundle_path, countersign, hash_subjects, sign_release
from harness.release.keys import SigningKey
from harness.release.manifest import Loaded, load_manifest
from harness.release.standing import TRUST_FILE, approvals_beside
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
    """Sign a release that passed and is approved: 10 refused, 11 inconclusive or unapproved, 12 not to be believed."""
    loaded = load_manifest(manifest)
    release, target = loaded.manifest.release, bundle or bundle_path(loaded)
    folder = artifacts or Path("artifacts") / release
    if second:
        signed, keys, needed = _countersigned(loaded, target, folder, key)
    else:
        source = evidence or Path("reports") / release / "evidence.jsonl"
        signed, keys, needed = _signed(loaded, source, target, folder, key)
    _tell(loaded, atomic_write_bytes(target, signed), keys, needed, as_json=as_json)


def _signed(loaded: Loaded, source: Path, target: Path, artifacts: Path, paths: list[Path] | None
            ) -> tuple[bytes, list[SigningKey], int]:
    """The bundle, the keys that signed it, and how many signatures it still lacks."""
    raw, subjects = _read(source, loaded.path), hash_subjects(loaded, artifacts)
    keys, beside = signing_keys(loaded, paths)
    own_place(target, loaded)
    filed = approvals_beside(loaded)
    signed = sign_release(loaded, raw, subjects, keys, now=datetime.now(UTC), approvals=filed,
                          trust=believed_by(beside, filed), where=source)
    return signed, keys, missing_signatures(materials_of(keys), beside)


def _countersigned(loaded: Loaded, target: Path, artifacts: Path, paths: list[Path] | None
                   ) -> tuple[bytes, list[SigningKey], int]:
    """A second person vouches for what verifies with the signatures that are there, under the trust file's keys.

    Returns the bundle, the keys that were added, and how many signatures it still lacks.
    """
    trust = load_trust(loaded.folder / TRUST_FILE)
    keys, _ = signing_keys(loaded, paths)
    raw = bundle_bytes(target, loaded.path)
    before = verify(raw, manifest=loaded, subjects=hash_now(loaded, artifacts), trust=replace(trust, threshold=1),
                    now=datetime.now(UTC), approvals=approvals_beside(loaded), where=target)
    for key in keys:
        raw = countersign(raw, key, where=target)
    signed = {one.material for one in trust.keys if one.name in before.signers}
    return raw, keys, missing_signatures(signed | materials_of(keys), trust)


def _read(source: Path, manifest: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise EvidenceError("no evidence", where=source, expected=f"a file (made by: signoff gates {manifest})",
                            found=error.strerror or str(error)) from None


def _tell(loaded: Loaded, target: Path, keys: list[SigningKey], needed: int, *, as_json: bool) -> None:
    release = loaded.manifest.release
    development = any(key.development for key in keys)
    if as_json:
        print_json({"signed": True, "release": release, "bundle": target, "development": development,
                    "signatures_needed": needed,
                    "keys": [{"name": key.name, "keyid": key.keyid} for key in keys]})
        return
    out = console()
    names = ", ".join(f"{key.name} ({key.keyid[:12]})" for key in keys)
    out.print(f"{release} signed by {names}: {target}", markup=False, soft_wrap=True)
    if needed:
        out.print(still_needed(needed, loaded), markup=False, soft_wrap=True)
    if development:
        out.print("DEVELOPMENT KEY: this shows that nothing changes from here on, not that anyone stands for it.",
                  style="bold yellow", soft_wrap=True)
