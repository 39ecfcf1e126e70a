"""The records every system is judged by: who ranked what (Run), what is relevant (Qrels), how it was served (Trace).

Strings are coded once, where data enters; everything after works on integer codes. Rows of a `Run` are held in
trec_eval's order: by query, then score (as float32) descending, then document id descending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError, nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Floats", "Ids", "Ints", "Log", "Qrels", "Run", "Trace"]

Ids = NDArray[np.object_]
Ints = NDArray[np.int32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Run:
    """Ranked hits, coded.

    Attributes:
        queries: (n_queries,) distinct query ids, ascending.
        docs: (n_docs,) distinct document ids, ascending.
        query: (n_hits,) codes into `queries`, ascending.
        doc: (n_hits,) codes into `docs`.
        score: (n_hits,) finite float64.
        rank: (n_hits,) from 1 within each query.
    """

    queries: Ids
    docs: Ids
    query: Ints
    doc: Ints
    score: Floats
    rank: Ints

    @classmethod
    def of(cls, query_ids: Sequence[str], doc_ids: Sequence[str], scores: Any, *, source: object = "run") -> Run:
        """Code, validate and order three equally long columns; `source` names them in errors."""
        query_array, doc_array = _strings(query_ids, "query_id", source), _strings(doc_ids, "doc_id", source)
        score = np.asarray(scores, dtype=np.float64)
        _same_length(source, query_id=query_array, doc_id=doc_array, score=score)
        _finite(score, "score", source)
        queries, query = np.unique(query_array, return_inverse=True)
        docs, doc = np.unique(doc_array, return_inverse=True)
        _no_repeats(queries, docs, query, doc, source)
        order = np.lexsort((-doc, -score.astype(np.float32), query))
        query, doc = query[order].astype(np.int32), doc[order].astype(np.int32)
        return cls(queries, docs, query, doc, score[order], rank_within(query))

    def __len__(self) -> int:
        return len(self.query)


@dataclass(frozen=True, eq=False)
class Qrels:
    """Judgements, coded; rows ordered by (query, doc).

    Attributes:
        queries: (n_queries,) distinct query ids, ascending.
        docs: (n_docs,) distinct document ids, ascending.
        query: (n_judgements,) codes into `queries`, ascending.
        doc: (n_judgements,) codes into `docs`.
        relevance: (n_judgements,) integer grades; 0 or less is not relevant.
    """

    queries: Ids
    docs: Ids
    query: Ints
    doc: Ints
    relevance: Ints

    @classmethod
    def of(cls, query_ids: Sequence[str], doc_ids: Sequence[str], relevance: Any, *, source: object = "qrels") -> Qrels:
        """Code, validate and order three equally long columns; fractional grades are an error, never truncated."""
        query_array, doc_array = _strings(query_ids, "query_id", source), _strings(doc_ids, "doc_id", source)
        grades = np.asarray(relevance, dtype=np.float64)
        _same_length(source, query_id=query_array, doc_id=doc_array, relevance=grades)
        _finite(grades, "relevance", source)
        fractional = np.flatnonzero(grades != np.rint(grades))
        if fractional.size:
            row = int(fractional[0])
            raise InputError("grade is fractional", where=source, row=row + 1, column="relevance",
                             expected="an integer", found=float(grades[row]))
        queries, query = np.unique(query_array, return_inverse=True)
        docs, doc = np.unique(doc_array, return_inverse=True)
        _no_repeats(queries, docs, query, doc, source)
        order = np.lexsort((doc, query))
        codes = query[order].astype(np.int32), doc[order].astype(np.int32)
        return cls(queries, docs, *codes, grades[order].astype(np.int32))

    def __len__(self) -> int:
        return len(self.query)


@dataclass(frozen=True, eq=False)
class Trace:
    """Queries as served: one row a request. `frame` holds `query_id` and one `<stage>_ms` column per stage.

    Optional columns: slice columns, `cache` (warm, cold), `release`, `assignment`, signals, decisions.
    """

    frame: pd.DataFrame

    @classmethod
    def of(cls, frame: pd.DataFrame, *, source: object = "trace") -> Trace:
        """Validate: `query_id` present, at least one `<stage>_ms` column, latencies finite and ≥ 0."""
        _require(frame, ["query_id"], source)
        stages = [str(column) for column in frame.columns if str(column).endswith("_ms")]
        if not stages:
            raise InputError("no latency column", where=source, expected="a column such as total_ms",
                             found=list(map(str, frame.columns)))
        for stage in stages:
            _latency_column(frame, stage, source)
        return cls(frame.reset_index(drop=True))

    @property
    def stages(self) -> tuple[str, ...]:
        """Names of the measured stages, without the `_ms`."""
        return tuple(str(column)[:-3] for column in self.frame.columns if str(column).endswith("_ms"))

    def latency_ms(self, stage: str) -> Floats:
        """(n_requests,) latencies of one stage, in milliseconds."""
        if stage not in self.stages:
            raise InputError("no such stage", where="trace", expected=f"one of {', '.join(self.stages)}", found=stage,
                             hint=nearest(stage, self.stages))
        return self.frame[f"{stage}_ms"].to_numpy(dtype=np.float64)

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True, eq=False)
class Log:
    """Logged decisions: one row an action taken, with the probability it was taken with."""

    frame: pd.DataFrame

    @classmethod
    def of(cls, frame: pd.DataFrame, *, source: object = "log") -> Log:
        """Validate: `action`, `propensity` in (0, 1] and finite `reward` in every row."""
        _require(frame, ["action", "propensity", "reward"], source)
        for column in ("propensity", "reward"):
            _finite(_numbers(frame, column, source), column, source)
        propensity = frame["propensity"].to_numpy(dtype=np.float64)
        wrong = np.flatnonzero((propensity <= 0.0) | (propensity > 1.0))
        if wrong.size:
            row = int(wrong[0])
            raise InputError("propensity out of range", where=source, row=row + 1, column="propensity",
                             expected="in (0, 1]", found=float(propensity[row]))
        return cls(frame.reset_index(drop=True))

    def __len__(self) -> int:
        return len(self.frame)


def rank_within(query: NDArray[Any]) -> Ints:
    """Ranks from 1 within runs of equal codes in an ascending array: [0, 0, 1] → [1, 2, 1]."""
    if not len(query):
        return np.empty(0, dtype=np.int32)
    position = np.arange(len(query))
    starts = np.flatnonzero(np.r_[True, query[1:] != query[:-1]])
    return (position - np.repeat(starts, np.diff(np.r_[starts, len(query)])) + 1).astype(np.int32)


def _strings(values: Sequence[str], column: str, source: object) -> Ids:
    array = np.asarray(values, dtype=object)
    for row, value in enumerate(array.tolist()):
        if not isinstance(value, str) or not value:
            raise InputError("not an id", where=source, row=row + 1, column=column,
                             expected="non-empty text", found=value)
    return array


def _same_length(source: object, **columns: NDArray[Any]) -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise InputError("columns differ in length", where=source, expected="equal lengths", found=lengths)


def _finite(values: Floats, column: str, source: object) -> None:
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise InputError("not finite", where=source, row=int(wrong[0]) + 1, column=column,
                         expected="a finite number", found=float(values[wrong[0]]))


def _no_repeats(queries: Ids, docs: Ids, query: NDArray[Any], doc: NDArray[Any], source: object) -> None:
    key = query.astype(np.int64) * max(len(docs), 1) + doc
    order = np.argsort(key, kind="stable")
    twin = np.flatnonzero(key[order][1:] == key[order][:-1])
    if twin.size:
        row = int(order[twin[0] + 1])
        raise InputError("duplicate (query, document) pair", where=source, row=row + 1,
                         expected="each pair once", found=(str(queries[query[row]]), str(docs[doc[row]])))


def _require(frame: pd.DataFrame, columns: Sequence[str], source: object) -> None:
    present = list(map(str, frame.columns))
    for column in columns:
        if column not in present:
            raise InputError("missing column", where=source, column=column, expected=", ".join(columns),
                             found=present, hint=nearest(column, present))


def _numbers(frame: pd.DataFrame, column: str, source: object) -> Floats:
    try:
        return frame[column].to_numpy(dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("not numeric", where=source, column=column, expected="numbers",
                         found=str(frame[column].dtype)) from None


def _latency_column(frame: pd.DataFrame, column: str, source: object) -> None:
    values = _numbers(frame, column, source)
    _finite(values, column, source)
    negative = np.flatnonzero(values < 0.0)
    if negative.size:
        row = int(negative[0])
        raise InputError("negative latency", where=source, row=row + 1, column=column, expected="≥ 0 ms",
                         found=float(values[row]))
