"""Several rankings become one: by ranks (reciprocal rank fusion, Cormack, Clarke & Büttcher, SIGIR 2009), or by scores.

A weak leg is not harmless: it raises recall far down and can push good hits out of the first ten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import InputError
from harness.records import Floats
from harness.retrieval.hits import checked_depth
from harness.retrieval.protocols import Codes, Hits, Retriever, Vectors

__all__ = ["HybridRetriever", "blend", "fuse"]


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


def blend(lexical: Hits, dense: Hits, *, k: int, weights: Sequence[float] | None = None) -> Hits:
    """The `k` documents with the highest weighted sum of lexical and dense score, lexical scores as shares of the best.

    Where the best lexical score is not above 0 scores count as they are: shares of it would turn their order round.
    What a leg did not find counts as much as its last hit, the most that it can have scored there. Scores say more than
    ranks do of how far apart two hits are (Bruch, Gai & Ingber, TOIS 42:1, 2023).

    Raises:
        InputError: Rankings of different queries, weights that do not fit, or a hit whose score is not finite.

    >>> words = Hits(np.array([[1, 2]]), np.array([[8.0, 2.0]], np.float32))
    >>> vectors = Hits(np.array([[2, 3]]), np.array([[0.9, 0.5]], np.float32))
    >>> found = blend(words, vectors, k=3)
    >>> found.codes, found.scores
    (array([[1, 2, 3]]), array([[1.5 , 1.15, 0.75]], dtype=float32))
    """
    shares = _weights([lexical, dense], weights)
    words, vectors = _scored(lexical, "lexical"), _scored(dense, "dense")
    best = np.where(words[:, :1] > 0.0, words[:, :1], np.float32(1.0)).astype(np.float64)
    legs = [(lexical.codes, words / best * shares[0]), (dense.codes, vectors * float(shares[1]))]
    n = len(lexical.codes)
    codes = np.full((n, checked_depth(k)), -1, dtype=np.int64)
    scores = np.full((n, k), -np.inf, dtype=np.float32)
    for row in range(n):
        found, total = _summed([(places[row], values[row]) for places, values in legs])
        order = np.lexsort((-found, -total))[:k]
        codes[row, : len(order)], scores[row, : len(order)] = found[order], total[order]
    return Hits(codes, scores)


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


def _summed(legs: Sequence[tuple[Codes, Floats]]) -> tuple[Codes, Vectors]:
    """Documents of any leg, ascending, and their sums; a leg's last score stands for what it did not find."""
    held = [(places[places >= 0], values[places >= 0]) for places, values in legs]
    found, at = np.unique(np.concatenate([places for places, _ in held]), return_inverse=True)
    total, first = np.zeros(len(found)), 0
    for places, values in held:
        last = float(values[-1]) if len(values) else 0.0
        total += last
        total[at[first : first + len(places)]] += values - last
        first += len(places)
    return found, total.astype(np.float32)


def _scored(hits: Hits, leg: str) -> Vectors:
    """(n, k) scores, 0 where there is no hit."""
    scores = np.where(hits.codes >= 0, hits.scores, np.float32(0.0))
    if not np.isfinite(scores).all():
        row, place = np.argwhere(~np.isfinite(scores))[0].tolist()
        raise InputError("not a score", where=f"{leg} leg", row=row + 1, column=f"hit {place + 1}",
                         expected="a finite number", found=float(scores[row, place]))
    return scores


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
