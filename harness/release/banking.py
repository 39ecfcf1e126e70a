"""The gold standard: a signed release, banked by the digest of its bundle, that later releases are held against.

A manifest names its baseline, and may pin it with `baseline_digest`: the sha256 of the signed bundle. The record beside
the bundle says what was banked and with which figures; where a record is there, it is held to the bundle, to itself and
to the baseline's manifest before anything is compared with that baseline.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.data.store import sha256_bytes
from harness.errors import EvidenceError
from harness.release.attest import bundle_path
from harness.release.bundle import open_bundle, parse_statement
from harness.release.evidence import Evidence, read_evidence
from harness.release.held import read_sealed, sealed
from harness.release.judge import Finding
from harness.release.manifest import Loaded
from harness.release.predicates import evidence_bytes, time_text
from harness.release.recheck import recheck
from harness.release.verify import Verified

__all__ = ["SCHEMA", "Bank", "Figure", "bank_of", "bank_path", "banked", "read_bank", "signed_evidence"]

SCHEMA = "signoff-bank/1"
_Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_Number = Annotated[float, Field(allow_inf_nan=False)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class Figure(_Model):
    """One measured figure of the gold standard. An end is None where the data do not bound it."""

    gate: str
    measure: str
    task: str | None
    slice: str
    unit: str
    value: _Number | None
    low: _Number | None
    high: _Number | None
    n: int
    verdict: Literal["PASS", "INCONCLUSIVE", "REFUSE"]


class Bank(_Model):
    """A banked release. `bundle_sha256` is the digest that a manifest pins; `sha256` is over everything else here."""

    schema_: Literal["signoff-bank/1"] = Field(alias="schema")
    release: str
    config_hash: _Digest
    manifest_sha256: _Digest
    bundle_sha256: _Digest
    evidence_sha256: _Digest
    run_id: str
    measured_at: str
    signed_at: str
    banked_at: str
    signers: tuple[str, ...]
    development: bool
    figures: tuple[Figure, ...]
    sha256: _Digest

    @property
    def raw(self) -> bytes:
        """The record's bytes."""
        told = self.model_dump(mode="json", by_alias=True)
        return (json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def bank_path(loaded: Loaded) -> Path:
    """Where a release's bank record lies: beside its bundle."""
    return bundle_path(loaded).with_name(f"{loaded.manifest.release}.banked.json")


def bank_of(verified: Verified, loaded: Loaded, bundle: bytes, *, now: datetime) -> Bank:
    """The record of a release that verifies, over the bundle's bytes; `now` is the moment of banking."""
    told = {
        "schema": SCHEMA, "release": verified.release, "config_hash": verified.config_hash,
        "manifest_sha256": loaded.sha256, "bundle_sha256": sha256_bytes(bundle),
        "evidence_sha256": verified.evidence_sha256, "run_id": verified.run_id,
        "measured_at": time_text(verified.measured_at), "signed_at": time_text(verified.signed_at),
        "banked_at": time_text(now), "signers": [*verified.signers], "development": verified.development,
        "figures": [_figure(one) for one in verified.findings]}
    return sealed(told, Bank, schema=SCHEMA, where=loaded.path)


def read_bank(raw: bytes, *, where: object = "bank") -> Bank:
    """A record's bytes, validated and held to their own digest. Raises EvidenceError."""
    return read_sealed(raw, Bank, what="not a bank record", since="banked", schema=SCHEMA, where=where)


def banked(baseline: Loaded, *, digest: str | None = None) -> Bank | None:
    """The record of a baseline, held to its bundle and its manifest; None where none is there and nothing is pinned.

    `digest` is the bundle's sha256 that a manifest pins. Raises EvidenceError where the record, the bundle or the
    baseline's manifest is not what was banked, or where something else, or nothing, was banked than is pinned.
    """
    path, bundle = bank_path(baseline), bundle_path(baseline)
    if not path.exists():
        if digest is None:
            return None
        raise EvidenceError("the baseline is pinned and was not banked", where=path, expected=f"a record of {digest}",
                            found="no such file")
    record = read_bank(_bytes(path), where=path)
    raw = _bytes(bundle)
    for what, expected, found in (
            ("release", baseline.manifest.release, record.release),
            ("configuration", baseline.manifest.config_hash, record.config_hash),
            ("bundle", sha256_bytes(raw), record.bundle_sha256),
            ("bundle", digest or record.bundle_sha256, record.bundle_sha256)):
        if expected != found:
            raise EvidenceError(f"another {what} was banked", where=path, expected=expected, found=found)
    _figures_follow(record, raw, baseline, bundle, path)
    return record


def signed_evidence(raw: bytes, *, where: object = "bundle") -> Evidence:
    """The evidence inside a bundle, in the form that gates write; verify the bundle first. Raises EvidenceError."""
    said = parse_statement(open_bundle(raw, where=where)[1].payload, where=where).predicate
    header, findings, closing = said.get("header"), said.get("findings"), said.get("closing")
    if not isinstance(header, Mapping) or not isinstance(closing, Mapping) or not isinstance(findings, list):
        raise EvidenceError("no evidence in the bundle", where=where, expected="header, findings, closing",
                            found=sorted(said))
    return read_evidence(evidence_bytes(Evidence(header, tuple(findings), closing)), where=where)


def _figures_follow(record: Bank, raw: bytes, baseline: Loaded, bundle: Path, path: Path) -> None:
    """The figures are those of the bundle, whose findings are judged again."""
    evidence = signed_evidence(raw, where=bundle)
    subjects = {baseline.path.name: baseline.sha256, **evidence.header["artifacts"]}
    again = [_figure(one) for one in recheck(evidence, loaded=baseline, subjects=subjects, where=bundle)]
    if [one.model_dump(mode="json") for one in record.figures] != again:
        raise EvidenceError("its figures are not the bundle's", where=path, expected="the figures that were signed")


def _figure(finding: Finding) -> dict[str, Any]:
    check, estimate = finding.check, finding.reading.estimate
    ends = (float(end) if math.isfinite(end) else None for end in (estimate.value, estimate.low, estimate.high))
    return {"gate": check.id, "measure": check.measure, "task": check.task, "slice": check.slice,
            "unit": estimate.unit, **dict(zip(("value", "low", "high"), ends, strict=True)), "n": estimate.n,
            "verdict": finding.verdict.name}


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EvidenceError("cannot be read", where=path, expected="what was banked",
                            found=error.strerror or str(error)) from None
