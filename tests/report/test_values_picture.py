"""The picture of a policy's values: well-formed, the same bytes each time, its numbers told in words."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from fixtures.logs import sound_policies
from harness.errors import InputError
from harness.release.studied.policy_file import FILE, write_values
from harness.release.studied.policy_values import policy_values
from harness.report.gather import pictures_of
from harness.report.values_picture import values_svg

ROWS = policy_values(sound_policies(), slices=("all", "hard"))


def count(svg: str, tag: str) -> int:
    return sum(node.tag.endswith(tag) for node in ElementTree.fromstring(svg).iter())


def test_the_picture_tells_its_numbers_in_words():
    """Every estimate of every slice, and the truth, stand in the text alternative; it grows with its rows."""
    picture = values_svg(ROWS, title="Values <of> it")
    told = ElementTree.fromstring(picture).attrib["aria-label"]
    assert f"all: IPS {ROWS[0].value:.4g}, SNIPS {ROWS[1].value:.4g}" in told and "hard: IPS" in told
    assert f"truth {ROWS[0].truth:.4g}" in told
    one = ElementTree.fromstring(values_svg(ROWS[:4], title="T"))
    assert float(one.attrib["height"]) < float(ElementTree.fromstring(picture).attrib["height"])


def test_intervals_and_truth_are_drawn_and_the_model_alone_has_none():
    """Three intervals a slice and a diamond for DM; without a truth the upright line is left out."""
    known = values_svg(ROWS[:4], title="T")
    bare = values_svg([row._replace(truth=math.nan, z=math.nan) for row in ROWS[:4]], title="T")
    assert count(known, "circle") == 3 and count(known, "path") == 1
    assert count(known, "line") == count(bare, "line") + 1
    assert known == values_svg(ROWS[:4], title="T")


def test_a_slice_without_overlap_says_so_and_nothing_at_all_is_no_picture():
    """A value that could not be had is told in its place."""
    none = ROWS[4]._replace(value=math.nan, low=-math.inf, high=math.inf, truth=math.nan)
    assert "no overlap" in values_svg([*ROWS[:4], none], title="T")
    with pytest.raises(InputError, match="nothing to draw"):
        values_svg([none], title="T")


def test_the_report_draws_what_a_run_kept(tmp_path):
    """Beside its evidence, once the file can be believed."""
    write_values(tmp_path / FILE, ROWS)
    assert list(pictures_of(tmp_path, ())) == ["What the target policy would have earned"]
    (tmp_path / FILE).write_text("slice\n", encoding="utf-8")
    with pytest.raises(InputError, match="another header"):
        pictures_of(tmp_path, ())
