"""Order and cut: the one place where scores become ranked hits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.retrieval.protocols import Codes, Hits, Vectors

__all__ = ["checked_depth", "checked_vectors", "ordered", "top_k", "unit", "without"]


def ordered(codes: Codes, scores: Vectors) -> Hits:
    """Hits in the tie rule's order from rows that are descending by score; only rows with equal scores are touched."""
    scores = np.where(codes < 0, np.float32(-np.inf), scores)
    tied = np.flatnonzero(((scores[:, 1:] == scores[:, :-1]) & (codes[:, 1:] >= 0)).any(axis=1))
    if tied.size:
        order = np.lexsort((-codes[tied], -scores[tied]), axis=1)
        codes = codes.copy()
        codes[tied] = np.take_along_axis(codes[tied], order, axis=1)
    return Hits(codes, scores)


def top_k(scores: NDArray[Any], *, k: int, above: float = -np.inf) -> Hits:
    """The `k` highest of (n, n_docs) scores, those over `above`; equal scores: higher code first, at the cut too.

    >>> top_k(np.array([[1.0, 3.0, 1.0]]), k=2).codes
    array([[1, 2]])
    """
    scores = np.asarray(scores, dtype=np.float32)
    n, width = scores.shape
    depth = min(checked_depth(k), width)
    # Reversed columns and a stable sort put the higher code first among equals; a row's cut value keeps the sort short.
    codes = np.full((n, k), -1, dtype=np.int64)
    best = np.full((n, k), -np.inf, dtype=np.float32)
    for row, values in enumerate(scores):
        cut = max(above, np.partition(values, width - depth)[width - depth]) if depth else np.inf
        near = np.flatnonzero((values >= cut) & (values > above))[::-1]
        taken = near[np.argsort(-values[near], kind="stable")][:depth]
        codes[row, : len(taken)], best[row, : len(taken)] = taken, values[taken]
    return Hits(codes, best)


def without(hits: Hits, own: Codes) -> Hits:
    """Each query's own documents ((n,) or (n, width), -1 for none) taken out; later hits move up, the end is empty.

    >>> without(Hits(np.array([[4, 2]]), np.array([[0.9, 0.5]], np.float32)), np.array([4])).codes
    array([[ 2, -1]])
    """
    removed = np.asarray(own, dtype=np.int64).reshape(len(hits.codes), -1)
    gone = (hits.codes[:, :, None] == removed[:, None, :]).any(axis=2) | (hits.codes < 0)
    order = np.argsort(gone, axis=1, kind="stable")
    empty = np.take_along_axis(gone, order, axis=1)
    codes = np.where(empty, -1, np.take_along_axis(hits.codes, order, axis=1))
    return Hits(codes, np.where(empty, np.float32(-np.inf), np.take_along_axis(hits.scores, order, axis=1)))


def checked_depth(k: int) -> int:
    """`k` itself, or InputError below 1."""
    if k < 1:
        raise InputError("no hits asked for", column="k", expected="at least 1", found=k)
    return k


def checked_vectors(vectors: NDArray[Any], *, where: str, dimension: int | None = None) -> Vectors:
    """`vectors` as contiguous (n, d) float32, or InputError where the shape is wrong or a number is not finite."""
    array = np.ascontiguousarray(vectors, dtype=np.float32)
    if array.ndim != 2 or not array.shape[1] or (dimension is not None and array.shape[1] != dimension):
        expected = f"(n, {dimension})" if dimension is not None else "(n, d), d at least 1"
        raise InputError("wrong shape of vectors", where=where, expected=expected, found=array.shape)
    wrong = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if wrong.size:
        raise InputError("vector is not finite", where=where, row=int(wrong[0]) + 1, expected="finite numbers")
    return array


def unit(vectors: Vectors) -> Vectors:
    """Rows divided by their length; a zero row stays zero."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1.0), dtype=np.float32)
