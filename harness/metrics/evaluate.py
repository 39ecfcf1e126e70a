"""A run against judgements: one value per judged query and measure, and a count of everything that is missing.

The judged queries set the table. One that the run does not answer scores 0 and is counted; so does one without a
relevant document (both as `trec_eval -c`); a query of the run that has no judgements is counted and left out.
Work is proportional to the judgements: each one's rank is looked up in the run's index of (query, document) pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from harness.codes import rank_within
from harness.errors import InputError, nearest
from harness.metrics.ranking import Placed, score
from harness.metrics.spec import MetricSpec, parse
from harness.records import Floats, Ids, Qrels, Run

__all__ = ["Evaluation", "evaluate", "per_query", "unjudged"]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Values per judged query.

    Attributes:
        queries: (n_queries,) judged ids, ascending: the order of every array here.
        values: Measure's spelling → (n_queries,) float64.
        unjudged: Depth k → (n_queries,) share of the first k hits that carry no judgement; 0 where there is no hit.
        unanswered: Judged ids that the run has no hit for; they score 0.
        no_relevant: Judged ids without a document of grade ≥ 1; they score 0.
        unknown: Number of the run's queries that have no judgements; they are left out.
    """

    queries: Ids
    values: Mapping[str, Floats]
    unjudged: Mapping[int, Floats]
    unanswered: Ids
    no_relevant: Ids
    unknown: int

    def mean(self, measure: str) -> float:
        """Mean over all judged queries, as `trec_eval -c` prints it."""
        return float(self.values[measure].mean())


def evaluate(run: Run, qrels: Qrels, specs: Iterable[MetricSpec | str], *, depth: int | None = None) -> Evaluation:
    """Score every measure. `depth` cuts the run to its first hits per query first (trec_eval's -M).

    Raises InputError for judgements that are empty, UsageError for an unknown measure, ValueError for one of two runs.
    """
    wanted = [parse(spec) if isinstance(spec, str) else spec for spec in specs]
    if not len(qrels):
        raise InputError("no judgements", where="qrels", expected="at least one judged query")
    at_query = _codes_of(qrels.queries, run.queries)
    rank = _ranks(run, qrels, at_query, depth)
    found, judged = _found(qrels, rank), _judged(qrels)
    values = {str(spec): score(spec, found, judged) for spec in wanted}
    hits = _hits(run, at_query)
    depths = sorted({spec.k for spec in wanted if spec.k is not None})
    relevant = np.bincount(judged.query, minlength=judged.n)
    return Evaluation(
        qrels.queries, values, {k: _unjudged(qrels, rank, hits, min(k, depth or k)) for k in depths},
        qrels.queries[hits == 0], qrels.queries[relevant == 0],
        int(np.count_nonzero(np.bincount(run.query, minlength=len(run.queries)))) - int(np.count_nonzero(hits)),
    )


def per_query(run: Run, qrels: Qrels, spec: MetricSpec | str, *, queries: Sequence[str] | None = None) -> Floats:
    """(n_queries,) values of one measure, for the judged queries in ascending order or for `queries` in theirs.

    Raises InputError for a query that is not judged: a value for it would be made up.
    """
    wanted = parse(spec) if isinstance(spec, str) else spec
    values = evaluate(run, qrels, [wanted]).values[str(wanted)]
    if queries is None:
        return values
    place = _codes_of(np.asarray(queries, dtype=object), qrels.queries)
    if (place < 0).any():
        missing = queries[int(np.argmin(place))]
        raise InputError("query is not judged", where="queries", expected="a query of the qrels", found=missing,
                         hint=nearest(missing, qrels.queries.tolist()))
    return values[place]


def unjudged(run: Run, qrels: Qrels, *, k: int) -> Floats:
    """(n_queries,) share of each judged query's first k hits that carry no judgement; 0 where there is no hit."""
    at_query = _codes_of(qrels.queries, run.queries)
    return _unjudged(qrels, _ranks(run, qrels, at_query, k), _hits(run, at_query), k)


def _ranks(run: Run, qrels: Qrels, at_query: NDArray[np.int64], depth: int | None) -> NDArray[np.int32]:
    """(n_judgements,) rank of every judged document in its query's ranking; -1 where it was not retrieved."""
    code_of = run.code_of_doc
    at_doc = np.fromiter(map(code_of.get, qrels.docs.tolist(), repeat(-1)), dtype=np.int64, count=len(qrels.docs))
    query, doc = at_query[qrels.query], at_doc[qrels.doc]
    known = np.flatnonzero((query >= 0) & (doc >= 0))
    rank = np.full(len(qrels), -1, dtype=np.int32)
    rank[known] = run.index.find(query[known] * len(run.docs) + doc[known])
    if depth is not None:
        rank[rank > depth] = -1
    return rank


def _found(qrels: Qrels, rank: NDArray[np.int32]) -> Placed:
    row = np.flatnonzero((rank > 0) & (qrels.relevance > 0))
    order = row[np.argsort((qrels.query[row].astype(np.int64) << 32) | rank[row])]
    return Placed(len(qrels.queries), qrels.query[order], rank[order], qrels.relevance[order])


def _judged(qrels: Qrels) -> Placed:
    row = np.flatnonzero(qrels.relevance > 0)
    key = (qrels.query[row].astype(np.int64) << 32) | (np.iinfo(np.int32).max - qrels.relevance[row])
    order = row[np.argsort(key)]
    return Placed(len(qrels.queries), qrels.query[order], rank_within(qrels.query[order]), qrels.relevance[order])


def _hits(run: Run, at_query: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n_queries,) length of each judged query's ranking."""
    length = np.bincount(run.query, minlength=len(run.queries) + 1)
    return length[at_query] * (at_query >= 0)


def _unjudged(qrels: Qrels, rank: NDArray[np.int32], hits: NDArray[np.int64], k: int) -> Floats:
    # A negative grade says "seen in the pool, not judged", as trec_eval reads it.
    judged = np.bincount(qrels.query[(rank > 0) & (rank <= k) & (qrels.relevance >= 0)], minlength=len(qrels.queries))
    shown = np.minimum(hits, k)
    return np.asarray((shown - judged) / np.maximum(shown, 1), dtype=np.float64)


def _codes_of(ids: Ids, known: Ids) -> NDArray[np.int64]:
    """(n_ids,) position of each id in `known`, -1 where it is absent."""
    place = dict(zip(known.tolist(), range(len(known)), strict=True))
    return np.fromiter(map(place.get, ids.tolist(), repeat(-1)), dtype=np.int64, count=len(ids))
