"""`policy_values.csv` reads back to the bit, and is believed once its rows add up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fixtures.logs import sound_policies
from harness.errors import InputError
from harness.release.derived import is_derived
from harness.release.studied.policy_file import FILE, read_values, write_values
from harness.release.studied.policy_values import PolicyValue, policy_values

NAN, INF = float("nan"), float("inf")
_ALL = (6000, 0.5, 0.1, "yes", 0.5)
ROWS = (PolicyValue("all", "IPS", 0.53, 0.4, 0.6, *_ALL, 0.02, 0.03 / 0.02),
        PolicyValue("all", "SNIPS", 0.52, 0.42, 0.6, *_ALL, 0.02, 0.02 / 0.02),
        PolicyValue("all", "DR", 0.51, 0.45, 0.57, *_ALL, 0.02, 0.01 / 0.02),
        PolicyValue("all", "DM", 0.49, -INF, INF, *_ALL, 0.01, -0.01 / 0.01),
        PolicyValue("tiny", "IPS", NAN, -INF, INF, 4, 0.0, NAN, "", NAN, NAN, NAN),
        PolicyValue("tiny", "SNIPS", NAN, -INF, INF, 4, 0.0, NAN, "", NAN, NAN, NAN))


def test_values_read_back_to_the_bit(tmp_path):
    """Numbers, infinite ends, empty cells; those of a real record too."""
    real = policy_values(sound_policies(), slices=("all", "hard"))
    for rows in (ROWS, real):
        again = read_values(write_values(tmp_path / FILE, rows))
        for one, other in zip(again, rows, strict=True):
            assert one[:2] + one[8:9] == other[:2] + other[8:9]
            numbers = [np.array(row[2:8] + row[9:], dtype=float) for row in (one, other)]
            assert np.array_equal(*numbers, equal_nan=True)


@pytest.mark.parametrize(("old", "new", "line"), [
    ("estimator", "estimatr", r"another header; .* \(nearest: estimator\)"),
    ("all,IPS,0.53", "all,IPS,0.63", "row 2, column value: lies outside its interval; expected 0.4 to 0.6"),
    ("all,IPS,0.53", "all,IPS,0.54", "row 2, column z: does not follow from value, truth and error"),
    ("all,IPS,0.53", "all,IPS,0_53", "row 2, column value: out of bounds"),
    ("all,IPS,0.53", "all,IPS,many", "row 2, column value: out of bounds"),
    ("all,DR", "all,DRR", r"row 4, column estimator: no such estimator; .* \(nearest: DR\)"),
    ("all,DR", "all,SNIPS", "row 2, column estimator: not each estimator once"),
    ("all,IPS", "other,IPS", "row 2, column estimator: not each estimator once"),
    ("0.42,0.6,6000,0.5", "0.42,0.6,6000,1.5", "row 3, column ESS/N: out of bounds; expected 0 to 1"),
    ("0.42,0.6,6000,0.5", "0.42,0.6,6000,0.4", "row 3, column ESS/N: differs within a slice; expected 0.5"),
    ("0.42,0.6,6000", "0.42,0.6,600", "row 3, column n: differs within a slice; expected 6000"),
    ("0.42,0.6,6000", "0.42,0.6,0", "row 3, column n: not a count"),
    ("yes", "no", "row 2, column agree: does not follow from the intervals; expected yes"),
    ("yes", "maybe", "row 2, column agree: not an answer"),
    ("0.45,0.57", "0.45,0.515", "row 2, column agree: does not follow from the intervals; expected no"),
    ("tiny,IPS,,-inf,inf,4,0.0,,,,,", "tiny,IPS,,-inf,inf,4,0.0,,,,", "row 6: not a row of values; expected 12 cells"),
    ("tiny,IPS,,-inf,inf,4,0.0,,,,,", "tiny,IPS,,-inf,inf,4,0.0,,,,,1.0", "row 6, column z: .* expected empty"),
])
def test_tampered_values_are_told_by_row_and_column(tmp_path, old, new, line):
    """One line, whatever was changed."""
    path = write_values(tmp_path / FILE, ROWS)
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError, match=line):
        read_values(path)


def test_values_cut_short_or_empty_are_none(tmp_path):
    """In a row, after a row of two, or after the header."""
    path = write_values(tmp_path / FILE, ROWS)
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    for short, line in ((text[:-1], "cut short"), ("".join(lines[:2]), "not each estimator once"),
                        (lines[0], "no rows"), ("", "empty file")):
        path.write_text(short, encoding="utf-8")
        with pytest.raises(InputError, match=line):
            read_values(path)


def test_what_would_not_read_back_is_not_written(tmp_path):
    """An agreement that does not follow leaves no file."""
    with pytest.raises(InputError, match="does not follow"):
        write_values(tmp_path / FILE, [row._replace(agree="no") for row in ROWS[:4]])
    assert not (tmp_path / FILE).exists()


def test_estimates_that_miss_each_other_say_no():
    """SNIPS of propensities that are wrong, beside a DR whose model is right."""
    sound = sound_policies()
    wrong = replace(sound, propensity=np.where(sound.reward > 0.5, 0.5, 1.0) * sound.propensity)
    assert {row.agree for row in policy_values(wrong)} == {"no"}


def test_the_file_is_no_artifact_of_the_release():
    """It is made of measurements: freezing and signing leave it apart."""
    assert is_derived(FILE)
