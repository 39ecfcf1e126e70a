"""The page of the defects is the one that the catalogue makes."""

from __future__ import annotations

from harness.defects.owners import DEFECTS
from harness.defects.page import page
from tests.house.source import TOP


def test_the_page_is_what_the_catalogue_makes():
    """`python -m harness.defects.page > docs/defects.md` after a change; no row is written by hand."""
    assert (TOP / "docs" / "defects.md").read_text(encoding="utf-8") == page()


def test_every_defect_has_its_row_and_every_row_its_gate():
    """Name, sentence, measure, grades, signal: no cell is empty."""
    rows = [line.split(" | ") for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) == len(DEFECTS)
    assert all(len(row) == 5 and all(cell.strip("| ") for cell in row) for row in rows)
