"""A measure has one spelling, and a wrong one is answered with the nearest."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.errors import UsageError
from harness.metrics.spec import CATALOGUE, MetricSpec, parse


@pytest.mark.parametrize("spelling", CATALOGUE)
def test_spelling_is_a_round_trip(spelling: str) -> None:
    """Text to measure to text gives the text, and measure to text to measure the measure."""
    assert parse(spelling) == CATALOGUE[spelling]
    assert str(parse(spelling)) == spelling


def test_the_parts_travel_together() -> None:
    """Name, depth, unit and direction stand in one value."""
    assert parse("nDCG@10") == MetricSpec("nDCG", k=10, unit="1", higher_is_better=True)
    assert parse("RBO(p=.95)").p == 0.95
    assert parse("RBO").compares_runs
    assert not parse("RR").compares_runs


@pytest.mark.parametrize(("text", "canonical"), [
    ("MRR@10", "RR@10"), ("Contain@50", "Success@50"), ("MAP", "AP"), ("ndcg@10", "nDCG@10"), (" recall@5 ", "R@5"),
    ('nDCG(dcg="exp-log2")@10', "nDCG(dcg='exp-log2')@10"), ("AP( rel = 2 )@100", "AP(rel=2)@100"),
    ("AP(rel=1)", "AP"), ("nDCG(dcg='log2')", "nDCG"), ("RBO", "RBO(p=0.9)"), ("P()@5", "P@5"),
])
def test_other_spellings_are_read(text: str, canonical: str) -> None:
    """Aliases, letter case, spaces and defaults all lead to the one spelling."""
    assert str(parse(text)) == canonical


@pytest.mark.parametrize(("text", "part"), [
    ("nDGC@10", "nearest: nDCG@10"), ("", "unknown measure"), ("nDCG@", "unknown"), ("nDCG@-1", "unknown"),
    ("R", "needs a depth"), ("P@0", "depth 0"), ("AP(rel=0)", "a grade from 1"), ("AP(rel=1.5)", "a grade from 1"),
    ("AP(k=3)", "wrong option 'k=3'"), ("nDCG(dcg='exp')@10", "exp-log2"), ("RBO@10", "expected none"),
    ("RBO(p=1.0)", "in (0, 1)"), ("RBO(p=.0)", "in (0, 1)"),
    ("AP(rel=2,rel=2)", "each once"), ("AP(2)", "wrong option"), ("RR@1@2", "unknown"), ("delta nDCG@10", "unknown"),
])
def test_a_wrong_spelling_is_told(text: str, part: str) -> None:
    """What is wrong, what was expected, and the nearest name, in one line."""
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_spelling_costs_no_numpy() -> None:
    """A manifest is checked before anything heavy is imported."""
    code = "import sys, harness.metrics.spec; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
