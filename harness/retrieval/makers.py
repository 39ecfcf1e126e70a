"""How each kind of faiss index is made, read and taken apart: the only module that knows faiss's own classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import faiss
import numpy as np

from harness.errors import InputError
from harness.retrieval.protocols import Codes, Vectors

if TYPE_CHECKING:
    from harness.retrieval.indexes import FaissIndex

__all__ = ["inner", "kind_of", "make", "read", "stored"]

_PER_CENTROID = 39
_FEWEST_BITS, _MOST_BITS = 4, 8


def make(wanted: FaissIndex, vectors: Vectors, ids: Codes | None) -> Any:
    """A trained and filled faiss index as `wanted` describes it; `ids` replace the codes 0 … n - 1."""
    n, width = vectors.shape
    index = {"flat": _flat, "ivf_flat": _ivf_flat, "ivf_pq": _ivf_pq, "hnsw": _hnsw}[wanted.kind](wanted, n, width)
    index.train(vectors)
    if ids is None:
        index.add(vectors)
        return index
    if len(ids) != n:
        raise InputError("ids and vectors differ in length", where="index", expected=str(n), found=len(ids))
    if not wanted.has_cells:  # inverted lists keep ids of their own; the others need a map around them
        index = faiss.IndexIDMap2(index)
    index.add_with_ids(vectors, np.ascontiguousarray(ids, dtype=np.int64))
    return index


def inner(index: Any) -> Any:
    """The index inside an id map or a rotation."""
    index = faiss.downcast_index(index)
    if isinstance(index, faiss.IndexIDMap | faiss.IndexPreTransform):
        return faiss.downcast_index(index.index)
    return index


def kind_of(index: Any, *, where: object) -> str:
    """The name of a faiss index's kind. Raises InputError for one that is none of ours."""
    core = inner(index)
    names = {faiss.IndexFlat: "flat", faiss.IndexIVFPQ: "ivf_pq", faiss.IndexIVFFlat: "ivf_flat",
             faiss.IndexHNSWFlat: "hnsw"}
    for made, name in names.items():
        if isinstance(core, made):
            return name
    raise InputError("no kind of index known here", where=where, expected=", ".join(names.values()),
                     found=type(core).__name__)


def read(path: Path, *, mmap: bool) -> Any:
    """A faiss index from its file, mapped into memory where `mmap`."""
    if not path.is_file():
        raise InputError("cannot be read", where=path, expected="an index file")
    flags = faiss.IO_FLAG_MMAP_IFC if mmap else 0
    try:
        return faiss.read_index(str(path), flags)
    except (RuntimeError, MemoryError):
        raise InputError("not an index, or torn", where=path, expected="a file written by save") from None


def stored(index: Any, *, cells: bool) -> tuple[Codes, Vectors]:
    """(n,) codes and (n, d) vectors as they lie in the index."""
    core = inner(index)
    if not cells:
        ids = faiss.vector_to_array(index.id_map) if isinstance(index, faiss.IndexIDMap) else np.arange(core.ntotal)
        return np.asarray(ids, dtype=np.int64), np.asarray(core.reconstruct_n(0, core.ntotal))
    sizes = [core.invlists.list_size(cell) for cell in range(core.nlist)]
    ids = np.concatenate([_ids_of(core.invlists, cell, size) for cell, size in enumerate(sizes)])
    vectors = np.empty((len(ids), core.d), dtype=np.float32)
    places = ((cell, place) for cell, size in enumerate(sizes) for place in range(size))
    for row, (cell, place) in zip(vectors, places, strict=True):
        core.reconstruct_from_offset(cell, place, faiss.swig_ptr(row))
    if isinstance(index, faiss.IndexPreTransform):
        chain: Any = index.chain
        vectors = np.asarray(faiss.downcast_VectorTransform(chain.at(0)).reverse_transform(vectors))
    return ids, vectors


def _ids_of(lists: Any, cell: int, size: int) -> Codes:
    if not size:
        return np.empty(0, dtype=np.int64)
    held = lists.get_ids(cell)
    ids = np.array(faiss.rev_swig_ptr(held, size), dtype=np.int64)
    lists.release_ids(cell, held)
    return ids


def _flat(_: FaissIndex, __: int, width: int) -> Any:
    return faiss.IndexFlatIP(width)


def _ivf_flat(wanted: FaissIndex, n: int, width: int) -> Any:
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(width), width, _lists(wanted, n), faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = wanted.seed
    return index


def _ivf_pq(wanted: FaissIndex, n: int, width: int) -> Any:
    bits = min(_MOST_BITS, int(np.log2(max(n // _PER_CENTROID, 1))))
    if bits < _FEWEST_BITS:
        raise InputError("too few vectors to quantise", where="ivf_pq index", found=n,
                         expected=f"at least {_PER_CENTROID * 2**_FEWEST_BITS}")
    m = wanted.m or max(part for part in range(1, max(width // 8, 1) + 1) if width % part == 0)
    if width % m:
        raise InputError("sub-vectors do not divide the width", column="m", expected=f"a divisor of {width}", found=m)
    coarse = faiss.IndexFlatIP(width)  # faiss's Python constructors keep their parts alive
    index = faiss.IndexIVFPQ(coarse, width, _lists(wanted, n), m, bits, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = index.pq.cp.seed = wanted.seed
    if not wanted.opq:
        return index
    rotation = faiss.OPQMatrix(width, m)
    rotation.niter, rotation.niter_pq, rotation.niter_pq_0, rotation.verbose = 10, 2, 10, False
    rotation.pq = faiss.ProductQuantizer(width, m, bits)
    return faiss.IndexPreTransform(rotation, index)


def _hnsw(wanted: FaissIndex, _: int, width: int) -> Any:
    index = faiss.IndexHNSWFlat(width, wanted.links, faiss.METRIC_INNER_PRODUCT)
    graph: Any = index.hnsw
    graph.rng = getattr(faiss, "RandomGenerator")(wanted.seed)  # noqa: B009 - faiss's type stubs miss it
    graph.efConstruction, graph.efSearch = wanted.ef_construction, wanted._ef_search
    return index


def _lists(wanted: FaissIndex, n: int) -> int:
    from harness.retrieval.indexes import default_lists

    lists = wanted.nlist if wanted.nlist is not None else default_lists(n)
    if not 1 <= lists <= n:
        raise InputError("nlist out of range", column="nlist", expected=f"1 to {n}", found=lists)
    return lists
