"""BM25 over words and pairs: postings weighted once at fit, so that a query is a handful of array additions.

Robertson & Zaragoza, The Probabilistic Relevance Framework, 2009. The
first words of a document (its name, its summary) may count more, as a field would in BM25F.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.retrieval.files import read_part, write_part
from harness.retrieval.hits import checked_depth, top_k
from harness.retrieval.protocols import Codes, Hits, Vectors
from harness.retrieval.texts import Vocabulary, checked_texts

__all__ = ["Bm25"]

_KIND = "bm25"


@dataclass
class Bm25:
    """A lexical retriever.

    Attributes:
        k1: How fast repeated words stop counting.
        b: How much long documents are held back, 0 to 1.
        lead, lead_weight: The first `lead` words of a document count `lead_weight` each; pairs come from there.

    >>> Bm25().fit(["sort an array", "solve a system", "sort rows"]).retrieve(["sorting rows, sort"], k=2).codes
    array([[2, 0]])
    """

    k1: float = 1.5
    b: float = 0.75
    lead: int = 12
    lead_weight: float = 3.0
    size: int = 0
    _vocabulary: Vocabulary | None = field(default=None, repr=False)
    _starts: Codes = field(default_factory=lambda: np.zeros(1, np.int64), repr=False)
    _postings: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32), repr=False)
    _weights: Vectors = field(default_factory=lambda: np.empty(0, np.float32), repr=False)

    def __post_init__(self) -> None:
        if self.k1 < 0 or not 0 <= self.b <= 1 or self.lead < 0 or self.lead_weight < 1.0:
            raise InputError("option out of range", where="Bm25", found=(self.k1, self.b, self.lead, self.lead_weight),
                             expected="k1 and lead at least 0, b in [0, 1], lead_weight at least 1")

    def fit(self, texts: Sequence[str]) -> Self:
        """Weigh every (term, document) pair once; returns itself."""
        if not len(checked_texts(texts, where="Bm25.fit")):
            raise InputError("nothing to fit", where="Bm25.fit", expected="at least one text")
        self._vocabulary, self.size = Vocabulary.fit(texts, min_df=1, lead=self.lead), len(texts)
        counts = self._vocabulary.count(texts, lead=self.lead, lead_weight=self.lead_weight)
        length = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
        norm = self.k1 * (1 - self.b + self.b * length / max(length.mean(), 1e-30))
        postings = counts.tocsc()
        frequency = np.diff(postings.indptr)
        idf = np.log1p((self.size - frequency + 0.5) / (frequency + 0.5))
        saturated = postings.data * (self.k1 + 1) / (postings.data + norm[postings.indices])
        self._weights = (saturated * np.repeat(idf, frequency)).astype(np.float32)
        self._starts, self._postings = postings.indptr.astype(np.int64), postings.indices.astype(np.int32)
        return self

    def retrieve(self, texts: Sequence[str], *, k: int) -> Hits:
        """The `k` best documents of each text; a document without any of its terms is no hit."""
        codes = np.full((len(checked_texts(texts, where="Bm25.retrieve")), checked_depth(k)), -1, dtype=np.int64)
        scores = np.full(codes.shape, -np.inf, dtype=np.float32)
        for row, text in enumerate(texts):
            hits = top_k(self._every(text)[None, :], k=k, above=0.0)
            codes[row], scores[row] = hits.codes[0], hits.scores[0]
        return Hits(codes, scores)

    def scores(self, text: str, codes: Codes) -> Vectors:
        """(n,) scores of the candidates `codes` for one text; 0 where no term is shared or the code is -1."""
        candidates = np.asarray(codes, dtype=np.int64)
        if candidates.size and (candidates.max() >= self.size or candidates.min() < -1):
            raise InputError("no such document", where="Bm25.scores", expected=f"codes below {self.size}",
                             found=int(candidates.max()))
        return np.where(candidates < 0, np.float32(0.0), self._every(text)[candidates])

    def save(self, folder: Path) -> None:
        """Write vocabulary and postings; the same fit gives the same bytes."""
        held, pairs = self._fitted().to_arrays()
        meta = {"k1": self.k1, "b": self.b, "lead": self.lead, "lead_weight": self.lead_weight, "size": self.size}
        arrays: dict[str, NDArray[Any]] = {"pairs": pairs, "starts": self._starts}
        arrays |= {"postings": self._postings, "weights": self._weights}
        write_part(folder, _KIND, meta=meta | held, arrays=arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read back what `save` wrote. Raises InputError where the files are torn or hold something else."""
        meta, arrays = read_part(folder, _KIND)
        vocabulary = Vocabulary.of({name: meta.pop(name) for name in ("words", "compounds")}, arrays["pairs"])
        return cls(**meta, _vocabulary=vocabulary, _starts=arrays["starts"], _postings=arrays["postings"],
                   _weights=arrays["weights"])

    def _fitted(self) -> Vocabulary:
        if self._vocabulary is None:
            raise InputError("not fitted yet", where="Bm25", expected="fit or load before use")
        return self._vocabulary

    def _every(self, text: str) -> Vectors:
        # (size,) scores of all documents: one bincount over the postings of the text's terms.
        terms, counts = self._fitted().terms(text)
        spans = list(zip(self._starts[terms].tolist(), self._starts[terms + 1].tolist(), strict=True))
        if not spans:
            return np.zeros(self.size, dtype=np.float32)
        rows = np.concatenate([self._postings[start:end] for start, end in spans])
        weights = np.concatenate([self._weights[start:end] for start, end in spans])
        weights = weights * np.repeat(counts, [end - start for start, end in spans])
        return np.bincount(rows, weights=weights, minlength=self.size).astype(np.float32)
