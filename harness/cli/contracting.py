"""What `signoff contract` does, apart from its words: evidence believed, documents made, written and read back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.cli.verify import bundle_bytes, hash_now
from harness.data.store import atomic_write_bytes, sha256_bytes, unlisted
from harness.errors import EvidenceError, SignoffError
from harness.hunting.changes import CHANGES, read_changes
from harness.hunting.gallery import gallery
from harness.release.artifact_files import read_artifacts
from harness.release.attest import bundle_path
from harness.release.banking import signed_evidence
from harness.release.contract import ReleaseContract, Signed
from harness.release.derived import GALLERY, MONITORING, contract_file
from harness.release.evidence import Evidence, read_evidence
from harness.release.judge import Verdict
from harness.release.manifest import Loaded
from harness.release.monitoring import monitoring_of, read_monitoring
from harness.release.predicates import evidence_bytes, time_text
from harness.release.recheck import recheck, settled
from harness.release.standing import approvals_beside, trust_beside
from harness.release.trust import development_trust
from harness.release.verify import Verified, verify
from harness.report.contract import contract_markdown

__all__ = ["Made", "Places", "checked", "made", "verified_bundle", "written"]


@dataclass(frozen=True)
class Places:
    """Where the evidence, what was gated, the signed bundle and the contract lie."""

    evidence: Path
    artifacts: Path
    bundle: Path
    out: Path

    @classmethod
    def of(cls, loaded: Loaded, *, evidence: Path | None = None, artifacts: Path | None = None,
           out: Path | None = None) -> Places:
        """The usual places, where none is given."""
        release = loaded.manifest.release
        folder = artifacts or Path("artifacts") / release
        return cls(evidence or Path("reports") / release / "evidence.jsonl", folder, bundle_path(loaded),
                   out or Path("artifacts") / release)


@dataclass(frozen=True)
class Made:
    """The contract, and the bytes of every file by its name."""

    contract: ReleaseContract
    files: dict[str, bytes]


def made(loaded: Loaded, places: Places) -> Made:
    """Every document of the evidence at hand, nothing written. Raises EvidenceError where it cannot be believed."""
    verified = _verified(loaded, places)
    evidence, where = _evidence(loaded, places, verified)
    findings = recheck(evidence, loaded=loaded, subjects=hash_now(loaded, places.artifacts), where=where)
    digest = sha256_bytes(evidence_bytes(evidence))
    signed = None
    if verified is not None and verified.evidence_sha256 == digest:
        signed = Signed(sha256_bytes(places.bundle.read_bytes()), verified.signers, time_text(verified.signed_at),
                        verified.development)
    contract = ReleaseContract.of_evidence(loaded, evidence, findings, signed=signed,
                                           artifacts=read_artifacts(loaded, places.artifacts))
    if contract.verdict is Verdict.PASS:
        settled(evidence.closing, where=where)
    release = loaded.manifest.release
    files = {contract_file(release, "json"): contract.raw,
             contract_file(release): contract_markdown(contract, manifest=loaded.path.as_posix()).encode(),
             MONITORING: monitoring_of(contract).raw}
    changes = places.evidence.with_name(CHANGES)
    if changes.is_file():
        chapters = read_changes(changes.read_bytes(), where=changes, release=release)
        files[GALLERY] = gallery(release, chapters).encode()
    return Made(contract, files)


def written(loaded: Loaded, found: Made, places: Places) -> list[Path]:
    """Write every file, then read it back as any reader would. Returns the paths."""
    if places.out.parent == Path("artifacts"):
        unlisted(places.out.parent)
    paths = [atomic_write_bytes(places.out / name, raw) for name, raw in found.files.items()]
    return paths if checked(loaded, found, places) else []


def checked(loaded: Loaded, found: Made, places: Places) -> list[Path]:
    """The files as they lie there, each read with its own validation and equal to what the evidence gives now.

    Raises EvidenceError naming the first that is missing, cannot be believed, or says something else.
    """
    paths = []
    for name, raw in found.files.items():
        path = places.out / name
        try:
            there = path.read_bytes()
        except OSError as error:
            raise EvidenceError("no such document", where=path, expected=f"made by: signoff contract {loaded.path}",
                                found=error.strerror or str(error)) from None
        if name == contract_file(loaded.manifest.release, "json"):
            ReleaseContract.read(there, where=path, loaded=loaded)
        elif name == MONITORING:
            read_monitoring(there, where=path, loaded=loaded)
        if there != raw:
            raise EvidenceError("not what the evidence gives now", where=path, expected=f"sha256 {sha256_bytes(raw)}",
                                found=f"sha256 {sha256_bytes(there)}")
        paths.append(path)
    return paths


def verified_bundle(loaded: Loaded, bundle: Path, artifacts: Path) -> Verified:
    """The signed bundle, verified as `signoff verify` does, under the trust that lies beside the manifest."""
    return verify(bundle_bytes(bundle, loaded.path), manifest=loaded, subjects=hash_now(loaded, artifacts),
                  trust=trust_beside(loaded) or development_trust(), now=datetime.now(UTC),
                  approvals=approvals_beside(loaded), where=bundle)


def _verified(loaded: Loaded, places: Places) -> Verified | None:
    """The bundle where one lies there and verifies; one of an earlier state signs nothing of this one."""
    try:
        return verified_bundle(loaded, places.bundle, places.artifacts)
    except SignoffError:
        return None


def _evidence(loaded: Loaded, places: Places, verified: Verified | None) -> tuple[Evidence, object]:
    try:
        raw = places.evidence.read_bytes()
    except OSError as error:
        if verified is None:
            raise EvidenceError("no evidence", where=places.evidence,
                                expected=f"a file (made by: signoff gates {loaded.path})",
                                found=error.strerror or str(error)) from None
        return signed_evidence(places.bundle.read_bytes(), where=places.bundle), places.bundle
    return read_evidence(raw, where=places.evidence), places.evidence
