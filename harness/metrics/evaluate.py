"""A run against judgements: one value per judged query and measure, and a count of everything that is missing.

The judged queries set the table. One that the run does not answer scores 0 and is counted; so does one without a
relevant document (both as `trec_eval -c`); a query of the run that has no judgements is counted and left out.
Work is proportional to the judgements: each one's rank is looked up in the run's index of (query, document) pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.codes import Names, match, pair_index, rank_within
from harness.errors import InputError, nearest
from harness.metrics.ranking import Placed, score
from harness.metrics.spec import MetricSpec, parse
from harness.records import Floats, Ids, Qrels, Run

__all__ = ["Evaluation", "evaluate", "per_query", "unjudged"]


class _Ranked(NamedTuple):
    """Every judgement with its rank in the run (-1: not retrieved), and the length of every judged query's ranking."""

    qrels: Qrels
    rank: NDArray[np.int32]
    hits: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Values per judged query.

    Attributes:
        specs: What was measured, each once, in the order asked for.
        queries: (n_queries,) judged ids, ascending: the order of every array here.
        values: Measure's spelling → (n_queries,) float64.
        unanswered: Judged ids that the run has no hit for; they score 0.
        no_relevant: Judged ids without a document of grade ≥ 1; they score 0.
        unknown: Number of the run's queries that have no judgements; they are left out.
    """

    specs: tuple[MetricSpec, ...]
    queries: Ids
    values: Mapping[str, Floats]
    unanswered: Ids
    no_relevant: Ids
    unknown: int
    _ranked: _Ranked

    def unjudged(self, k: int) -> Floats:
        """(n_queries,) share of the first k hits that carry no judgement; 0 where there is no hit."""
        return _unjudged(self._ranked, k)

    def mean(self, measure: str) -> float:
        """Mean over all judged queries, as `trec_eval -c` prints it."""
        return float(self.values[measure].mean())


def evaluate(run: Run, qrels: Qrels, specs: Iterable[MetricSpec | str], *, depth: int | None = None) -> Evaluation:
    """Score every measure. `depth` cuts the run to its first hits per query first (trec_eval's -M).

    Raises InputError for judgements that are empty, UsageError for an unknown measure or one of two runs.
    """
    wanted = tuple(dict.fromkeys(parse(spec) if isinstance(spec, str) else spec for spec in specs))
    if not len(qrels):
        raise InputError("no judgements", where="qrels", expected="at least one judged query")
    ranked = _ranked(run, qrels, depth)
    found, judged = _found(qrels, ranked.rank), _judged(qrels)
    values = {str(spec): score(spec, found, judged) for spec in wanted}
    relevant = np.bincount(judged.query, minlength=judged.n)
    return Evaluation(
        wanted, qrels.queries, values, qrels.queries[ranked.hits == 0], qrels.queries[relevant == 0],
        int(np.count_nonzero(run.hits)) - int(np.count_nonzero(ranked.hits)), ranked,
    )


def per_query(run: Run, qrels: Qrels, spec: MetricSpec | str, *, queries: Sequence[str] | None = None) -> Floats:
    """(n_queries,) values of one measure, for the judged queries in ascending order or for `queries` in theirs.

    Raises InputError for a query that is not judged: a value for it would be made up.
    """
    wanted = parse(spec) if isinstance(spec, str) else spec
    values = evaluate(run, qrels, [wanted]).values[str(wanted)]
    if queries is None:
        return values
    place = match(Names.of(np.asarray(queries, dtype=object)), qrels.names[0])
    if (place < 0).any():
        missing = queries[int(np.argmin(place))]
        raise InputError("query is not judged", where="queries", expected="a query of the qrels", found=missing,
                         hint=nearest(missing, qrels.queries.tolist()))
    return values[place]


def unjudged(run: Run, qrels: Qrels, *, k: int) -> Floats:
    """(n_queries,) share of each judged query's first k hits that carry no judgement; 0 where there is no hit."""
    return _unjudged(_ranked(run, qrels, k), k)


def _ranked(run: Run, qrels: Qrels, depth: int | None) -> _Ranked:
    at_query, at_doc = match(qrels.names[0], run.names[0]), match(qrels.names[1], run.names[1])
    hits = np.append(run.hits, 0)[at_query]  # -1, a query that the run lacks, meets the 0 at the end
    doc = at_doc[qrels.doc]
    key = at_query[qrels.query] * len(run.docs) + doc  # negative where the run lacks the query
    key[doc < 0] = -1
    rank = run.index.find(key)
    if depth is not None:
        rank[rank > depth] = -1
        hits = np.minimum(hits, depth)
    return _Ranked(qrels, rank, hits)


def _found(qrels: Qrels, rank: NDArray[np.int32]) -> Placed:
    row = np.flatnonzero((rank > 0) & (qrels.relevance > 0)).astype(np.int32)
    order = pair_index(qrels.query[row], rank[row], int(rank.max(initial=0)) + 1, row).values
    return Placed(len(qrels.queries), qrels.query[order], rank[order], qrels.relevance[order])


def _judged(qrels: Qrels) -> Placed:
    order = qrels.best_first
    query = qrels.query[order]
    return Placed(len(qrels.queries), query, rank_within(query), qrels.relevance[order])


def _unjudged(ranked: _Ranked, k: int) -> Floats:
    # A negative grade says "seen in the pool, not judged", as trec_eval reads it.
    qrels, rank = ranked.qrels, ranked.rank
    judged = np.bincount(qrels.query[(rank > 0) & (rank <= k) & (qrels.relevance >= 0)], minlength=len(qrels.queries))
    shown = np.minimum(ranked.hits, k)
    return np.asarray((shown - judged) / np.maximum(shown, 1), dtype=np.float64)
