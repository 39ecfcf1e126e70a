"""A run against judgements: one value per judged query and measure, and a count of everything that is missing.

The judged queries set the table. One that the run does not answer scores 0 and is counted; so does one without a
relevant document (both as `trec_eval -c`); a query of the run that has no judgements is counted and left out.
Work is proportional to the judgements: each one's rank is looked up in the run's index of (query, document) pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.codes import Names, match, pair_index
from harness.errors import InputError, nearest
from harness.metrics.ranking import Placed, count, score
from harness.metrics.spec import MetricSpec, parse
from harness.records import Floats, Ids, Qrels, Run

__all__ = ["Evaluation", "evaluate", "per_query", "unjudged"]

Codes = NDArray[np.intp]


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

    >>> found = evaluate(Run.of(["q1"], ["a"], [1.0]), Qrels.of(["q1", "q2"], ["a", "b"], [1, 1]), ["RR"])
    >>> found.mean("RR"), found.unanswered.tolist()
    (0.5, ['q2'])
    """

    specs: tuple[MetricSpec, ...]
    queries: Ids
    values: Mapping[str, Floats]
    unanswered: Ids
    no_relevant: Ids
    unknown: int
    _judged: tuple[Run, Qrels, int | None]

    def unjudged(self, k: int) -> Floats:
        """(n_queries,) share of the first k hits that carry no judgement; 0 where there is no hit."""
        run, qrels, depth = self._judged
        return unjudged(run, qrels, k=k, depth=depth)

    def mean(self, measure: str) -> float:
        """Mean over all judged queries, as `trec_eval -c` prints it."""
        return float(self.values[measure].mean())


def evaluate(run: Run, qrels: Qrels, specs: Iterable[MetricSpec | str], *, depth: int | None = None) -> Evaluation:
    """Score every measure. `depth` cuts the run to its first hits per query first (trec_eval's -M).

    Raises InputError for judgements that are empty, UsageError for an unknown measure or one of two runs.

    >>> qrels = Qrels.of(["q1", "q2"], ["a", "b"], [1, 1])
    >>> run = Run.of(["q1", "q1"], ["b", "a"], [2.0, 1.0])
    >>> evaluate(run, qrels, ["RR", "P@1"]).values["RR"].tolist()
    [0.5, 0.0]
    """
    wanted = tuple(dict.fromkeys(parse(spec) if isinstance(spec, str) else spec for spec in specs))
    if not len(qrels):
        raise InputError("no judgements", where="qrels", expected="at least one judged query")
    at_query = match(qrels.names[0], run.names[0])
    found, judged = _found(run, qrels, at_query, depth), _judged(qrels)
    relevant = count(judged)
    values = {str(spec): score(spec, found, judged, relevant) for spec in wanted}
    hits = _hits(run, at_query)
    return Evaluation(
        wanted, qrels.queries, values, qrels.queries[hits == 0], qrels.queries[relevant == 0],
        int(np.count_nonzero(run.hits)) - int(np.count_nonzero(hits)), (run, qrels, depth),
    )


def per_query(run: Run, qrels: Qrels, spec: MetricSpec | str, *, queries: Sequence[str] | None = None) -> Floats:
    """(n_queries,) values of one measure, for the judged queries in ascending order or for `queries` in theirs.

    Raises InputError for a query that is not judged: a value for it would be made up.

    >>> qrels = Qrels.of(["q1", "q2"], ["a", "b"], [1, 1])
    >>> run = Run.of(["q1", "q1"], ["b", "a"], [2.0, 1.0])
    >>> per_query(run, qrels, "RR", queries=["q2", "q1"]).tolist()
    [0.0, 0.5]
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


def unjudged(run: Run, qrels: Qrels, *, k: int, depth: int | None = None) -> Floats:
    """(n_queries,) share of each judged query's first k hits that carry no judgement; 0 where there is no hit.

    Raises nothing: both tables are checked where they are made.

    >>> qrels = Qrels.of(["q1", "q2"], ["a", "b"], [1, 1])
    >>> run = Run.of(["q1", "q1"], ["b", "a"], [2.0, 1.0])
    >>> unjudged(run, qrels, k=2).tolist()
    [0.5, 0.0]
    """
    # A negative grade says "seen in the pool, not judged", as trec_eval reads it.
    k = k if depth is None else min(k, depth)
    at_query, seen = match(qrels.names[0], run.names[0]), qrels.relevance >= 0
    rank = _ranks(run, qrels, at_query, qrels.query[seen], qrels.doc[seen])
    judged = np.bincount(qrels.query[seen][(rank > 0) & (rank <= k)], minlength=len(qrels.queries))
    shown = np.minimum(_hits(run, at_query), k)
    return np.asarray((shown - judged) / np.maximum(shown, 1), dtype=np.float64)


def _hits(run: Run, at_query: Codes) -> Codes:
    return np.append(run.hits, 0)[at_query]  # -1, a query that the run lacks, meets the 0 at the end


def _ranks(run: Run, qrels: Qrels, at_query: Codes, query: Any, doc: Any) -> NDArray[np.int32]:
    """Rank of each judged pair in the run, -1 where it is not retrieved."""
    here = match(qrels.names[1], run.names[1]).take(doc, mode="clip")  # all are within; clipping is merely fastest
    row = np.flatnonzero(here >= 0) if (at_query >= 0).all() else np.flatnonzero((here >= 0) & (at_query >= 0)[query])
    there = at_query.take(query[row], mode="clip")
    key = there * len(run.docs) + here[row]
    rank = np.full(len(query), -1, dtype=np.int32)
    rank[row] = run.index.find_within(key, run.starts.take(there, mode="clip"), int(run.hits.max(initial=0)))
    return rank


def _found(run: Run, qrels: Qrels, at_query: Codes, depth: int | None) -> Placed:
    """What is relevant, as the run ranks it."""
    query, doc, _, grade = qrels.relevant
    rank = _ranks(run, qrels, at_query, query, doc)
    row = np.flatnonzero((rank > 0) if depth is None else (rank > 0) & (rank <= depth)).astype(np.int32)
    order = pair_index(query[row], rank[row], int(rank.max(initial=0)) + 1, row).values
    return Placed(len(qrels.queries), query[order], rank[order], grade[order])


def _judged(qrels: Qrels) -> Placed:
    query, _, rank, grade = qrels.relevant
    return Placed(len(qrels.queries), query, rank, grade)
