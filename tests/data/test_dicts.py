"""What is in memory already becomes a run or judgements, in trec_eval's order and not in its own."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np
import pytest

from harness.data.dicts import dict_of_qrels, dict_of_run, qrels_of_dict, qrels_of_tuples, run_of_dict, run_of_tuples
from harness.errors import InputError
from harness.metrics.evaluate import evaluate

TrecQrel = namedtuple("TrecQrel", ["query_id", "doc_id", "relevance", "iteration"])
ScoredDoc = namedtuple("ScoredDoc", ["query_id", "doc_id", "score"])


def test_dictionaries_survive_the_round_trip() -> None:
    """What goes in comes out, hits in rank order."""
    run = {"q2": {"a": 1.0, "b": 2.0}, "q1": {"c": 0.0}}
    assert dict_of_run(run_of_dict(run)) == run
    assert list(dict_of_run(run_of_dict(run))["q2"]) == ["b", "a"]
    qrels = {"q2": {"a": 1, "b": 0}, "q1": {"c": -1}}
    assert dict_of_qrels(qrels_of_dict(qrels)) == qrels


def test_the_order_of_a_dictionary_means_nothing() -> None:
    """A perfect run whose queries stand in another order than the judgements still scores 1."""
    run = run_of_dict({"q3": {"c": 1.0}, "q1": {"a": 1.0}, "q2": {"b": 1.0}})
    qrels = qrels_of_dict({"q1": {"a": 1}, "q2": {"b": 1}, "q3": {"c": 1}})
    assert evaluate(run, qrels, ["nDCG@10"]).mean("nDCG@10") == 1.0


def test_named_tuples_and_rows_are_read_alike() -> None:
    """ir_datasets' tuples, objects and dictionaries with the same fields give the same records."""
    rows = [TrecQrel("q1", "b", 2, "0"), TrecQrel("q1", "a", 0, "0")]
    assert dict_of_qrels(qrels_of_tuples(iter(rows))) == {"q1": {"a": 0, "b": 2}}
    assert dict_of_qrels(qrels_of_tuples([row._asdict() for row in rows])) == {"q1": {"a": 0, "b": 2}}
    assert dict_of_run(run_of_tuples([ScoredDoc("q1", "a", 0.5)])) == {"q1": {"a": 0.5}}


def test_numpy_numbers_are_numbers() -> None:
    """Scores of a model and grades of a table come as numpy's own types."""
    assert dict_of_run(run_of_dict({"q": {"a": np.float32(0.5)}})) == {"q": {"a": 0.5}}  # type: ignore[dict-item]
    assert dict_of_qrels(qrels_of_dict({"q": {"a": np.int64(2)}})) == {"q": {"a": 2}}  # type: ignore[dict-item]


@pytest.mark.parametrize(("grades", "part"), [
    ({"q": {}}, "query without a judgement"), ({"q": {"a": 0.5}}, "fractional"), ({"q": {"a": None}}, "not finite"),
    ({"q": ["a"]}, "dictionary"), ({"q": {1: 1}}, "not an id"), ({"": {"a": 1}}, "not an id"),
    ({"q": {"a": float("nan")}}, "not finite"),
], ids=str)
def test_bad_dictionaries_are_refused(grades: Any, part: str) -> None:
    """A query that would vanish, a grade that would be cut, an id that is none: each is one line."""
    with pytest.raises(InputError, match=part):
        qrels_of_dict(grades)


def test_a_tuple_without_the_field_is_named() -> None:
    """The row and the field that is missing are told."""
    with pytest.raises(InputError, match="row 1, column score: missing field"):
        run_of_tuples([TrecQrel("q1", "b", 2, "0")])
