"""Numbers in words: never onto the wrong side of a limit, never in a unit they do not have."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.estimate import Estimate
from harness.release.policy import Limit
from harness.report.rows import caught, findings_in, gate_rows, interval_text, limit_text, number_text
from tests.report.samples import BROKEN, evidence

WRITTEN = st.integers(-2_000_000, 2_000_000).map(lambda number: number / 1e6)  # what evidence holds: six digits


def side(value: float, limit: float) -> int:
    """-1, 0 or 1: where a number stands beside a limit."""
    return (value > limit) - (value < limit)


@given(value=WRITTEN, limit=st.integers(-200, 200).map(lambda number: number / 100))
def test_a_shown_number_stands_where_the_number_stands(value: float, limit: float) -> None:
    """Rounding never moves a share onto or over its limit."""
    shown = float(number_text(value, limit=limit).replace("−", "-"))
    assert side(shown, limit) == side(value, limit)


@given(value=WRITTEN, limit=st.integers(-20, 20).map(lambda number: number / 100))
def test_so_it_is_with_percentage_points(value: float, limit: float) -> None:
    """Rounding never moves a difference onto or over its limit, told in points."""
    shown = float(number_text(value, measure="delta R@5", limit=limit).removesuffix(" pp").replace("−", "-"))
    assert side(shown, round(100 * limit, 9)) == side(value, limit)


def test_plain_rounding_would_be_caught() -> None:
    """The number that four digits would move onto its limit is the one these tests are about."""
    assert side(float(f"{0.299996:.4f}"), 0.3) != side(0.299996, 0.3)
    assert number_text(0.299996, limit=0.3) == "0.299996"


@pytest.mark.parametrize(("value", "measure", "unit", "shown"), [
    (0.5, "R@5", "1", "0.5000"), (-0.0213, "delta nDCG@10", "1", "−2.13 pp"), (0.05, "lift R@5", "1", "+5.00 pp"),
    (5.042432, "p95 x_ms", "ms", "5.04 ms"), (12.0, "faults", "faults", "12 faults"), (0.0, "delta R@5", "1", "0 pp"),
    (1e-6, "norm error", "1", "1e−06"), (math.inf, "p95 x_ms", "ms", "∞"), (math.nan, "R@5", "1", "none"),
])
def test_numbers_carry_their_unit(value: float, measure: str, unit: str, shown: str) -> None:
    """Shares have four digits, differences points and a sign, times ms, counts no fraction."""
    assert number_text(value, measure=measure, unit=unit) == shown


def test_an_interval_without_an_end_says_so() -> None:
    """Infinite ends are shown as such, and a point has no interval."""
    estimate = Estimate(0.1, -math.inf, 0.2, 1, 0.9, "t")
    assert interval_text(estimate, measure="delta R@5") == "[−∞, +20.00]"
    assert interval_text(estimate._replace(low=0.1, high=0.1), measure="R@5") == "–"


@pytest.mark.parametrize(("limit", "measure", "unit", "shown"), [
    (Limit("at_least", -0.02, "lcb"), "delta nDCG@10", "1", "lcb ≥ −2 pp"),
    (Limit("at_most", 8, "ucb"), "p", "ms", "ucb ≤ 8 ms"),
    (Limit("at_least", 0.3, "value"), "R@5", "1", "≥ 0.3"),
])
def test_a_limit_names_the_end_that_decides(limit: Limit, measure: str, unit: str, shown: str) -> None:
    """`by: value` needs no word; a bound does."""
    assert limit_text(limit, measure=measure, unit=unit) == shown


def test_rows_are_the_findings_in_order(tmp_path: Path) -> None:
    """One row a finding, verdict as written, required or not."""
    findings = findings_in(evidence(tmp_path, BROKEN))
    rows = gate_rows(findings)
    assert [(row.gate, row.verdict) for row in rows] == [(one.check.id, one.verdict.name) for one in findings]
    assert [row.measure for row in rows if not row.required] == ["acceptance"]


def test_the_limit_that_speaks_must_have_caught_the_defect(tmp_path: Path) -> None:
    """Where an alternative speaks for a row, its own planted numbers count; a defect it passes is not caught."""
    spoken = findings_in(evidence(tmp_path, BROKEN))[0]
    assert spoken.reading.alternatives
    assert caught(spoken)
    other = spoken.reading.alternatives[0]
    blind = other._replace(broken=other.estimate)
    reading = spoken.reading.__class__(**{**vars(spoken.reading), "alternatives": (blind,)})
    assert not caught(spoken.__class__(**{**vars(spoken), "reading": reading}))
