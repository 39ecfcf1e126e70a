"""Agreement of two rankings: how much of one stands in the other, without judgements.

Both runs are compared over the queries of either; a query that only one of them answers agrees on nothing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.codes import Names, match
from harness.errors import InputError, UsageError
from harness.metrics.spec import MetricSpec, parse
from harness.records import Floats, Ids, Run

__all__ = ["Agreement", "agreement", "jaccard_at", "rbo"]


class Agreement(NamedTuple):
    """One value per query that either run answers, queries ascending.

    >>> Agreement(np.array(["q1", "q2"]), np.array([1.0, 0.5])).mean
    0.75
    """

    queries: Ids
    values: Floats

    @property
    def mean(self) -> float:
        """Mean over the queries."""
        return float(self.values.mean())


class _Shared(NamedTuple):
    """Documents that both runs show for a query, with their two ranks; and the length of either ranking."""

    queries: Ids
    query: NDArray[np.intp]
    rank_a: NDArray[np.int64]
    rank_b: NDArray[np.int64]
    length_a: NDArray[np.intp]
    length_b: NDArray[np.intp]

    def number(self, rows: NDArray[np.bool_]) -> NDArray[np.intp]:
        return np.bincount(self.query[rows], minlength=len(self.queries))


def agreement(a: Run, b: Run, spec: MetricSpec | str) -> Agreement:
    """The measure that is spelt `RBO(p=0.9)` or `Jaccard@10`. Raises UsageError for a measure of one run.

    Raises:
        UsageError: A measure of one run, or one that is not known.
        InputError: Two runs without any hit.

    >>> one = Run.of(["q", "q"], ["a", "b"], [2.0, 1.0])
    >>> two = Run.of(["q", "q"], ["b", "c"], [2.0, 1.0])
    >>> agreement(one, two, "Jaccard@2").mean == jaccard_at(one, two, k=2).mean
    True
    """
    wanted = parse(spec) if isinstance(spec, str) else spec
    if wanted.name == "Jaccard" and wanted.k is not None:
        return jaccard_at(a, b, k=wanted.k)
    if wanted.name == "RBO":
        return rbo(a, b, p=wanted.p)
    raise UsageError(f"{wanted} is no measure of two runs; expected RBO or Jaccard@k")


def jaccard_at(a: Run, b: Run, *, k: int) -> Agreement:
    """Shared documents of the first k as a share of all documents of the first k of either. In [0, 1], symmetric.

    Raises:
        ValueError: k under 1.
        InputError: Two runs without any hit.

    >>> one = Run.of(["q", "q"], ["a", "b"], [2.0, 1.0])
    >>> two = Run.of(["q", "q"], ["b", "c"], [2.0, 1.0])
    >>> jaccard_at(one, two, k=2).values.round(3).tolist()
    [0.333]
    """
    if k < 1:
        raise ValueError(f"k is a depth from 1, not {k}")
    shared = _shared(a, b)
    both = shared.number((shared.rank_a <= k) & (shared.rank_b <= k))
    either = np.minimum(shared.length_a, k) + np.minimum(shared.length_b, k) - both
    return Agreement(shared.queries, both / either)


def rbo(a: Run, b: Run, *, p: float = 0.9) -> Agreement:
    """Rank-biased overlap, extrapolated (RBO_ext; Webber, Moffat & Zobel 2010, eq. 32). In [0, 1], symmetric.

    `p` in (0, 1) is the chance that a reader goes on to the next rank; beyond the shorter ranking the overlap seen is
    taken to continue. Ties are ranked, as everywhere here, by document id.

    Raises:
        ValueError: p outside (0, 1).
        InputError: Two runs without any hit.

    >>> one = Run.of(["q", "q"], ["a", "b"], [2.0, 1.0])
    >>> two = Run.of(["q", "q"], ["b", "c"], [2.0, 1.0])
    >>> rbo(one, one).mean, 0.0 < rbo(one, two).mean < 1.0
    (1.0, True)
    """
    if not 0.0 < p < 1.0:
        raise ValueError(f"p is in (0, 1), not {p}")
    shared = _shared(a, b)
    short, long = np.minimum(shared.length_a, shared.length_b), np.maximum(shared.length_a, shared.length_b)
    depth = np.arange(1, int(long.max()) + 1)
    tail = np.concatenate(([0.0], np.cumsum(p**depth / depth)))  # tail[d] = sum of p^i / i for i = 1 .. d
    # The overlap grows by one where a shared document's deeper rank is: sums over depths are sums over those.
    meets = np.maximum(shared.rank_a, shared.rank_b)
    seen = np.bincount(shared.query, tail[long[shared.query]] - tail[meets - 1], minlength=len(short))
    s, end = np.maximum(short, 1), long
    at_s, at_end = shared.number(meets <= short[shared.query]), shared.number(meets > 0)
    beyond = at_s / s * (_powers(p, s, end) - s * (tail[end] - tail[s]))
    ends = ((at_end - at_s) / end + at_s / s) * p**end
    return Agreement(shared.queries, np.where(short > 0, (1 - p) / p * (seen + beyond) + ends, 0.0))


def _powers(p: float, start: NDArray[np.intp], stop: NDArray[np.intp]) -> Floats:
    """Sum of p^d for start < d ≤ stop."""
    return np.asarray((p ** (start + 1) - p ** (stop + 1)) / (1 - p), dtype=np.float64)


def _shared(a: Run, b: Run) -> _Shared:
    answered = np.union1d(a.queries[a.hits > 0], b.queries[b.hits > 0])
    if not len(answered):
        raise InputError("two empty runs", where="agreement", expected="at least one hit", found=0)
    here = Names.of(answered)
    at_a, at_b = match(a.names[0], here), match(b.names[0], here)
    doc = match(a.names[1], b.names[1])[a.doc]
    query = match(a.names[0], b.names[0])[a.query]
    row = np.flatnonzero((doc >= 0) & (query >= 0))
    rank = b.index.find(query[row] * len(b.docs) + doc[row]).astype(np.int64)
    row, rank = row[rank > 0], rank[rank > 0]
    return _Shared(answered, at_a[a.query[row]], a.rank[row].astype(np.int64), rank,
                   _lengths(a, at_a, len(answered)), _lengths(b, at_b, len(answered)))


def _lengths(run: Run, at: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    lengths = np.zeros(n, dtype=np.intp)
    lengths[at[at >= 0]] = run.hits[at >= 0]
    return lengths
