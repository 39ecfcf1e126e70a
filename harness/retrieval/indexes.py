"""Indexes through faiss: exact, inverted lists, quantised, graph; on one thread, so that runs repeat."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np

from harness.data.store import atomic_writer
from harness.errors import InputError, nearest
from harness.retrieval.hits import checked_depth, checked_vectors, ordered
from harness.retrieval.protocols import Codes, Hits, Vectors

__all__ = ["KINDS", "FaissIndex", "default_lists", "one_thread"]

KINDS = ("flat", "ivf_flat", "ivf_pq", "hnsw")
_PER_LIST = 39  # faiss asks for this many training points for each centroid


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Run faiss on one thread inside, on as many as before after."""
    import faiss

    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def default_lists(n: int) -> int:
    """Number of inverted lists for `n` vectors: the square root, but never lists too small to train.

    >>> default_lists(6222), default_lists(100)
    (79, 2)
    """
    return max(1, min(round(math.sqrt(n)), n // _PER_LIST))


class FaissIndex:
    """One faiss index of unit vectors, by inner product.

    Options: `nlist`, `nprobe` (ivf_flat, ivf_pq), `m` sub-vectors and `opq` rotation (ivf_pq), `links`,
    `ef_construction`, `ef_search` (hnsw), `seed` of training and graph levels.

    >>> index = FaissIndex("flat").build(np.eye(3, dtype=np.float32))
    >>> index.search(np.array([[0.0, 1.0, 0.0]]), k=1).codes
    array([[1]])
    """

    def __init__(
        self, kind: str = "flat", *, seed: int = 42, nlist: int | None = None, nprobe: int = 32, m: int | None = None,
        opq: bool = False, links: int = 32, ef_construction: int = 200, ef_search: int = 64,
    ) -> None:
        """Name the kind and its options; nothing is built yet."""
        if kind not in KINDS:
            raise InputError("no such index", column="index", expected=", ".join(KINDS), found=kind,
                             hint=nearest(kind, KINDS))
        self.kind, self.seed, self.nlist, self.m, self.opq = kind, seed, nlist, m, opq
        self.links, self.ef_construction = links, ef_construction
        self._nprobe, self._ef_search, self._index = nprobe, ef_search, None

    def build(self, vectors: Vectors, *, ids: Codes | None = None) -> Self:
        """Index (n, d) vectors under the codes 0 … n - 1, or under the given `ids`; returns itself."""
        from harness.retrieval.makers import make

        vectors = checked_vectors(vectors, where=f"{self.kind} index")
        if not len(vectors):
            raise InputError("nothing to index", where=f"{self.kind} index", expected="at least one vector")
        with one_thread():
            self._index = make(self, vectors, ids)
        if self.has_cells:
            self.nlist, self.nprobe = self._cells().nlist, min(self._nprobe, self._cells().nlist)
        return self

    def search(self, vectors: Vectors, *, k: int) -> Hits:
        """The `k` nearest stored codes of each of (n, d) vectors; a zero vector has no hits, missing hits are -1.

        Hits are in the tie rule's order; which of equal scores at the cut gets in is faiss's choice.
        """
        vectors = checked_vectors(vectors, where="query vectors", dimension=self.dimension)
        codes, scores = np.empty((len(vectors), checked_depth(k)), np.int64), np.empty((len(vectors), k), np.float32)
        if len(vectors):
            with one_thread():
                self.faiss.search(vectors, k, D=scores, I=codes)
        codes[~vectors.any(axis=1)] = -1
        return ordered(codes, scores)

    @property
    def faiss(self) -> Any:
        """The faiss object itself. Raises InputError before `build` or `load`."""
        if self._index is None:
            raise InputError("not built yet", where=f"{self.kind} index", expected="build or load before use")
        return self._index

    @property
    def dimension(self) -> int:
        """Width of the stored vectors."""
        return int(self.faiss.d)

    @property
    def has_cells(self) -> bool:
        """Whether the vectors lie in inverted lists."""
        return self.kind.startswith("ivf")

    @property
    def exact_scores(self) -> bool:
        """Whether a hit's score is its true inner product; quantised vectors only come near it."""
        return self.kind != "ivf_pq"

    @property
    def nprobe(self) -> int:
        """Inverted lists looked at for each query."""
        return int(self._cells().nprobe)

    @nprobe.setter
    def nprobe(self, value: int) -> None:
        cells = self._cells()
        if not 1 <= value <= cells.nlist:
            raise InputError("nprobe out of range", column="nprobe", expected=f"1 to {cells.nlist}", found=value)
        cells.nprobe = self._nprobe = int(value)

    @property
    def ef_search(self) -> int:
        """Candidates held while an hnsw graph is walked."""
        return int(self._graph().hnsw.efSearch)

    @ef_search.setter
    def ef_search(self, value: int) -> None:
        if value < 1:
            raise InputError("ef_search out of range", column="ef_search", expected="at least 1", found=value)
        self._graph().hnsw.efSearch = self._ef_search = int(value)

    @property
    def ids(self) -> Codes:
        """(n,) the codes actually stored, ascending, doubles included."""
        return np.sort(self._stored()[0], kind="stable")

    def vectors(self) -> Vectors:
        """(n, d) stored vectors in the order of `ids`; ivf_pq gives what it can reconstruct."""
        ids, vectors = self._stored()
        return vectors[np.argsort(ids, kind="stable")]

    def cell_sizes(self) -> Codes:
        """(nlist,) vectors in each inverted list."""
        lists = self._cells().invlists
        return np.array([lists.list_size(cell) for cell in range(lists.nlist)], dtype=np.int64)

    def memory_bytes(self) -> int:
        """Bytes of the index when written, near enough to what it takes in memory."""
        import faiss

        return int(faiss.serialize_index(self.faiss).nbytes)

    def save(self, path: Path) -> None:
        """Write one file, whole or not at all; writing, reading and writing again gives the same bytes."""
        import faiss

        with atomic_writer(path) as stream:
            stream.write(faiss.serialize_index(self.faiss).data)

    @classmethod
    def load(cls, path: Path, *, mmap: bool = False) -> Self:
        """Read back what `save` wrote; `mmap` leaves the vectors on disk until they are touched."""
        from harness.retrieval.makers import kind_of, read

        index = read(Path(path), mmap=mmap)
        loaded = cls(kind_of(index, where=path))
        loaded._index = index
        if loaded.has_cells:
            loaded.nlist, loaded._nprobe = loaded._cells().nlist, loaded._cells().nprobe
        return loaded

    def _cells(self) -> Any:
        from harness.retrieval.makers import inner

        if not self.has_cells:
            raise InputError("has no cells", where=f"{self.kind} index", expected="ivf_flat or ivf_pq")
        return inner(self.faiss)

    def _graph(self) -> Any:
        from harness.retrieval.makers import inner

        if self.kind != "hnsw":
            raise InputError("has no graph", where=f"{self.kind} index", expected="hnsw")
        return inner(self.faiss)

    def _stored(self) -> tuple[Codes, Vectors]:
        from harness.retrieval.makers import stored

        return stored(self.faiss, cells=self.has_cells)
