"""Signing: the verdict is derived again from the evidence, and only a pass is signed.

What was written as a verdict is never taken at its word. Nothing is written here: the caller gets the bundle's bytes,
or an error with the exit code of what is wrong (10 refused, 11 inconclusive, 12 not to be believed).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from harness.data.store import sha256_bytes, sha256_file, sha256_tree
from harness.errors import EvidenceError, InputError
from harness.release.approvals import NOTHING_FILED, Filed
from harness.release.approvals_counted import approved_or_inconclusive
from harness.release.bundle import (
    GATE_RESULT,
    RELEASE,
    TEST_RESULT,
    Subjects,
    open_bundle,
    parse_statement,
    seal,
    statement_bytes,
)
from harness.release.derived import measured_files
from harness.release.evidence import Evidence, read_evidence
from harness.release.judge import Finding, Verdict, decide
from harness.release.keys import SigningKey
from harness.release.manifest import Loaded
from harness.release.moments import in_order
from harness.release.predicates import (
    InconclusiveError,
    RefusedError,
    evidence_bytes,
    gate_result,
    outcome_of_tests,
    release_result,
    time_of,
)
from harness.release.recheck import compare_digests, recheck, settled
from harness.release.recording import recorded_files
from harness.release.trust import Trust

__all__ = ["InconclusiveError", "RefusedError", "bundle_path", "countersign", "hash_subjects", "manifest_named",
           "sign_release"]


def sign_release(manifest: Loaded, evidence_raw: bytes, subjects: Subjects, keys: Sequence[SigningKey], *,
                 now: datetime, approvals: Filed = NOTHING_FILED, trust: Trust | None = None,
                 where: object = "evidence") -> bytes:
    """The signed bundle of a release that passes and is approved; each of `keys` signs each statement.

    Args:
        manifest: The release's manifest as it stands.
        evidence_raw: The bytes of its evidence file.
        subjects: Name → sha256 of the manifest and every artifact, hashed now.
        keys: At least one signing key.
        now: The moment of signing, with its offset.
        approvals: The release's file of approvals, where there is one.
        trust: Who may approve: needed where the manifest's checklist asks people.
        where: Names the evidence in errors.

    Raises: RefusedError, InconclusiveError (also where an approval is missing), or EvidenceError where the evidence or
    the approvals cannot be believed.
    """
    if not keys:
        raise InputError("no signing key", where="sign", expected="at least one")
    compare_digests({manifest.path.name: manifest.sha256},
                    {name: digest for name, digest in subjects.items() if name == manifest.path.name},
                    where="subjects", said="read")
    evidence = _as_written(evidence_raw, where)
    findings = recheck(evidence, loaded=manifest, subjects=subjects, where=where)
    _passed(manifest.manifest.release, findings)
    settled(evidence.closing, where=where)
    in_order(("measured", time_of(evidence.header["started"], what="started", where=where)),
             ("finished", time_of(evidence.closing["finished"], what="finished", where=where)), ("signed", now),
             where=where)
    approved_or_inconclusive(approvals, manifest=manifest, trust=trust, now=now)
    gates = gate_result(evidence, manifest, findings)
    said = release_result(gates, signed_at=now, signers=[key.name for key in keys],
                          development=any(key.development for key in keys))
    predicates = ((TEST_RESULT, outcome_of_tests(manifest, findings)), (GATE_RESULT, gates), (RELEASE, said))
    return b"".join(seal(statement_bytes(kind, predicate, subjects), keys).line for kind, predicate in predicates)


def countersign(raw: bytes, key: SigningKey, *, where: object = "bundle") -> bytes:
    """The bundle with one more signature on each statement. Verify it first: this reads no payload."""
    sealed = open_bundle(raw, where=where)
    if any(keyid == key.keyid for one in sealed for keyid, _ in one.signatures):
        raise EvidenceError("signed by this key already", where=where, expected="another key", found=key.name)
    return b"".join(seal(one.payload, [key], also=one.signatures).line for one in sealed)


def manifest_named(raw: bytes) -> tuple[str, str] | None:
    """Release and manifest file that a bundle says it is about, taken at its word; None where it is no bundle."""
    try:
        said = parse_statement(open_bundle(raw)[1].payload, where="bundle").predicate
    except EvidenceError:
        return None
    header = said.get("header")
    return (str(said.get("release")), str(header.get("manifest"))) if isinstance(header, Mapping) else None


def hash_subjects(loaded: Loaded, artifacts_folder: Path | None) -> dict[str, str]:
    """Name → sha256, hashed now: the manifest, and every artifact (live) or every recorded file (recorded).

    Artifacts are named relative to their folder, recorded files as the manifest writes them (a folder's files each).
    Raises InputError where one is missing.
    """
    digests = {loaded.path.name: loaded.sha256}
    for name, digest in _artifacts(loaded, artifacts_folder).items():
        if name == loaded.path.name:
            raise InputError("an artifact has the manifest's name", where=artifacts_folder or loaded.folder,
                             expected="another name", found=name)
        digests[name] = digest
    for name in digests:
        if not name.isprintable():  # covers names that are no UTF-8 as well: they could not be said in a statement
            raise InputError("not a printable file name", where=artifacts_folder or loaded.folder, found=name)
    return digests


def bundle_path(loaded: Loaded) -> Path:
    """Where a release's bundle lies: `signed/<release>.intoto.jsonl` beside its manifest."""
    return loaded.folder / "signed" / f"{loaded.manifest.release}.intoto.jsonl"


def _as_written(raw: bytes, where: object) -> Evidence:
    """Evidence in the one byte form that gates write, so that its digest can be made again from its lines."""
    try:
        evidence = read_evidence(raw, where=where)
        again = evidence_bytes(evidence)
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits; half a surrogate pair
        raise EvidenceError("not JSON", where=where, expected="one JSON object a line", found=str(error)) from None
    if again != raw:
        raise EvidenceError("not in the form that gates write", where=where, expected="one JSON object a line",
                            found=f"other bytes for the same values (sha256 {sha256_bytes(raw)[:12]})")
    return evidence


def _artifacts(loaded: Loaded, folder: Path | None) -> dict[str, str]:
    if loaded.manifest.recorded is None:
        if folder is None or not folder.is_dir():
            raise InputError("no artifacts", where=folder or "artifacts",
                             expected=f"a frozen release's folder (made by: signoff freeze {loaded.path})")
        return measured_files(folder)
    digests: dict[str, str] = {}
    for name, place in recorded_files(loaded).items():
        digests |= {f"{name}/{inner}": digest for inner, digest in sha256_tree(place).items()} if place.is_dir() \
            else {name: sha256_file(place)}
    return digests


def _passed(release: str, findings: Sequence[Finding]) -> None:
    verdict = decide(findings)
    if verdict is Verdict.PASS:
        return
    blocking = sorted((finding for finding in findings if finding.blocks), key=lambda one: -one.verdict)
    reasons = "; ".join(f"{finding.verdict.name} {finding.check.id}: {finding.reason}" for finding in blocking)
    error = RefusedError if verdict is Verdict.REFUSE else InconclusiveError
    raise error(f"{release} is not signed: {reasons or 'no required gate in its policy'}")
