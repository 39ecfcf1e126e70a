"""Defects of an index: under-probed, not normalised, ids lost or doubled, one cell that swallowed the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.defects.catalogue import defect
from harness.release.observed import IndexObserved, Trial

__all__ = ["ids_doubled", "one_cell_swallows", "stale_index", "under_probed", "unnormalised_embeddings"]


@defect("under_probed", caught_by=lambda measure: measure == "agreement@10", grades=(1.0,))
def under_probed(trial: Trial, severity: float) -> Trial:
    """The same index asked with nprobe = 1 (measured, not simulated); between 0 and 1 for a share of the queries."""

    def change(index: IndexObserved) -> IndexObserved:
        n = len(index.agreement)
        chosen = np.random.default_rng(n).permutation(n) < severity * n
        return replace(index, agreement=np.where(chosen, index.under_probed, index.agreement))

    return _index(trial, change)


@defect("unnormalised_embeddings", caught_by=lambda measure: measure == "norm error", grades=(0.002, 0.1, 1.0))
def unnormalised_embeddings(trial: Trial, severity: float) -> Trial:
    """Vectors longer than 1 by up to the severity: a skipped normalisation."""
    return _index(trial, lambda index: replace(index, norms=index.norms * (1.0 + severity)))


@defect("stale_index", caught_by=lambda measure: measure == "ids missing", grades=(0.01, 0.1, 0.5))
def stale_index(trial: Trial, severity: float) -> Trial:
    """A share of the corpus was never indexed (at least one document where the severity is above 0)."""

    def change(index: IndexObserved) -> IndexObserved:
        lost = int(np.ceil(severity * len(index.ids)))
        return replace(index, ids=index.ids[lost:], norms=index.norms[lost:])

    return _index(trial, change)


@defect("ids_doubled", caught_by=lambda measure: measure == "ids doubled", grades=(0.01, 0.1, 0.5))
def ids_doubled(trial: Trial, severity: float) -> Trial:
    """A share of the documents was added twice (at least one where the severity is above 0)."""

    def change(index: IndexObserved) -> IndexObserved:
        twice = index.ids[: int(np.ceil(severity * len(index.ids)))]
        return replace(index, ids=np.concatenate([index.ids, twice]))

    return _index(trial, change)


@defect("one_cell_swallows", caught_by=lambda measure: measure == "largest cell share")
def one_cell_swallows(trial: Trial, severity: float) -> Trial:
    """A share of every cell's vectors moves into the first cell: a k-means that collapsed."""

    def change(index: IndexObserved) -> IndexObserved:
        moved = np.floor(index.cells * severity).astype(index.cells.dtype)
        moved[:1] = 0
        cells = index.cells - moved
        cells[:1] += moved.sum()
        return replace(index, cells=cells)

    return _index(trial, change)


def _index(trial: Trial, change: object) -> Trial:
    assert callable(change)
    index = trial.candidate.index
    return trial if index is None else replace(trial, candidate=replace(trial.candidate, index=change(index)))
