"""What `gates --sign` does after a pass: the steps of `sign`, then of `verify`, on the bytes just measured."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from harness.cli.running import GateRun
from harness.data.store import atomic_write_bytes
from harness.release.attest import bundle_path, hash_subjects, sign_release
from harness.release.keys import load_key, signing_key
from harness.release.trust import development_trust, load_trust
from harness.release.verify import verify

__all__ = ["sign_and_verify"]


def sign_and_verify(run: GateRun, key: Path | None) -> str:
    """Sign the run's release, verify what would be written, then write it; says where, by whom, over what.

    Nothing is written unless it verifies, so that a failed run leaves an earlier attestation as it was.
    """
    loaded = run.loaded
    subjects = hash_subjects(loaded, Path("artifacts") / loaded.manifest.release)
    signer = load_key(key) if key is not None else signing_key(None, os.environ)
    now = datetime.now(UTC)
    raw = sign_release(loaded, run.raw, subjects, [signer], now=now, where=run.folder / "evidence.jsonl")
    target, trusted = bundle_path(loaded), loaded.folder / "trust.yaml"
    trust = load_trust(trusted) if trusted.exists() else None
    if trust is None and signer.development:
        trust = development_trust()
    checked = "verified"
    if trust is None:  # a key of one's own and no trust file: there is nobody here to verify it against
        checked = "not verified here: no trust.yaml names this key"
    else:
        verify(raw, manifest=loaded, subjects=subjects, trust=trust, now=now, release=loaded.manifest.release,
               where=target)
    atomic_write_bytes(target, raw)
    kind = "DEVELOPMENT KEY: shows integrity, not authority" if signer.development else f"key {signer.name}"
    return f"{target} ({kind}; {len(subjects)} subjects; {checked})"
