"""What the three statements say, built from one piece of evidence: signer and verifier build them by the same code.

A verifier takes nothing from the generic statements: it builds them again from the gate result and demands equality.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from harness.data.canonical import digest_of
from harness.data.store import sha256_bytes
from harness.errors import EvidenceError, Exit, SignoffError
from harness.release.evidence import Evidence
from harness.release.judge import Finding, Verdict
from harness.release.manifest import Loaded
from harness.release.policy import Row

__all__ = ["InconclusiveError", "RefusedError", "evidence_bytes", "gate_result", "outcome_of_tests", "policy_digest",
           "policy_rows", "release_result", "time_of", "time_text"]


class RefusedError(SignoffError):
    """The evidence holds, and shows that the release must not ship."""

    exit_code = Exit.REFUSED


class InconclusiveError(SignoffError):
    """The evidence holds, and does not settle the question."""

    exit_code = Exit.INCONCLUSIVE


def evidence_bytes(evidence: Evidence) -> bytes:
    """The one byte form of evidence, as `EvidenceWriter` writes it: what the evidence digest is over."""
    rows = (evidence.header, *evidence.findings, evidence.closing)
    return "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows).encode()


def policy_rows(policy: Sequence[Row]) -> list[dict[str, Any]]:
    """A policy as plain values, defaults included."""
    return [row.model_dump(mode="json", by_alias=True) for row in policy]


def policy_digest(policy: Sequence[Row]) -> str:
    """sha256 of the policy's canonical form.

    >>> policy_digest([Row(measure="R@5", at_least=0.3)]) == policy_digest([Row(measure="R@5", at_least=0.2)])
    False
    """
    return digest_of(policy_rows(policy))


def gate_result(evidence: Evidence, loaded: Loaded, findings: Sequence[Finding]) -> dict[str, Any]:
    """gate-result/v1: the policy, every line of the evidence in full, and the verdict with its counts."""
    undecided = [finding.check.id for finding in findings if finding.verdict is not Verdict.PASS]
    return {
        "release": loaded.manifest.release, "verdict": Verdict.PASS.name,
        "counts": {"findings": len(findings), "passed": len(findings) - len(undecided), "undecided": len(undecided)},
        "policy": policy_rows(loaded.manifest.policy), "policySha256": policy_digest(loaded.manifest.policy),
        "evidenceSha256": sha256_bytes(evidence_bytes(evidence)),
        "header": dict(evidence.header), "findings": [dict(row) for row in evidence.findings],
        "closing": dict(evidence.closing),
    }


def outcome_of_tests(loaded: Loaded, findings: Sequence[Finding]) -> dict[str, Any]:
    """in-toto's test-result v0.1, for readers that know nothing of gates; an undecided gate is a warned test."""
    passed = [finding.check.id for finding in findings if finding.verdict is Verdict.PASS]
    warned = [finding.check.id for finding in findings if finding.verdict is not Verdict.PASS]
    return {
        "result": "WARNED" if warned else "PASSED",
        "configuration": [{"name": loaded.path.name, "digest": {"sha256": loaded.sha256}}],
        "passedTests": passed, "warnedTests": warned, "failedTests": [],
    }


def release_result(gates: Mapping[str, Any], *, signed_at: datetime, signers: Sequence[str],
                   development: bool) -> dict[str, Any]:
    """in-toto's release v0.1 (a purl), with what this release was judged against as an extension field."""
    header = gates["header"]
    return {
        "purl": f"pkg:generic/{gates['release']}@{header['config_hash']}",
        "signoff": {
            "release": gates["release"], "verdict": gates["verdict"], "baseline": header["baseline"],
            "runId": header["run_id"], "evidenceSha256": gates["evidenceSha256"],
            "policySha256": gates["policySha256"], "measuredAt": header["started"],
            "signedAt": time_text(signed_at), "signers": list(signers), "development": development,
        },
    }


def time_text(moment: datetime) -> str:
    """UTC to the second, as RFC 3339 writes it.

    >>> time_text(datetime(2025, 3, 1, 12, tzinfo=UTC))
    '2025-03-01T12:00:00Z'
    """
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def time_of(text: object, *, what: str, where: object) -> datetime:
    """A moment of this millennium from text that names its offset; anything else is an EvidenceError."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() is None or not 2000 <= moment.year < 3000:
        raise EvidenceError(f"{what} is not a time", where=where, expected="ISO 8601 with its offset", found=text)
    return moment
