"""One finding, held against the check that asked for it, and judged again from its own numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness.errors import EvidenceError
from harness.estimate import Estimate
from harness.release.evidence import finding_of, row_of
from harness.release.judge import Finding, Verdict, judge, verdict_of
from harness.release.policy import Check, Limit

__all__ = ["LEAST_N", "least_n", "recheck_finding"]

# By the measure's first letters, where a bound decides. Here and not with the measures, which load numpy and indexes:
# whoever verifies needs neither.
LEAST_N = {"delta ": 200, "lift ": 200, "over ": 200, "stress delta ": 200, "stress loss ": 200,
           "agreement@": 500}
_TERMS = ("measure", "task", "slice", "required", "why", "own_gate")


def least_n(measure: str, limit: Limit) -> int:
    """The fewest observations on which a bound of this measure can pass; below, its lower bound is too high.

    >>> least_n("delta nDCG@10", Limit("at_least", 0.0, "lcb")), least_n("R@5", Limit("at_least", 0.3, "value"))
    (200, 0)
    """
    if limit.by == "value":
        return 0
    return next((least for start, least in LEAST_N.items() if measure.startswith(start)), 0)


def recheck_finding(row: Mapping[str, Any], check: Check, *, where: object) -> Finding:
    """The finding as it must be, given the policy's check and the row's numbers. Raises EvidenceError otherwise."""
    try:
        return _rechecked(row, finding_of(row, where=where), check, where)
    except (TypeError, ValueError, OverflowError) as error:  # numbers too large to reckon with, shapes too odd to hold
        raise EvidenceError("not a finding", where=where, expected="the fields of a finding",
                            found=f"{type(error).__name__}: {error}") from None


def _rechecked(row: Mapping[str, Any], written: Finding, check: Check, where: object) -> Finding:
    _same_terms(row, written, check, where)
    _possible_numbers(written, where)
    _enough(written, where)
    if written.verdict is Verdict.PASS and written.reading.control is None:
        raise EvidenceError("passed without a planted defect", where=where, expected="a control that was refused",
                            found=None)
    again = judge(check, written.reading, limit=written.limit)
    if again.verdict is not written.verdict:
        raise EvidenceError("the verdict does not follow from its numbers", where=where,
                            expected=f"{again.verdict.name} ({again.reason})", found=written.verdict.name)
    for key, expected in row_of(again).items():
        if key not in row or not _same(row[key], expected):
            raise EvidenceError(f"{key} does not follow from the finding's numbers", where=where,
                                expected=repr(expected), found=row.get(key))
    unknown = sorted(set(row) - set(row_of(again)) - {"kind", "test"})
    if unknown:
        raise EvidenceError("an unknown field", where=where, expected="the fields of a finding", found=unknown[0])
    return again


def _same_terms(row: Mapping[str, Any], written: Finding, check: Check, where: object) -> None:
    for key in _TERMS:
        if not _same(row.get(key), getattr(check, key)):
            raise EvidenceError(f"{key} is not the policy's", where=where, expected=repr(getattr(check, key)),
                                found=row.get(key))
    if check.limit is not None and written.limit != check.limit:
        raise EvidenceError("the limit is not the policy's", where=where, expected=str(check.limit),
                            found=str(written.limit))
    if written.reading.estimate.confidence != check.confidence:
        raise EvidenceError("the confidence is not the policy's", where=where, expected=f"{check.confidence:g}",
                            found=written.reading.estimate.confidence)
    allowed = list(check.any_with)
    for one in written.reading.alternatives if check.own_gate is None else ():
        if (one.measure, one.limit) not in allowed:
            raise EvidenceError("an alternative that the policy does not name", where=where,
                                expected=", ".join(f"{name} {limit}" for name, limit in check.any_with) or "none",
                                found=f"{one.measure} {one.limit}")
        allowed.remove((one.measure, one.limit))
        if one.estimate.confidence != check.confidence:
            raise EvidenceError(f"the confidence of {one.measure} is not the policy's", where=where,
                                expected=f"{check.confidence:g}", found=one.estimate.confidence)


def _possible_numbers(written: Finding, where: object) -> None:
    reading = written.reading
    told = [(written.check.measure, reading.estimate, written.limit)]
    told += [(one.measure, one.estimate, one.limit) for one in reading.alternatives]
    for measure, estimate, limit in told:
        _possible(estimate, measure, where, passes=_claims(estimate, limit))
    if reading.control is not None:
        if not reading.control.defect.strip() or not math.isfinite(reading.control.severity):
            raise EvidenceError("a control without a defect", where=where, expected="a name and a severity",
                                found=tuple(reading.control[:2]))
        _possible(reading.control.estimate, f"control {reading.control.defect}", where, passes=False)
    for one in reading.alternatives:
        if one.broken is not None:
            _possible(one.broken, f"{one.measure} under the control", where, passes=False)
    if written.verdict is Verdict.PASS and all(math.isnan(estimate.value) for _, estimate, _ in told):
        raise EvidenceError("passed without a number", where=where, expected="a measured value", found="nan")


def _possible(estimate: Estimate, what: str, where: object, *, passes: bool) -> None:
    """The interval holds its value. NaN is how nothing measured is written; what would pass must be finite."""
    if estimate.n < (1 if passes else 0):
        raise EvidenceError(f"{what} has no observations", where=where, expected="n ≥ 1", found=estimate.n)
    if not (0.5 < estimate.confidence < 1.0):
        raise EvidenceError(f"{what} has no confidence", where=where, expected="in (0.5, 1)",
                            found=estimate.confidence)
    if math.isnan(estimate.value):
        return
    if math.isinf(estimate.value):
        raise EvidenceError(f"{what} is infinite", where=where, expected="a finite value", found=estimate.value)
    if not estimate.low <= estimate.value <= estimate.high:
        raise EvidenceError(f"{what} lies outside its interval", where=where, expected="low ≤ value ≤ high",
                            found=f"{estimate.low:g}, {estimate.value:g}, {estimate.high:g}")


def _claims(estimate: Estimate, limit: Limit) -> bool:
    """True where the limit alone would let these numbers pass, or where only their n keeps them from it."""
    return verdict_of(estimate._replace(n=max(estimate.n, 1)), limit) is Verdict.PASS


def _enough(written: Finding, where: object) -> None:
    least = least_n(written.check.measure, written.limit)
    if written.reading.min_n < least:
        raise EvidenceError("the least n was lowered", where=where, expected=f"min_n ≥ {least}",
                            found=written.reading.min_n)
    if least and written.reading.cross is None and written.reading.estimate.n > 1:
        raise EvidenceError("a bound without its cross-check", where=where, expected="a resampled interval", found=None)
    if written.verdict is not Verdict.PASS:
        return
    for one in written.reading.alternatives:
        least = least_n(one.measure, one.limit)
        if _claims(one.estimate, one.limit) and one.estimate.n < least:
            raise EvidenceError(f"{one.measure} speaks on too few observations", where=where,
                                expected=f"n ≥ {least}", found=one.estimate.n)


def _same(found: object, expected: object) -> bool:
    """Equal, and of one kind: True is not 1, and 1 is 1.0."""
    if isinstance(expected, Mapping):
        return (isinstance(found, Mapping) and list(found) == list(expected)
                and all(_same(found[key], value) for key, value in expected.items()))
    if isinstance(expected, list):
        return (isinstance(found, list) and len(found) == len(expected)
                and all(_same(one, other) for one, other in zip(found, expected, strict=True)))
    return isinstance(found, bool) == isinstance(expected, bool) and found == expected
