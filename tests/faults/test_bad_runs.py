"""Whatever is wrong with a file of runs or judgements is told in one line, by file, row and column; nothing passes."""

from __future__ import annotations

import bz2
import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.data.beir import read_beir
from harness.data.readers import read_frame, read_qrels, read_run, read_trace
from harness.data.trec import read_trec_qrels, read_trec_run
from harness.errors import Exit, InputError, SignoffError
from harness.records import Qrels, Run

GOOD = b"q1 Q0 d1 1 2.5 t\nq1 Q0 d2 2 1.5 t\n"

# name: (bytes, row, column, a part of the line)
RUNS: dict[str, tuple[bytes, int | None, str | None, str]] = {
    "empty": (b"", None, None, "empty file"),
    "blank": (b"\n \n\t\n", None, None, "no rows"),
    "only comments": (b"# a\n# b\n", None, None, "no rows"),
    "five words": (GOOD + b"q1 Q0 d3 3 0.5\n", 3, None, "wrong number of words"),
    "cut off": (GOOD + b"q1 Q0 d3", 3, None, "wrong number of words"),
    "not a number": (GOOD + b"q1 Q0 d3 3 abc t\n", 3, "score", "'abc'"),
    "digits with underscores": (GOOD + b"q1 Q0 d3 3 1_0 t\n", 3, "score", "'1_0'"),
    "nan": (b"q1 Q0 d3 3 nan t\n" + GOOD, 1, "score", "'nan'"),
    "infinite": (GOOD + b"q1 Q0 d3 3 inf t\n", 3, "score", "'inf'"),
    "overflow": (GOOD + b"q1 Q0 d3 3 1e999 t\n", 3, "score", "'1e999'"),
    "repeated pair": (GOOD + b"\n# c\nq1 Q0 d1 3 0.5 t\n", 5, None, "duplicate (query, document) pair"),
    "latin-1": (GOOD + b"q1 Q0 d\xe9 3 0.5 t\n", 3, "doc_id", "not UTF-8"),
    "utf-16": ("q1 Q0 d1 1 2.5 t\n".encode("utf-16"), 1, None, "not text"),
    "zero byte": (GOOD + b"q1 Q0 d\x00 3 0.5 t\n", 3, None, "not text"),
    "gigantic line": (GOOD + b"q1 Q0 " + b"d" * (20 << 20) + b" 3 0.5 t\n", 3, "doc_id", "id too long"),
    "gigantic word": (b"x" * (20 << 20), 1, None, "wrong number of words"),
    "qrels": (b"q1 0 d1 1\n", 1, None, "6 words"),
    "cut gzip": (gzip.compress(GOOD * 99)[:-12], None, None, "cut short or damaged"),
    "damaged gzip": (b"\x1f\x8b" + b"nonsense" * 9, None, None, "c"),
    "cut bzip2": (bz2.compress(GOOD)[:-12], None, None, "cut short or damaged"),
    "empty gzip": (gzip.compress(b""), None, None, "no rows"),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_bad_run_is_one_line(tmp_path: Path, name: str) -> None:
    """File, row, column and what was found stand in one line, and the exit code is 2."""
    data, row, column, part = RUNS[name]
    path = tmp_path / "bad.run"
    path.write_bytes(data)
    error = told(lambda: read_trec_run(path))
    assert (error.row, error.column) == (row, column)
    assert str(error).startswith(str(path))
    assert part in str(error)


QRELS: dict[str, tuple[bytes, int | None, str | None, str]] = {
    "fractional": (b"q1 0 d1 1\nq1 0 d2 0.5\n", 2, "relevance", "0.5"),
    "too large": (b"q1 0 d1 99999999999\n", 1, "relevance", "99999999999"),
    "three words": (b"q1 0 d1 1\nq1 d2 1\n", 2, None, "4 words"),
    "five words": (b"q1 0 d1 1\nq1 0 d2 1 x\n", 2, None, "4 words"),
    "a run": (GOOD, 1, None, "4 words"),
    "repeated pair": (b"q1 0 d1 1\nq1 0 d1 0\n", 2, None, "duplicate"),
    "yes": (b"q1 0 d1 yes\n", 1, "relevance", "'yes'"),
}


@pytest.mark.parametrize("name", QRELS)
def test_bad_judgements_are_one_line(tmp_path: Path, name: str) -> None:
    """Judgements fail as runs do; a fractional grade is refused, never cut."""
    data, row, column, part = QRELS[name]
    path = tmp_path / "bad.qrels"
    path.write_bytes(data)
    error = told(lambda: read_trec_qrels(path))
    assert (error.row, error.column) == (row, column)
    assert part in str(error)


TABLES: dict[str, tuple[str, str, int | None, str | None, str]] = {
    "jsonl, not JSON": ("jsonl", '{"qid": "q", "docno": "d", "score": 1}\n{"qid": ', 2, None, "not JSON"),
    "jsonl, a list": ("jsonl", "[1, 2]\n", 1, None, "object"),
    "jsonl, no score": ("jsonl", '{"qid": "q", "docno": "d", "scor": 1}\n', None, "score", "nearest: scor"),
    "jsonl, null score": ("jsonl", '{"qid": "q", "docno": "d", "score": null}\n', 1, "score", "not a number"),
    "jsonl, true score": ("jsonl", '{"qid": "q", "docno": "d", "score": true}\n', 1, "score", "not a number"),
    "jsonl, NaN": ("jsonl", '\n{"qid": "q", "docno": "d", "score": NaN}\n', 2, "score", "not finite"),
    "jsonl, float id": ("jsonl", '\n{"qid": 1.5, "docno": "d", "score": 1}\n', 2, "query_id", "not an id"),
    "jsonl, no id": ("jsonl", '{"qid": "q", "did": "d", "score": 1}\n{"qid": "q", "score": 1}', 2, "doc_id", "an id"),
    "jsonl, lone surrogate": ("jsonl", '{"qid": "\\ud800", "docno": "d", "score": 1}\n', 1, "query_id", "not an id"),
    "jsonl, nested without end": ("jsonl", "[" * 99_999, 1, None, "not JSON"),
    "jsonl, beyond a double": ("jsonl", '{"qid": "q", "did": "d", "score": 1' + "0" * 400 + "}", 1, "score", "a num"),
    "jsonl, a key twice": ("jsonl", '\n{"qid": "q", "docno": "d", "score": 1, "score": 2}\n', 2, None, "found 'score'"),
    "jsonl, blank id": ("jsonl", '{"qid": "q", "docno": " ", "score": 1}\n', 1, "doc_id", "not blank, found ' '"),
    "csv, blank id": ("csv", "query_id,doc_id,score\n\n \t,d,1\n", 3, "query_id", "not blank"),
    "jsonl, list id": ("jsonl", '{"qid": ["q"], "docno": "d", "score": 1}\n', 1, "query_id", "not an id"),
    "csv, no rows": ("csv", "query_id,doc_id,score\n", None, None, "no rows"),
    "csv, short row": ("csv", "query_id,doc_id,score\nq,d,1\nq,e\n", 3, None, "3 fields"),
    "csv, word": ("csv", "query_id,doc_id,score\n\nq,d,x\n", 3, "score", "'x'"),
    "csv, repeated pair": ("csv", "query_id,doc_id,score\nq,d,1\nq,d,2\n", 3, None, "duplicate"),
    "csv, no header": ("csv", "q,d,1\n", None, None, "no rows"),
    "csv, a column twice": ("csv", "query_id,doc_id,score,score\nq,d,1,2\n", 1, None, "given twice"),
    "csv, a byte order mark alone": ("csv", "\ufeff", None, None, "no rows"),
    "csv, open quote": ("csv", 'query_id,doc_id,score\nq,"d,1\n', 2, None, "CSV"),
    "csv, empty id": ("csv", "query_id,doc_id,score\nq,,1\n", 2, "doc_id", "non-empty"),
    "parquet, text": ("parquet", "hello", None, None, "not readable as Parquet"),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_bad_table_is_one_line(tmp_path: Path, name: str) -> None:
    """JSON lines, CSV and Parquet name the line of the file, not of the frame."""
    kind, text, row, column, part = TABLES[name]
    path = tmp_path / f"bad.{kind}"
    path.write_text(text, encoding="utf-8")
    error = told(lambda: read_run({kind: path}))
    assert (error.row, error.column) == (row, column)
    assert part in str(error)


@pytest.mark.parametrize(("columns", "row", "column", "part"), [
    ({"query_id": ["q", None], "doc_id": ["a", "b"], "score": [1.0, 2.0]}, 2, "query_id", "not an id"),
    ({"query_id": ["q", ""], "doc_id": ["a", "b"], "score": [1.0, 2.0]}, 2, "query_id", "not an id"),
    ({"query_id": ["q", " "], "doc_id": ["a", "b"], "score": [1.0, 2.0]}, 2, "query_id", "not blank, found ' '"),
    ({"query_id": [1.5, 2.5], "doc_id": ["a", "b"], "score": [1.0, 2.0]}, None, "query_id", "whole numbers"),
    ({"query_id": ["q", "q"], "doc_id": ["a", "b"], "score": ["1", "2"]}, None, "score", "not numeric"),
    ({"query_id": ["q", "q"], "doc_id": ["a", "b"], "score": [1.0, None]}, 2, "score", "not a number"),
    ({"query_id": ["q", "q"], "doc_id": ["a", "b"], "score": [1.0, float("inf")]}, 2, "score", "finite"),
    ({"query_id": ["q", "q"], "doc_id": ["a", "a"], "score": [1.0, 2.0]}, 2, None, "duplicate"),
    ({"query_id": ["q"], "doc_id": ["a"], "scores": [1.0]}, None, "score", "nearest: scores"),
    ({"query_id": [], "doc_id": [], "score": []}, None, None, "no rows"),
], ids=str)
def test_a_bad_parquet_is_one_line(tmp_path: Path, columns: dict[str, list[Any]], row: int | None, column: str | None,
                                   part: str) -> None:
    """Nulls, wrong types, repeated pairs and missing columns are told by row and column."""
    pd.DataFrame(columns).to_parquet(tmp_path / "bad.parquet")
    error = told(lambda: read_run({"parquet": tmp_path / "bad.parquet"}))
    assert (error.row, error.column) == (row, column)
    assert part in str(error)


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    """A typing error in a name is answered with the nearest file there is."""
    (tmp_path / "bm25.run").write_bytes(GOOD)
    assert told(lambda: read_run(tmp_path / "bm52.run")).hint == "bm25.run"
    assert "no such file" in str(told(lambda: read_run(tmp_path / "none" / "x.run")))
    (tmp_path / "folder.run").mkdir()
    assert "directory" in str(told(lambda: read_trec_run(tmp_path / "folder.run"))).lower()


@pytest.mark.parametrize("source", [{}, {"trek": "x"}, {"trec": "x", "csv": "y"}], ids=str)
def test_a_source_names_one_format(source: dict[str, str]) -> None:
    """A source without a format, with two, or with an unknown one is an error; the unknown one gets a hint."""
    error = told(lambda: read_run(source))
    assert error.hint == ("trec" if "trek" in source else error.hint)


def test_a_format_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """A BEIR folder holds no run, and a TREC file is no table."""
    for call in (lambda: read_run({"beir": tmp_path}), lambda: read_frame({"trec": tmp_path / "x"})):
        with pytest.raises(SignoffError, match="expected one of"):
            call()


def test_a_trace_without_latencies_is_refused(tmp_path: Path) -> None:
    """A latency file needs a stage's column, finite and not below 0."""
    path = tmp_path / "latency.csv"
    path.write_text("query_id,total\nq1,3\n")
    assert "no latency column" in str(told(lambda: read_trace({"csv": path})))
    path.write_text("query_id,total_ms\nq1,3\nq2,-1\n")
    assert told(lambda: read_trace({"csv": path})).row == 2


def test_a_latency_beyond_all_sums_is_refused(tmp_path: Path) -> None:
    """Latencies are added up: one that no clock ever showed is named by file, column and row, before sums overflow."""
    path = tmp_path / "latency.csv"
    path.write_text("query_id,encode_ms,search_ms\nq1,3,3\nq2,1.5e308,1.5e308\n")
    error = told(lambda: read_trace({"csv": path}))
    assert (error.where, error.row, error.column) == (path, 2, "encode_ms")
    assert "at most 1e+12 ms, found 1.5e+308" in str(error)
    path.write_text("query_id,encode_ms\nq1,3\nq2,86400000\n")
    assert read_trace({"csv": path}).latency_ms("encode").tolist() == [3, 86_400_000]


BEIR: dict[str, tuple[dict[str, str], str]] = {
    "no corpus": ({"corpus.jsonl": ""}, "empty file"),
    "id twice": ({"corpus.jsonl": '{"_id": "1", "text": ""}\n{"_id": "1", "text": ""}\n'}, "row 2, column _id"),
    "no text": ({"queries.jsonl": '{"_id": "q1", "txt": "x"}\n'}, "nearest: txt"),
    "number as text": ({"queries.jsonl": '{"_id": "q1", "text": 3}\n'}, "not text"),
    "judged query is gone": ({"queries.jsonl": '{"_id": "q9", "text": "x"}\n'}, "judged query does not exist"),
    "no grade": ({"qrels/test.tsv": "query-id\tcorpus-id\nq1\t1\n"}, "missing column"),
}


@pytest.mark.parametrize("name", BEIR)
def test_a_bad_beir_folder_is_one_line(tmp_path: Path, name: str) -> None:
    """Each broken file of a collection is named."""
    good = {"corpus.jsonl": json.dumps({"_id": "1", "text": "t"}),
            "queries.jsonl": json.dumps({"_id": "q1", "text": "x"}),
            "qrels/test.tsv": "query-id\tcorpus-id\tscore\nq1\t1\t1\n"}
    for file, text in (good | BEIR[name][0]).items():
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(text)
    assert BEIR[name][1] in str(told(lambda: read_beir(tmp_path)))


def test_a_missing_split_names_those_there_are(tmp_path: Path) -> None:
    """The test split is read unless another is named, and a name that is not there gets a hint."""
    (tmp_path / "qrels").mkdir()
    for split in ("dev", "train"):
        (tmp_path / "qrels" / f"{split}.tsv").write_text("query-id\tcorpus-id\tscore\nq1\t1\t1\n")
    assert "['dev', 'train']" in str(told(lambda: read_qrels({"beir": tmp_path})))


PIECES = [b"q", b"#", b" ", b"\t", b"\n", b"\r", b"1", b".", b"e", b"-", b"\xff", b",", b'"', b"{", b"}", b"[",
          b"\x1f\x8b",
          b"query_id,doc_id,score\n", b"q,d,1\n", b'{"qid":"q","docno":"d","score":', b"1}\n", b"q1 Q0 d1 1 1 t\n"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.one_of(st.binary(max_size=80), st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join)))
def test_no_bytes_raise_anything_else(tmp_path: Path, data: bytes) -> None:
    """Any bytes are either read or refused in one line: never another error, never a run without rows."""
    path = tmp_path / "fuzz"
    path.write_bytes(data)
    for read in (read_trec_run, read_trec_qrels, lambda path: read_run({"jsonl": path}),
                 lambda path: read_run({"csv": path}), lambda path: read_run({"parquet": path})):
        outcome = attempt(read, path)
        assert len(outcome) > 0
        assert isinstance(outcome, Run | Qrels) or "\n" not in outcome


def attempt(read: Any, path: Path) -> Any:
    """The record, or the line that refuses it."""
    try:
        return read(path)
    except InputError as error:
        return str(error)


def told(call: Any) -> InputError:
    """The error that a call raises, which is one line and exits with 2."""
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.exit_code is Exit.USAGE
    assert len(str(caught.value).splitlines()) == 1
    return caught.value
