"""What every part of a retriever agrees on: texts become vectors, vectors become hits.

One tie rule holds everywhere: hits are ordered by score descending, then by code descending. Codes number the documents
in ascending id order, so this is trec_eval's order (score, then document id descending) without looking at an id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Codes", "DenseRetriever", "Encoder", "Hits", "Index", "Retriever", "Vectors"]

Vectors = NDArray[np.float32]
Codes = NDArray[np.int64]


class Hits(NamedTuple):
    """The `k` best documents of each query, best first.

    Attributes:
        codes: (n, k) int64 document codes; -1 where there is no hit, always after the hits of its row.
        scores: (n, k) float32, descending; -inf where there is no hit. Equal scores: higher code first.
    """

    codes: Codes
    scores: Vectors


@runtime_checkable
class Encoder(Protocol):
    """Texts to unit vectors. The seed is fixed at construction; the same fit gives the same bytes."""

    @property
    def dimension(self) -> int:
        """Width of the vectors."""
        ...

    def fit(self, texts: Sequence[str]) -> Self:
        """Learn from the documents' texts; returns itself."""
        ...

    def documents(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) float32 of length 1; a text without a known word is the zero vector."""
        ...

    def queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) float32 of length 1; a text without a known word is the zero vector."""
        ...

    def save(self, folder: Path) -> None:
        """Write arrays and JSON, byte for byte the same for the same fit."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read back what `save` wrote."""
        ...


@runtime_checkable
class Index(Protocol):
    """Vectors to hits, by inner product."""

    @property
    def ids(self) -> Codes:
        """(n,) the codes actually stored, ascending, doubles included: what an integrity check reads."""
        ...

    def build(self, vectors: Vectors) -> Self:
        """Index (n, d) vectors under the codes 0 … n - 1; returns itself."""
        ...

    def search(self, vectors: Vectors, *, k: int) -> Hits:
        """The `k` nearest stored codes of each of (n, d) vectors; a zero vector has no hits."""
        ...

    def vectors(self) -> Vectors:
        """(n, d) stored vectors in the order of `ids`, reconstructed where the index is lossy."""
        ...

    def save(self, path: Path) -> None:
        """Write one file; writing, reading and writing again gives the same bytes."""
        ...

    @classmethod
    def load(cls, path: Path, *, mmap: bool = False) -> Self:
        """Read back what `save` wrote; `mmap` leaves the vectors on disk until they are touched."""
        ...


@runtime_checkable
class Retriever(Protocol):
    """Query texts to hits."""

    def retrieve(self, texts: Sequence[str], *, k: int) -> Hits:
        """The `k` best documents of each text."""
        ...


@dataclass(frozen=True, eq=False)
class DenseRetriever:
    """An encoder before an index; a caller who times the stages calls `encoder` and `index` apart."""

    encoder: Encoder
    index: Index

    def retrieve(self, texts: Sequence[str], *, k: int) -> Hits:
        """Encode, then search."""
        return self.index.search(self.encoder.queries(texts), k=k)
