"""What lies beside a manifest, and where a baseline stands: signed as it is measured here, or why not.

A gold standard is one whose attestation holds now, over the very artifacts that the candidate is held against.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from harness.data.store import require_file, sha256_bytes
from harness.errors import EvidenceError, InputError, SignoffError
from harness.release.approvals import MAX_BYTES, NOTHING_FILED, Filed, approvals_path
from harness.release.attest import bundle_path, hash_subjects
from harness.release.checklist import human_items
from harness.release.manifest import Loaded
from harness.release.trust import Trust, development_trust, load_trust
from harness.release.verify import verify

__all__ = ["TRUST_FILE", "Standing", "approvals_beside", "standing_of", "trust_beside"]

TRUST_FILE = "trust.yaml"


class Standing(NamedTuple):
    """Whether a release is signed as it stands, and in one line by whom, or why not."""

    signed: bool
    told: str


def standing_of(loaded: Loaded, artifacts: Path, *, now: datetime) -> Standing:
    """Verify the bundle that lies by a manifest against `artifacts`, hashed now; whatever fails is told, not raised."""
    source = bundle_path(loaded)
    try:
        if not source.is_file():
            return Standing(False, f"no bundle at {source}: sign it first (signoff gates {loaded.path} --sign)")
        raw = source.read_bytes()
        found = verify(raw, manifest=loaded, subjects=hash_subjects(loaded, artifacts),
                       trust=trust_beside(loaded) or development_trust(), now=now,
                       approvals=approvals_beside(loaded), where=source)
    except (SignoffError, OSError) as error:
        return Standing(False, str(error))
    return Standing(True, f"signed by {', '.join(found.signers)}, bundle sha256 {sha256_bytes(raw)[:12]}")


def trust_beside(loaded: Loaded) -> Trust | None:
    """The trust file beside a manifest; None where none lies there. One that leads nowhere is an error, not none."""
    file = loaded.folder / TRUST_FILE
    return load_trust(file) if os.path.lexists(file) else None


def approvals_beside(loaded: Loaded, given: Path | None = None) -> Filed:
    """The release's file of approvals, or the one given; no bytes where the manifest asks nobody or none lies there.

    Raises EvidenceError where a file is there, or was given, and cannot be read.
    """
    if not human_items(loaded.manifest.checklist):
        return NOTHING_FILED
    path = given or approvals_path(loaded)
    if given is None and not os.path.lexists(path):
        return Filed(None, path)
    try:
        with require_file(path).open("rb") as stream:
            return Filed(stream.read(MAX_BYTES + 1), path)  # one byte more than is allowed: never a huge file whole
    except (OSError, InputError) as error:
        reason = error.what if isinstance(error, InputError) else error.strerror or str(error)
        raise EvidenceError("cannot be read", where=path, expected="a file of approvals", found=reason) from None
