"""Several rankings become one by reciprocal rank fusion (Cormack, Clarke & Büttcher, SIGIR 2009).

A weak leg is not harmless: it raises recall far down and can push good hits out of the first ten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import InputError
from harness.retrieval.hits import checked_depth
from harness.retrieval.protocols import Hits, Retriever

__all__ = ["HybridRetriever", "fuse"]


def fuse(rankings: Sequence[Hits], *, k: int, weights: Sequence[float] | None = None, constant: float = 60.0) -> Hits:
    """The `k` documents with the highest sum of weight / (constant + rank), rank from 1, over rankings of equal rows.

    >>> first = Hits(np.array([[1, 2]]), np.array([[0.9, 0.8]], np.float32))
    >>> second = Hits(np.array([[2, 3]]), np.array([[7.0, 6.0]], np.float32))
    >>> fuse([first, second], k=2).codes
    array([[2, 1]])
    """
    shares = _weights(rankings, weights)
    n = len(rankings[0].codes)
    codes = np.hstack([hits.codes for hits in rankings])
    worth = np.concatenate([share / (constant + 1 + np.arange(hits.codes.shape[1]))
                            for share, hits in zip(shares, rankings, strict=True)])
    row, column = np.nonzero(codes >= 0)
    width = int(codes.max(initial=0)) + 1
    pairs, inverse = np.unique(row * width + codes[row, column], return_inverse=True)
    total = np.bincount(inverse, weights=worth[column], minlength=len(pairs)).astype(np.float32)
    query, code = pairs // width, pairs % width
    order = np.lexsort((-code, -total, query))
    query, code, total = query[order], code[order], total[order]
    place = np.arange(len(query)) - np.searchsorted(query, query)
    kept = place < checked_depth(k)
    fused = Hits(np.full((n, k), -1, dtype=np.int64), np.full((n, k), -np.inf, dtype=np.float32))
    fused.codes[query[kept], place[kept]] = code[kept]
    fused.scores[query[kept], place[kept]] = total[kept]
    return fused


@dataclass(frozen=True, eq=False)
class HybridRetriever:
    """Retrievers asked side by side, their rankings to `depth` fused; equal weights unless given."""

    legs: tuple[Retriever, ...]
    weights: tuple[float, ...] | None = None
    depth: int = 100
    constant: float = 60.0

    def retrieve(self, texts: Sequence[str], *, k: int) -> Hits:
        """The `k` best of the fused rankings."""
        rankings = [leg.retrieve(texts, k=max(k, self.depth)) for leg in self.legs]
        return fuse(rankings, k=k, weights=self.weights, constant=self.constant)


def _weights(rankings: Sequence[Hits], weights: Sequence[float] | None) -> Sequence[float]:
    if not rankings:
        raise InputError("nothing to fuse", where="hybrid", expected="at least one ranking")
    if len({len(hits.codes) for hits in rankings}) > 1:
        raise InputError("rankings differ in queries", where="hybrid", found=[len(hits.codes) for hits in rankings],
                         expected="the same queries in each")
    shares = [1.0] * len(rankings) if weights is None else list(weights)
    if len(shares) != len(rankings) or min(shares) < 0 or not sum(shares) > 0:
        raise InputError("weights do not fit", where="hybrid", expected=f"{len(rankings)} numbers ≥ 0, not all 0",
                         found=shares)
    return shares
