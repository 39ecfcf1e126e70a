"""Records of many numbers show themselves in one short line."""

from __future__ import annotations

import numpy as np
import pytest

from fixtures.answered import answered_of
from fixtures.contract import calibrated_of, covered_of, harvested_of, paired_of
from fixtures.logs import sound_log, sound_policies
from fixtures.routed import routed
from fixtures.shots import readied_of
from fixtures.stressed import stressed_of
from fixtures.surrogate import surrogate_of

RECORDS = {"stress": stressed_of, "answers": answered_of, "routed": routed, "surrogate record": surrogate_of,
           "surrogate": lambda: surrogate_of().surrogate, "paired": paired_of, "covered": covered_of,
           "calibrated": calibrated_of, "harvested": harvested_of, "log": sound_log, "policies": sound_policies,
           "choices": lambda: sound_log().choices, "readied": readied_of}


@pytest.mark.parametrize("make", RECORDS.values(), ids=RECORDS)
def test_a_record_shows_itself_in_one_short_line(make):
    """What a notebook or a failing assertion prints of a study is its name and its shapes, not its megabytes."""
    record = make()
    line = repr(record)
    assert line.startswith(f"{type(record).__name__}(") and line.endswith(")")
    assert len(line) <= 200 and "\n" not in line


def test_what_is_short_is_shown_as_it_is():
    """The promise of a surrogate's record is readable in its line; an array is its shape."""
    line = repr(covered_of())
    assert "requests=Requests" in repr(routed())
    assert "coverage=0.95" in line and f"scores={np.shape(covered_of().scores)} float64" in line
