"""Is an index well? Cells, lengths, doubles, variety of its answers, memory: what `signoff diagnose` shows."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.records import Floats
from harness.retrieval.hits import checked_vectors
from harness.retrieval.indexes import FaissIndex
from harness.retrieval.protocols import Hits, Vectors

__all__ = ["IndexHealth", "diversity", "duplicates", "gini", "health_of", "index_health"]


class IndexHealth(NamedTuple):
    """What is in an index.

    Attributes:
        vectors, dimension: How many, how wide.
        missing_ids, doubled_ids: Codes of 0 … expected - 1 that are not stored, and codes stored more than once.
        foreign_ids: Stored codes outside 0 … expected - 1.
        mean_norm, worst_norm_error: Mean length, and the largest distance of a length from 1.
        duplicates: Vectors that equal an earlier one to the bit.
        cells, largest_cell, empty_cells, cell_gini: Of the inverted lists; None for an index without.
        memory_bytes: Of the index as written.
    """

    vectors: int
    dimension: int
    missing_ids: int
    doubled_ids: int
    foreign_ids: int
    mean_norm: float
    worst_norm_error: float
    duplicates: int
    cells: int | None
    largest_cell: int | None
    empty_cells: int | None
    cell_gini: float | None
    memory_bytes: int


def health_of(index: FaissIndex, *, expected: int) -> IndexHealth:
    """The health of an index that should hold the codes 0 … expected - 1."""
    vectors, ids = index.vectors(), index.ids
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    known = ids[(ids >= 0) & (ids < expected)]
    counts = np.bincount(known, minlength=expected)
    sizes = index.cell_sizes() if index.has_cells else None
    empty = not len(norms)
    return IndexHealth(
        len(ids), index.dimension, int((counts == 0).sum()), int((counts > 1).sum()), len(ids) - len(known),
        float("nan") if empty else float(norms.mean()), float("nan") if empty else float(np.abs(norms - 1.0).max()),
        duplicates(vectors), None if sizes is None else len(sizes), None if sizes is None else int(sizes.max()),
        None if sizes is None else int((sizes == 0).sum()), None if sizes is None else gini(sizes),
        index.memory_bytes())


def index_health(index: FaissIndex, queries: Vectors, *, expected: int | None = None) -> dict[str, Any]:
    """The same as facts to show, what does not apply left out, with the variety of the first five hits of `queries`.

    Without `expected`, the highest stored code says how many documents there should be.
    """
    ids = index.ids
    size = expected if expected is not None else int(ids.max(initial=-1)) + 1
    facts = {name: value for name, value in health_of(index, expected=size)._asdict().items() if value is not None}
    by_code = np.zeros((max(size, int(ids.max(initial=-1)) + 1, 1), index.dimension), dtype=np.float32)
    by_code[ids[ids >= 0]] = index.vectors()[ids >= 0]
    spread = diversity(index.search(queries, k=5), by_code)
    seen = spread[~np.isnan(spread)]
    return facts | {"top5_diversity": float(seen.mean()) if seen.size else float("nan")}


def gini(sizes: NDArray[Any]) -> float:
    """Inequality of sizes ≥ 0: 0 where all are equal, (n - 1) / n where one holds everything; NaN for none or all zero.

    >>> gini(np.array([0, 0, 0, 8]))
    0.75
    """
    ordered = np.sort(np.asarray(sizes, dtype=np.float64))
    if ordered.size and not ordered[0] >= 0:
        raise InputError("negative size", where="gini", expected="sizes ≥ 0", found=float(ordered[0]))
    total, n = ordered.sum(), len(ordered)
    if not total > 0:
        return float("nan")
    return float(2 * (np.arange(1, n + 1) * ordered).sum() / (n * total) - (n + 1) / n)


def duplicates(vectors: Vectors) -> int:
    """Rows that equal an earlier row to the bit."""
    array = np.ascontiguousarray(vectors)
    if not array.size:
        return 0
    rows = array.view(np.dtype((np.void, array.dtype.itemsize * array.shape[1]))).ravel()
    return len(rows) - len(np.unique(rows))


def diversity(hits: Hits, vectors: Vectors, *, depth: int = 5) -> Floats:
    """(n,) one minus the mean cosine between the first `depth` hits of each query; NaN where fewer than two are left.

    `vectors` are unit vectors by code. Near 0: the first hits say the same thing `depth` times.
    """
    vectors = checked_vectors(vectors, where="vectors")
    codes = hits.codes[:, :depth]
    held = codes >= 0
    first = np.where(held[:, :, None], vectors[np.maximum(codes, 0)], 0.0).astype(np.float64)
    together = np.einsum("nid,njd->nij", first, first)
    counts = held.sum(axis=1)
    pairs = counts * (counts - 1)
    between = together.sum(axis=(1, 2)) - np.trace(together, axis1=1, axis2=2)
    return np.where(pairs > 0, 1.0 - between / np.maximum(pairs, 1), np.nan)
