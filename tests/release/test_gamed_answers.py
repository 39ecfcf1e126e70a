"""Answers and tables of answers that look better than they are, and result files that are not what they seem."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fixtures.answered import answers_table
from harness.data.rag_results import read_results
from harness.errors import InputError
from harness.generation.prompts import parse
from harness.release.studied.answered import beside
from harness.release.studied.answers_table import record_of, rows_of


@pytest.mark.parametrize("answer", ["", " ", "...", "the"])
def test_who_says_nothing_has_used_nothing(answer):
    """A reader that only cites: no word, no use of a gold document, though its citation is right."""
    rows = rows_of([{**row, "answer": answer} for row in answers_table(3)])
    assert record_of(rows).used_gold.tolist() == [0.0] * 3
    assert record_of(rows_of(answers_table(3))).used_gold.tolist() == [1.0] * 3
    assert parse("[1]", ["a"]).cited == ("a",)  # such an answer can come from a live reader


def test_sides_held_to_other_gold_answers_have_no_difference():
    """A baseline that is held to what nobody would answer is beaten by anything."""
    rows = rows_of(answers_table(3))
    other = rows_of([*answers_table(2), {**answers_table(3)[2], "gold_answers": ["elephants"]}])
    with pytest.raises(InputError, match=r"gold_answers: another gold answer on either side; .* found '?q002"):
        beside(rows, other)


def test_a_judges_share_and_tokens_have_no_difference():
    """What one side was given and the other counted is no number in a comparison; what both counted is one."""
    given = rows_of([{**row, "f1": 0.9} for row in answers_table(3)])
    counted = rows_of(answers_table(3, good=False))
    for rows, other in ((given, counted), (counted, given)):
        record = beside(rows, other)
        assert not np.isnan(record.column("f1")).any()
        with pytest.raises(InputError, match="column f1: was not measured"):
            record.against.column("f1")
        assert len(record.against.column("precision")) == 3
    assert beside(given, given).against.column("f1").tolist() == [0.9] * 3


def test_documents_without_passages_are_counted_by_their_places():
    """They can be cited by place; ids that are of another number are told."""
    bare = {"query_id": "q", "answer": "rows", "gold_answers": "rows", "passage_docs": ["a", "b"], "gold_docs": ["b"]}
    assert record_of(rows_of([{**bare, "cited": ["1"]}])).used_gold.tolist() == [0.0]
    assert record_of(rows_of([{**bare, "cited": ["2"]}, {**bare, "query_id": "r"}])).used_gold.tolist() == [1.0, 1.0]
    with pytest.raises(InputError, match="passage_docs holds 2 of 1 passages"):
        rows_of([{**bare, "passage_ids": ["x"]}])


RAGCHECKER = {"query_id": "1", "query": "q", "gt_answer": "rows", "response": "rows"}
DEEPEVAL = {"name": "t", "input": "q", "actualOutput": "rows", "expectedOutput": "rows"}


@pytest.mark.parametrize(("kind", "file", "line"), [
    ("ragchecker", {"results": [{**RAGCHECKER, "metrics": [1]}]}, "row 1, column metrics: not a JSON object"),
    ("ragchecker", {"results": [{**RAGCHECKER, "retrieved_context": 5}]}, "column retrieved_context: not a list"),
    ("deepeval", {"testCases": [{**DEEPEVAL, "completionTime": "1.0"}]}, "column completionTime: not a number"),
    ("deepeval", {"testCases": [{**DEEPEVAL, "metricsData": {"a": 1}}]}, "column metricsData: not a list"),
    ("deepeval", {"testCases": [{**DEEPEVAL, "metricsData": [5]}]}, "column metricsData: not a JSON object"),
])
def test_a_result_file_of_another_shape_is_one_line(kind, file, line, tmp_path):
    """By row and key, whatever stands there."""
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps(file), encoding="utf-8")
    with pytest.raises(InputError, match=line):
        read_results(kind, path, scores=True)
