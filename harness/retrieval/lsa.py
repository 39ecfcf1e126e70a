"""Latent semantic analysis: term weights folded into a few hundred dimensions, in seconds, the same bytes every time.

The factors come from scikit-learn's randomised SVD (Halko, Martinsson & Tropp, SIAM Review 53:2, 2011) on one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from harness.errors import InputError
from harness.retrieval.files import read_part, write_part
from harness.retrieval.hits import unit
from harness.retrieval.protocols import Vectors
from harness.retrieval.texts import Vocabulary, checked_texts

if TYPE_CHECKING:
    import scipy.sparse as sp

__all__ = ["LsaEncoder"]

_KIND = "lsa encoder"


@dataclass
class LsaEncoder:
    """TF-IDF over words and pairs, reduced to `dimension` by LSA.

    Attributes:
        dimension: Width of the vectors; fewer where the texts have no more to give.
        seed: Of the random start of the factorisation.
        min_df: A term must stand in this many texts.
        lead, lead_weight: The first `lead` words of a document (its name, its summary) count `lead_weight` each; only
            pairs of words seen there are terms.

    >>> encoder = LsaEncoder(dimension=3, min_df=1).fit(["sort an array", "sort rows", "solve linear systems"])
    >>> (encoder.queries(["sorting, to sort"]) @ encoder.documents(["sort rows", "solve it"]).T).argmax()
    np.int64(0)
    """

    dimension: int = 768
    seed: int = 42
    min_df: int = 2
    lead: int = 12
    lead_weight: float = 5.0
    _vocabulary: Vocabulary | None = field(default=None, repr=False)
    _idf: Vectors = field(default_factory=lambda: np.empty(0, np.float32), repr=False)
    _basis: NDArray[np.float16] = field(default_factory=lambda: np.empty((0, 0), np.float16), repr=False)

    def __post_init__(self) -> None:
        if self.dimension < 1 or self.min_df < 1 or self.lead < 0 or self.lead_weight < 1.0:
            found = (self.dimension, self.min_df, self.lead, self.lead_weight)
            raise InputError("option out of range", where="LsaEncoder", found=found,
                             expected="dimension, min_df and lead_weight at least 1, lead at least 0")

    def fit(self, texts: Sequence[str]) -> Self:
        """Learn vocabulary, weights and factors, on one thread so that the bytes repeat. Returns itself."""
        checked_texts(texts, where="LsaEncoder.fit")
        self._vocabulary = Vocabulary.fit(texts, min_df=self.min_df, lead=self.lead)
        if not len(self._vocabulary) or len(texts) < 3:
            raise InputError("too little text to fit", where="LsaEncoder.fit", found=f"{len(texts)} texts",
                             expected=f"at least 3 texts, and terms that stand in {self.min_df} of them")
        counts = self._vocabulary.count(texts, lead=self.lead, lead_weight=self.lead_weight)
        frequency = np.bincount(counts.indices, minlength=counts.shape[1])
        self._idf = np.log(1 + (len(texts) - frequency + 0.5) / (frequency + 0.5)).astype(np.float32)
        weighted = self._weighted(counts)
        import sklearn.utils.extmath  # noqa: F401  a limit binds only what is loaded when it is set

        with threadpool_limits(1):
            basis = _basis(_unit_rows(weighted), min(self.dimension, len(texts) - 1), self.seed)
        self._basis = basis.astype(np.float16)  # half the bytes to hold, hash and ship; rankings do not notice
        self.dimension = self._basis.shape[1]
        return self

    def documents(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) float32 of length 1; a text without a known word is the zero vector."""
        counts = self._fitted().count(checked_texts(texts, where="LsaEncoder.documents"),
                                      lead=self.lead, lead_weight=self.lead_weight)
        with threadpool_limits(1):
            return unit(np.asarray(self._weighted(counts) @ self._basis.astype(np.float32)))

    def queries(self, texts: Sequence[str]) -> Vectors:
        """(n, dimension) float32 of length 1; a text without a known word is the zero vector."""
        vocabulary = self._fitted()
        vectors = np.zeros((len(checked_texts(texts, where="LsaEncoder.queries")), self.dimension), np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            codes, _ = vocabulary.terms(text)
            vector[:] = self._idf[codes] @ self._basis[codes].astype(np.float32)
        return unit(vectors)

    def save(self, folder: Path) -> None:
        """Write vocabulary, weights and factors; the same fit gives the same bytes."""
        held, pairs = self._fitted().to_arrays()
        meta = {"dimension": self.dimension, "seed": self.seed, "min_df": self.min_df, "lead": self.lead,
                "lead_weight": self.lead_weight} | held
        write_part(folder, _KIND, meta=meta, arrays={"pairs": pairs, "idf": self._idf, "basis": self._basis})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read back what `save` wrote. Raises InputError where the files are torn or hold something else."""
        meta, arrays = read_part(folder, _KIND)
        options = {name: meta[name] for name in ("dimension", "seed", "min_df", "lead", "lead_weight")}
        return cls(**options, _vocabulary=Vocabulary.of(meta, arrays["pairs"]), _idf=arrays["idf"],
                   _basis=arrays["basis"])

    def _fitted(self) -> Vocabulary:
        if self._vocabulary is None:
            raise InputError("not fitted yet", where="LsaEncoder", expected="fit or load before encoding")
        return self._vocabulary

    def _weighted(self, counts: sp.csr_array) -> sp.csr_array:
        weighted = counts.copy()
        weighted.data = (1.0 + np.log(counts.data)) * self._idf[counts.indices]
        return weighted


def _unit_rows(matrix: sp.csr_array) -> sp.csr_array:
    length = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scaled = matrix.copy()
    scaled.data = matrix.data / np.repeat(np.where(length > 0, length, 1.0), np.diff(matrix.indptr)).astype(np.float32)
    return scaled


def _basis(matrix: sp.csr_array, rank: int, seed: int) -> Vectors:
    # (terms, rank) right singular vectors; more rounds and directions than the default, for a basis that has settled.
    from sklearn.utils.extmath import randomized_svd

    _, values, right = randomized_svd(matrix, n_components=rank, n_oversamples=64, n_iter=3, random_state=seed)
    kept = values > 1e-3 * values[0]  # a rank the texts do not have is noise
    return np.ascontiguousarray(right[kept].T, dtype=np.float32)
