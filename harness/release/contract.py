"""The release contract: every clause with the numbers it was judged by, made of findings and never of constants.

A contract holds when the findings pass. It is written as Markdown for people and as a JSON twin for machines; reading
the twin judges every finding again from its own numbers, so that an edited number, verdict or limit is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

from pydantic import ValidationError

from harness.data.canonical import digest_of, strict_json
from harness.data.store import sha256_bytes
from harness.errors import EvidenceError, InputError
from harness.release.charter import Charter
from harness.release.evidence import Evidence, finding_of, row_of
from harness.release.findings import recheck_finding
from harness.release.judge import Finding, Verdict, decide
from harness.release.manifest import Loaded
from harness.release.policy import Guard, Row, rows_of
from harness.release.predicates import evidence_bytes, policy_digest

__all__ = ["SCHEMA", "Clause", "Provenance", "ReleaseContract", "Signed", "guards_of"]

SCHEMA = "signoff-contract/1"
_KEYS = {"schema", "release", "holds", "verdict", "provenance", "signed", "clauses", "charter", "artifacts", "sha256"}


@dataclass(frozen=True)
class Clause:
    """One finding, and the guard that watches the same limit live."""

    finding: Finding
    guard: Guard | None = None

    @property
    def holds(self) -> bool:
        """True where the finding passed; doubt that a policy excuses is still doubt."""
        return self.finding.verdict is Verdict.PASS


@dataclass(frozen=True)
class Provenance:
    """Where the findings come from: the run, its evidence and manifest by digest, and what it was compared with."""

    run_id: str
    started: str
    finished: str
    manifest: str
    manifest_sha256: str
    config_hash: str
    policy_sha256: str
    evidence_sha256: str
    baseline: str | None = None
    baseline_config_hash: str | None = None
    baseline_digest: str | None = None


@dataclass(frozen=True)
class Signed:
    """The attestation over the same evidence: the bundle's digest, who signed, when, and whether with a play key."""

    bundle_sha256: str
    signers: tuple[str, ...]
    signed_at: str
    development: bool


@dataclass(frozen=True)
class ReleaseContract:
    """What a release was shown to hold, clause by clause.

    >>> from harness.estimate import Estimate
    >>> from harness.release.judge import Control, Reading, judge
    >>> from harness.release.policy import Row, checks_of
    >>> rows = [Row(measure="R@5", at_least=0.3, guard={"for": "10m", "then": "rollback"})]
    >>> reading = Reading(Estimate(0.41, 0.38, 0.44, 1500, 0.9, "t by cluster"),
    ...                   control=Control("shuffled_ranking", 1.0, 0.02, 0.01, 0.03, 1500))
    >>> contract = ReleaseContract.of_findings("mine", [judge(checks_of(rows)[0], reading)], policy=rows)
    >>> contract.holds, contract.clauses[0].guard.then, contract.clauses[0].finding.reason
    (True, 'rollback', 'value 0.41 ≥ 0.3')
    >>> ReleaseContract.read(contract.raw) == contract
    True
    """

    release: str
    clauses: tuple[Clause, ...]
    charter: Charter | None = None
    provenance: Provenance | None = None
    signed: Signed | None = None
    artifacts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of_findings(cls, release: str, findings: Sequence[Finding], *, policy: Sequence[Row] = (),
                    charter: Charter | None = None) -> ReleaseContract:
        """A contract of findings that are at hand; `policy` lends the guards of its rows."""
        guards = guards_of(policy)
        return cls(release, tuple(Clause(one, guards.get(one.check.id)) for one in findings), charter)

    @classmethod
    def of_evidence(cls, loaded: Loaded, evidence: Evidence, findings: Sequence[Finding], *,
                    signed: Signed | None = None, artifacts: Mapping[str, str] | None = None) -> ReleaseContract:
        """A contract of a gate run; `findings` are the evidence's, judged again (`harness.release.recheck`).

        `artifacts` are the files that others read, name → sha256 (`harness.release.artifact_files`).
        """
        made = cls.of_findings(loaded.manifest.release, findings, policy=loaded.manifest.policy,
                               charter=loaded.manifest.contract)
        return cls(made.release, made.clauses, made.charter, _provenance(loaded, evidence), signed,
                   dict(artifacts or {}))

    @classmethod
    def read(cls, raw: bytes, *, where: object = "contract", loaded: Loaded | None = None) -> ReleaseContract:
        """A contract's JSON twin, every finding judged again; held to a manifest's policy where one is given.

        Raises EvidenceError, one line, for whatever keeps it from being believed.
        """
        document = _document(raw, where)
        asked = {} if loaded is None else {check.id: check for check in loaded.manifest.checks}
        try:
            clauses = tuple(_clause(one, asked, where) for one in document["clauses"])
            found = cls(str(document["release"]), clauses,
                        None if document["charter"] is None else Charter.model_validate(document["charter"]),
                        _fields(Provenance, document["provenance"]), _fields(Signed, document["signed"]),
                        {str(name): str(digest) for name, digest in document["artifacts"].items()})
        except (ValidationError, TypeError, LookupError, AttributeError) as error:
            said = error.errors(include_url=False)[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise EvidenceError("not a contract", where=where, expected=SCHEMA, found=said) from None
        found.held_to(document, where=where, loaded=loaded)
        return found

    @property
    def verdict(self) -> Verdict:
        """The gravest blocking finding; without a required clause nothing was shown, so nothing holds."""
        return decide(one.finding for one in self.clauses)

    @property
    def holds(self) -> bool:
        """True where every clause that is required was shown to hold and none was refused."""
        return self.verdict is Verdict.PASS

    @cached_property
    def document(self) -> dict[str, Any]:
        """The contract as plain values, its digest last."""
        told = {"schema": SCHEMA, "release": self.release, "holds": self.holds, "verdict": self.verdict.name,
                "provenance": None if self.provenance is None else asdict(self.provenance),
                "signed": None if self.signed is None else {**asdict(self.signed), "signers": [*self.signed.signers]},
                "clauses": [{"finding": row_of(one.finding),
                             "guard": None if one.guard is None else one.guard.model_dump(mode="json", by_alias=True)}
                            for one in self.clauses],
                "charter": None if self.charter is None else self.charter.model_dump(mode="json"),
                "artifacts": dict(self.artifacts)}
        return {**told, "sha256": digest_of(told)}

    @property
    def raw(self) -> bytes:
        """The JSON twin's bytes."""
        return (json.dumps(self.document, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()

    def held_to(self, document: Mapping[str, Any], *, where: object, loaded: Loaded | None) -> None:
        """What a twin says follows from its findings, and its terms are the manifest's. Raises EvidenceError."""
        again = self.document
        for key in sorted(_KEYS):
            if document[key] != again[key]:
                raise EvidenceError(f"{key} does not follow from the findings", where=where, found=document[key],
                                    expected=repr(again[key])[:80])
        if loaded is None:
            return
        manifest, guards = loaded.manifest, guards_of(loaded.manifest.policy)
        for what, expected, found in (
                ("release", manifest.release, self.release),
                ("manifest", loaded.sha256, self.provenance and self.provenance.manifest_sha256),
                ("clauses", [check.id for check in manifest.checks], sorted(
                    (one.finding.check.id for one in self.clauses),
                    key={check.id: place for place, check in enumerate(manifest.checks)}.__getitem__)),
                ("guards", guards, {one.finding.check.id: one.guard for one in self.clauses if one.guard}),
                ("charter", manifest.contract, self.charter)):
            if expected != found:
                raise EvidenceError(f"its {what} is not this manifest's", where=where, expected=str(expected)[:80],
                                    found=found)


def guards_of(policy: Sequence[Row]) -> dict[str, Guard]:
    """Check id → the guard of its row, for the rows that have one.

    >>> guards_of([Row(measure="RR", at_least=0.2), Row(measure="R@5", at_least=0.3, guard={"for": "3m"})])
    {'all-R@5-value': Guard(for_='3m', severity='warning', then='alert', warn_within=None)}
    """
    return {name: row.guard for name, (_, row) in rows_of(policy).items() if row.guard is not None}


def _provenance(loaded: Loaded, evidence: Evidence) -> Provenance:
    header, baseline = evidence.header, evidence.header.get("baseline") or {}
    return Provenance(
        str(header["run_id"]), str(header["started"]), str(evidence.closing["finished"]), loaded.path.name,
        loaded.sha256, loaded.manifest.config_hash, policy_digest(loaded.manifest.policy),
        sha256_bytes(evidence_bytes(evidence)), baseline.get("release"), baseline.get("config_hash"),
        baseline.get("banked"))


def _document(raw: bytes, where: object) -> dict[str, Any]:
    try:
        value = strict_json(raw, where=where)
        whole = isinstance(value, dict) and set(value) == _KEYS and value["schema"] == SCHEMA
        told = {key: item for key, item in value.items() if key != "sha256"} if whole else {}
        digest = digest_of(told)
    except (InputError, ValueError, RecursionError) as error:
        raise EvidenceError("not a contract", where=where, expected=SCHEMA, found=str(error)) from None
    if not whole:
        raise EvidenceError("not a contract", where=where, expected=f"{SCHEMA}: {', '.join(sorted(_KEYS))}",
                            found=sorted(map(str, value)) if isinstance(value, dict) else type(value).__name__)
    if value["sha256"] != digest:
        raise EvidenceError("changed since it was written", where=where, expected=digest, found=value["sha256"])
    return dict(value)


def _clause(one: Mapping[str, Any], asked: Mapping[str, Any], where: object) -> Clause:
    if set(one) != {"finding", "guard"}:
        raise LookupError(f"a clause of {sorted(one)}")
    row = one["finding"]
    written = finding_of(row, where=where)
    if asked and written.check.id not in asked:
        raise EvidenceError("a clause that the policy does not ask for", where=where, expected="a gate of the policy",
                            found=written.check.id)
    finding = recheck_finding(row, asked.get(written.check.id, written.check), where=f"{where}, {written.check.id}")
    return Clause(finding, None if one["guard"] is None else Guard.model_validate(one["guard"]))


def _fields(kind: type[Any], value: Mapping[str, Any] | None) -> Any:
    """A record of text fields, each of its kind; None stays None."""
    if value is None:
        return None
    if set(value) != {one.name for one in fields(kind)}:
        raise LookupError(f"{kind.__name__.lower()} of {sorted(value)}")
    made = {key: tuple(item) if isinstance(item, list) else item for key, item in value.items()}
    return kind(**made)
