"""What a query shares with a few known documents, found in tens of microseconds: postings keyed by (document, term).

BM25 as the first stage weighs it, but of the first hits alone: a whole corpus need not be scored to tell whether words
prefer a later hit. Each posting also says whether the term stands in the document's title or summary.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from harness.data.corpus import Corpus
from harness.errors import InputError
from harness.records import Floats
from harness.retrieval.files import read_part
from harness.retrieval.protocols import Codes
from harness.retrieval.texts import Vocabulary

__all__ = ["CandidateTerms", "Shared"]

_TITLE, _SUMMARY = 1, 2


class Shared(NamedTuple):
    """What each of n documents shares with a query, all (n,) float64; the last three in [0, 1].

    Attributes:
        lexical: Its BM25 score.
        body, summary, title: The share of the query's term weight (idf) met in all of it, in its summary, its title.
    """

    lexical: Floats
    body: Floats
    summary: Floats
    title: Floats


class CandidateTerms:
    """Looks up a query's terms in given documents.

    Args:
        vocabulary: Cuts a query into terms.
        starts: (n_terms + 1,) where each term's postings start.
        postings: (n_postings,) documents, ascending within a term.
        weights: (n_postings,) BM25 weight of the term in the document.
        flags: (n_postings,) 1 where the term stands in the document's title, 2 in its summary, 3 in both.
        size: Number of documents.
    """

    def __init__(self, vocabulary: Vocabulary, starts: Codes, postings: Codes, *, weights: Floats,
                 flags: NDArray[np.uint8], size: int) -> None:
        self._vocabulary, self._width = vocabulary, len(starts) - 1
        frequency = np.diff(starts)
        term = np.repeat(np.arange(self._width, dtype=np.int64), frequency)
        keys = np.asarray(postings, dtype=np.int64) * self._width + term
        order = np.argsort(keys)
        self._keys, self._flags = np.append(keys[order], np.iinfo(np.int64).max), np.append(flags[order], np.uint8(0))
        self._weights = np.append(np.asarray(weights, dtype=np.float64)[order], 0.0)
        self._idf = np.log1p((size - frequency + 0.5) / (frequency + 0.5))

    @classmethod
    def load(cls, folder: Path, corpus: Corpus) -> Self:
        """Off a saved BM25 of this corpus. Raises InputError where the files are torn, or of another corpus."""
        meta, arrays = read_part(folder, "bm25")
        if meta["size"] != len(corpus):
            raise InputError("the lexical part is not of this corpus", where=folder, found=meta["size"],
                             expected=f"{len(corpus)} documents")
        vocabulary = Vocabulary.of({name: meta[name] for name in ("words", "compounds")}, arrays["pairs"])
        starts, postings = arrays["starts"], arrays["postings"].astype(np.int64)
        term = np.repeat(np.arange(len(starts) - 1, dtype=np.int64), np.diff(starts))
        keys = postings * (len(starts) - 1) + term
        flags = np.zeros(len(keys), dtype=np.uint8)
        for flag, texts in ((_TITLE, [one.title for one in corpus.documents]),
                            (_SUMMARY, [one.summary for one in corpus.documents])):
            flags |= np.where(np.isin(keys, _keys_of(vocabulary, texts, len(starts) - 1)), flag, 0).astype(np.uint8)
        return cls(vocabulary, starts, postings, weights=arrays["weights"], flags=flags, size=meta["size"])

    def shared(self, text: str, codes: Codes) -> Shared:
        """What the documents `codes` (n,) share with one query; zeros for a query without a known term."""
        terms, counts = self._vocabulary.terms(text)
        wanted = codes[:, None] * self._width + terms
        at = self._keys.searchsorted(wanted)
        there = self._keys[at] == wanted
        idf = self._idf[terms]
        flags = self._flags[at] * there
        total = max(float(idf.sum()), 1e-12)
        return Shared((self._weights[at] * there) @ counts.astype(np.float64), there @ idf / total,
                      ((flags & _SUMMARY) > 0) @ idf / total, ((flags & _TITLE) > 0) @ idf / total)


def _keys_of(vocabulary: Vocabulary, texts: Sequence[str], width: int) -> Codes:
    counts = vocabulary.count(texts).tocoo()
    return np.asarray(counts.row.astype(np.int64) * width + counts.col, dtype=np.int64)
