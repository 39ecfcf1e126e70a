"""`signoff verify MANIFEST`: is this release, as it stands now, the one that passed its gates and was signed?"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.base import base_of, trust_of
from harness.cli.common import JsonFlag, console, print_json, prose
from harness.errors import EvidenceError, InputError, SignoffError
from harness.release.attest import bundle_path, hash_subjects
from harness.release.manifest import Loaded, load_manifest
from harness.release.predicates import time_text
from harness.release.standing import TRUST_FILE, approvals_beside, trust_beside
from harness.release.trust import Trust, development_trust, load_trust
from harness.release.verify import Verified, verify

__all__ = ["bundle_bytes", "command", "hash_now"]

_Base = Annotated[str | None, typer.Option(
    metavar="REF", help="Hold it to policy, checklist, data, baseline and trust of this git ref.")]
_Approvals = Annotated[Path | None, typer.Option(
    metavar="FILE", help="Default: signed/RELEASE.approvals.jsonl by the manifest.")]


def command(
    manifest: Annotated[Path, typer.Argument(help="The release's manifest.")],
    *,
    bundle: Annotated[Path | None, typer.Option(help="Default: signed/RELEASE.intoto.jsonl by the manifest.")] = None,
    trust: Annotated[Path | None, typer.Option(help="Default: trust.yaml by the manifest.")] = None,
    base: _Base = None,
    release: Annotated[str | None, typer.Option(help="The release expected. Default: the manifest's.")] = None,
    max_age: Annotated[float | None, typer.Option(metavar="DAYS", min=0.0, help="Default: as trust says.")] = None,
    artifacts: Annotated[Path | None, typer.Option(help="Default: artifacts/RELEASE.")] = None,
    approvals: _Approvals = None,
    as_json: JsonFlag = False,
) -> None:
    """Verify a signed release; whatever keeps it from being believed is one line and exit code 12."""
    try:
        loaded = load_manifest(manifest)
        believed, held = _trust(loaded, trust, base), None if base is None else base_of(base, loaded)
        source, folder = bundle or bundle_path(loaded), artifacts or Path("artifacts") / loaded.manifest.release
        verified = verify(
            bundle_bytes(source, manifest), manifest=loaded, subjects=hash_now(loaded, folder),
            trust=believed.aged(max_age), now=datetime.now(UTC), release=release, base=held,
            approvals=approvals_beside(loaded, approvals), where=source)
    except SignoffError as error:
        if as_json:
            print_json({"verified": False, "reason": str(error), "exit_code": int(error.exit_code)})
        raise
    print_json(_document(verified, believed)) if as_json else _tell(verified, believed)


def _trust(loaded: Loaded, given: Path | None, base: str | None) -> Trust:
    if base is not None:
        return trust_of(base, given or loaded.folder / TRUST_FILE)
    return load_trust(given) if given is not None else trust_beside(loaded) or development_trust()


def bundle_bytes(source: Path, manifest: Path) -> bytes:
    """The bundle as it lies there; a release without one is not signed (exit code 12)."""
    try:
        return source.read_bytes()
    except OSError as error:
        raise EvidenceError("not signed", where=source, expected=f"a bundle (made by: signoff sign {manifest})",
                            found=error.strerror or str(error)) from None


def hash_now(loaded: Loaded, artifacts: Path) -> dict[str, str]:
    """The digests of what is there; a file that is gone makes the attestation invalid, not the call."""
    try:
        return hash_subjects(loaded, artifacts)
    except InputError as error:
        raise EvidenceError(error.what, where=error.where, expected=error.expected, found=error.found,
                            hint=error.hint) from None


def _document(verified: Verified, trust: Trust) -> dict[str, Any]:
    return {
        "verified": True, "release": verified.release, "signers": verified.signers, "trust": trust.source,
        "development": verified.development, "integrity_only": verified.integrity_only,
        "findings": len(verified.findings), "passed": len(verified.findings) - len(verified.undecided),
        "undecided": [{"gate": one.check.id, "verdict": one.verdict.name, "reason": one.reason, "why": one.check.why}
                      for one in verified.undecided],
        "subjects": dict(verified.subjects), "run_id": verified.run_id, "config_hash": verified.config_hash,
        "evidence_sha256": verified.evidence_sha256, "measured_at": time_text(verified.measured_at),
        "signed_at": time_text(verified.signed_at), "notes": verified.notes,
        "approvals": [{"item": one.item.item, "who": [by.key.name for by in one.approvals],
                       "when": [time_text(by.when) for by in one.approvals]} for one in verified.approvals],
    }


def _tell(verified: Verified, trust: Trust) -> None:
    out = console()
    undecided = verified.undecided
    lines = [
        f"{verified.release} verified: signed by {', '.join(verified.signers)} (trusted by {trust.source})",
        f"  measured {time_text(verified.measured_at)}, signed {time_text(verified.signed_at)}, run {verified.run_id}",
        f"  {len(verified.subjects)} subjects unchanged; {len(verified.findings)} findings judged again from their "
        f"numbers: {len(verified.findings) - len(undecided)} PASS, {len(undecided)} excused",
        *(f"  excused {one.verdict.name} {one.check.id}: {one.reason} ({one.check.why})" for one in undecided),
        *(f"  approved {one.item.item}: "
          + ", ".join(f"{by.key.name} {time_text(by.when)}" for by in one.approvals) for one in verified.approvals),
        *(f"  note: {note}" for note in verified.notes),
    ]
    for line in lines:
        prose(out, line)
    if verified.integrity_only:
        prose(out, "INTEGRITY ONLY: no trust file says who may sign; anyone with this checkout's development key could "
                   "have signed this.", style="bold yellow")
    elif verified.development:
        prose(out, "DEVELOPMENT KEY: the trust file allows it; nobody with authority signed this.", style="bold yellow")
