"""What watches a release live: `production_monitoring_config.json`, the guards of its policy with what they watch.

Written beside the contract, from the same findings. Reading is strict, and holds the file to its own digest and, where
a manifest is given, to the guards of that manifest's policy: an alert and a gate cannot come to disagree.
"""

from __future__ import annotations

import json
import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import EvidenceError
from harness.release.charter import Escalation, Severity, seconds_of
from harness.release.contract import Clause, ReleaseContract, guards_of
from harness.release.held import read_sealed, sealed
from harness.release.manifest import Loaded
from harness.release.policy import Limit, checks_of
from harness.release.predicates import policy_digest

__all__ = ["SCHEMA", "Measured", "Monitoring", "Other", "Watched", "monitoring_of", "read_monitoring"]

SCHEMA = "signoff-monitoring/1"
_Number = Annotated[float, Field(allow_inf_nan=False)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class Measured(_Model):
    """What the gate run measured: the level to come back to. An end is None where the data do not bound it."""

    value: _Number | None
    low: _Number | None
    high: _Number | None
    n: int
    verdict: Literal["PASS", "INCONCLUSIVE", "REFUSE"]


class Other(_Model):
    """An alternative measure that may speak for the guard's own, as it may for the gate's."""

    measure: str
    bound: _Number


class Watched(_Model):
    """One guard: the gate's own limit, for how long it must be missed, how grave that is and what follows."""

    gate: str
    measure: str
    task: str | None
    slice: str
    unit: str
    direction: Literal["at_least", "at_most"]
    bound: _Number
    by: Literal["value", "lcb", "ucb"]
    confidence: _Number
    for_: str = Field(alias="for")
    for_s: int
    severity: Severity
    then: Literal["alert", "hold", "rollback"]
    warn_within: _Number | None
    any_with: tuple[Other, ...]
    measured: Measured

    @property
    def limit(self) -> Limit:
        """The limit, as the judge takes it."""
        return Limit(self.direction, self.bound, self.by)


class Monitoring(_Model):
    """The whole file. `sha256` is over everything else in it."""

    schema_: Literal["signoff-monitoring/1"] = Field(alias="schema")
    release: str
    config_hash: str | None
    policy_sha256: str | None
    evidence_sha256: str | None
    guards: tuple[Watched, ...]
    owners: tuple[str, ...]
    escalation: tuple[Escalation, ...]
    sha256: str

    @property
    def raw(self) -> bytes:
        """The file's bytes."""
        told = self.model_dump(mode="json", by_alias=True)
        return (json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def monitoring_of(contract: ReleaseContract) -> Monitoring:
    """The monitoring configuration of a contract: one line a guarded clause, in the policy's order.

    >>> empty = monitoring_of(ReleaseContract("mine", ()))
    >>> empty.guards, read_monitoring(empty.raw) == empty
    ((), True)
    """
    charter, come = contract.charter, contract.provenance
    told = {
        "schema": SCHEMA, "release": contract.release, "config_hash": come and come.config_hash,
        "policy_sha256": come and come.policy_sha256, "evidence_sha256": come and come.evidence_sha256,
        "guards": [_watched(one) for one in contract.clauses if one.guard is not None],
        "owners": [] if charter is None else [*charter.owners],
        "escalation": [] if charter is None else [one.model_dump(mode="json") for one in charter.escalation]}
    return sealed(told, Monitoring, schema=SCHEMA, where=contract.release)


def read_monitoring(raw: bytes, *, where: object = "monitoring configuration", loaded: Loaded | None = None
                    ) -> Monitoring:
    """Monitoring bytes, validated; with a manifest, every guard must be the one that its policy states.

    Raises EvidenceError: not of this schema, changed since it was written, or of another policy.
    """
    found = read_sealed(raw, Monitoring, what="not a monitoring configuration", since="written", schema=SCHEMA,
                        where=where)
    if loaded is not None:
        _of_policy(found, loaded, where)
    return found


def _watched(clause: Clause) -> dict[str, Any]:
    finding, guard = clause.finding, clause.guard
    assert guard is not None
    check, limit, estimate = finding.check, finding.limit, finding.reading.estimate
    return {
        "gate": check.id, "measure": check.measure, "task": check.task, "slice": check.slice, "unit": estimate.unit,
        "direction": limit.direction, "bound": float(limit.bound), "by": limit.by,
        "confidence": float(check.confidence),
        "for": guard.for_, "for_s": seconds_of(guard.for_), "severity": guard.severity, "then": guard.then,
        "warn_within": None if guard.warn_within is None else float(guard.warn_within),
        "any_with": [{"measure": name, "bound": float(other.bound)} for name, other in check.any_with],
        "measured": {"value": _finite(estimate.value), "low": _finite(estimate.low), "high": _finite(estimate.high),
                     "n": estimate.n, "verdict": finding.verdict.name}}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _of_policy(found: Monitoring, loaded: Loaded, where: object) -> None:
    manifest, guards = loaded.manifest, guards_of(loaded.manifest.policy)
    terms: list[tuple[str, object, object]] = [
        ("release", manifest.release, found.release), ("config_hash", manifest.config_hash, found.config_hash),
        ("policy_sha256", policy_digest(manifest.policy), found.policy_sha256),
        ("guards", [check.id for check in manifest.checks if check.id in guards], [one.gate for one in found.guards])]
    stated = {check.id: check for check in checks_of(manifest.policy)}
    if terms[-1][1] == terms[-1][2]:
        for one in found.guards:
            check, guard = stated[one.gate], guards[one.gate]
            terms += [(f"{one.gate}: limit", one.limit if check.limit is None else check.limit, one.limit),
                      (f"{one.gate}: guard", guard, type(guard).model_validate(
                          {"for": one.for_, "severity": one.severity, "then": one.then,
                           "warn_within": one.warn_within})),
                      (f"{one.gate}: for_s", seconds_of(guard.for_), one.for_s),
                      (f"{one.gate}: any_with", [(name, other.bound) for name, other in check.any_with],
                       [(other.measure, other.bound) for other in one.any_with])]
    for what, expected, said in terms:
        if expected != said:
            raise EvidenceError(f"its {what} is not the policy's", where=where, expected=str(expected)[:80],
                                found=str(said)[:80])
