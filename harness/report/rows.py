"""Evidence as a reader meets it: one line a gate, its numbers in words, its place beside the limit.

Numbers are the evidence's own. Differences of shares (`delta …`, `lift …`, `over …`) are shown in percentage points,
times in ms; a number is never rounded onto the limit that it misses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from harness.estimate import Estimate
from harness.release.evidence import Evidence, finding_of
from harness.release.judge import Finding, Verdict, verdict_of
from harness.release.policy import Limit

__all__ = ["GateRow", "caught", "findings_in", "gate_rows", "interval_text", "limit_text", "number_text"]


_PAIRED = ("delta ", "lift ", "over ")


class GateRow(NamedTuple):
    """One gate, ready to be shown; the finding itself stays at hand for the numbers."""

    finding: Finding
    gate: str
    measure: str
    task: str
    slice: str
    value: str
    interval: str
    n: str
    limit: str
    verdict: str
    required: bool
    reason: str
    control: str


def findings_in(evidence: Evidence) -> tuple[Finding, ...]:
    """The findings as written, in the order they were made."""
    return tuple(finding_of(row) for row in evidence.findings)


def gate_rows(findings: Sequence[Finding]) -> tuple[GateRow, ...]:
    """One row a finding, in the order given."""
    return tuple(_row(finding) for finding in findings)


def number_text(value: float, *, measure: str = "", unit: str = "1", limit: float | None = None) -> str:
    """A number with its unit; digits are added (to six) while rounding would put it onto `limit`.

    >>> number_text(0.29996, limit=0.3), number_text(0.0123, measure="delta nDCG@10"), number_text(5.51, unit="ms")
    ('0.29996', '+1.23 pp', '5.51 ms')
    """
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "none")
    points = _in_points(measure, unit)
    factor, digits = (100.0, 2) if points else (1.0, 4 if unit == "1" else 2)
    whole = not points and unit not in {"1", "ms"}  # faults, rows: things that are counted
    shown = _digits(value * factor, None if limit is None else limit * factor, digits, whole=whole)
    sign = "+" if points and value > 0 else ""
    suffix = " pp" if points else "" if unit == "1" else f" {unit}"
    return f"{sign}{shown}{suffix}".replace("-", "−")


def interval_text(estimate: Estimate, *, measure: str, limit: float | None = None) -> str:
    """The interval, without its unit; a dash where the measure has none.

    >>> interval_text(Estimate(0.41, 0.38, 0.44, 1500, 0.9, "t", "1"), measure="R@5")
    '[0.3800, 0.4400]'
    """
    if math.isnan(estimate.value) or (estimate.low == estimate.high == estimate.value):
        return "–"
    low, high = (number_text(end, measure=measure, unit=estimate.unit, limit=limit).split(" ")[0]
                 for end in (estimate.low, estimate.high))
    return f"[{low}, {high}]"


def limit_text(limit: Limit, *, measure: str, unit: str = "1") -> str:
    """The limit with the end of the interval that must clear it; counted things are named beside the value only.

    >>> limit_text(Limit("at_least", 0.0, "lcb"), measure="delta nDCG@10")
    'lcb ≥ 0 pp'
    """
    points = _in_points(measure, unit)
    bound = f"{round(limit.bound * (100.0 if points else 1.0), 9):g}".replace("-", "−")
    end = "" if limit.by == "value" else f"{limit.by} "
    sign = "≥" if limit.direction == "at_least" else "≤"
    return f"{end}{sign} {bound}{' pp' if points else ' ms' if unit == 'ms' else ''}"


def caught(finding: Finding) -> bool:
    """Whether the planted defect was refused by the limit that speaks for the row (its own, or an alternative's)."""
    control, estimate = finding.reading.control, finding.reading.estimate
    if control is None:
        return False
    shown: Estimate | None = control.estimate
    limit = finding.limit
    if verdict_of(estimate, limit) is not Verdict.PASS:
        for other in finding.reading.alternatives:
            if verdict_of(other.estimate, other.limit) is Verdict.PASS:
                shown, limit = other.broken, other.limit
                break
    return shown is not None and verdict_of(shown, limit) is Verdict.REFUSE


def _in_points(measure: str, unit: str) -> bool:
    return unit == "1" and measure.startswith(_PAIRED)


def _digits(value: float, limit: float | None, digits: int, *, whole: bool) -> str:
    if value == round(value) and (whole or value == 0.0 or (abs(value) >= 2 and digits == 4)):
        return f"{value:.0f}"
    for places in range(digits, 7):
        text = f"{value:.{places}f}"
        if limit is None or float(text) != limit or value == limit:
            break
    return f"{value:.2g}" if float(text) == 0.0 else text


def _row(finding: Finding) -> GateRow:
    check, estimate, limit = finding.check, finding.reading.estimate, finding.limit
    return GateRow(
        finding, check.id, check.measure, check.task or "–", check.slice,
        number_text(estimate.value, measure=check.measure, unit=estimate.unit, limit=limit.bound),
        interval_text(estimate, measure=check.measure, limit=limit.bound), f"{estimate.n:,}",
        limit_text(limit, measure=check.measure, unit=estimate.unit), finding.verdict.name, check.required,
        finding.reason, _control_text(finding),
    )


def _control_text(finding: Finding) -> str:
    control = finding.reading.control
    if control is None:
        return "none shown"
    return f"{control.defect}: {'refused' if caught(finding) else 'NOT refused'}"
