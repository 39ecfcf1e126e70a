"""The HTML report: one file that shows every finding, fetches nothing and escapes everything."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.release.evidence import Evidence
from harness.report.forest import forest_svg
from harness.report.page import html
from harness.report.rows import findings_in, gate_rows
from tests.report.samples import BROKEN, SOUND, Numbers, evidence

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Tags(HTMLParser):
    """Checks that tags nest, and collects what a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.fetched += [f"{name}={value}" for name, value in attrs if name in {"src", "href", "srcset", "action"}]
        self.fetched += [name for name, _ in attrs if name.startswith("on")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(page: str) -> Tags:
    """The page's tags, nested as they must be."""
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    return tags


def test_the_page_is_whole_and_fetches_nothing(tmp_path: Path) -> None:
    """Tags nest, no script runs, nothing is loaded from anywhere."""
    tags = parsed(html(evidence(tmp_path, BROKEN), pictures={"A <b>": "<svg></svg>"}))
    assert tags.fetched == []
    assert not {"script", "link", "iframe", "img", "object"} & set(tags.seen)


def test_every_finding_and_every_defect_is_on_the_page(tmp_path: Path) -> None:
    """Each row's reason, numbers and planted defect stand there as they were written."""
    told = evidence(tmp_path, BROKEN)
    page = html(told)
    for row in gate_rows(findings_in(told)):
        assert row.reason.replace("<", "&lt;").replace(">", "&gt;") in page
        assert row.value in page
    assert page.count("✓ refused") == len(told.findings)
    assert "expected" not in page


def test_the_same_evidence_gives_the_same_bytes(tmp_path: Path) -> None:
    """No clock and no chance enters the page."""
    told = evidence(tmp_path)
    assert html(told, pictures={}) == html(told, pictures={})


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    """A release or a picture's title that carries tags is shown, never run."""
    page = html(evidence(tmp_path, release='<script>alert("x")</script>'),
                pictures={"<img src=x onerror=y>": "<svg></svg>"}, signed="<b>", facts={"<i>": "</dl>"})
    tags = parsed(page)
    assert "<script>alert" not in page
    assert tags.fetched == []


def test_a_gate_without_a_planted_defect_is_marked(tmp_path: Path) -> None:
    """A control that is missing is said in words, not left blank."""
    told = evidence(tmp_path)
    row = {**told.findings[1], "control": None}
    page = html(told.__class__(told.header, (told.findings[0], row, *told.findings[2:]), told.closing))
    assert page.count("✕ not refused") == 1
    assert "none shown" in page


def _heavy_and_limit(svg: str) -> tuple[list[float], float]:
    """Where the deciding ends and the limit's line stand."""
    lines = re.findall(r'<line x1="([\d.]+)"[^>]*stroke:([^;]+);stroke-width:([\d.]+)', svg)
    limit = next(float(x) for x, colour, width in lines if "muted" in colour and width == "1.5")
    return [float(x) for x, _, width in lines if width == "3.5"], limit


@pytest.mark.parametrize("width", [1040, 360])
@pytest.mark.parametrize("numbers", [SOUND, BROKEN], ids=["sound", "broken"])
def test_the_deciding_end_stands_on_the_side_of_the_verdict(numbers: Numbers, width: int, tmp_path: Path) -> None:
    """In the forest plot a bound that clears its limit stands right of the line, whatever the direction; else left."""
    rows = [row for row in gate_rows(findings_in(evidence(tmp_path, numbers))) if row.finding.limit.by != "value"]
    for row in rows:
        heavy, limit = _heavy_and_limit(forest_svg([row], width=width))
        estimate, bound = row.finding.reading.estimate, row.finding.limit.bound
        at_least = row.finding.limit.direction == "at_least"
        clears = estimate.low >= bound if at_least else estimate.high <= bound
        assert all((x >= limit) is clears for x in heavy), row.gate
        assert len(heavy) == 1 or estimate.high == float("inf")


def test_the_picture_has_words_for_those_who_do_not_see_it(tmp_path: Path) -> None:
    """The forest plot's text alternative names every gate with numbers, limit and verdict."""
    rows = gate_rows(findings_in(evidence(tmp_path, BROKEN)))
    label = re.search(r'aria-label="([^"]*)"', forest_svg(rows))
    assert label is not None
    assert all(f"{row.measure} " in label[1] and row.verdict in label[1] for row in rows)


def test_nothing_measured_is_drawn_as_words(tmp_path: Path) -> None:
    """A NaN leaves no mark at zero: the row says that nothing was measured."""
    told = evidence(tmp_path, {**SOUND, "agreement@10": (float("nan"), float("nan"), float("nan"), 0, "1")})
    row = next(row for row in gate_rows(findings_in(told)) if row.measure == "agreement@10")
    assert row.verdict == "INCONCLUSIVE"
    assert "nothing was measured" in forest_svg([row])


def test_a_run_without_findings_still_has_a_page() -> None:
    """Nothing shown is told as inconclusive on a whole page, not as an error or an empty success."""
    page = html(Evidence({"release": "r"}, (), {"ran": 0}))
    parsed(page)
    assert "INCONCLUSIVE" in page
    assert "without findings nothing passes" in page
