"""What the verbs share."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from harness.cli.common import console, emit_json
from harness.cli.sources import source_spec
from harness.errors import Exit
from harness.estimate import Estimate


def test_json_is_strict_whatever_the_numbers() -> None:
    """Infinities become words, numpy and named tuples plain values, and any parser reads the document."""
    told = emit_json({"e": Estimate(0.1, float("-inf"), float("nan"), 3, 0.9, "t"), "n": np.int64(3), "x": np.ones(2),
                      "p": Path("a") / "b", "code": Exit.REFUSED, "flag": np.bool_(True), "none": None})
    read = json.loads(told, parse_constant=pytest.fail)
    assert (read["e"]["low"], read["e"]["high"]) == ("-inf", "nan")
    assert (read["n"], read["x"], read["p"], read["code"], read["flag"]) == (3, [1.0, 1.0], "a/b", "REFUSED", True)


def test_what_json_cannot_hold_is_an_error() -> None:
    """An object without a plain form is refused, not printed as its address."""
    with pytest.raises(TypeError):
        emit_json({"x": object()})


def test_words_leave_stdout_to_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json, what is told to people goes to stderr."""
    console(as_json=True).print("told")
    assert capsys.readouterr() == ("", "told\n")


@pytest.mark.parametrize(("word", "spec"), [
    ("a.run", {"trec": "a.run"}), ("a.RUN.gz", {"trec": "a.RUN.gz"}), ("a.parquet", {"parquet": "a.parquet"}),
    ("a.jsonl.gz", {"jsonl": "a.jsonl.gz"}), ("a.csv", {"csv": "a.csv"}), ("jsonl:a.txt", {"jsonl": "a.txt"}),
    ("trec:a.csv", {"trec": "a.csv"}), ("C:a.csv", {"csv": "C:a.csv"}),
])
def test_a_file_names_its_format(word: str, spec: dict[str, str]) -> None:
    """A format in front wins over the suffix; other colons belong to the path."""
    assert source_spec(word) == spec


def test_a_folder_is_beirs(tmp_path: Path) -> None:
    """A folder is read as a BEIR collection."""
    assert source_spec(str(tmp_path)) == {"beir": str(tmp_path)}
