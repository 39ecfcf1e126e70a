"""What was decided, by which number, and what to do next: the words that close every report.

A run that skipped or lost gates is no better than INCONCLUSIVE, whatever its findings say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness.release.evidence import Evidence
from harness.release.judge import IN_ALL, Finding, Verdict, decide, verdict_of
from harness.report.rows import findings_in, limit_text, number_text

__all__ = ["Story", "tell"]

_LOST = ("skipped", "deselected", "xfailed", "errors")
_LONGEST_NOTE = 300


class Story(NamedTuple):
    """The outcome of a run.

    Attributes:
        release: The release's name.
        verdict: The gravest required finding, or INCONCLUSIVE where gates were lost.
        headline: One line: what was decided.
        why: Sentences: by which numbers.
        next: Sentences: what to do now.
        counts: Required gates that passed, blocking gates by verdict (a refusal blocks, required or not), and rows
            that are not required.
    """

    release: str
    verdict: Verdict
    headline: str
    why: tuple[str, ...]
    next: tuple[str, ...]
    counts: dict[str, int]


def tell(evidence: Evidence, *, signed: str | None = None) -> Story:
    """The story of a finished run; `signed` says where its attestation lies, if there is one."""
    findings = findings_in(evidence)
    lost = _lost(evidence, findings)
    verdict = max(decide(findings), Verdict.INCONCLUSIVE) if lost else decide(findings)
    release = str(evidence.header.get("release", "release"))
    required = [finding for finding in findings if finding.check.required]
    blocking = sorted((one for one in findings if one.blocks), key=lambda one: -one.verdict)
    counts = {"PASS": sum(one.verdict is Verdict.PASS for one in required)}
    for name in (Verdict.INCONCLUSIVE, Verdict.REFUSE):
        counts[name.name] = sum(one.verdict is name for one in blocking)
    counts["not required"] = len(findings) - len(required)
    why = (_passes(required), *_closest(required)) if verdict is Verdict.PASS else tuple(map(_sentence, blocking))
    return Story(release, verdict, _headline(release, verdict, counts, len(findings)),
                 (*lost, *why, *_open_rows(findings)), _next(evidence, verdict, blocking, bool(lost), signed), counts)


def _headline(release: str, verdict: Verdict, counts: dict[str, int], gates: int) -> str:
    if verdict is Verdict.PASS:
        return f"{release} passed all {gates - counts['not required']} required gates"
    parts = [f"{counts[name]} {word}" for name, word in (("REFUSE", "refused"), ("INCONCLUSIVE", "inconclusive"))
             if counts[name]]
    what = "is refused" if verdict is Verdict.REFUSE else "is inconclusive"
    return f"{release} {what}: {' and '.join(parts) or 'no proof'} of {_gates(gates)}"


def _gates(count: int) -> str:
    return f"{count} gate" if count == 1 else f"{count} gates"


def _passes(required: list[Finding]) -> str:
    proven = sum(one.reading.control is not None for one in required)
    return f"Every required gate passed, and {proven} of {len(required)} were seen to refuse a planted defect."


def _sentence(finding: Finding) -> str:
    n = finding.reading.estimate.n
    reason = finding.reason.replace(f" (n = {n})", "", 1)  # "nothing was measured" says its n itself: once is enough
    words = f"{finding.check.id} ({finding.verdict.name}): {reason} (n = {n:,})"
    note = _note(finding)  # which pin fell, which draw broke a property, which slice came off worst
    return f"{words}; {note}." if note else f"{words}."


def _note(finding: Finding) -> str:
    note = finding.reading.note.rstrip(".")
    return note if len(note) <= _LONGEST_NOTE else f"{note[:_LONGEST_NOTE - 1]}…"


def _closest(required: list[Finding]) -> tuple[str, ...]:
    """The pass with the least room, in half-widths of its own interval."""
    rooms = [(room, one) for one in required if math.isfinite(room := _room(one))]
    if not rooms:
        return ()
    one = min(rooms, key=lambda pair: pair[0])[1]
    estimate, limit, measure = one.reading.estimate, one.limit, one.check.measure
    end = {"value": estimate.value, "lcb": estimate.low, "ucb": estimate.high}[limit.by]
    shown = number_text(end, measure=measure, unit=estimate.unit, limit=limit.bound)
    return (f"The closest call was {one.check.id}: {limit.by} {shown} against "
            f"{limit_text(limit, measure=measure, unit=estimate.unit)} (n = {estimate.n:,}).",)


def _room(finding: Finding) -> float:
    estimate, limit = finding.reading.estimate, finding.limit
    end = {"value": estimate.value, "lcb": estimate.low, "ucb": estimate.high}[limit.by]
    width = estimate.half_width
    gap = end - limit.bound if limit.direction == "at_least" else limit.bound - end
    on_target = limit.by == "value" and gap == 0.0  # none of what must not be is no close call
    return gap / width if math.isfinite(width) and width > 0 and gap >= 0 and not on_target else math.inf


def _open_rows(findings: tuple[Finding, ...]) -> tuple[str, ...]:
    rows = [one for one in findings if not one.check.required and one.verdict is Verdict.INCONCLUSIVE]
    return tuple(f"Not required, and left open: {_sentence(one)} The policy's reason: {one.check.why}."
                 for one in rows)


def _lost(evidence: Evidence, findings: tuple[Finding, ...]) -> tuple[str, ...]:
    closing = evidence.closing
    lost = [f"{closing[name]} {name}" for name in _LOST if closing.get(name)]
    lines: tuple[str, ...] = ()
    if lost:
        lines += (f"Gates were lost on the way: {', '.join(lost)}. What did not run proves nothing.",)
    elif closing.get("gaps"):
        lines += (f"The run was not whole: {'; '.join(closing['gaps'])}. What did not run proves nothing.",)
    ran = closing.get("ran")
    if ran is not None and ran != len(findings):
        lines += (f"{ran} gates ran but {len(findings)} findings were written.",)
    return lines if findings else (*lines, "No gate left a finding; without findings nothing passes.")


def _next(evidence: Evidence, verdict: Verdict, blocking: list[Finding], lost: bool, signed: str | None
          ) -> tuple[str, ...]:
    manifest = evidence.header.get("called_as") or evidence.header.get("manifest", "MANIFEST")
    if verdict is Verdict.PASS and signed:
        return f"Signed: {signed}.", f"To check it: signoff verify {manifest}"
    if verdict is Verdict.PASS:
        return _to_sign(str(manifest), evidence.closing.get("awaited", ()))
    lines = ["Nothing was signed."]
    if lost:
        lines.append("Run every gate: no -k, no skip marks, no gate that dies.")
    refused = [one.check.id for one in blocking
               if one.verdict is Verdict.REFUSE and one.check.measure != "unsigned baseline"]
    if any(one.verdict is Verdict.REFUSE and one.check.measure == "unsigned baseline" for one in blocking):
        lines.append(_sign_first(evidence, str(manifest)))
    if refused:
        lines.append(f"A shortfall was shown at {', '.join(refused)}: change the release, then run its gates again.")
    return (*lines, *(_settle(one) for one in blocking if one.verdict is Verdict.INCONCLUSIVE))


def _sign_first(evidence: Evidence, manifest: str) -> str:
    baseline = (evidence.header.get("baseline") or {}).get("release", "BASELINE")
    return (f"{baseline} is not signed as it stands: signoff gates {Path(manifest).with_name(f'{baseline}.yaml')} "
            "--sign, then run these gates again.")


def _to_sign(manifest: str, awaited: Sequence[str]) -> tuple[str, ...]:
    """What is left after a pass: the approvals that people still owe, then the signature."""
    if not awaited:
        return (f"Nothing is signed yet. To sign it: signoff sign {manifest}",)
    return ("Nothing is signed yet: people have still to approve.", f"The whole list: signoff status {manifest}",
            *(f"To approve: {command}" for command in awaited), f"Then, to sign it: signoff sign {manifest}")


def _settle(finding: Finding) -> str:
    n, gate = finding.reading.estimate.n, finding.check.id
    in_all = finding.reading.details.get(IN_ALL)
    if n < finding.reading.min_n and isinstance(in_all, float):
        return (f"To settle {gate}, give {in_all:,.0f} requests of each state of the cache in all, so that "
                f"{finding.reading.min_n:,} or more are left to judge by (now {n:,}).")
    if n < finding.reading.min_n:
        return f"To settle {gate}, measure {finding.reading.min_n:,} or more (now {n:,}): fewer prove no bound."
    if finding.needed_n:
        return _with_more(finding, finding.needed_n)
    if finding.reading.control is None and "planted defect" in finding.reason:
        return f"To settle {gate}, give the gate a planted defect that it must refuse."
    return _beyond_its_defect(finding) or (f"To settle {gate}, look at its reason above: more of the same data would "
                                           "not settle it.")


def _with_more(finding: Finding, needed: int) -> str:
    n, gate = finding.reading.estimate.n, finding.check.id
    if finding.reading.estimate.unit == "ms":
        return (f"To settle {gate}, run again when the machine is quiet, or time about {needed:,} requests "
                f"(latency_requests; now {n:,}).")
    if not _holds(finding):  # more of the same would show a shortfall, not a pass
        return (f"To settle {gate}, measure about {needed:,} observations (now {n:,}): at this value they would refuse "
                "it. To pass it, change the release, or state an allowed loss in the policy, with its reason.")
    return (f"To settle {gate}, measure about {needed:,} observations (now {n:,}), or state an allowed loss in the "
            "policy, with its reason.")


def _holds(finding: Finding) -> bool:
    """True where the value itself, its interval aside, keeps the limit."""
    value, limit = finding.reading.estimate.value, finding.limit
    return value >= limit.bound if limit.direction == "at_least" else value <= limit.bound


def _beyond_its_defect(finding: Finding) -> str:
    """Where the limit lets the planted defect by: the limit that would show it, if the release itself would hold it."""
    control, limit, own = finding.reading.control, finding.limit, finding.reading.estimate
    if control is None or finding.reading.alternatives or verdict_of(own, limit) is not Verdict.PASS \
            or verdict_of(control.estimate, limit) is Verdict.REFUSE:
        return ""
    upward, gate = limit.direction == "at_most", finding.check.id
    ends = ("value", "value") if limit.by == "value" else ("high", "low") if upward else ("low", "high")
    held, shows = getattr(own, ends[0]), getattr(control.estimate, ends[1])
    if not (held < shows if upward else held > shows):
        return (f"To settle {gate}, no limit would do: its planted defect {control.defect} is not told from the "
                "release by these numbers. Measure more, or choose a measure that the defect moves.")
    text = number_text(shows, measure=finding.check.measure, unit=own.unit, limit=limit.bound)
    return (f"To settle {gate}, state a narrower limit: one {'under' if upward else 'over'} {text} would show its "
            f"planted defect {control.defect}.")
