"""Evidence, believed only where it can be derived again: shared by signer and verifier.

In order: the header belongs to this manifest and these bytes; the run left nothing out; every finding was asked for
by the policy, once, under the policy's own terms; its numbers are possible; its verdict, judged again, is the one
written. What the numbers then say is `decide`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.errors import EvidenceError, nearest
from harness.release.bundle import Subjects
from harness.release.cache import SUMS
from harness.release.evidence import Evidence
from harness.release.findings import recheck_finding
from harness.release.judge import Finding
from harness.release.manifest import Loaded
from harness.release.policy import Check
from harness.release.predicates import time_of

__all__ = ["RUN_MANIFEST", "compare_digests", "recheck", "settled"]

RUN_MANIFEST = "run_manifest.json"
_HEADER = ("run_id", "release", "manifest", "manifest_sha256", "config_hash", "run_manifest_sha256", "artifacts",
           "baseline", "seed", "started", "plugin_version", "threads")
_COUNTS = ("collected", "ran", "passed", "failed", "skipped", "deselected", "xfailed", "errors", "exit_status")
_LEFT_OUT = {"skipped": "gates were skipped", "deselected": "gates were deselected",
             "xfailed": "gates were expected to fail", "errors": "gates crashed"}


def recheck(evidence: Evidence, *, loaded: Loaded, subjects: Subjects, where: object = "evidence"
            ) -> tuple[Finding, ...]:
    """Every finding, judged again from its own numbers, in the evidence's order. Raises EvidenceError."""
    _header(evidence.header, loaded, subjects, f"{where}, header")
    _complete(evidence.closing, len(evidence.findings), f"{where}, closing line")
    return _findings(evidence.findings, loaded.manifest.checks, where)


def settled(closing: Mapping[str, Any], *, where: object = "evidence") -> None:
    """The run itself ended well; asked last, so that a release that fails its gates hears which."""
    if closing["failed"]:
        raise EvidenceError("tests failed beside the gates", where=where, expected="0 failed", found=closing["failed"])
    if closing["exit_status"]:
        raise EvidenceError("the run ended with an error", where=where, expected="exit status 0",
                            found=closing["exit_status"])


def compare_digests(signed: Subjects, found: Subjects, *, where: object, said: str = "signed") -> None:
    """The two sets of digests are equal, name by name. Raises EvidenceError naming the first that differs."""
    for name in sorted(signed.keys() | found.keys()):
        place = f"{where}, {name}"
        if name not in found:
            raise EvidenceError(f"{said}, and missing now", where=place, expected=signed[name], found="no such file")
        if name not in signed:
            raise EvidenceError(f"there now, and was not {said}", where=place, expected="no such file",
                                found=found[name])
        if signed[name] != found[name]:
            raise EvidenceError(f"changed since it was {said}", where=place, expected=signed[name], found=found[name])


def _header(header: Mapping[str, Any], loaded: Loaded, subjects: Subjects, where: str) -> None:
    for key in _HEADER:
        if key not in header:
            raise EvidenceError("a field is missing", where=where, expected=key, found=sorted(map(str, header)))
    manifest = loaded.manifest
    for key, expected in (("release", manifest.release), ("manifest", loaded.path.name),
                          ("manifest_sha256", loaded.sha256), ("config_hash", manifest.config_hash),
                          ("seed", manifest.seed)):
        if header[key] != expected or isinstance(header[key], bool):
            raise EvidenceError(f"{key} is not this manifest's", where=where, expected=str(expected),
                                found=header[key])
    for key in ("run_id", "plugin_version"):
        if not isinstance(header[key], str) or not header[key].strip() or not header[key].isprintable():
            raise EvidenceError(f"no {key}", where=where, expected="printable text", found=header[key])
    if not _count(header["threads"]) or header["threads"] < 1:
        raise EvidenceError("no thread count", where=where, expected="an integer ≥ 1", found=header["threads"])
    time_of(header["started"], what="started", where=where)
    _baseline(header["baseline"], loaded, where)
    _artifacts(header, loaded, subjects, where)


def _baseline(baseline: object, loaded: Loaded, where: str) -> None:
    named = loaded.manifest.baseline
    if baseline is None and not loaded.manifest.has_baseline:
        return
    if not isinstance(baseline, Mapping) or not {"release", "config_hash"} <= set(baseline):
        raise EvidenceError("no baseline", where=where, expected=f"release {named or 'recorded'} with its config_hash",
                            found=baseline)
    if named is None:
        return  # recorded: its files are subjects themselves
    if baseline["release"] != named:
        raise EvidenceError("measured against another baseline", where=where, expected=named,
                            found=baseline["release"])
    if not isinstance(baseline["config_hash"], str) or not baseline["config_hash"]:
        raise EvidenceError("the baseline has no digest", where=where, expected="config_hash",
                            found=baseline["config_hash"])
    pinned = loaded.manifest.baseline_digest
    if pinned is not None and baseline.get("banked") != pinned:
        raise EvidenceError("measured against another bank of the baseline", where=where, expected=pinned,
                            found=baseline.get("banked"))


def _artifacts(header: Mapping[str, Any], loaded: Loaded, subjects: Subjects, where: str) -> None:
    measured = header["artifacts"]
    if not isinstance(measured, Mapping) or not all(isinstance(one, str) for one in measured.values()):
        raise EvidenceError("no artifacts", where=where, expected="name → sha256", found=measured)
    apart = {loaded.path.name} | ({SUMS} - measured.keys())  # the list of digests is signed, and no measured artifact
    rest = {name: digest for name, digest in subjects.items() if name not in apart}
    compare_digests(measured, rest, where=where, said="measured")
    digest = measured.get(RUN_MANIFEST)
    if digest is None and loaded.manifest.parts is not None:
        raise EvidenceError("no run manifest among the artifacts", where=where, expected=RUN_MANIFEST,
                            found=sorted(measured))
    if digest is not None and header["run_manifest_sha256"] != digest:
        raise EvidenceError("another run manifest", where=where, expected=digest, found=header["run_manifest_sha256"])


def _complete(closing: Mapping[str, Any], findings: int, where: str) -> None:
    for key in _COUNTS:
        if not _count(closing.get(key)):
            raise EvidenceError(f"{key} is not a count", where=where, expected="an integer ≥ 0",
                                found=closing.get(key))
    time_of(closing.get("finished"), what="finished", where=where)
    for key, what in _LEFT_OUT.items():
        if closing[key]:
            raise EvidenceError(what, where=where, expected=f"0 {key}", found=closing[key])
    if closing["ran"] != findings:
        raise EvidenceError("findings were lost or added", where=where, expected=f"{closing['ran']} findings",
                            found=findings)
    if closing["passed"] + closing["failed"] != closing["collected"]:
        raise EvidenceError("gates were collected and left no outcome", where=where,
                            expected=f"{closing['collected']} outcomes", found=closing["passed"] + closing["failed"])


def _findings(rows: Sequence[Mapping[str, Any]], checks: Sequence[Check], where: object) -> tuple[Finding, ...]:
    asked = {check.id: check for check in checks}
    findings: dict[str, Finding] = {}
    for row in rows:
        gate = row.get("gate")
        if not isinstance(gate, str) or gate not in asked:
            raise EvidenceError("a finding that the policy does not ask for", where=where,
                                expected="a gate of the policy", found=gate, hint=nearest(str(gate), asked))
        if gate in findings:
            raise EvidenceError("a gate was found twice", where=where, expected="one finding a gate", found=gate)
        findings[gate] = recheck_finding(row, asked[gate], where=f"{where}, {gate}")
    for check in checks:
        if check.id not in findings:
            raise EvidenceError("a gate of the policy left no finding", where=where, expected=check.id,
                                found=f"{len(findings)} of {len(checks)} gates")
    return tuple(findings.values())


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
