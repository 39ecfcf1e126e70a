"""The page of the defects is the one that the catalogue makes."""

from __future__ import annotations

import pytest

from harness.defects.owners import DEFECTS
from harness.defects.page import page
from tests.house.source import TOP


@pytest.fixture(scope="module")
def made() -> str:
    """The page, made once."""
    return page()


def test_the_page_is_what_the_catalogue_makes(made):
    """`python -m harness.defects.page > docs/defects.md` after a change; no row is written by hand."""
    assert (TOP / "docs" / "defects.md").read_text(encoding="utf-8") == made


def test_every_defect_has_its_row_and_every_row_its_gate(made):
    """Name, sentence, measure, grades, signal: no cell is empty."""
    rows = [line.split(" | ") for line in made.splitlines() if line.startswith("| `")]
    assert len(rows) == len(DEFECTS)
    assert all(len(row) == 5 and all(cell.strip("| ") for cell in row) for row in rows)
