"""The HTML report: one file, nothing fetched, readable on a phone and on a wide screen, in light and in dark."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.release.evidence import Evidence
from harness.release.judge import Finding, Verdict, verdict_of
from harness.report.forest import NARROW, WIDE, forest_svg
from harness.report.rows import GateRow, caught, findings_in, gate_rows, limit_text, number_text
from harness.report.story import tell

__all__ = ["html"]


def html(evidence: Evidence, *, pictures: Mapping[str, str] | None = None, signed: str | None = None,
         facts: Mapping[str, object] | None = None) -> str:
    """The whole page.

    Args:
        evidence: A finished run.
        pictures: Title → SVG, as the makers of `harness.report.pictures` give it; shown in this order.
        signed: Where the attestation lies and by which key, or None while nothing is signed.
        facts: More of the run manifest to show: library versions, git commit, corpus.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    rows = gate_rows(findings_in(evidence))
    baseline = evidence.header.get("baseline")
    page = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
                       trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True).get_template("page.html.j2")
    return page.render(
        story=tell(evidence, signed=signed),
        header={"seed": "–", "started": "–", "manifest": "MANIFEST", **evidence.header},
        baseline=baseline.get("release") if isinstance(baseline, Mapping) else None,
        rows=[{**row._asdict(), **_more(row)} for row in rows],
        forest_wide=Markup(forest_svg(rows, width=WIDE)), forest_narrow=Markup(forest_svg(rows, width=NARROW)),
        pictures=[(title, Markup(svg)) for title, svg in (pictures or {}).items()],
        facts=[*_facts(evidence), *((name, str(value)) for name, value in (facts or {}).items())],
        artifacts=list(evidence.header.get("artifacts", {}).items()),
    )


def _more(row: GateRow) -> dict[str, Any]:
    finding, reading = row.finding, row.finding.reading
    return {"level": f"{100 * reading.estimate.confidence:g} %", "method": reading.estimate.method,
            "details": [(name, value if isinstance(value, str) else f"{value:g}")
                        for name, value in reading.details.items()],
            "expect": _expected(finding), "note": reading.note,
            "why": "" if finding.check.required else finding.check.why, **_control(finding)}


def _expected(finding: Finding) -> str:
    """The range that the policy expects and does not judge, and whether the value lies within it."""
    if finding.check.expect is None:
        return ""
    estimate, measure = finding.reading.estimate, finding.check.measure
    low, high = (number_text(end, measure=measure, unit=estimate.unit) for end in finding.check.expect)
    inside = finding.check.expect[0] <= estimate.value <= finding.check.expect[1]
    return f"expected {low} to {high}: {'within' if inside else 'outside'}"


def _control(finding: Finding) -> dict[str, Any]:
    """What the planted defect measured, on the measure and limit that speak for the row."""
    control = finding.reading.control
    if control is None:
        return {"defect": "none shown", "severity": "–", "broken": "–", "broken_limit": "–", "caught": False}
    measure, unit, limit = finding.check.measure, finding.reading.estimate.unit, finding.limit
    value, prefix = control.value, ""
    if verdict_of(finding.reading.estimate, limit) is not Verdict.PASS:
        for other in finding.reading.alternatives:
            if other.broken is not None and verdict_of(other.estimate, other.limit) is Verdict.PASS:
                measure, unit, limit, value = other.measure, other.estimate.unit, other.limit, other.broken.value
                prefix = f"{measure} "
                break
    return {"defect": control.defect, "severity": f"{control.severity:g}", "caught": caught(finding),
            "broken": prefix + number_text(value, measure=measure, unit=unit, limit=limit.bound),
            "broken_limit": prefix + limit_text(limit, measure=measure, unit=unit)}


def _facts(evidence: Evidence) -> Iterator[tuple[str, str]]:
    header, closing = evidence.header, evidence.closing
    names = {"release": "release", "manifest": "manifest", "manifest_sha256": "manifest sha256",
             "config_hash": "CONFIG_HASH", "run_manifest_sha256": "run manifest sha256", "seed": "seed",
             "threads": "threads", "started": "started", "plugin_version": "signoff", "run_id": "run"}
    yield from ((name, str(header[key])) for key, name in names.items() if header.get(key) is not None)
    if closing.get("finished"):
        yield "finished", str(closing["finished"])
    keys = ("collected", "ran", "passed", "failed", "skipped", "deselected", "xfailed", "errors")
    counts = [f"{closing[key]} {key}" for key in keys if key in closing]
    if counts:
        yield "gates", ", ".join(counts)
