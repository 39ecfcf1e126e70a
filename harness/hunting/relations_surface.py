"""What relations may ask of a live release: its surface, the few calls of which each can be spoilt on its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import faiss
import numpy as np

from harness.errors import InputError
from harness.metrics.ranking import ndcg
from harness.records import Floats
from harness.release.live import LiveRelease
from harness.retrieval.hits import ordered
from harness.retrieval.indexes import FaissIndex, one_thread
from harness.retrieval.protocols import Codes, Hits, Vectors

__all__ = ["Ask", "IndexSurface", "RouterSurface", "Surface", "surface_of"]

_faiss: Any = faiss  # its type stubs miss most of what is used here
Ask = Callable[[Sequence[str], int], tuple[Codes, Vectors]]


@dataclass(frozen=True)
class IndexSurface:
    """What may be asked of a first stage that searches vectors. Codes number the documents from 0.

    Attributes:
        documents: (n,) the texts that are indexed.
        encode: Document texts → (n, d) vectors.
        changed: (removed codes, added vectors) → hits of the release's own index, as trained, after the change; what
            is added takes the codes n, n + 1, …; no rows of any width add nothing.
        flat: Codes in the order in which they are added → hits of an exhaustive index over their vectors.
        among: (texts, k, allowed codes) → hits of the release's own index under that filter.
    """

    documents: Sequence[str]
    encode: Callable[[Sequence[str]], Vectors]
    changed: Callable[[Codes, Vectors], Ask]
    flat: Callable[[Codes], Ask]
    among: Callable[[Sequence[str], int, Codes], tuple[Codes, Vectors]]


@dataclass(frozen=True)
class RouterSurface:
    """What may be asked of a spend rule's teacher.

    Attributes:
        names: (F,) signals.
        low: (F,) least value of each that was fitted; `high` the greatest.
        teach: (n, F) signals → (n, 3) τ, spend, gain.
    """

    names: tuple[str, ...]
    low: Floats
    high: Floats
    teach: Callable[[Floats], Floats]


@dataclass(frozen=True)
class Surface:
    """What a property may ask of a release.

    Attributes:
        texts: Queries to draw from, real ones.
        hits: (texts, k) → (n, k) codes and scores of the first stage.
        rerank: (text, codes, scores) → codes in the second stage's order; None without a second stage.
        ndcg: (gains (n, depth), k) → (n,) values.
        index: The index behind `hits`; None where the first stage is not dense.
        router: The teacher behind the spend rule; None without one.
    """

    texts: Sequence[str]
    hits: Ask
    rerank: Callable[[str, Codes, Vectors], Codes] | None
    ndcg: Callable[[Floats, int], Floats]
    index: IndexSurface | None = None
    router: RouterSurface | None = None

    def vectors(self) -> IndexSurface:
        """The index. Raises InputError where the first stage has none."""
        if self.index is None:
            raise InputError("no vector index to try", where="properties", expected="a release with a dense retriever")
        return self.index


def surface_of(live: LiveRelease, texts: Sequence[str]) -> Surface:
    """The surface of a live release over real query texts; asking it changes nothing in the release."""

    def hits(asked: Sequence[str], k: int) -> tuple[Codes, Vectors]:
        return _pair(live.first.hits(asked, live.first.vectors(asked), k=k))

    def rerank(text: str, codes: Codes, scores: Vectors) -> Codes:
        assert live.second is not None
        return live.second.rerank(text, live.first.vectors([text])[0], codes, scores).codes

    return Surface(tuple(texts), hits, rerank if live.second is not None else None,
                   lambda gains, k: np.asarray(ndcg(gains, k=k), dtype=np.float64),
                   _index(live) if live.first.part.impl == "dense" else None, _router(live))


def _router(live: LiveRelease) -> RouterSurface | None:
    if live.rule is None:
        return None
    rule, knots = live.rule, live.rule.router.tables["tau"].knots
    return RouterSurface(rule.router.names, knots[:, 0], knots[:, -1],
                         lambda rows: np.column_stack(rule.teacher.predict(rows)))


def _index(live: LiveRelease) -> IndexSurface:
    index, encoder = live.first.index, live.first.encoder
    assert index is not None and encoder is not None
    workbench = _Workbench(index)

    def changed(removed: Codes, added: Vectors) -> Ask:
        return lambda texts, k: workbench.search(encoder.queries(texts), k, removed, added)

    def flat(order: Codes) -> Ask:
        exhaustive = FaissIndex("flat").build(workbench.vectors[order], ids=order)
        return lambda texts, k: _pair(exhaustive.search(encoder.queries(texts), k=k))

    return IndexSurface(tuple(document.text for document in live.world.corpus.documents), encoder.documents, changed,
                        flat, lambda texts, k, allowed: _among(index, encoder.queries(texts), k, allowed))


class _Workbench:
    """A copy of an index to change and to put right again; its training (cells, codebooks) stays as it was."""

    def __init__(self, index: FaissIndex) -> None:
        self._original = index

    @cached_property
    def vectors(self) -> Vectors:
        return self._original.vectors()

    @cached_property
    def _copy(self) -> FaissIndex:
        return _wrapped(self._original, _faiss.clone_index(self._original.faiss))

    def search(self, queries: Vectors, k: int, removed: Codes, added: Vectors) -> tuple[Codes, Vectors]:
        """Hits while `removed` are out and `added` are in, under the codes that follow the last."""
        size = len(self.vectors)
        codes = np.arange(size, size + len(added), dtype=np.int64)
        if not self._original.has_cells:  # without lists it cannot take out what it holds and keep the codes
            kept = np.setdiff1d(np.arange(size), removed)
            rows = [self.vectors[kept], added] if len(added) else [self.vectors[kept]]
            refilled = self._refilled(np.concatenate([kept, codes]), np.concatenate(rows))
            return _pair(refilled.search(queries, k=k))
        with one_thread():
            try:
                self._swap(removed, codes, added)
                return _pair(self._copy.search(queries, k=k))
            finally:
                self._swap(codes, removed, self.vectors[removed])

    def _swap(self, out: Codes, into: Codes, vectors: Vectors) -> None:
        if len(out):
            self._copy.faiss.remove_ids(np.ascontiguousarray(out, dtype=np.int64))
        if len(into):
            self._copy.faiss.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32),
                                          np.ascontiguousarray(into, dtype=np.int64))

    def _refilled(self, codes: Codes, vectors: Vectors) -> FaissIndex:
        emptied = _faiss.clone_index(self._original.faiss)
        emptied.reset()
        held = emptied if isinstance(emptied, _faiss.IndexIDMap) else _faiss.IndexIDMap2(emptied)
        with one_thread():
            held.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), np.ascontiguousarray(codes))
        return _wrapped(self._original, held)


def _wrapped(like: FaissIndex, held: Any) -> FaissIndex:
    made = FaissIndex(like.kind)
    made._index = held
    return made


def _pair(hits: Hits) -> tuple[Codes, Vectors]:
    return hits.codes, hits.scores


def _among(index: FaissIndex, vectors: Vectors, k: int, allowed: Codes) -> tuple[Codes, Vectors]:
    only = _faiss.IDSelectorBatch(np.ascontiguousarray(allowed, dtype=np.int64))
    with one_thread():
        scores, codes = index.faiss.search(vectors, k, params=_parameters(index, only))
    codes[~vectors.any(axis=1)] = -1
    return _pair(ordered(codes, scores))


def _parameters(index: FaissIndex, only: Any) -> Any:
    """Search options that hold the index's own, and the filter."""
    if index.kind == "hnsw":
        return _faiss.SearchParametersHNSW(sel=only, efSearch=index.ef_search)
    if not index.has_cells:
        return _faiss.SearchParameters(sel=only)
    cells = _faiss.SearchParametersIVF(sel=only, nprobe=index.nprobe)
    turned = isinstance(index.faiss, _faiss.IndexPreTransform)
    return _faiss.SearchParametersPreTransform(index_params=cells) if turned else cells
