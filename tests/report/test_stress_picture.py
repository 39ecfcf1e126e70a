"""The picture of a release under stress: every kind has its line, and what cannot be drawn is told."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from fixtures.stressed import stressed_of
from harness.errors import InputError
from harness.release.studied.stress_file import FILE, stress_rows, write_stress
from harness.report.gather import pictures_of
from harness.report.stress_picture import stress_svg


def test_every_kind_has_its_line_with_its_numbers():
    """Six altered kinds and three languages, families left to their kinds; loss and gain stand in the description."""
    record = stressed_of(queries=60)
    picture = stress_svg(stress_rows(record), title="Under stress")
    described = re.search(r"<desc[^>]*>(.*?)</desc>|aria-label=\"([^\"]*)\"", picture, re.S)
    assert described is not None
    words = next(one for one in described.groups() if one)
    assert len(re.findall(r"search, [^:]+: nDCG@10", words)) == 9 and "search, typo:" not in words
    rows = record.rows("synonym")
    told = f"search, synonym: nDCG@10 {record.plain[rows].mean():.4g} to {record.stressed[rows].mean():.4g}, delta +"
    assert told in words


def test_the_same_rows_give_the_same_bytes():
    """Nothing is dated, nothing drawn by chance."""
    rows = stress_rows(stressed_of(queries=60))
    assert stress_svg(rows, title="x") == stress_svg(rows, title="x")


def test_without_a_baseline_there_is_no_delta():
    """The right half is left empty, the left is drawn."""
    none = np.full(540, np.nan)
    alone = replace(stressed_of(queries=60), baseline_plain=none, baseline_stressed=none)
    picture = stress_svg(stress_rows(alone), title="x")
    assert "delta" not in picture and "beside the baseline" not in picture and "synonym" in picture


def test_nothing_measured_is_no_picture():
    """An empty report is told, as everywhere."""
    with pytest.raises(InputError, match="nothing to draw"):
        stress_svg([], title="x")


def test_a_run_that_kept_the_report_shows_it(tmp_path):
    """The report's pictures hold it under its own title, and hold none where nothing was stressed."""
    assert "Under stress" not in pictures_of(tmp_path, [])
    write_stress(tmp_path, stressed_of(queries=60))
    assert (tmp_path / FILE).is_file() and pictures_of(tmp_path, [])["Under stress"].startswith("<svg")
