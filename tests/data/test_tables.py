"""Tables in every format hold the same run, judgements and latencies, under any of the field's column names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.data.dicts import dict_of_qrels, dict_of_run
from harness.data.readers import read_frame, read_qrels, read_run, read_trace
from harness.data.tables import DOC, QUERY, RELEVANCE, SCORE

IDS = {"query_id": ["7", "7", "q 2"], "doc_id": ["007", "d é", "d2"]}


def write(path: Path, columns: dict[str, list[Any]]) -> Path:
    """The same columns in the format that the suffix names."""
    frame = pd.DataFrame(columns)
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")), encoding="utf-8")
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "csv", "tsv"])
def test_the_format_is_told_by_the_suffix(tmp_path: Path, kind: str) -> None:
    """Ids stay text, with their leading zeros, spaces and accents; scores and grades are numbers."""
    path = write(tmp_path / f"run.{kind}", IDS | {"score": [1.5, 2, 0.25]})
    assert dict_of_run(read_run(path)) == {"7": {"d é": 2.0, "007": 1.5}, "q 2": {"d2": 0.25}}
    path = write(tmp_path / f"qrels.{kind}", IDS | {"relevance": [0, 2, -1]})
    assert dict_of_qrels(read_qrels(str(path))) == {"7": {"007": 0, "d é": 2}, "q 2": {"d2": -1}}


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "csv"])
def test_every_usual_column_name_is_known(tmp_path: Path, kind: str) -> None:
    """Aliases of query, document, score and relevance are read alike."""
    for query, doc, score in [*zip(QUERY, DOC, SCORE * 3, strict=False)]:
        path = write(tmp_path / f"run.{kind}", {"x": [0], query: ["q"], doc: ["d"], score: [1]})
        assert dict_of_run(read_run({kind: path})) == {"q": {"d": 1.0}}
    for relevance in RELEVANCE:
        path = write(tmp_path / f"qrels.{kind}", {"qid": ["q"], "docno": ["d"], relevance: [1]})
        assert dict_of_qrels(read_qrels({kind: path})) == {"q": {"d": 1}}


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_whole_numbers_are_ids(tmp_path: Path, kind: str) -> None:
    """An integer id is its digits, so that it meets the same id in a text file."""
    path = write(tmp_path / f"run.{kind}", {"query_id": [1, 1], "doc_id": [10, 9], "score": [1.0, 1.0]})
    run = read_run(path)
    assert run.docs.tolist() == ["10", "9"]
    assert run.doc.tolist() == [1, 0]  # a tie: "9" comes after "10" as text, so it ranks first


def test_a_categorical_parquet_is_read(tmp_path: Path) -> None:
    """Dictionary-encoded ids, with categories that no row uses, give the ids in use."""
    frame = pd.DataFrame({"query_id": pd.Categorical(["q", "q"], ["z", "q"]), "doc_id": ["b", "a"],
                          "score": np.array([1, 2], dtype=np.float32)})
    frame.to_parquet(tmp_path / "run.parquet")
    assert dict_of_run(read_run(tmp_path / "run.parquet")) == {"q": {"a": 2.0, "b": 1.0}}


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "csv"])
def test_a_trace_is_read(tmp_path: Path, kind: str) -> None:
    """Stages are the `_ms` columns; the query id is text though it looks like a number."""
    columns: dict[str, list[Any]] = {"qid": ["01", "2"], "total_ms": [3.5, 4], "cache": ["warm", "cold"]}
    trace = read_trace({kind: write(tmp_path / f"t.{kind}", columns)})
    assert trace.stages == ("total",)
    assert trace.latency_ms("total").tolist() == [3.5, 4.0]
    assert trace.frame["query_id"].tolist() == ["01", "2"]


def test_a_table_of_slices_keeps_its_types(tmp_path: Path) -> None:
    """A CSV's booleans, numbers and words come out as such."""
    columns: dict[str, list[Any]] = {"query_id": ["1"], "hard": [True], "length": [3], "language": ["de"]}
    frame = read_frame(write(tmp_path / "slices.csv", columns))
    assert frame.iloc[0].to_dict() == {"query_id": "1", "hard": True, "length": 3, "language": "de"}
    assert frame["hard"].dtype == bool


def test_a_prefix_names_the_format(tmp_path: Path) -> None:
    """`trec:` before a path overrules its suffix; an unknown suffix is taken as TREC."""
    (tmp_path / "a.csv").write_text("q1 Q0 d 1 1.0 t\n")
    assert len(read_run(f"trec:{tmp_path / 'a.csv'}")) == 1
    (tmp_path / "a.run").write_text("q1 Q0 d 1 1.0 t\n")
    assert len(read_run(tmp_path / "a.run")) == 1
