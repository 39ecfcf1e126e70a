"""Evidence is written line by line, read strictly, and proves nothing without its closing line."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from harness.errors import EvidenceError, Exit
from harness.estimate import Estimate
from harness.release.evidence import SCHEMA, EvidenceWriter, finding_of, read_evidence, rounded, row_of, stable_digest
from harness.release.judge import Alternative, Control, CrossCheck, Finding, Reading, judge
from harness.release.policy import Check, Limit

LIMIT = Limit("at_least", 0.2, "lcb")
CHECK = Check("t-hard-R@5-lcb", "R@5", "t", "hard", LIMIT, (("RR", LIMIT),), 0.8, False, "few", (0.2, math.inf))


def made(value: float = 0.31234567, *, unit: str = "1") -> Finding:
    numbers = Estimate(value, 0.25, math.inf, 300, 0.8, "t by cluster", unit)
    return judge(CHECK, rounded(Reading(
        numbers, 200, CrossCheck(0.249, 0.4, 0.001, math.nan, "BCa"), (Alternative("RR", numbers, LIMIT, numbers),),
        Control("shuffled", 1.0, 0.0, -math.inf, 0.01, 300), {"max": math.nan, "p50": 0.123456789, "where": "here"},
        "a note")))


def written(folder: Path, *findings: Finding) -> bytes:
    writer = EvidenceWriter(folder / "new" / "evidence.jsonl", {"run_id": "r", "release": "v0"})
    for one in findings:
        writer.add(one, test="gates/test_x.py::test_x[id]")
    writer.close({"ran": len(findings)})
    return (folder / "new" / "evidence.jsonl").read_bytes()


def test_what_is_written_is_read_back(tmp_path):
    """Header, findings with the test that made them, closing line; folders are made on the way."""
    evidence = read_evidence(written(tmp_path, made(), made(0.5)))
    assert evidence.header == {"kind": "header", "schema": SCHEMA, "run_id": "r", "release": "v0"}
    assert [row["test"] for row in evidence.findings] == ["gates/test_x.py::test_x[id]"] * 2
    assert evidence.closing == {"kind": "closing", "ran": 2}


def test_a_finding_is_read_back_whole(tmp_path):
    """Check, limit, numbers, infinities and NaN, alternatives, control: the finding that was judged."""
    (row,) = read_evidence(written(tmp_path, made())).findings
    again, one = finding_of(row), made()
    assert (again.check, again.limit, again.verdict, again.reason) == (one.check, one.limit, one.verdict, one.reason)
    assert (again.reading.estimate, again.reading.control) == (one.reading.estimate, one.reading.control)
    assert again.reading.alternatives == one.reading.alternatives
    assert again.reading.cross is not None and math.isnan(again.reading.cross.high_se)


def test_numbers_are_written_at_six_digits():
    """What is signed is what is read: 6 digits, infinities and NaN as words."""
    row = row_of(made())
    assert row["estimate"] == {"value": 0.312346, "low": 0.25, "high": "inf", "n": 300, "confidence": 0.8,
                               "method": "t by cluster", "unit": "1"}  # fmt: skip
    assert row["details"] == {"max": "nan", "p50": 0.123457, "where": "here"}
    assert row["expect"] == [0.2, "inf"] and row["cross"]["high_se"] == "nan"


def test_each_line_is_on_disk_before_the_next_gate(tmp_path):
    """A run that dies leaves its findings to look at, and no closing line."""
    writer = EvidenceWriter(tmp_path / "evidence.jsonl", {"run_id": "r"})
    writer.add(made(), test="t")
    raw = (tmp_path / "evidence.jsonl").read_bytes()
    writer.close({})
    assert [json.loads(line)["kind"] for line in raw.splitlines()] == ["header", "finding"]
    with pytest.raises(EvidenceError, match="did not finish"):
        read_evidence(raw)


def test_an_older_run_does_not_speak(tmp_path):
    """A new writer starts a new file."""
    written(tmp_path, made(), made())
    assert len(read_evidence(written(tmp_path, made())).findings) == 1


LINES = ['{"kind": "header", "schema": "signoff-evidence/1"}', '{"kind": "finding"}', '{"kind": "closing"}']


@pytest.mark.parametrize(("lines", "words"), [
    ([], "no header"), (LINES[1:], "no header"), (LINES[::-1], "no header"),
    ([LINES[0].replace("/1", "/2"), *LINES[1:]], "no header"), (LINES[:2], "did not finish"),
    (LINES[:1], "did not finish"),
    ([LINES[0], LINES[0], LINES[2]], "unknown line"), ([LINES[0], LINES[2], LINES[2]], "unknown line"),
    ([LINES[0], '{"kind": "note"}', LINES[2]], "unknown line"), ([LINES[0], "[]", LINES[2]], "unknown line"),
    ([LINES[0], '{"kind": "finding", "kind": "finding"}', LINES[2]], "duplicate key"),
    ([LINES[0], '{"kind": "finding", "n": NaN}', LINES[2]], "not a JSON number"),
    ([LINES[0], '{"kind": "finding", "n": 1e999}', LINES[2]], "not a JSON number"),
    ([LINES[0], '{"kind": "finding"', LINES[2]], "not JSON"), ([LINES[0], "", LINES[2]], "not JSON"),
    (["[]", LINES[2]], "no header"), ([LINES[0], LINES[1], '"closing"'], "did not finish"),
])  # fmt: skip
def test_a_file_of_another_shape_is_refused(lines, words):
    """Each departure from header, findings, closing line is an evidence error, exit code 12."""
    with pytest.raises(EvidenceError, match=words) as caught:
        read_evidence("\n".join(lines).encode())
    assert caught.value.exit_code is Exit.INVALID


def test_bytes_that_are_no_text_are_refused():
    """Not even JSON."""
    with pytest.raises(EvidenceError, match="not JSON"):
        read_evidence(b"\xff\xfe\x00\n")


def test_the_stable_digest_leaves_out_what_was_timed_and_where_it_ran():
    """Latencies differ from run to run, and so may test ids; everything else must repeat to the byte."""
    rows = [{"kind": "finding", "test": "a", **row_of(made())},
            {"kind": "finding", "test": "b", **row_of(made(9.0, unit="ms"))}]  # fmt: skip
    moved = [{**rows[0], "test": "elsewhere"}, {**rows[1], "reason": "slower"}]
    changed = [{**rows[0], "note": "other"}, rows[1]]
    assert stable_digest(rows) == stable_digest(moved) == stable_digest(rows[:1])
    assert stable_digest(rows) != stable_digest(changed)
    assert stable_digest(rows) != stable_digest(rows[1:])
