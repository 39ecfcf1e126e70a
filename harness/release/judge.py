"""The decision, pure: numbers and a limit in, a finding out. No file, no clock, no network.

In order: (1) nothing measured is INCONCLUSIVE; (2) the limit decides by the stated end of the interval; (3) an
alternative that passes speaks for its row; (4) a bound on too few observations is INCONCLUSIVE; (5) so is one that a
resampled interval contradicts beyond Monte-Carlo error; (6) a gate that was not seen to refuse its planted defect
passes nothing. The gravest finding speaks for the release, and without findings nothing passes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from harness.estimate import Estimate
from harness.release.policy import Check, Limit

__all__ = ["IN_ALL", "Alternative", "Control", "CrossCheck", "Finding", "Reading", "Verdict", "decide", "judge",
           "verdict_of"]

IN_ALL = "requests of a state in all"  # a reading's detail: what `min_n` judged rows take, those of fitting included
_MOST_N = 1e12  # more rows than this settle nothing that anyone will measure


class Verdict(IntEnum):
    """Ordered by gravity, so that the gravest is the maximum."""

    PASS = 0
    INCONCLUSIVE = 1
    REFUSE = 2


class CrossCheck(NamedTuple):
    """A resampled interval beside the closed one, with the Monte-Carlo standard error of each end."""

    low: float
    high: float
    low_se: float
    high_se: float
    method: str


class Control(NamedTuple):
    """What the same gate said of a planted defect that it must refuse."""

    defect: str
    severity: float
    value: float
    low: float
    high: float
    n: int

    @property
    def estimate(self) -> Estimate:
        """The broken candidate's numbers in the one shape."""
        return Estimate(self.value, self.low, self.high, self.n, 0.9, "planted defect")


class Alternative(NamedTuple):
    """Another measure that may speak for the row, its own limit, and its own value under the planted defect."""

    measure: str
    estimate: Estimate
    limit: Limit
    broken: Estimate | None = None


@dataclass(frozen=True)
class Reading:
    """Everything measured for one check, before anything is decided.

    Attributes:
        estimate: The measured value with its interval.
        min_n: A pass on fewer observations than this is INCONCLUSIVE (a lower bound of ΔnDCG needs 200).
        cross: A resampled interval to check the closed one by, where the limit is on a bound.
        alternatives: Measures that may speak for the row.
        control: The same measurement on a planted defect; None leaves the gate unproven, which never passes.
        details: Numbers worth showing beside (5th percentile, thread count, …); never judged.
        note: A sentence for the reader.
    """

    estimate: Estimate
    min_n: int = 0
    cross: CrossCheck | None = None
    alternatives: tuple[Alternative, ...] = ()
    control: Control | None = None
    details: dict[str, float | str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """One gate's outcome with the numbers it follows from."""

    check: Check
    limit: Limit
    reading: Reading
    verdict: Verdict
    reason: str
    needed_n: int | None = None

    @property
    def blocks(self) -> bool:
        """True when this keeps a release from being signed: `required: false` excuses doubt, never a refusal."""
        return self.verdict is Verdict.REFUSE or (self.check.required and self.verdict is Verdict.INCONCLUSIVE)


def judge(check: Check, reading: Reading, *, limit: Limit | None = None) -> Finding:
    """Hold a reading against the check's limit (or `limit`, for a user's own gate that states it itself)."""
    bound = limit or check.limit
    if bound is None:
        raise ValueError(f"the gate {check.id!r} states no limit")
    verdict, reason = _decide(reading, bound)
    needed = _needed_n(reading, bound) if verdict is Verdict.INCONCLUSIVE and _wants_more(reading, bound) else None
    if needed:
        reason += f"; about n = {needed:,} would settle it"
    return Finding(check, bound, reading, verdict, reason, needed)


def decide(findings: Iterable[Finding]) -> Verdict:
    """The gravest blocking finding speaks; without a required finding nothing was shown, so nothing passes."""
    shown = list(findings)
    if not any(finding.check.required for finding in shown):
        return Verdict.INCONCLUSIVE
    return max((finding.verdict for finding in shown if finding.blocks), default=Verdict.PASS)


def verdict_of(estimate: Estimate, limit: Limit) -> Verdict:
    """What the limit alone says of the numbers.

    `by: value` compares the value. `by: lcb` with `at_least b` passes at low ≥ b, refuses at high < b, and is
    inconclusive between; `by: ucb` with `at_most b` mirrors it. NaN never passes.

    >>> verdict_of(Estimate(0.02, -0.01, 0.05, 158, 0.9, "t"), Limit("at_least", 0.0, "lcb")).name
    'INCONCLUSIVE'
    """
    if math.isnan(estimate.value) or estimate.n <= 0:
        return Verdict.INCONCLUSIVE
    if limit.by == "value":
        return Verdict.PASS if _clears(estimate.value, limit) else Verdict.REFUSE
    near, far = (estimate.low, estimate.high) if limit.direction == "at_least" else (estimate.high, estimate.low)
    if math.isnan(near) or math.isnan(far):
        return Verdict.INCONCLUSIVE
    if _clears(near, limit):
        return Verdict.PASS
    return Verdict.INCONCLUSIVE if _clears(far, limit) else Verdict.REFUSE


def _decide(reading: Reading, limit: Limit) -> tuple[Verdict, str]:
    verdict = verdict_of(reading.estimate, limit)
    reason = _words(reading.estimate, limit, verdict)
    speaker = _speaking(reading.alternatives) if verdict is not Verdict.PASS else None
    n, decides = reading.estimate.n, limit
    if speaker is not None:
        verdict, n, decides = Verdict.PASS, speaker.estimate.n, speaker.limit
        reason = f"{speaker.measure} {_words(speaker.estimate, speaker.limit, verdict)} (in place of: {reason})"
    if verdict is Verdict.PASS and decides.by != "value" and n < reading.min_n:
        return Verdict.INCONCLUSIVE, f"{reason}, but a bound on n = {n} needs n ≥ {reading.min_n}"
    if speaker is None and _contradicted(reading, limit, verdict):
        return Verdict.INCONCLUSIVE, f"{reason}, but the {_cross_words(reading, limit, verdict)} disagrees"
    if verdict is Verdict.PASS:
        return _proven(reading, limit, reason, speaker)
    return verdict, reason


def _proven(reading: Reading, limit: Limit, reason: str, speaker: Alternative | None) -> tuple[Verdict, str]:
    """The whole row is the gate: its speaker must refuse the defect, and none of its measures may let it pass."""
    control, others = reading.control, reading.alternatives
    if control is None or any(one.broken is None for one in others):
        return Verdict.INCONCLUSIVE, f"{reason}, but no planted defect was shown to this gate"
    shown = [(control.estimate, limit), *((one.broken, one.limit) for one in others if one.broken is not None)]
    speaks = shown[0] if speaker is None else shown[1 + others.index(speaker)]
    missed = [broken for broken, own in shown if verdict_of(broken, own) is Verdict.PASS]
    missed += [speaks[0]] if verdict_of(*speaks) is not Verdict.REFUSE else []
    if missed:
        return Verdict.INCONCLUSIVE, (f"{reason}, but the planted defect {control.defect} was not refused "
                                      f"(measured {missed[0].value:.6g})")
    return Verdict.PASS, reason


def _speaking(alternatives: Sequence[Alternative]) -> Alternative | None:
    return next((one for one in alternatives if verdict_of(one.estimate, one.limit) is Verdict.PASS), None)


def _contradicted(reading: Reading, limit: Limit, verdict: Verdict) -> bool:
    cross = reading.cross
    if cross is None or verdict is Verdict.INCONCLUSIVE:
        return False
    resampled = reading.estimate._replace(low=cross.low, high=cross.high)
    if verdict_of(resampled, limit) is verdict:
        return False
    low_end = _low_decides(limit, verdict)
    gap = abs(cross.low - reading.estimate.low) if low_end else abs(cross.high - reading.estimate.high)
    return not gap <= 3.0 * (cross.low_se if low_end else cross.high_se)


def _low_decides(limit: Limit, verdict: Verdict) -> bool:
    """True where the interval's lower end gave this verdict."""
    return (limit.direction == "at_least") == (verdict is Verdict.PASS)


def _wants_more(reading: Reading, limit: Limit) -> bool:
    """True where more observations could settle it; no number of them replaces a planted defect."""
    open_bound = verdict_of(reading.estimate, limit) is Verdict.INCONCLUSIVE
    return limit.by != "value" and (open_bound or reading.estimate.n < reading.min_n)


def _needed_n(reading: Reading, limit: Limit) -> int | None:
    """The n at which an interval of this spread, about this value, would clear or miss the limit.

    An end shrinks with the root of n; where none or all of n were seen, with n itself (1 - α^(1/n)).
    """
    estimate = reading.estimate
    gap = abs(estimate.value - limit.bound)
    reach = estimate.value - estimate.low if estimate.value >= limit.bound else estimate.high - estimate.value
    if not (math.isfinite(gap) and math.isfinite(reach)) or gap == 0.0 or estimate.n < 2:
        return reading.min_n if reading.min_n > estimate.n else None
    rows = estimate.n * (reach / gap)
    if estimate.low < estimate.value < estimate.high:
        rows *= reach / gap
    if rows > _MOST_N:
        return None
    needed = max(math.ceil(rows), reading.min_n)
    return needed if needed > estimate.n else None


def _clears(number: float, limit: Limit) -> bool:
    return number >= limit.bound if limit.direction == "at_least" else number <= limit.bound


def _words(estimate: Estimate, limit: Limit, verdict: Verdict) -> str:
    if math.isnan(estimate.value) or estimate.n <= 0:
        return f"nothing was measured (n = {estimate.n})"
    number = estimate.value
    if limit.by != "value":
        near = (limit.direction == "at_least") == (verdict is not Verdict.REFUSE)
        number = estimate.low if near else estimate.high
    name = limit.by if limit.by == "value" or verdict is not Verdict.REFUSE else ("ucb" if limit.by == "lcb" else "lcb")
    above = limit.direction == "at_least"
    holds = {True: "≥" if above else "≤", False: "<" if above else ">"}[verdict is Verdict.PASS]
    return f"{name} {number:.6g} {holds} {limit.bound:g}"


def _cross_words(reading: Reading, limit: Limit, verdict: Verdict) -> str:
    cross = reading.cross
    assert cross is not None
    return f"{cross.method} bound {cross.low if _low_decides(limit, verdict) else cross.high:.6g}"
