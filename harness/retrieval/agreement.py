"""How far an approximate index agrees with the exact one, query by query, at the cost of the two searches.

Documents of equal score at the cut are interchangeable: returning another of them is no disagreement. It must really be
of equal score, by its own vector: an index that returns right scores under wrong ids agrees with nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.records import Floats
from harness.retrieval.hits import checked_vectors
from harness.retrieval.indexes import FaissIndex
from harness.retrieval.protocols import Codes, Hits, Vectors

__all__ = ["flat_agreement", "overlap"]

_SAME = 1e-6  # inner products of unit vectors move by 2e-7 with the size of the batch


def flat_agreement(index: FaissIndex, flat: FaissIndex, vectors: Vectors, *, k: int = 10) -> Floats:
    """(n,) share of the exact index's `k` hits that `index` returns too; 1 where neither has a hit.

    >>> vectors = np.eye(4, dtype=np.float32)
    >>> flat = FaissIndex("flat").build(vectors)
    >>> flat_agreement(flat, flat, vectors, k=2)
    array([1., 1., 1., 1.])
    """
    vectors = checked_vectors(vectors, where="query vectors", dimension=flat.dimension)
    return overlap(index.search(vectors, k=k), flat.search(vectors, k=k), vectors, flat, exact=index.exact_scores)


def overlap(found: Hits, truth: Hits, vectors: Vectors, flat: FaissIndex, *, exact: bool) -> Floats:
    """The same from hits at hand: `truth` comes from `flat`; `exact` says that the scores of `found` are true."""
    if flat.kind != "flat":
        raise InputError("agreement needs the exact index", where="flat_agreement", expected="flat", found=flat.kind)
    held = truth.codes >= 0
    depth = held.sum(axis=1)
    cut = np.where(depth > 0, np.where(held, truth.scores, np.inf).min(axis=1), np.inf)
    same = (truth.codes[:, :, None] == found.codes[:, None, :]) & held[:, :, None]
    kept = same.any(axis=2)
    at_cut = held & (truth.scores <= cut[:, None] + _SAME)
    above = (kept & ~at_cut).sum(axis=1)
    level = (kept & at_cut).sum(axis=1) + _tied(found, ~same.any(axis=1), cut, vectors, flat, exact=exact)
    agreed = above + np.minimum(level, at_cut.sum(axis=1))
    empty_too = np.where((found.codes >= 0).any(axis=1), 0.0, 1.0)
    return np.where(depth > 0, agreed / np.maximum(depth, 1), empty_too)


def _tied(
    found: Hits, strange: NDArray[np.bool_], cut: Vectors, vectors: Vectors, flat: FaissIndex, *, exact: bool
) -> Codes:
    # (n,) distinct hits outside the truth whose true score equals the cut; only claims worth checking are checked.
    worth = strange & (found.codes >= 0) & (found.codes < flat.faiss.ntotal)
    if exact:
        worth &= found.scores >= cut[:, None] - _SAME
    rows, places = np.nonzero(worth)
    counts = np.zeros(len(cut), dtype=np.int64)
    if rows.size:
        pairs = np.unique(np.stack([rows, found.codes[rows, places]]), axis=1)
        stored = flat.faiss.reconstruct_batch(pairs[1])
        level = np.einsum("nd,nd->n", stored, vectors[pairs[0]]) >= cut[pairs[0]] - _SAME
        np.add.at(counts, pairs[0][level], 1)
    return counts
