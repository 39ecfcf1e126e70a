"""Defects done to an index: it is built again from its own vectors, what went in is left as it was.

An index of quantised vectors or a graph is built again with the default options of its kind.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.defects.catalogue import Dose
from harness.errors import InputError
from harness.release.live import LiveRelease
from harness.retrieval.indexes import FaissIndex
from harness.retrieval.protocols import Vectors

__all__ = ["ids_doubled", "ids_shuffled", "one_cell_swallows", "stale_index", "under_probed",
           "unnormalised_embeddings"]


def under_probed(release: LiveRelease, dose: Dose) -> LiveRelease:
    """Fewer cells looked at, one at severity 1."""
    index = _index(release, "under_probed", cells=True)
    made = _rebuilt(index, index.vectors(), index.ids)
    made.nprobe = max(1, round(index.nprobe * (1.0 - dose.severity)))
    return _with(release, made)


def unnormalised_embeddings(release: LiveRelease, dose: Dose) -> LiveRelease:
    """Vectors longer than 1, each by its own share of the severity."""
    index = _index(release, "unnormalised_embeddings")
    vectors = index.vectors()
    longer = 1.0 + dose.severity * dose.rng(len(vectors)).random((len(vectors), 1))
    return _with(release, _rebuilt(index, (vectors * longer).astype(np.float32), index.ids))


def ids_shuffled(release: LiveRelease, dose: Dose) -> LiveRelease:
    """A share of the stored vectors under the id of another of that share."""
    index = _index(release, "ids_shuffled")
    ids, chosen = index.ids, _chosen(index, dose)
    ids[chosen] = np.roll(ids[chosen], 1)
    return _with(release, _rebuilt(index, index.vectors(), ids))


def stale_index(release: LiveRelease, dose: Dose) -> LiveRelease:
    """A share of the documents not stored, at least one, and never all."""
    index = _index(release, "stale_index")
    n = len(index.ids)
    kept = np.sort(dose.rng(n).permutation(n)[min(int(np.ceil(dose.severity * n)), n - 1):])
    return _with(release, _rebuilt(index, index.vectors()[kept], index.ids[kept]))


def ids_doubled(release: LiveRelease, dose: Dose) -> LiveRelease:
    """A share of the documents stored twice, at least one."""
    index = _index(release, "ids_doubled")
    n = len(index.ids)
    again = np.concatenate([np.arange(n), dose.rng(n).permutation(n)[: int(np.ceil(dose.severity * n))]])
    return _with(release, _rebuilt(index, index.vectors()[again], index.ids[again]))


def one_cell_swallows(release: LiveRelease, dose: Dose) -> LiveRelease:
    """The centroids of a share of the cells lie where no vector is: what was theirs goes to the cells that are left."""
    import faiss

    from harness.retrieval.makers import inner

    index = _index(release, "one_cell_swallows", cells=True)
    vectors, ids, probed = index.vectors(), index.ids, index.nprobe
    made = _rebuilt(index, vectors, ids)
    core = inner(made.faiss)
    coarse = faiss.downcast_index(core.quantizer)
    centroids = np.asarray(coarse.reconstruct_n(0, core.nlist))
    lost = 1 + np.flatnonzero(dose.share(core.nlist - 1))
    away = -vectors.mean(axis=0)
    centroids[lost] = away / max(float(np.linalg.norm(away)), 1e-9)
    coarse.reset()
    coarse.add(centroids)
    made.faiss.reset()
    made.faiss.add_with_ids(vectors, ids)
    made.nprobe = probed
    return _with(release, made)


def _chosen(index: FaissIndex, dose: Dose) -> NDArray[np.int64]:
    """Places of a share of the stored vectors, in random order: neighbours are often about the same thing."""
    n = len(index.ids)
    return dose.rng(n).permutation(np.flatnonzero(dose.share(n)))


def _index(release: LiveRelease, name: str, *, cells: bool = False) -> FaissIndex:
    index = release.first.index
    if index is None or (cells and not index.has_cells):
        raise InputError("no index to break" if index is None else "no cells to break", where=f"defect {name}",
                         expected="an ivf index" if cells else "a release with vectors",
                         found=release.first.part.impl if index is None else index.kind)
    return index


def _rebuilt(index: FaissIndex, vectors: Vectors, ids: NDArray[np.int64]) -> FaissIndex:
    if not index.has_cells:
        return FaissIndex(index.kind).build(vectors, ids=ids)
    cells = min(index.nlist or 1, len(vectors))
    return FaissIndex(index.kind, nlist=cells, nprobe=index.nprobe).build(vectors, ids=ids)


def _with(release: LiveRelease, index: FaissIndex) -> LiveRelease:
    return replace(release, first=replace(release.first, index=index))
