"""The records every system is judged by: who ranked what (Run), what is relevant (Qrels), how it was served (Trace).

Strings are coded once, where data enters; everything after works on integer codes. Rows of a `Run` are held in
trec_eval's order: by query, then score (as float32) descending, then document id descending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.codes import Coded, Names, PairIndex, code, pair_index, rank_within, repeated_pair, trec_order
from harness.columns import Floats, finite, floats, integral, latencies, numbers, require, same_length
from harness.errors import InputError, nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Floats", "Ids", "Ints", "Log", "Qrels", "Relevant", "Run", "Trace", "rank_within"]

Ids = NDArray[np.object_]
Ints = NDArray[np.int32]


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
        score = floats(scores, "score", source)
        same_length(source, query_id=query_ids, doc_id=doc_ids, score=score)
        return cls.coded(code(query_ids, "query_id", source), code(doc_ids, "doc_id", source), score, source=source)

    @classmethod
    def coded(cls, query: Coded, doc: Coded, score: Floats, *, source: object = "run") -> Run:
        """Validate and order rows that are coded already; ids must be distinct, ascending, and all in use."""
        finite(score, "score", source)
        order = trec_order(query.codes, doc.codes, score)
        by_query = query.codes if order is None else query.codes[order]
        by_doc = doc.codes if order is None else doc.codes[order]
        score = score if order is None else score[order]
        run = cls(query.ids, doc.ids, by_query, by_doc, score, rank_within(by_query))
        if run.index.repeated():
            raise repeated_pair(query, doc, source)
        run.__dict__["names"] = _names(query, doc)  # in the place of the cached property, while the bytes are at hand
        _ = run.starts
        return run

    @cached_property
    def index(self) -> PairIndex:
        """Each (query, document) pair's rank, ready to be looked up; made once, where repeated pairs are refused."""
        return pair_index(self.query, self.doc, len(self.docs), self.rank)

    @cached_property
    def names(self) -> tuple[Names, Names]:
        """Queries and documents, ready to be matched with those of other records."""
        return Names.of(self.queries), Names.of(self.docs)

    @cached_property
    def starts(self) -> NDArray[np.intp]:
        """(n_queries,) row where each query's ranking starts."""
        return np.cumsum(self.hits) - self.hits

    @cached_property
    def hits(self) -> NDArray[np.intp]:
        """(n_queries,) length of each query's ranking."""
        edges = np.searchsorted(self.query, np.arange(len(self.queries) + 1, dtype=np.int32))
        return np.diff(edges)

    def __len__(self) -> int:
        return len(self.query)


class Relevant(NamedTuple):
    """What is relevant, by query, then by grade descending: codes of query and document, rank in that order, grade."""

    query: Ints
    doc: Ints
    rank: Ints
    grade: Ints


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
        grades = floats(relevance, "relevance", source)
        same_length(source, query_id=query_ids, doc_id=doc_ids, relevance=grades)
        return cls.coded(code(query_ids, "query_id", source), code(doc_ids, "doc_id", source), grades, source=source)

    @classmethod
    def coded(cls, query: Coded, doc: Coded, relevance: Floats, *, source: object = "qrels") -> Qrels:
        """Validate and order rows that are coded already; ids must be distinct, ascending, and all in use."""
        finite(relevance, "relevance", source)
        integral(relevance, source)
        rows = np.arange(len(relevance), dtype=np.int32)
        index = pair_index(query.codes, doc.codes, len(doc.ids), rows)
        if index.repeated():
            raise repeated_pair(query, doc, source)
        order = index.values
        grades = relevance[order].astype(np.int32)
        qrels = cls(query.ids, doc.ids, query.codes[order], doc.codes[order], grades)
        qrels.__dict__["names"] = _names(query, doc)
        _ = qrels.relevant
        return qrels

    @cached_property
    def names(self) -> tuple[Names, Names]:
        """Queries and documents, ready to be matched with those of other records."""
        return Names.of(self.queries), Names.of(self.docs)

    @cached_property
    def relevant(self) -> Relevant:
        """The judgements of grade ≥ 1, as a run without fault would rank them."""
        row = np.flatnonzero(self.relevance > 0).astype(np.int32)
        grade = self.relevance[row]
        best = int(grade.max(initial=0))
        row = pair_index(self.query[row], best - grade, best + 1, row).values
        query = self.query[row]
        return Relevant(query, self.doc[row], rank_within(query), self.relevance[row])

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
        require(frame, ["query_id"], source)
        stages = [str(column) for column in frame.columns if str(column).endswith("_ms")]
        if not stages:
            raise InputError("no latency column", where=source, expected="a column such as total_ms",
                             found=list(map(str, frame.columns)))
        for stage in stages:
            latencies(frame, stage, source)
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
        require(frame, ["action", "propensity", "reward"], source)
        for column in ("propensity", "reward"):
            finite(numbers(frame, column, source), column, source)
        propensity = frame["propensity"].to_numpy(dtype=np.float64)
        wrong = np.flatnonzero((propensity <= 0.0) | (propensity > 1.0))
        if wrong.size:
            row = int(wrong[0])
            raise InputError("propensity out of range", where=source, row=row + 1, column="propensity",
                             expected="in (0, 1]", found=float(propensity[row]))
        return cls(frame.reset_index(drop=True))

    def __len__(self) -> int:
        return len(self.frame)


def _names(query: Coded, doc: Coded) -> tuple[Names, Names]:
    return Names.of(query.ids, query.words), Names.of(doc.ids, doc.words)
