"""Verification: bytes in, a verified release or one reason out. No file, no clock, no network.

The rules, in this order; the first that is broken is the reason.
 1. Bytes: three DSSE envelopes in their one byte form, strict JSON, payload type in-toto.
 2. Signatures: every signature names a trusted key and holds; each statement has the threshold of distinct keys,
    counted by material; a development key is believed only where the trust says so. Only now are payloads read.
 3. Statements: in-toto Statement v1; test result, gate result, release, once each; all over the same subjects.
 4. Release: the one expected, in every statement and in the manifest at hand.
 5. Subjects and policy: the manifest is among the subjects and its digest is the signed one (if not, what became of its
    policy is told with it); the signed policy is the manifest's, and demands no less than the base branch's, which
    names the same data, baseline, seed and requests; the signed set of digests equals the one hashed now, name by name.
 6. Evidence: its digest, its header, its closing line; every check of the policy with one finding, judged again; the
    baseline is the base branch's.
 7. Verdict: PASS, derived again; the generic statements say nothing else.
 8. Time: measured, finished, signed, now, in this order; not older than the trust allows.
 9. Replay: not a run that was admitted before, not older than the one admitted last.
10. Approvals: every human item of the manifest's checklist is approved, over this manifest, by as many distinct keys as
    it needs, of those whom the trust lets approve.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from harness.data.store import sha256_bytes
from harness.errors import EvidenceError, InputError
from harness.release.approvals import NOTHING_FILED, Filed
from harness.release.approvals_counted import Standing, approved_or_invalid
from harness.release.bundle import (
    GATE_RESULT,
    PREDICATES,
    RELEASE,
    TEST_RESULT,
    Sealed,
    Statement,
    Subjects,
    open_bundle,
    parse_statement,
)
from harness.release.evidence import Evidence, read_evidence
from harness.release.judge import Finding, Verdict, decide
from harness.release.manifest import Loaded
from harness.release.moments import in_order
from harness.release.predicates import evidence_bytes, gate_result, outcome_of_tests, release_result, time_of
from harness.release.recheck import compare_digests, recheck, settled
from harness.release.signatures import signers_of
from harness.release.terms import Base, same_baseline, same_policy
from harness.release.trust import Trust, TrustedKey

__all__ = ["Verified", "verify"]


@dataclass(frozen=True)
class Verified:
    """What was shown, and by whom.

    Attributes:
        release: The release's name.
        run_id: The gate run that its evidence comes from.
        findings: Every finding, judged again.
        subjects: Name → sha256 of everything the signatures cover.
        signers: Names of the trusted keys that signed every statement.
        development: True where the development key signed: play, not authority.
        integrity_only: True where no trust file said who may sign.
        measured_at: Start of the gate run.
        signed_at: When it was signed.
        evidence_sha256: Digest of the evidence file.
        config_hash: The manifest's CONFIG_HASH.
        approvals: How the human items of the checklist stand, all of them approved.
        notes: What the reader should know besides.
    """

    release: str
    run_id: str
    findings: tuple[Finding, ...]
    subjects: Subjects
    signers: tuple[str, ...]
    development: bool
    integrity_only: bool
    measured_at: datetime
    signed_at: datetime
    evidence_sha256: str
    config_hash: str
    notes: tuple[str, ...] = ()
    approvals: tuple[Standing, ...] = ()

    @property
    def undecided(self) -> tuple[Finding, ...]:
        """Findings that did not pass and that the policy excuses."""
        return tuple(finding for finding in self.findings if finding.verdict is not Verdict.PASS)


def verify(raw: bytes, *, manifest: Loaded, subjects: Subjects, trust: Trust, now: datetime, release: str | None = None,
           base: Base | None = None, seen: Collection[str] = (), not_before: datetime | None = None,
           approvals: Filed = NOTHING_FILED, where: object = "bundle") -> Verified:
    """Hold a bundle against everything the module's docstring lists.

    Args:
        raw: The bundle's bytes.
        manifest: The manifest as it stands.
        subjects: Name → sha256 of the manifest and every artifact, hashed now.
        trust: Keys, threshold, maximum age.
        now: The moment, with its offset.
        release: The release that is expected; the manifest's by default.
        base: The base branch's manifest, to be held beside this one; by default there is none.
        seen: Run ids that were admitted before.
        not_before: When the evidence of the release admitted last was measured.
        approvals: The release's file of approvals, where there is one.
        where: Names the bundle in errors.

    Raises: EvidenceError (exit code 12), one line, for whatever keeps it from being believed.
    """
    _with_offset(now)
    sealed = open_bundle(raw, where=where)
    signers = signers_of(sealed, trust, where=where)
    statements = _statements(sealed, where)
    gates = statements[1].predicate
    _expected_release(gates, statements[2].predicate, manifest, release or manifest.manifest.release, where)
    notes = same_policy(gates, manifest, base, signed=statements[1].subjects, subjects=subjects, where=where)
    compare_digests(statements[1].subjects, subjects, where=where)
    evidence = _evidence(gates, where)
    findings = recheck(evidence, loaded=manifest, subjects=subjects, where=where)
    same_baseline(evidence.header, base, where=where)
    _passed(findings, evidence, where)
    gates = gate_result(evidence, manifest, findings)
    signed_at = _marked(statements[2].predicate["signoff"], signers, trust, where)
    _derived(statements, gates, outcome_of_tests(manifest, findings), signed_at, where)
    measured_at = _fresh(evidence, signed_at, trust, now, where)
    _not_replayed(evidence, measured_at, seen, not_before, where)
    return Verified(
        gates["release"], evidence.header["run_id"], findings, dict(subjects), tuple(key.name for key in signers),
        any(key.development for key in signers) or statements[2].predicate["signoff"]["development"],
        trust.integrity_only, measured_at, signed_at, gates["evidenceSha256"], evidence.header["config_hash"], notes,
        approved_or_invalid(approvals, manifest=manifest, trust=trust, now=now))


def _with_offset(now: datetime) -> None:
    if now.utcoffset() is None:
        raise InputError("no offset", where="now", expected="a time with its offset", found=now.isoformat())


def _statements(sealed: Sequence[Sealed], where: object) -> tuple[Statement, ...]:
    statements = tuple(parse_statement(one.payload, where=f"{where}, line {number}")
                       for number, one in enumerate(sealed, start=1))
    kinds = tuple(one.predicate_type for one in statements)
    if kinds != PREDICATES:
        raise EvidenceError("not the three statements of a release", where=where, expected=", ".join(PREDICATES),
                            found=", ".join(kinds))
    for number, one in enumerate(statements[1:], start=2):
        compare_digests(statements[0].subjects, one.subjects, where=f"{where}, line {number}",
                        said="a subject of line 1")
    return statements


def _expected_release(gates: Mapping[str, Any], said: Mapping[str, Any], manifest: Loaded, release: str,
                      where: object) -> None:
    extension = said.get("signoff")
    named = extension.get("release") if isinstance(extension, Mapping) else None
    for place, found in (("gate result", gates.get("release")), ("release statement", named),
                         ("manifest at hand", manifest.manifest.release)):
        if found != release:
            raise EvidenceError("another release", where=f"{where}, {place}", expected=release, found=found)


def _evidence(gates: Mapping[str, Any], where: object) -> Evidence:
    header, findings, closing = gates.get("header"), gates.get("findings"), gates.get("closing")
    if not isinstance(header, Mapping) or not isinstance(closing, Mapping) or not isinstance(findings, list) \
            or not all(isinstance(row, Mapping) for row in findings):
        raise EvidenceError("no evidence in the gate result", where=where, expected="header, findings, closing",
                            found=sorted(gates))
    raw = evidence_bytes(Evidence(header, tuple(findings), closing))
    if sha256_bytes(raw) != gates.get("evidenceSha256"):
        raise EvidenceError("the evidence is not what was measured", where=where, expected=gates.get("evidenceSha256"),
                            found=sha256_bytes(raw))
    return read_evidence(raw, where=where)


def _passed(findings: Sequence[Finding], evidence: Evidence, where: object) -> None:
    if decide(findings) is not Verdict.PASS:
        blocking = [finding for finding in findings if finding.blocks]
        reasons = "; ".join(f"{one.verdict.name} {one.check.id}: {one.reason}" for one in blocking)
        raise EvidenceError("signed although it does not pass", where=where, expected=Verdict.PASS.name,
                            found=reasons or "no required gate")
    settled(evidence.closing, where=where)


def _marked(said: Mapping[str, Any], signers: Sequence[TrustedKey], trust: Trust, where: object) -> datetime:
    """When it was signed; a development key marks what it signs, and the mark is believed only where trust says so."""
    names, development = said.get("signers"), said.get("development")
    if not isinstance(names, list) or not names or not isinstance(development, bool):
        raise EvidenceError("the release statement does not say who signed", where=where,
                            expected="signers and development", found=sorted(said))
    if any(key.development for key in signers) and not development:
        raise EvidenceError("signed by a development key and not marked so", where=where,
                            expected="development: true", found=development)
    if development and not trust.allow_development:
        raise EvidenceError("marked as a development release", where=where,
                            expected="a release by " + trust.source, found=names)
    return time_of(said.get("signedAt"), what="signedAt", where=where)


def _derived(statements: Sequence[Statement], gates: Mapping[str, Any], generic: Mapping[str, Any],
             signed_at: datetime, where: object) -> None:
    """All else that a statement says follows from the evidence."""
    said = statements[2].predicate["signoff"]
    again = {TEST_RESULT: generic, GATE_RESULT: gates,
             RELEASE: release_result(gates, signed_at=signed_at, signers=said["signers"],
                                     development=said["development"])}
    for one in statements:
        _equal(one.predicate, again[one.predicate_type], f"{where}, {one.predicate_type}")


def _equal(found: Mapping[str, Any], expected: Mapping[str, Any], where: str) -> None:
    for key in sorted(found.keys() | expected.keys()):
        if key not in expected or key not in found or found[key] != expected[key]:
            raise EvidenceError(f"{key} does not follow from the evidence", where=where,
                                expected=repr(expected.get(key)), found=found.get(key))


def _fresh(evidence: Evidence, signed_at: datetime, trust: Trust, now: datetime, where: object) -> datetime:
    started = time_of(evidence.header["started"], what="started", where=where)
    finished = time_of(evidence.closing["finished"], what="finished", where=where)
    in_order(("measured", started), ("finished", finished), ("signed", signed_at), ("now", now), where=where)
    if now - started > timedelta(days=trust.max_age_days):
        raise EvidenceError("too old", where=where, expected=f"at most {trust.max_age_days:g} days",
                            found=f"{(now - started) / timedelta(days=1):.1f} days")
    return started


def _not_replayed(evidence: Evidence, measured_at: datetime, seen: Collection[str], not_before: datetime | None,
                  where: object) -> None:
    run_id = evidence.header["run_id"]
    if run_id in seen:
        raise EvidenceError("this run was admitted before", where=where, expected="a run not seen yet", found=run_id)
    if not_before is not None and measured_at < not_before:
        raise EvidenceError("older than the release admitted last", where=where,
                            expected=f"measured from {not_before.isoformat()}", found=measured_at.isoformat())


