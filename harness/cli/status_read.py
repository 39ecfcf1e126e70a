"""What `signoff status` believes: the last evidence, the approvals and the signature, each checked before it counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from harness.cli.approve_files import believed_by
from harness.cli.contracting import Places, verified_bundle
from harness.cli.verify import hash_now
from harness.errors import EvidenceError, SignoffError
from harness.release.approvals_counted import Standing, standings_of
from harness.release.banking import signed_evidence
from harness.release.bundle import open_bundle
from harness.release.evidence import read_evidence
from harness.release.judge import Finding, Verdict, decide
from harness.release.manifest import Loaded
from harness.release.predicates import time_of
from harness.release.recheck import recheck, settled
from harness.release.signatures import signers_of
from harness.release.standing import approvals_beside, trust_beside
from harness.release.trust import Trust, development_trust
from harness.release.verify import Verified

__all__ = ["Believed", "believed"]


@dataclass(frozen=True)
class Believed:
    """What is there and holds; what is there and does not is a problem, in words.

    Attributes:
        findings: Check id → finding, judged again; empty without evidence.
        standings: The human items, in the list's order; empty where the approvals cannot be believed.
        evidence: Where the findings were read, if anywhere.
        verified: The signed bundle, where it verifies as it stands.
        unsigned: Why it does not.
        integrity_only: No trust file says who may approve or sign.
        problems: What cannot be believed, one line each.
        aside: The last run's evidence, where it is of another version of the manifest and the signed one speaks.
    """

    findings: Mapping[str, Finding] = field(default_factory=dict)
    standings: tuple[Standing, ...] = ()
    evidence: Path | None = None
    verified: Verified | None = None
    unsigned: str = ""
    integrity_only: bool = False
    problems: tuple[str, ...] = ()
    aside: Path | None = None


def believed(loaded: Loaded, places: Places, *, now: datetime) -> Believed:
    """Evidence, approvals and bundle of a release, each held against what a signer would ask of it."""
    problems: list[str] = []
    trust = trust_beside(loaded)
    source: Path | None = None
    findings: Mapping[str, Finding] = {}
    standings: tuple[Standing, ...] = ()
    verified, unsigned = _verified(loaded, places)
    aside = places.evidence if verified is not None and _of_another(loaded, places) else None
    try:
        source, findings = _findings(loaded, places, trust, now, signed=aside is not None)
    except SignoffError as error:
        problems.append(str(error))
    try:
        filed = approvals_beside(loaded)
        standings = standings_of(filed, manifest=loaded, trust=believed_by(trust, filed), now=now)
    except SignoffError as error:
        problems.append(str(error))
    return Believed(findings, standings, source, verified, unsigned, trust is None, tuple(problems), aside)


def _of_another(loaded: Loaded, places: Places) -> bool:
    """True where the last run's evidence, in its own place and whole, names other bytes of the manifest."""
    if places.evidence != Places.of(loaded).evidence or not places.evidence.is_file():
        return False
    try:
        header = read_evidence(places.evidence.read_bytes(), where=places.evidence).header
    except SignoffError:
        return False
    return header.get("manifest_sha256") != loaded.sha256


def _findings(loaded: Loaded, places: Places, trust: Trust | None, now: datetime, *, signed: bool
              ) -> tuple[Path | None, dict[str, Finding]]:
    """The last run's evidence, else (or where `signed`) the signed one's; nothing where there is neither.

    Raises EvidenceError.
    """
    if places.evidence.is_file() and not signed:
        source, evidence = places.evidence, read_evidence(places.evidence.read_bytes(), where=places.evidence)
    elif places.bundle.is_file():
        source, raw = places.bundle, places.bundle.read_bytes()
        signers_of(open_bundle(raw, where=source), trust or development_trust(), where=source)
        evidence = signed_evidence(raw, where=source)
    else:
        return None, {}
    findings = recheck(evidence, loaded=loaded, subjects=hash_now(loaded, places.artifacts), where=source)
    if decide(findings) is Verdict.PASS:  # a gate that blocks has failed its test as well: only a pass must be clean
        settled(evidence.closing, where=source)
    age = now - time_of(evidence.header["started"], what="started", where=source)
    if trust is not None and age > timedelta(days=trust.max_age_days):
        raise EvidenceError("too old", where=source, expected=f"at most {trust.max_age_days:g} days",
                            found=f"{age / timedelta(days=1):.1f} days")
    return source, {one.check.id: one for one in findings}


def _verified(loaded: Loaded, places: Places) -> tuple[Verified | None, str]:
    if not places.bundle.exists():
        return None, "not signed yet"
    try:
        return verified_bundle(loaded, places.bundle, places.artifacts), ""
    except SignoffError as error:
        return None, f"the signature there does not hold as things stand: {error}"
