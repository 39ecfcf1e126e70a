"""The Markdown summary, as CI shows it beside a run."""

from __future__ import annotations

import re

from harness.release.evidence import Evidence
from harness.report.rows import GateRow, findings_in, gate_rows
from harness.report.story import tell

__all__ = ["escape", "markdown"]

_MARKS = {"PASS": "✅", "INCONCLUSIVE": "⚠️", "REFUSE": "❌"}
_COLUMNS = ("gate", "task", "slice", "value", "interval", "n", "limit", "planted defect", "verdict")


def markdown(evidence: Evidence, *, signed: str | None = None) -> str:
    """The run as Markdown: headline, why, the table of gates, what to do next. Ends in a line break."""
    story = tell(evidence, signed=signed)
    rows = [_line(row) for row in gate_rows(findings_in(evidence))]
    parts = [
        f"## {_MARKS[story.verdict.name]} {escape(story.headline)}",
        "\n".join(f"- {escape(sentence)}" for sentence in story.why),
        "\n".join(["| " + " | ".join(_COLUMNS) + " |",
                   "| :-- | :-- | :-- | --: | --: | --: | :-- | :-- | :-- |", *rows]),
        "**Next.** " + " ".join(map(escape, story.next)),
        _facts(evidence),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _line(row: GateRow) -> str:
    verdict = f"{_MARKS[row.verdict]} {row.verdict}" + ("" if row.required else " (not required)")
    cells = [row.measure, row.task, row.slice, row.value, row.interval, row.n, row.limit, row.control, verdict]
    return "| " + " | ".join(map(escape, cells)) + " |"


def _facts(evidence: Evidence) -> str:
    header, baseline = evidence.header, evidence.header.get("baseline")
    facts = {"baseline": baseline.get("release") if isinstance(baseline, dict) else None, "seed": header.get("seed"),
             "threads": header.get("threads"), "config": str(header.get("config_hash", ""))[:12],
             "started": header.get("started")}
    told = [f"{name} {escape(str(value))}" for name, value in facts.items() if value not in (None, "")]
    return f"<sub>{' · '.join(told)}</sub>" if told else ""


def escape(text: str) -> str:
    """Text that cannot end a cell, open a tag, a link or a mark-up run."""
    for sign, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, safe)
    return " ".join(re.sub(r"([\\|`*_\[\]!#~])", r"\\\1", text).split())
