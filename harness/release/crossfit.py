"""Rerankers that each never saw the clusters they are asked about: what a fit fold's gains must be measured by.

A reranker's gain on the queries that it learnt from is flattery, and a router fitted to it would spend on flattery.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from harness.errors import InputError
from harness.reranking.protocols import Codes, FeatureSource, Matrix
from harness.reranking.stage import Lists, RerankStage

__all__ = ["FOLDS", "CrossFitted", "Remembered", "cross_fitted", "folds_of"]

FOLDS = 5


class CrossFitted(NamedTuple):
    """Fitted stages, and for each query of the lists the one that saw none of its cluster.

    Attributes:
        stages: One a fold.
        part: (n_queries,) index into `stages`.
    """

    stages: tuple[RerankStage, ...]
    part: Codes

    def of(self, query: int) -> RerankStage:
        """The stage for the query at this position of the lists."""
        return self.stages[int(self.part[query])]


class Remembered:
    """Features made once: every query is learnt from in all folds but one, and its features are the same in each."""

    def __init__(self, source: FeatureSource) -> None:
        self._source = source
        self._made: dict[tuple[str, str | None, bytes], Matrix] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """One name a column."""
        return self._source.names

    def features(self, text: str, query_vector: Any, codes: Any, scores: Any,
                 *, query_module: str | None = None) -> Matrix:
        """As `FeatureSource.features`; a query with its module and its candidates is asked for once."""
        key = (text, query_module, np.asarray(codes, dtype=np.int64).tobytes())
        if key not in self._made:
            self._made[key] = self._source.features(text, query_vector, codes, scores, query_module=query_module)
        return self._made[key]


def folds_of(clusters: Any, *, folds: int = FOLDS) -> list[tuple[Codes, Codes]]:
    """(others, mine) positions of each fold of whole clusters: as many folds as asked for, or as there are clusters.

    Raises InputError for fewer than two clusters: nothing can be held out.
    """
    from sklearn.model_selection import GroupKFold

    names = np.asarray(clusters, dtype=str)
    parts = min(max(folds, 2), len(np.unique(names)))
    if parts < 2:
        raise InputError("too few clusters to hold some out", where="cross-fitting", found=parts,
                         expected="at least 2 different clusters")
    return list(GroupKFold(parts).split(names, groups=names))


def cross_fitted(make: Callable[[], RerankStage], lists: Lists, *, folds: int = FOLDS,
                 tell: Callable[[str], None] = lambda _: None) -> CrossFitted:
    """Fit a stage for each fold of whole clusters, on all the other folds.

    Args:
        make: A new, unfitted stage.
        lists: Of the queries that may be learnt from.
        folds: At most so many, at least 2, and no more than there are clusters, which always fall into the same folds.
        tell: Told which fold is being fitted.

    Raises:
        InputError: Fewer than two clusters: nothing can be held out.
    """
    part, stages = np.empty(len(lists.clusters), dtype=np.int64), []
    held_out = folds_of(lists.clusters, folds=folds)
    for fold, (others, mine) in enumerate(held_out):
        tell(f"cross-fitting the reranker: fold {fold + 1} of {len(held_out)}")
        part[mine] = fold
        stages.append(make().fit(_only(lists, others)))
    return CrossFitted(tuple(stages), part)


def _only(lists: Lists, places: Codes) -> Lists:
    def cut(column: list[object]) -> list[object]:
        return [column[place] for place in places]

    columns = {name: cut(list(column)) for name, column in lists._asdict().items()
               if name != "query_vectors" and column is not None}
    return Lists(query_vectors=np.asarray(lists.query_vectors)[places], **columns)  # type: ignore[arg-type]
