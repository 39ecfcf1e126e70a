"""Defects of an index: under-probed, not normalised, ids lost or doubled, one cell that swallowed the rest."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.defects.catalogue import Dose, defect
from harness.defects.changes import with_index
from harness.release.observed import IndexObserved, Trial

__all__ = ["ids_doubled", "one_cell_swallows", "stale_index", "under_probed", "unnormalised_embeddings"]


@defect("under_probed", caught_by=lambda measure: measure == "agreement@10", goes="down",
        signal="the lower bound of the mean agreement", grades=(1.0,))
def under_probed(trial: Trial, dose: Dose) -> Trial:
    """The same index asked with nprobe = 1 (measured, not simulated); between 0 and 1 for a share of the queries."""

    def change(index: IndexObserved) -> IndexObserved:
        n = len(index.agreement)
        return replace(index, agreement=np.where(dose.share(n), index.under_probed, index.agreement))

    return with_index(trial, change)


@defect("unnormalised_embeddings", caught_by=lambda measure: measure == "norm error", goes="up",
        signal="the largest distance of a stored vector's length from 1", grades=(0.002, 0.1, 1.0))
def unnormalised_embeddings(trial: Trial, dose: Dose) -> Trial:
    """Vectors longer than 1 by up to the severity: a skipped normalisation."""
    return with_index(trial, lambda index: replace(index, norms=index.norms * (1.0 + dose.severity)))


@defect("stale_index", caught_by=lambda measure: measure == "ids missing", goes="up",
        signal="the number of ids missing", grades=(0.01, 0.1, 0.5))
def stale_index(trial: Trial, dose: Dose) -> Trial:
    """A share of the corpus was never indexed (at least one document where the severity is above 0)."""

    def change(index: IndexObserved) -> IndexObserved:
        kept = np.sort(_shuffled(index, dose)[int(np.ceil(dose.severity * len(index.ids))):])
        norms = index.norms[kept] if len(index.norms) == len(index.ids) else index.norms
        return replace(index, ids=index.ids[kept], norms=norms)

    return with_index(trial, change)


@defect("ids_doubled", caught_by=lambda measure: measure == "ids doubled", goes="up",
        signal="the number of ids stored twice", grades=(0.01, 0.1, 0.5))
def ids_doubled(trial: Trial, dose: Dose) -> Trial:
    """A share of the documents was added twice (at least one where the severity is above 0)."""

    def change(index: IndexObserved) -> IndexObserved:
        twice = index.ids[_shuffled(index, dose)[: int(np.ceil(dose.severity * len(index.ids)))]]
        return replace(index, ids=np.concatenate([index.ids, twice]))

    return with_index(trial, change)


@defect("one_cell_swallows", caught_by=lambda measure: measure == "largest cell share", goes="up",
        signal="the fullest cell's share of the vectors")
def one_cell_swallows(trial: Trial, dose: Dose) -> Trial:
    """A share of every cell's vectors moves into the first cell: a k-means that collapsed."""

    def change(index: IndexObserved) -> IndexObserved:
        moved = np.floor(index.cells * dose.severity).astype(index.cells.dtype)
        moved[:1] = 0
        cells = index.cells - moved
        cells[:1] += moved.sum()
        return replace(index, cells=cells)

    return with_index(trial, change)


def _shuffled(index: IndexObserved, dose: Dose) -> NDArray[np.int64]:
    n = len(index.ids)
    return dose.rng(n).permutation(n)
