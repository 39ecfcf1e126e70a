"""What a reranker is: one score per candidate from its features alone, never from the place it came in.

A reranker does not see the order of its input. The first stage speaks only through its score, which is column 0 of
every feature matrix; so shuffled candidates get the same scores, shuffled alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.records import Floats

__all__ = ["SCORE", "Codes", "FeatureSource", "Matrix", "Reranker", "checked_features", "checked_lists", "rerank_order"]

Codes = NDArray[np.int64]
Matrix = NDArray[np.float32]
SCORE = 0  # the column that holds the first stage's score in every feature matrix


class FeatureSource(Protocol):
    """Turns one query and its candidates into numbers; column 0 is the first stage's score."""

    @property
    def names(self) -> tuple[str, ...]:
        """One name a column."""
        ...

    def features(self, text: str, query_vector: Any, codes: Any, scores: Any,
                 *, query_module: str | None = None) -> Matrix:
        """(n_candidates, n_features) float32, one row a candidate, in the order given."""
        ...


class Reranker(Protocol):
    """A model over features. The seed and every other choice are given at construction; `fit` takes data only."""

    def fit(self, features: Any, labels: Any, groups: Any) -> Self:
        """Learn from (n, F) features, (n,) labels ≥ 0 and the sizes of the queries' lists, which sum to n."""
        ...

    def scores(self, features: Any) -> Floats:
        """(n,) float64, higher is better; rows are scored one by one, so their order and company do not matter."""
        ...

    def save(self, folder: Path) -> None:
        """Write plain files (JSON, .npy, text) into `folder`; the same model gives the same bytes."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read back what `save` wrote; unreadable or missing files are an `InputError`."""
        ...


def rerank_order(new_scores: Any, codes: Any) -> Codes:
    """The permutation that ranks candidates: score (as float32) descending, then code descending, as trec_eval does.

    Args:
        new_scores: (n,) finite scores, higher is better.
        codes: (n,) distinct document codes; ascending codes are ascending document ids.

    >>> rerank_order([0.1, 0.7, 0.7], [4, 2, 9]).tolist()
    [2, 1, 0]
    """
    score, code = np.asarray(new_scores, dtype=np.float32), np.asarray(codes, dtype=np.int64)
    if score.shape != code.shape or score.ndim != 1:
        raise InputError("scores and codes differ in length", where="rerank_order", expected=f"{code.shape}",
                         found=score.shape)
    if not np.isfinite(score).all():
        raise InputError("a score is not finite", where="rerank_order", row=int(np.argmin(np.isfinite(score))) + 1)
    return np.lexsort((-code, -score)).astype(np.int64)


def checked_features(features: Any, *, width: int | None = None) -> NDArray[np.float64]:
    """(n, F) finite float64, or an `InputError` that says which row and column is wrong."""
    matrix = np.asarray(features, dtype=np.float64)
    if matrix.ndim != 2 or (width is not None and matrix.shape[1] != width):
        raise InputError("features have the wrong shape", where="reranker", found=matrix.shape,
                         expected=f"(n, {'F' if width is None else width})")
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0].tolist()
        raise InputError("a feature is not finite", where="reranker", row=row + 1, column=str(column),
                         expected="a finite number", found=float(matrix[row, column]))
    return matrix


def checked_lists(features: Any, labels: Any, groups: Sequence[int] | NDArray[Any]) -> tuple[
        NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Features, labels and list sizes that agree, with something to learn: at least two different labels."""
    matrix = checked_features(features)
    label, sizes = np.asarray(labels, dtype=np.float64), np.asarray(groups, dtype=np.int64)
    if label.shape != (len(matrix),) or not np.isfinite(label).all() or (label < 0).any():
        raise InputError("labels do not fit the features", where="reranker", expected=f"{len(matrix)} grades ≥ 0",
                         found=label.shape)
    if sizes.ndim != 1 or (sizes < 1).any() or int(sizes.sum()) != len(matrix):
        raise InputError("list sizes do not add up", where="reranker", expected=f"positive sizes of sum {len(matrix)}",
                         found=int(sizes.sum()))
    if len(np.unique(label)) < 2:
        raise InputError("nothing to learn: all labels are equal", where="reranker", expected="two different grades",
                         found=float(label[0]) if len(label) else None)
    return matrix, label, sizes
