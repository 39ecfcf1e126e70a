"""What a query shares with a few known documents, found in tens of microseconds: each document's words in one stretch.

BM25 as the first stage weighs its words, but of the first hits alone: a whole corpus need not be scored to tell whether
words prefer a later hit. Pairs of words are left out: reading them off a query costs more than all the rest.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from harness.data.corpus import Corpus
from harness.data.spelling import folded
from harness.errors import InputError
from harness.records import Floats
from harness.retrieval.files import read_part
from harness.retrieval.protocols import Codes
from harness.retrieval.texts import Vocabulary, words

__all__ = ["KINDS", "CandidateTerms", "Postings"]

KINDS = ("lexical", "body", "summary", "title")
_TOKEN = re.compile(r"[^\W\d_]+|\d+")  # as `words` cuts a folded text, so that each token's words can be kept
_KEPT = 1 << 16  # tokens whose words are kept


class Postings(NamedTuple):
    """Words in documents, term by term.

    Attributes:
        starts: (n_words + 1,) where each word's postings start.
        docs: (n_postings,) documents.
        weights: (n_postings,) BM25 weight of the word in the document.
        summary, title: (n_postings,) whether the word stands in the document's summary, and in its title.
    """

    starts: Codes
    docs: Codes
    weights: Floats
    summary: NDArray[np.bool_]
    title: NDArray[np.bool_]


class CandidateTerms:
    """Looks a query's words up in given documents.

    Args:
        vocabulary: Cuts a query into words.
        postings: Of its words.
        size: Number of documents.
        kinds: Of `KINDS`, what is asked for; `lexical` alone is fastest.
    """

    def __init__(self, vocabulary: Vocabulary, postings: Postings, size: int, *,
                 kinds: Sequence[str] = KINDS) -> None:
        self.kinds = tuple(kinds)
        self._width = len(postings.starts) - 1
        frequency = np.diff(postings.starts)
        term = np.repeat(np.arange(self._width, dtype=np.int32), frequency)
        order = np.argsort(np.asarray(postings.docs, dtype=np.int64) * self._width + term)
        self._idf = np.log1p((size - frequency + 0.5) / (frequency + 0.5))
        idf = self._idf[term]
        held = {"lexical": postings.weights, "body": idf, "summary": idf * postings.summary,
                "title": idf * postings.title}
        self._lengths = np.bincount(postings.docs, minlength=size)
        self._ends = np.cumsum(self._lengths)
        self._stretches = np.split(term[order].astype(np.int64), self._ends[:-1])
        self._values = [held[kind][order] for kind in self.kinds]
        self._words = lru_cache(_KEPT)(lambda token: tuple(
            code for word in words(token, compounds=vocabulary.compounds)
            if (code := vocabulary.position.get(word, -1)) >= 0))

    @classmethod
    def load(cls, folder: Path, corpus: Corpus, *, kinds: Sequence[str] = KINDS) -> Self:
        """Off a saved BM25 of this corpus. Raises InputError where the files are torn, or of another corpus."""
        meta, arrays = read_part(folder, "bm25")
        if meta["size"] != len(corpus):
            raise InputError("the lexical part is not of this corpus", where=folder, found=meta["size"],
                             expected=f"{len(corpus)} documents")
        vocabulary = Vocabulary.of({name: meta[name] for name in ("words", "compounds")}, arrays["pairs"])
        width = len(vocabulary.position)
        starts = arrays["starts"][:width + 1]  # words come first, pairs after them
        docs, weights = arrays["postings"][:starts[-1]].astype(np.int64), arrays["weights"][:starts[-1]]
        keys = docs * width + np.repeat(np.arange(width, dtype=np.int64), np.diff(starts))
        only = Vocabulary(vocabulary.position, np.empty(0, np.int64), vocabulary.compounds)
        summary, title = (np.isin(keys, _keys_of(only, texts)) for texts in
                          ([one.summary for one in corpus.documents], [one.title for one in corpus.documents]))
        found = Postings(starts, docs, np.asarray(weights, dtype=np.float64), summary, title)
        return cls(only, found, meta["size"], kinds=kinds)

    def shared(self, text: str, codes: Codes) -> list[list[float]]:
        """For each of `kinds`, what each of the n documents `codes` shares with a query; 0 where it has no known word.

        `lexical`: the BM25 score by words. The others: the share of the query's word weight (idf) that the document
        holds (`body`), that its summary holds, that its title holds, in [0, 1].
        """
        found = [code for token in _TOKEN.findall(folded(text)) for code in self._words(token)]
        if not found:
            return [[0.0] * len(codes) for _ in self.kinds]
        asked = np.zeros(self._width, dtype=np.bool_)
        asked[found] = True
        # Stretches of memory, read one after another: a search among all postings would wait for it at every step.
        flat = np.concatenate([self._stretches[code] for code in codes.tolist()])
        hits = asked.take(flat).nonzero()[0]
        ends = self._lengths.take(codes).cumsum()
        doc = ends.searchsorted(hits, side="right")
        place = hits + (self._ends.take(codes) - ends).take(doc)
        held = [values.take(place) for values in self._values]
        if len(set(found)) < len(found):  # a word said twice counts twice
            times = np.bincount(found).take(flat.take(hits))
            held = [one * times for one in held]
        made: list[Any] = [np.bincount(doc, weights=one, minlength=len(codes)) for one in held]
        if self.kinds != ("lexical",):
            total = float(self._idf[found].sum())
            made = [one if kind == "lexical" else one / total for kind, one in zip(self.kinds, made, strict=True)]
        return [one.tolist() for one in made]


def _keys_of(vocabulary: Vocabulary, texts: list[str]) -> Codes:
    counts = vocabulary.count(texts).tocoo()
    return np.asarray(counts.row.astype(np.int64) * len(vocabulary) + counts.col, dtype=np.int64)
