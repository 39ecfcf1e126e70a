"""Vector features: how query and document vectors agree, direction by direction.

`VectorFeatures` alone is the release that must be held: a network on raw products and distances of coordinates learns
the directions of its own training queries and loses on others.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.reranking.protocols import Codes, Matrix

__all__ = ["VectorFeatures", "band_edges", "checked_list", "softmax"]


class VectorFeatures:
    """First-stage score, cosine, and the products and distances of the leading coordinates, nothing lexical.

    Args:
        vectors: (n_documents, d) L2-normalised.
        leading: How many coordinates to interact; LSA orders them by the variance they explain.
    """

    def __init__(self, vectors: Any, *, leading: int = 64) -> None:
        self._vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self._leading = min(leading, self._vectors.shape[1])
        steps = range(self._leading)
        self.names = ("score", "cosine", *(f"product_{i}" for i in steps), *(f"distance_{i}" for i in steps))

    def features(self, text: str, query_vector: Any, codes: Any, scores: Any,  # noqa: ARG002 - the shared shape
                 *, query_module: str | None = None) -> Matrix:  # noqa: ARG002 - vectors know no modules
        """(n, 2 + 2 · leading) float32, as `FeatureSource.features`; text and module are not looked at."""
        query, code, score = checked_list(self._vectors, query_vector, codes, scores)
        found = self._vectors[code]
        near, mine = found[:, :self._leading], query[:self._leading]
        cosine = np.einsum("ij,j->i", found, query)
        return np.column_stack([score, cosine, near * mine, np.abs(near - mine)]).astype(np.float32)


def checked_list(vectors: NDArray[np.float32], query_vector: Any, codes: Any, scores: Any) -> tuple[
        NDArray[np.float32], Codes, NDArray[np.float64]]:
    """One query's vector, candidate codes and scores: right shapes, finite, codes known and distinct."""
    query = np.asarray(query_vector, dtype=np.float32)
    code, score = np.asarray(codes, dtype=np.int64), np.asarray(scores, dtype=np.float64)
    if query.shape != vectors.shape[1:] or not _finite(query):
        raise InputError("query vector does not fit", where="features", found=query.shape,
                         expected=f"{vectors.shape[1]} finite numbers")
    if code.ndim != 1 or code.shape != score.shape:
        raise InputError("candidates and scores differ in length", where="features", expected=f"{code.shape}",
                         found=score.shape)
    if not _finite(score):
        raise InputError("a first-stage score is not finite", where="features",
                         row=int(np.argmin(np.isfinite(score))) + 1, expected="a finite number")
    known = code.tolist()
    if known and (min(known) < 0 or max(known) >= len(vectors) or len(set(known)) < len(known)):
        raise InputError("candidate codes are wrong", where="features", found=known,
                         expected=f"distinct codes from 0 to {len(vectors) - 1}")
    return query, code, score


def band_edges(dimension: int, bands: int = 6) -> NDArray[np.intp]:
    """Starts of bands that double in width: 0, d/2^(bands-1), …, d/2; fewer where d is small.

    >>> band_edges(64, bands=4).tolist()
    [0, 8, 16, 32]
    """
    starts: Sequence[int] = sorted({0, *(dimension >> step for step in range(1, bands))})
    return np.array([start for start in starts if start < dimension], dtype=np.intp)


def softmax(values: NDArray[np.float64], *, sharpness: float = 1.0) -> NDArray[np.float64]:
    """Positive weights of sum 1, larger where `values` are; equal for equal values."""
    raised = np.exp(sharpness * (values - np.maximum.reduce(values)))
    weights: NDArray[np.float64] = raised / np.add.reduce(raised)
    return weights


def _finite(values: NDArray[Any]) -> bool:
    """Whether all are; their squares add up to a finite number unless one is not, or very large."""
    return isfinite(values.dot(values)) or bool(np.isfinite(values).all())
