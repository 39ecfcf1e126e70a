"""Result files of other evaluators, in their own shapes, become rows of answers."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from harness.data.rag_results import KINDS, read_results
from harness.data.readers import read_frame
from harness.errors import InputError, UsageError

RAGCHECKER = {"results": [
    {"query_id": "000", "query": "Which river?", "gt_answer": "The Nile.", "response": "The Nile, they say.",
     "retrieved_context": [{"doc_id": "d1", "text": "The Nile is long."}, {"doc_id": "d2", "text": "A flag."}],
     "response_claims": [["Nile", "is", "longest"]], "answer2response": ["Entailment"],
     "metrics": {"precision": 1.0, "recall": 0.5, "f1": 2 / 3, "faithfulness": 0.75, "hallucination": 0.0}}],
    "metrics": {"overall_metrics": {"precision": 100.0}}}
RAGAS = [{"user_input": "Which river?", "retrieved_contexts": ["The Nile is long."], "response": "The Nile.",
          "retrieved_context_ids": ["d1"], "reference_context_ids": ["d1"], "reference": "The Nile.",
          "faithfulness": 0.75, "factual_correctness(mode=f1)": 0.5, "answer_relevancy": 0.9}]
DEEPEVAL = {"testRunData": {"testFile": None, "testCases": [
    {"name": "test_case_0", "input": "Which river?", "actualOutput": "The Nile.", "expectedOutput": "The Nile.",
     "retrievalContext": ["The Nile is long."], "completionTime": 1.5, "success": True, "order": 0,
     "metricsData": [{"name": "Faithfulness", "threshold": 0.5, "success": True, "score": 0.75, "strictMode": False},
                     {"name": "Answer Relevancy", "score": 0.9, "success": True}]}], "testPassed": 1}}
FILES = {"ragchecker": RAGCHECKER, "ragas": RAGAS, "deepeval": DEEPEVAL}


def written(folder, value, name="results.json"):
    (folder / name).write_text(json.dumps(value), encoding="utf-8")
    return folder / name


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_gives_rows_of_one_form(kind, tmp_path):
    """Question, answer, gold answer and passages are where a table of answers has them; scores only when asked for."""
    path = written(tmp_path, FILES[kind])
    (row,) = read_results(kind, path)
    assert row["question"] == "Which river?" and row["gold_answers"] == "The Nile."
    assert row["passages"][0] == "The Nile is long." and "faithfulness" not in row
    (scored,) = read_results(kind, path, scores=True)
    assert scored["faithfulness"] == 0.75 and scored.keys() > row.keys()


def test_what_only_one_kind_knows_comes_with_it(tmp_path):
    """RAGChecker knows documents, Ragas which of them were wanted, DeepEval how long it took, in seconds."""
    (checked,) = read_results("ragchecker", written(tmp_path, RAGCHECKER), scores=True)
    assert checked["passage_docs"] == ["d1", "d2"] and checked["recall"] == 0.5 and checked["query_id"] == "000"
    (ragas,) = read_results("ragas", written(tmp_path, RAGAS), scores=True)
    assert ragas["gold_docs"] == ["d1"] and ragas["f1"] == 0.5 and "precision" not in ragas
    (tested,) = read_results("deepeval", written(tmp_path, DEEPEVAL))
    assert tested["total_ms"] == 1500.0 and tested["query_id"] == "test_case_0"


def test_ragas_as_a_table_reads_as_its_json(tmp_path):
    """Parquet and JSON lines of `to_pandas` hold the same rows."""
    frame = pd.DataFrame(RAGAS)
    frame.to_parquet(tmp_path / "ragas.parquet", index=False)
    frame.to_json(tmp_path / "ragas.jsonl", orient="records", lines=True)
    (one,) = read_results("ragas", tmp_path / "ragas.jsonl")
    (two,) = read_results("ragas", tmp_path / "ragas.parquet")
    assert one == {**two, "passages": list(two["passages"]), "pool": list(two["pool"]),
                   "passage_docs": list(two["passage_docs"]), "gold_docs": list(two["gold_docs"])}


def test_test_cases_of_one_name_are_kept_apart(tmp_path):
    """Two cases named alike are two questions; a run saved by itself reads as the wrapped one."""
    case = DEEPEVAL["testRunData"]["testCases"][0]
    path = written(tmp_path, {"testCases": [case, case]})
    assert [row["query_id"] for row in read_results("deepeval", path)] == ["test_case_0 1", "test_case_0 2"]


@pytest.mark.parametrize(("kind", "value", "line"), [
    ("ragchecker", {"result": []}, r"column results: no rows; .*\(nearest: result\)"),
    ("ragchecker", {"results": [{**RAGCHECKER["results"][0], "response": None}]}, "row 1, column response: no such"),
    ("ragchecker", {"results": ["x"]}, "row 1, column results: not a JSON object"),
    ("ragas", [{"user_input": "?", "response": "x"}], "row 1, column reference: no such key"),
    ("ragas", ["x"], "row 1: not a JSON object"),
    ("deepeval", {"testRunLink": "x"}, "column testCases: no rows"),
    ("deepeval", {"testRunData": {"testCases": [{"name": "a", "actualOutput": "x"}]}}, "column expectedOutput"),
    ("deepeval", [], "not a JSON object"),
])
def test_files_of_another_shape_are_one_line(kind, value, line, tmp_path):
    """By row and key, with the nearest."""
    with pytest.raises(InputError, match=line):
        read_results(kind, written(tmp_path, value))


def test_an_unknown_kind_is_told_with_the_nearest():
    """Before any file is opened."""
    with pytest.raises(UsageError, match=r"ragass; expected one of .*\(nearest: ragas\)"):
        read_results("ragass", "nowhere.json")


def test_two_metrics_of_one_name_are_refused(tmp_path):
    """Whichever came last would count; a name in other case is the same name."""
    case = DEEPEVAL["testRunData"]["testCases"][0]
    twice = [{"name": "Faithfulness", "score": 0.1}, {"name": "faithfulness", "score": 0.9}]
    with pytest.raises(InputError, match=r"row 1.*two metrics of one name"):
        read_results("deepeval", written(tmp_path, {"testCases": [case | {"metricsData": twice}]}))


def test_answers_of_digits_alone_stay_text(tmp_path):
    """A CSV whose every answer is a number: as written, zeros and all; other columns are numbers as before."""
    path = tmp_path / "answers.csv"
    path.write_text("query_id,answer,total_ms\n1,42,5\n2,1.50,6\n", encoding="utf-8")
    frame = read_frame(str(path), texts=("answer",))
    assert frame["answer"].tolist() == ["42", "1.50"] and frame["total_ms"].tolist() == [5, 6]
    assert read_frame(str(path))["answer"].tolist() == [42.0, 1.5]
