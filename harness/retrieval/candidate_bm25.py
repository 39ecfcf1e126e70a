"""BM25 laid out document by document: for the scores of twenty hits no whole corpus need be scored.

A document's score is the sum, in the order of its row, of weight times how often the query says the term, each product
in float32 and the sum in float64: that of `Bm25.scores`, to the bit.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from harness.data.spelling import folded, singular
from harness.retrieval.files import read_part
from harness.retrieval.protocols import Codes
from harness.retrieval.texts import STOP, Vocabulary

__all__ = ["CandidateBm25"]

_TOKEN = re.compile(r"[^\W\d_]+|\d+")  # as `retrieval.texts.words` cuts a folded text
_KEPT = 1 << 16  # tokens whose words are kept


class CandidateBm25:
    """What a BM25 weighs, by document; the shape that the reranker's fields ask for (`WordScores`).

    Args:
        vocabulary: Of words and pairs of words.
        starts: (n_terms + 1,) where each term's postings start.
        docs, weights: (n_postings,) documents, and the term's BM25 weight in each.
        size: Number of documents.

    Attributes:
        width: Number of terms, words first, then pairs.
        rows: Of each document its terms, ascending, and their weights.

    >>> only = Vocabulary({"sort": 0, "row": 1}, np.array([1]), {})  # and the pair "sort row"
    >>> made = CandidateBm25(only, np.array([0, 1, 3, 4]), np.array([0, 0, 1, 0]), np.ones(4, np.float32), 2)
    >>> made.said("sort rows, sort"), [terms.tolist() for terms, _ in made.rows]
    ({2: 1, 0: 2, 1: 1}, [[0, 1, 2], [1]])
    """

    def __init__(self, vocabulary: Vocabulary, starts: Codes, docs: NDArray[np.int32], weights: NDArray[np.float32],
                 size: int) -> None:
        self.width = len(starts) - 1
        term = np.repeat(np.arange(self.width, dtype=np.int32), np.diff(starts))
        order = np.argsort(docs, kind="stable")  # within a document its terms ascend, as BM25 adds them up
        ends = np.bincount(docs, minlength=size).cumsum()[:-1]
        self.rows = list(zip(np.split(term[order], ends), np.split(weights[order], ends), strict=True))
        self._vocabulary, self._size = vocabulary, len(vocabulary.position)
        self._pairs = {key: self._size + place for place, key in enumerate(vocabulary.pairs.tolist())}
        self._codes = lru_cache(_KEPT)(self._codes_of)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Off a saved BM25. Raises InputError where the files are torn or hold something else."""
        meta, arrays = read_part(folder, "bm25")
        vocabulary = Vocabulary.of({name: meta[name] for name in ("words", "compounds")}, arrays["pairs"])
        return cls(vocabulary, arrays["starts"], arrays["postings"], arrays["weights"], meta["size"])

    def said(self, text: str) -> dict[int, int]:
        """The terms of a query, words and pairs, and how often it says them."""
        codes: list[int] = []
        for token in _TOKEN.findall(folded(text)):
            codes += self._codes(token)
        size, pairs = self._size, self._pairs
        found = [pair for before, code in pairwise(codes) if (pair := pairs.get(before * size + code)) is not None]
        found += [code for code in codes if code >= 0]
        times = dict.fromkeys(found, 1)
        return times if len(times) == len(found) else dict(Counter(found))

    def _codes_of(self, token: str) -> tuple[int, ...]:
        """The words of a token; what no document has is so far below 0 that no pair with it has a key."""
        if len(token) < 2 or token in STOP:
            return ()
        word, position, unknown = singular(token), self._vocabulary.position, -self._size * self._size - 1
        return tuple(position.get(part, unknown) for part in self._vocabulary.compounds.get(word, (word,)))
