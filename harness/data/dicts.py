"""Runs and judgements that are in memory already: dictionaries as of pytrec_eval and ranx, tuples as of ir_datasets.

The order of dictionaries and tuples never matters: rows are put in trec_eval's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.errors import InputError
from harness.records import Qrels, Run

__all__ = ["dict_of_qrels", "dict_of_run", "qrels_of_dict", "qrels_of_tuples", "run_of_dict", "run_of_tuples"]


def run_of_dict(scores: Mapping[str, Mapping[str, float]], *, source: object = "run") -> Run:
    """A run from `{query: {document: score}}`; a query without hits is one that the run does not answer.

    >>> run_of_dict({"q1": {"a": 1.0, "b": 2.0}}).doc.tolist()
    [1, 0]
    """
    return Run.of(*_flat(scores, source), source=source)


def qrels_of_dict(grades: Mapping[str, Mapping[str, int]], *, source: object = "qrels") -> Qrels:
    """Judgements from `{query: {document: grade}}`. A query without a judgement is an error: it would vanish unseen."""
    empty = next((query for query, judged in grades.items() if not judged), None)
    if empty is not None:
        raise InputError("query without a judgement", where=source, expected="at least one, of grade 0 where none fits",
                         found=empty)
    return Qrels.of(*_flat(grades, source), source=source)


def run_of_tuples(rows: Iterable[Any], *, source: object = "run") -> Run:
    """A run from tuples or objects with `query_id`, `doc_id`, `score` (ir_datasets, ir_measures)."""
    return Run.of(*_fields(rows, ("query_id", "doc_id", "score"), source), source=source)


def qrels_of_tuples(rows: Iterable[Any], *, source: object = "qrels") -> Qrels:
    """Judgements from tuples or objects with `query_id`, `doc_id`, `relevance` (ir_datasets, ir_measures)."""
    return Qrels.of(*_fields(rows, ("query_id", "doc_id", "relevance"), source), source=source)


def dict_of_run(run: Run) -> dict[str, dict[str, float]]:
    """`{query: {document: score}}`, hits in rank order."""
    return _nested(run.queries, run.docs, run.query, run.doc, run.score)


def dict_of_qrels(qrels: Qrels) -> dict[str, dict[str, int]]:
    """`{query: {document: grade}}`."""
    return _nested(qrels.queries, qrels.docs, qrels.query, qrels.doc, qrels.relevance)


def _flat(nested: Any, source: object) -> tuple[list[str], list[str], list[Any]]:
    queries: list[str] = []
    docs: list[str] = []
    values: list[Any] = []
    for query, inner in nested.items():
        if not isinstance(inner, Mapping):
            raise InputError("not a dictionary of documents", where=source, expected="{query: {document: number}}",
                             found={query: inner})
        queries += [query] * len(inner)
        docs += inner.keys()
        values += inner.values()
    return queries, docs, values


def _fields(rows: Iterable[Any], names: tuple[str, str, str], source: object) -> list[list[Any]]:
    columns: list[list[Any]] = [[], [], []]
    for number, row in enumerate(rows, start=1):
        for name, column in zip(names, columns, strict=True):
            try:
                column.append(row[name] if isinstance(row, Mapping) else getattr(row, name))
            except (KeyError, AttributeError):
                raise InputError("missing field", where=source, row=number, column=name, expected=", ".join(names),
                                 found=row) from None
    return columns


def _nested(queries: Any, docs: Any, query: Any, doc: Any, values: Any) -> dict[str, dict[str, Any]]:
    nested: dict[str, dict[str, Any]] = {}
    for name, document, value in zip(queries[query].tolist(), docs[doc].tolist(), values.tolist(), strict=True):
        nested.setdefault(name, {})[document] = value
    return nested
