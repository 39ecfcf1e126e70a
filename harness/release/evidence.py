"""Evidence: one JSON line a finding, written as it happens, between a header and a closing line.

A file without its closing line is the trace of a run that died, and proves nothing. Reading is strict: duplicate
keys, NaN and unknown shapes are errors. Infinite interval ends are written as the strings "inf" and "-inf".
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.data.canonical import digest_of, strict_json
from harness.errors import EvidenceError, InputError
from harness.estimate import Estimate
from harness.release.judge import Alternative, Control, CrossCheck, Finding, Reading, Verdict
from harness.release.policy import Check, Limit

__all__ = ["SCHEMA", "Evidence", "EvidenceWriter", "finding_of", "read_evidence", "rounded",
           "row_of", "stable_digest"]

SCHEMA = "signoff-evidence/1"
DIGITS = 6
_OF_TIME = ("_ms", " p95 ratio", " throughput ratio")  # how a measure ends that a clock decides


@dataclass(frozen=True)
class Evidence:
    """A complete evidence file: header, findings in the order they were made, closing line."""

    header: Mapping[str, Any]
    findings: tuple[Mapping[str, Any], ...]
    closing: Mapping[str, Any]


class EvidenceWriter:
    """Appends lines to one file; each is flushed to disk before the next gate runs."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        """Start a new file at `path` (an older one is replaced) with the run's header."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8")
        self._write({"kind": "header", "schema": SCHEMA, **header})

    def add(self, finding: Finding, *, test: str) -> None:
        """Write one finding; `test` is the pytest node that made it."""
        self._write({"kind": "finding", "test": test, **row_of(finding)})

    def close(self, closing: Mapping[str, Any]) -> None:
        """Write the closing line: how many gates ran, were skipped, deselected, expected to fail."""
        self._write({"kind": "closing", **closing})
        self._file.close()

    def _write(self, row: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def row_of(finding: Finding) -> dict[str, Any]:
    """A finding as plain values, numbers at 6 digits: what is written, signed and verified."""
    check, reading = finding.check, finding.reading
    return {
        "gate": check.id, "measure": check.measure, "task": check.task, "slice": check.slice,
        "required": check.required, "why": check.why, "own_gate": check.own_gate,
        "limit": _limit_row(finding.limit), "estimate": _estimate_row(reading.estimate),
        "min_n": reading.min_n,
        "cross": None if reading.cross is None else {
            key: value if isinstance(value, str) else _number(value) for key, value in reading.cross._asdict().items()},
        "alternatives": [{"measure": one.measure, "estimate": _estimate_row(one.estimate),
                          "limit": _limit_row(one.limit),
                          "broken": None if one.broken is None else _estimate_row(one.broken)}
                         for one in reading.alternatives],
        "control": None if reading.control is None else {
            key: value if isinstance(value, (str, int)) else _number(value)
            for key, value in reading.control._asdict().items()},
        "expect": None if check.expect is None else [_number(end) for end in check.expect],
        "details": {key: value if isinstance(value, str) else _number(value) for key, value in reading.details.items()},
        "note": reading.note, "verdict": finding.verdict.name, "reason": finding.reason, "needed_n": finding.needed_n,
    }


def finding_of(row: Mapping[str, Any], *, where: object = "evidence") -> Finding:
    """The finding that a row describes, its verdict as written (not yet believed)."""
    try:
        reading, limit = _reading_of(row), _limit_of(row["limit"])
        expect = None if row["expect"] is None else (_value(row["expect"][0]), _value(row["expect"][1]))
        check = Check(id=str(row["gate"]), measure=str(row["measure"]), task=row["task"], slice=str(row["slice"]),
                      limit=limit, confidence=reading.estimate.confidence, required=bool(row["required"]),
                      why=row["why"], expect=expect, own_gate=row["own_gate"],
                      any_with=tuple((one.measure, one.limit) for one in reading.alternatives))
        return Finding(check, limit, reading, Verdict[row["verdict"]], str(row["reason"]), row["needed_n"])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise EvidenceError("not a finding", where=where, expected="the fields of a finding",
                            found=f"{type(error).__name__}: {error}") from None


def read_evidence(raw: bytes, *, where: object = "evidence.jsonl") -> Evidence:
    """Parse evidence bytes; anything but header, findings, closing line is refused."""
    try:
        rows = [strict_json(line, where=f"{where}, line {number}")
                for number, line in enumerate(raw.splitlines(), start=1)]
    except InputError as error:
        raise EvidenceError(error.what, where=error.where, expected=error.expected, found=error.found) from None
    kinds = [row.get("kind") if isinstance(row, dict) else None for row in rows]
    if kinds[:1] != ["header"] or rows[0].get("schema") != SCHEMA:
        raise EvidenceError("no header", where=where, expected=SCHEMA, found=rows[0] if rows else "an empty file")
    if kinds[-1] != "closing":
        raise EvidenceError("the run did not finish", where=where, expected="a closing line", found=kinds[-1])
    if any(kind != "finding" for kind in kinds[1:-1]):
        raise EvidenceError("unknown line", where=where, expected="findings between header and closing line",
                            found=[kind for kind in kinds[1:-1] if kind != "finding"][:3])
    return Evidence(rows[0], tuple(rows[1:-1]), rows[-1])


def rounded(reading: Reading) -> Reading:
    """The reading at the digits that are written, so that the verdict follows from what a verifier reads."""
    cross, control = reading.cross, reading.control
    return replace(
        reading, estimate=_round(reading.estimate),
        cross=None if cross is None else cross._replace(
            low=round(cross.low, DIGITS), high=round(cross.high, DIGITS), low_se=round(cross.low_se, DIGITS),
            high_se=round(cross.high_se, DIGITS)),
        alternatives=tuple(
            one._replace(estimate=_round(one.estimate), broken=None if one.broken is None else _round(one.broken))
            for one in reading.alternatives),
        control=None if control is None else control._replace(
            value=round(control.value, DIGITS), low=round(control.low, DIGITS), high=round(control.high, DIGITS)),
    )


def stable_digest(rows: Iterable[Mapping[str, Any]]) -> str:
    """Digest of what must repeat to the byte under one seed: all findings but the timed ones (unit ms, or of them).

    Of milliseconds are ratios too: of two percentiles, or of how much was done in a second.
    """
    stable = [{key: value for key, value in row.items() if key not in {"kind", "test"}}
              for row in rows if row["estimate"]["unit"] != "ms" and not str(row["measure"]).endswith(_OF_TIME)]
    return digest_of(stable)


def _round(estimate: Estimate) -> Estimate:
    return estimate._replace(value=round(estimate.value, DIGITS), low=round(estimate.low, DIGITS),
                             high=round(estimate.high, DIGITS))


def _estimate_row(estimate: Estimate) -> dict[str, Any]:
    return {"value": _number(estimate.value), "low": _number(estimate.low), "high": _number(estimate.high),
            "n": int(estimate.n), "confidence": estimate.confidence, "method": estimate.method, "unit": estimate.unit}


def _estimate_of(row: Mapping[str, Any]) -> Estimate:
    return Estimate(_value(row["value"]), _value(row["low"]), _value(row["high"]), int(row["n"]),
                    float(row["confidence"]), str(row["method"]), str(row["unit"]))


def _reading_of(row: Mapping[str, Any]) -> Reading:
    cross, control = row["cross"], row["control"]
    return Reading(
        estimate=_estimate_of(row["estimate"]), min_n=int(row["min_n"]), details=dict(row["details"]),
        note=str(row["note"]),
        cross=None if cross is None else CrossCheck(
            _value(cross["low"]), _value(cross["high"]), _value(cross["low_se"]), _value(cross["high_se"]),
            str(cross["method"])),
        alternatives=tuple(
            Alternative(str(one["measure"]), _estimate_of(one["estimate"]), _limit_of(one["limit"]),
                        None if one["broken"] is None else _estimate_of(one["broken"]))
            for one in row["alternatives"]),
        control=None if control is None else Control(
            str(control["defect"]), _value(control["severity"]), _value(control["value"]), _value(control["low"]),
            _value(control["high"]), int(control["n"])),
    )


def _limit_row(limit: Limit) -> dict[str, Any]:
    return {"direction": limit.direction, "bound": limit.bound, "by": limit.by}


def _limit_of(row: Mapping[str, Any]) -> Limit:
    if row["direction"] not in {"at_least", "at_most"} or row["by"] not in {"value", "lcb", "ucb"}:
        raise ValueError(f"unknown limit {row}")
    return Limit(row["direction"], float(row["bound"]), row["by"])


def _number(value: float) -> float | str:
    number = float(value)
    if not math.isfinite(number):
        return str(number)
    return round(number, DIGITS)


def _value(written: object) -> float:
    if isinstance(written, bool) or not isinstance(written, (int, float, str)):
        raise ValueError(f"not a number: {written!r}")
    if isinstance(written, str) and written not in {"inf", "-inf", "nan"}:
        raise ValueError(f"not a number: {written!r}")
    return float(written)
