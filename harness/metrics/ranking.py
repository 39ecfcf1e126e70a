"""Ranking quality: gains in rank order go in, one value per query comes out.

The dense functions take `gains: (n_queries, depth)`, grades in rank order, unjudged = 0; rank counts from 1. They count
only what is relevant, so they hand its positions to the same kernels that `evaluate` uses on whole runs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.codes import rank_within
from harness.errors import UsageError
from harness.metrics.spec import EXPONENTIAL, LINEAR, MetricSpec
from harness.records import Floats

__all__ = ["Placed", "average_precision", "count", "dcg", "ndcg", "placed", "precision", "recall", "reciprocal_rank",
           "score", "success"]


class Placed(NamedTuple):
    """Documents of grade ≥ 1, each at its rank: all that a ranking metric looks at.

    Attributes:
        n: Number of queries; every kernel returns (n,).
        query: (n_placed,) index of the query, ascending.
        rank: (n_placed,) from 1, ascending within a query.
        grade: (n_placed,) ≥ 1.

    >>> placed([[1, 0, 3]]).within(2).grade.tolist(), placed([[1, 0, 3]]).within(None, rel=2).rank.tolist()
    ([1], [3])
    """

    n: int
    query: NDArray[Any]
    rank: NDArray[Any]
    grade: NDArray[Any]

    def where(self, keep: NDArray[np.bool_]) -> Placed:
        """The documents that `keep` marks."""
        if keep.all():
            return self
        row = np.flatnonzero(keep)
        return Placed(self.n, self.query[row], self.rank[row], self.grade[row])

    def within(self, k: int | None, *, rel: int = 1) -> Placed:
        """The documents of rank at most k and of grade at least rel."""
        found = self if k is None else self.where(self.rank <= k)
        return found if rel <= 1 else found.where(found.grade >= rel)


def dcg(gains: Any, *, k: int | None = None, gain: str = LINEAR) -> Floats:
    """Discounted cumulative gain (Järvelin & Kekäläinen 2002): sum of gain / log2(rank + 1). Returns (n_queries,) ≥ 0.

    `gain`: `log2` takes the grade itself, as trec_eval; `exp-log2` takes 2^grade - 1.

    Raises:
        ValueError: Gains that are no table (n_queries, depth), or an unknown `gain`.

    >>> dcg([[3, 0, 1]], k=3).tolist()
    [3.5]
    """
    return _dcg(placed(gains), k, gain)


def ndcg(gains: Any, *, k: int | None = None, gain: str = LINEAR, ideal: Any = None) -> Floats:
    """DCG as a share of the best possible. Returns (n_queries,) in [0, 1]; 0 for a query without a relevant document.

    `ideal`: (n_queries, any) grades of everything that was judged; without it the best order of `gains` itself.

    Raises:
        ValueError: Gains that are no table (n_queries, depth), or an unknown `gain`.

    >>> ndcg([[0, 1], [1, 0]]).round(3).tolist(), ndcg([[1, 0]], ideal=[[1, 1]]).round(3).tolist()
    ([0.631, 1.0], [0.613])
    """
    return _ndcg(placed(gains), _ideal(placed(gains if ideal is None else ideal)), k, gain)


def reciprocal_rank(gains: Any, *, k: int | None = None, rel: int = 1) -> Floats:
    """1 / rank of the first document of grade ≥ rel. Returns (n_queries,) in [0, 1]; 0 where there is none.

    Raises:
        ValueError: Gains that are no table (n_queries, depth).

    >>> reciprocal_rank([[0, 2, 1], [0, 0, 0]]).tolist()
    [0.5, 0.0]
    """
    return _rr(placed(gains).within(k, rel=rel))


def average_precision(gains: Any, *, n_relevant: Any, k: int | None = None, rel: int = 1) -> Floats:
    """Mean, over all `n_relevant: (n_queries,)` documents, of the precision where each is found (0 where it is not).

    Raises:
        ValueError: Gains that are no table (n_queries, depth).

    >>> average_precision([[1, 0, 1]], n_relevant=[2]).round(4).tolist()
    [0.8333]
    """
    return _ap(placed(gains).within(k, rel=rel), np.asarray(n_relevant))


def recall(gains: Any, *, k: int, n_relevant: Any, rel: int = 1) -> Floats:
    """Share of the `n_relevant: (n_queries,)` documents that are in the first k. 0 for a query that has none.

    Raises:
        ValueError: Gains that are no table (n_queries, depth).

    >>> recall([[1, 0, 1]], n_relevant=[4], k=3).tolist()
    [0.5]
    """
    return _share(count(placed(gains).within(k, rel=rel)), np.asarray(n_relevant))


def precision(gains: Any, *, k: int, rel: int = 1) -> Floats:
    """Share of the first k places that hold a document of grade ≥ rel; a short ranking still has k places.

    Raises:
        ValueError: Gains that are no table (n_queries, depth).

    >>> precision([[1, 0, 1, 1]], k=2).tolist()
    [0.5]
    """
    return count(placed(gains).within(k, rel=rel)) / k


def success(gains: Any, *, k: int, rel: int = 1) -> Floats:
    """1 where a document of grade ≥ rel is in the first k, else 0. Returns (n_queries,).

    Raises:
        ValueError: Gains that are no table (n_queries, depth).

    >>> success([[0, 1], [0, 0]], k=2).tolist()
    [1.0, 0.0]
    """
    return (count(placed(gains).within(k, rel=rel)) > 0).astype(np.float64)


def score(spec: MetricSpec, found: Placed, judged: Placed, relevant: Floats) -> Floats:
    """(n,) values of one measure: `found` as ranked by the run, `judged` as an ideal run would rank everything.

    `relevant`: (n,) `count` of the judged, which several measures share.

    Raises:
        UsageError: A measure that is none of one run against judgements.

    >>> found = placed([[0, 1, 0]])
    >>> score(MetricSpec("RR"), found, found, count(found)).tolist()
    [0.5]
    """
    if spec.name == "nDCG":
        return _ndcg(found, judged, spec.k, spec.dcg)
    hits = found.within(spec.k, rel=spec.rel)
    if spec.name == "RR":
        return _rr(hits)
    if spec.name in {"AP", "R"}:
        relevant = relevant if spec.rel <= 1 else count(judged.within(None, rel=spec.rel))
        return _ap(hits, relevant) if spec.name == "AP" else _share(count(hits), relevant)
    if spec.name in {"P", "Success"} and spec.k is not None:
        return count(hits) / spec.k if spec.name == "P" else (count(hits) > 0).astype(np.float64)
    raise UsageError(f"{spec} is no measure of one run against judgements; expected one such as nDCG@10, RR, AP")


def placed(gains: Any) -> Placed:
    """The relevant cells of a dense (n_queries, depth) matrix of grades.

    Raises:
        ValueError: Gains that are no table (n_queries, depth).

    >>> placed([[0, 2], [1, 0]]).rank.tolist()
    [2, 1]
    """
    dense = np.asarray(gains)
    query, index = np.nonzero(dense > 0)
    return Placed(len(dense), query, index + 1, dense[query, index])


def _dcg(found: Placed, k: int | None, gain: str) -> Floats:
    discount = np.log2(np.arange(1, found.rank.max(initial=0) + 2))  # by rank, from 0, which nothing has
    if k is not None:
        discount[k + 1 :] = np.inf  # what stands below gains nothing
    return _sum(found, _gain(found.grade, gain) / discount.take(found.rank, mode="clip"))


def _ndcg(found: Placed, ideal: Placed, k: int | None, gain: str) -> Floats:
    return _share(_dcg(found, k, gain), _dcg(ideal, k, gain))


def _rr(hits: Placed) -> Floats:
    values = np.zeros(hits.n)
    first = np.ones(len(hits.query), dtype=bool)
    first[1:] = hits.query[1:] != hits.query[:-1]
    values[hits.query[first]] = 1.0 / hits.rank[first]
    return values


def _ap(hits: Placed, n_relevant: NDArray[Any]) -> Floats:
    return _share(_sum(hits, rank_within(hits.query) / hits.rank), n_relevant)


def _ideal(judged: Placed) -> Placed:
    order = np.lexsort((-judged.grade, judged.query))
    query = judged.query[order]
    return Placed(judged.n, query, rank_within(query), judged.grade[order])


def _gain(grade: NDArray[Any], gain: str) -> Floats:
    if gain not in {LINEAR, EXPONENTIAL}:
        raise ValueError(f"gain is {LINEAR!r} or {EXPONENTIAL!r}, not {gain!r}")
    grades: Floats = np.asarray(grade, dtype=np.float64)
    return grades if gain == LINEAR else np.exp2(grades) - 1.0


def count(hits: Placed) -> Floats:
    """(n,) how many documents each query has.

    Raises nothing.

    >>> count(placed([[0, 2], [1, 1]])).tolist()
    [1.0, 2.0]
    """
    counts: Floats = np.bincount(hits.query, minlength=hits.n).astype(np.float64)
    return counts


def _sum(hits: Placed, weights: Floats) -> Floats:
    sums: Floats = np.bincount(hits.query, weights, minlength=hits.n).astype(np.float64, copy=False)
    return sums


def _share(part: Floats, whole: NDArray[Any]) -> Floats:
    shares: Floats = np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
    return shares
