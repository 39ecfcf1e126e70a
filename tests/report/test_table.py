"""The terminal's table at 80 columns and wider, and the Markdown summary."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from harness.release.evidence import Evidence
from harness.report.markdown import markdown
from harness.report.table import terminal_table
from tests.report.samples import BROKEN, evidence


def printed(told: Evidence, width: int) -> str:
    """What a terminal of that width shows."""
    out = io.StringIO()
    terminal_table(told, Console(file=out, width=width, color_system=None))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_no_number_is_cut_at_any_width(width: int, tmp_path: Path) -> None:
    """From 80 columns on, every number, limit and verdict stands there whole."""
    text = printed(evidence(tmp_path, BROKEN), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for part in ("0.29996", "[0.2800, 0.3200]", "1,471", "lcb ≥ 0 pp", "+6.12 pp", "INCONCLUSIVE", "[10.40, ∞]",
                 "hard_nl", "(not required)"):
        assert part in text


@pytest.mark.parametrize("width", [80, 120])
def test_only_long_names_fold(width: int, tmp_path: Path) -> None:
    """A measure with a long name and a long unit takes no room from numbers, limits and verdicts."""
    name = "violations of a_property_with_a_very_long_name"
    told = evidence(tmp_path)
    rows = [{**row, "measure": name, "estimate": {**row["estimate"], "unit": "counterexamples"}} if index == 8 else row
            for index, row in enumerate(told.findings)]
    text = printed(Evidence(told.header, tuple(rows), told.closing), width)
    for part in ("0 counterexamples", "[0.3182, 0.3660]", "lcb ≥ 0 pp", "(not required)", "PASS", "ucb ≤ 8 ms"):
        assert part in text
    assert "name" in text


def test_names_are_text_and_not_markup(tmp_path: Path) -> None:
    """A release called [bold red] is shown as it is called."""
    assert "[bold red]" in printed(evidence(tmp_path, release="[bold red]"), 80)


def test_the_summary_has_one_line_a_gate(tmp_path: Path) -> None:
    """The Markdown table has a line for every finding, each of nine cells."""
    text = markdown(evidence(tmp_path, BROKEN))
    rows = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 10
    assert all(row.replace("\\|", "").count("|") == 10 for row in rows)
    assert text.endswith("\n")


def test_nothing_escapes_from_a_cell(tmp_path: Path) -> None:
    """A hostile name opens no cell, tag, link or picture."""
    text = markdown(evidence(tmp_path, release="a|b<script>![x](http://e)`"))
    assert "<script>" not in text
    assert "a\\|b&lt;script&gt;\\!\\[x\\](http://e)\\`" in text
