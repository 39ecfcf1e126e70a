"""The release contract as Markdown: what was promised, what was measured, what was planted and refused, who decides.

Every number in it comes from a finding; every name from the manifest.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.estimate import Estimate
from harness.release.charter import Charter
from harness.release.contract import Clause, ReleaseContract
from harness.release.judge import Finding, Verdict
from harness.report.markdown import escape
from harness.report.rows import caught, gate_rows, interval_text, limit_text, number_text

__all__ = ["NOBODY", "contract_markdown", "guard_table", "table", "who_decides"]

NOBODY = "Nobody is named: the manifest has no section `contract:`."
_COLUMNS = ("clause", "task", "slice", "limit", "measured", "interval", "n", "verdict", "planted defect")


def contract_markdown(contract: ReleaseContract, *, manifest: str | None = None) -> str:
    """The contract for people; `manifest` is how the commands in it name the file. Ends in a line break.

    >>> print(contract_markdown(ReleaseContract("mine", ())).splitlines()[2])
    **Does not hold** (INCONCLUSIVE): no clause; without findings nothing was shown.
    """
    name = manifest or (contract.provenance.manifest if contract.provenance else "MANIFEST")
    parts = [f"# Release contract of {escape(contract.release)}", _headline(contract), _facts(contract),
             "## Clauses", table(_COLUMNS, [_row(one) for one in contract.clauses], right=(4, 5, 6)),
             *_expected(contract.clauses), *_open(contract.clauses),
             *_artifacts(contract), "## Rollback triggers", guard_table(contract.clauses),
             "## Who decides", *who_decides(contract.charter),
             "## To check this", f"`signoff contract {name} --check` judges every finding in the JSON twin again from "
             f"its numbers, and holds contract and monitoring configuration to the manifest. Digest of the twin: "
             f"`{contract.document['sha256']}`."]
    return "\n\n".join(part for part in parts if part) + "\n"


def guard_table(clauses: Sequence[Clause]) -> str:
    """The guards of the clauses that have one: what is missed, for how long, and what follows."""
    guarded = [(one, one.guard) for one in clauses if one.guard is not None]
    if not guarded:
        return "No row of the policy has a guard: nothing of this contract is watched live."
    rows = [(one.finding.check.measure, one.finding.check.task or "–", one.finding.check.slice,
             _limit(one.finding), guard.for_, guard.severity, guard.then) for one, guard in guarded]
    return table(("measure", "task", "slice", "the limit, missed", "for", "severity", "then"), rows)


def who_decides(charter: Charter | None) -> tuple[str, ...]:
    """Owners, overrides and escalation, or that nobody is named."""
    if charter is None:
        return (NOBODY,)
    overrides = [(one.who, one.may, str(one.needs)) for one in charter.overrides]
    calls = [(one.severity, one.after, one.to) for one in charter.escalation]
    return (f"Owners: {', '.join(map(escape, charter.owners))}.",
            table(("who may override", "what", "how many must agree"), overrides) if overrides
            else "Nobody may override a gate or a rollback.",
            table(("severity", "open for", "is told"), calls) if calls else "No escalation is named.")


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    r"""A Markdown table; the columns in `right` are set to the right.

    >>> print(table(("a", "b"), [("x|y", "2")], right=(1,)))
    | a | b |
    | :-- | --: |
    | x\|y | 2 |
    """
    marks = ["--:" if place in right else ":--" for place in range(len(titles))]
    lines = [titles, marks, *([escape(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _headline(contract: ReleaseContract) -> str:
    findings = [one.finding for one in contract.clauses]
    if not findings:
        return f"**Does not hold** ({contract.verdict.name}): no clause; without findings nothing was shown."
    passed = sum(one.verdict is Verdict.PASS for one in findings)
    told = f"{passed} of {len(findings)} clauses were shown to hold"
    if contract.holds:
        excused = len(findings) - passed
        return f"**Holds**: {told}" + (f"; {excused} left open and not required." if excused else ".")
    blocking = "; ".join(f"{one.verdict.name} {one.check.id}: {one.reason}" for one in findings if one.blocks)
    return f"**Does not hold** ({contract.verdict.name}): {told}. {escape(blocking or 'No clause is required')}."


def _facts(contract: ReleaseContract) -> str:
    come, signed = contract.provenance, contract.signed
    if come is None:
        return "Made of findings at hand, of no gate run."
    against = "no baseline" if come.baseline is None else f"{come.baseline} ({_short(come.baseline_config_hash)})"
    banked = "" if come.baseline is None else f"sha256 {come.baseline_digest}" if come.baseline_digest else "not banked"
    by = "no" if signed is None else (f"{', '.join(signed.signers)}, {signed.signed_at}, bundle "
                                      f"sha256 {signed.bundle_sha256}"
                                      + (" (DEVELOPMENT KEY: integrity, not authority)" if signed.development else ""))
    facts = (("measured", f"{come.started} to {come.finished}"), ("run", come.run_id),
             ("evidence", f"sha256 {come.evidence_sha256}"), ("manifest", f"{come.manifest}, sha256 "
                                                              f"{come.manifest_sha256}"),
             ("configuration", come.config_hash), ("compared with", against), ("gold standard", banked), ("signed", by))
    return table(("what", "which"), [pair for pair in facts if pair[1]])


def _row(clause: Clause) -> tuple[str, ...]:
    row = gate_rows([clause.finding])[0]
    verdict = row.verdict + ("" if row.required else " (not required)")
    return (row.measure, row.task, row.slice, row.limit, row.value, row.interval, row.n, verdict,
            _planted(clause.finding))


def _planted(finding: Finding) -> str:
    """The defect, at which severity, what the gate measured on it, and whether its limit refused that."""
    control = finding.reading.control
    if control is None:
        return "none shown"
    shown = _number(finding, control.estimate)
    return (f"{control.defect} at {control.severity:g}: {shown} against {_limit(finding)}, "
            f"{'refused' if caught(finding) else 'NOT refused'}")


def _expected(clauses: Sequence[Clause]) -> list[str]:
    """The effects that the checklist banked, beside ours: shown, never judged."""
    rows = []
    for finding in (one.finding for one in clauses if one.finding.check.expect is not None):
        low, high = finding.check.expect or (0.0, 0.0)
        estimate = finding.reading.estimate
        ends = [number_text(end, measure=finding.check.measure, unit=estimate.unit) for end in (low, high)]
        place = "below" if estimate.value < low else "above" if estimate.value > high else "within"
        rows.append((finding.check.measure, finding.check.slice, ends[0] if low == high else " to ".join(ends),
                     _number(finding, estimate), interval_text(estimate, measure=finding.check.measure),
                     f"{estimate.n:,}", place if estimate.value == estimate.value else "nothing measured"))
    return ["## Expected effects, beside ours", "Shown, never judged: the limit of the clause is what decides.",
            table(("measure", "slice", "expected", "ours", "interval", "n", "ours is"), rows,
                  right=(2, 3, 4, 5))] if rows else []


def _open(clauses: Sequence[Clause]) -> list[str]:
    rows = [(one.finding.check.id, one.finding.verdict.name, one.finding.reason,
             f"{one.finding.needed_n:,}" if one.finding.needed_n else "–", one.finding.check.why or "–")
            for one in clauses if not one.finding.check.required]
    return ["## Clauses that are not required",
            table(("clause", "verdict", "reason", "n that would settle it", "why it is not required"), rows,
                  right=(3,))] if rows else []


def _artifacts(contract: ReleaseContract) -> list[str]:
    rows = [(name, digest) for name, digest in contract.artifacts.items()]
    return ["## Artifacts", "Each was read by its own reader, which believes nothing unchecked.",
            table(("file", "sha256"), rows)] if rows else []


def _limit(finding: Finding) -> str:
    return limit_text(finding.limit, measure=finding.check.measure, unit=finding.reading.estimate.unit)


def _number(finding: Finding, estimate: Estimate) -> str:
    unit = finding.reading.estimate.unit
    return number_text(estimate.value, measure=finding.check.measure, unit=unit, limit=finding.limit.bound)


def _short(digest: str | None) -> str:
    return f"configuration {digest[:12]}" if digest else "configuration unknown"
