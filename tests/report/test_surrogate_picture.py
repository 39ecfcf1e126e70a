"""The picture of the latency surrogate: what was told over what was taken, counted in words, the same bytes again."""

from __future__ import annotations

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from fixtures.surrogate import surrogate_of
from fixtures.trials import sound
from harness.errors import InputError
from harness.release.keep import SURROGATE, keep_records
from harness.release.observed import Trial
from harness.report.gather import pictures_of
from harness.report.surrogate_picture import Told, surrogate_svg

ONE = Told(np.array([1.0, 1.0, 1.0]), np.array([2.0, 2.0, 2.0]), np.array([1.5, 3.0, 0.5]))
TITLE = "Latency surrogate: upper end told, and what was taken"


def trial_of(record) -> Trial:
    return sound(queries=20).with_study("surrogate", record)


def test_hits_and_misses_are_drawn_and_counted():
    """Of three requests one lies in its interval: one dot of the state, two in red, and the words say so."""
    tree = ElementTree.fromstring(surrogate_svg({"warm": ONE}, title="A <title>"))
    dots = [node for node in tree.iter() if node.tag.endswith("circle") and node.attrib["r"] == "1.8"]
    assert len(dots) == 3 and sum("refuse" in node.attrib["style"] for node in dots) == 2
    assert "warm: 1 of 3 covered" in tree.attrib["aria-label"]


def test_same_numbers_same_bytes():
    """A picture is a function of its numbers."""
    assert surrogate_svg({"warm": ONE, "cold": ONE}, title="T") == surrogate_svg({"warm": ONE, "cold": ONE}, title="T")


@pytest.mark.parametrize(("told", "said"), [
    ({}, "states cannot be told apart"), (dict.fromkeys("abc", ONE), "states cannot be told apart"),
    ({"warm": ONE._replace(ms=np.array([]))}, "cannot be drawn"),
    ({"warm": ONE._replace(ms=np.array([1.0, 0.0, 1.0]))}, "column warm: cannot be drawn"),
    ({"warm": ONE._replace(high=np.array([np.inf, 1.0, 1.0]))}, "cannot be drawn"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_one_line(told, said):
    """No state, three of them, no request, no time, no end."""
    with pytest.raises(InputError, match=said):
        surrogate_svg(told, title="T")


def test_a_run_keeps_what_its_report_draws(tmp_path):
    """Four hundred new requests of each state beside the evidence, and one picture of them."""
    keep_records(trial_of(surrogate_of()), (), tmp_path)
    held = json.loads((tmp_path / SURROGATE).read_bytes())
    assert {state: len(one["ms"]) for state, one in held.items()} == {"warm": 400, "cold": 400}
    assert "of 400 covered" in pictures_of(tmp_path, [])[TITLE]


def test_a_surrogate_that_told_no_end_has_no_picture(tmp_path):
    """Infinite intervals leave an empty record, and no picture."""
    record = surrogate_of()
    held = replace(record.surrogate.thresholds, values=np.array([np.inf, np.inf]))
    keep_records(trial_of(replace(record, surrogate=replace(record.surrogate, thresholds=held))), (), tmp_path)
    assert json.loads((tmp_path / SURROGATE).read_bytes()) == {} and TITLE not in pictures_of(tmp_path, [])


@pytest.mark.parametrize("text", ["[]", '{"warm": {"low": [1]}}', '{"warm": {"low": [1], "high": ["a"], "ms": [1]}}'])
def test_a_record_that_was_touched_is_one_line(text, tmp_path):
    """A list, a missing column, words for numbers."""
    (tmp_path / SURROGATE).write_text(text)
    with pytest.raises(InputError, match="not what a surrogate told"):
        pictures_of(tmp_path, [])
