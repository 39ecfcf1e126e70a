"""Word overlap between a query and the fields of documents, for fifty candidates in one gather.

Each document is one stretch of term codes, cut into fields. What a field shares with a query is a sum over the query's
terms that are found in its stretch: of their idf, or of what a lexical score gave each of them. A query is read once
for all fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError, nearest
from harness.reranking.protocols import Codes
from harness.reranking.terms import TermReader, Terms

__all__ = ["Overlap", "TermFields", "WordScores"]

_LEAST = 1e-9  # of a weight that is divided by
_KEPT = 1 << 16  # words whose codes are kept

_Entry = tuple[tuple[str, ...], tuple[int | str, ...], tuple[int | str, ...]]


class WordScores(Protocol):
    """A lexical score that is a sum over the terms that query and document share, such as BM25."""

    @property
    def width(self) -> int:
        """Number of terms, with codes of their own from 0."""
        ...

    @property
    def rows(self) -> Sequence[tuple[NDArray[np.int32], NDArray[np.float32]]]:
        """Of each document its terms and their weights, in the order in which they are added up."""
        ...

    def said(self, text: str) -> dict[int, int]:
        """The terms of a query, and how often it says them."""
        ...


class Overlap(NamedTuple):
    """What candidates share with a query, field by field.

    Attributes:
        shares: (2 · n_fields, n_candidates) in [0, 1]: `recall` of every field, then `precision` of every field.
        weight: Mean idf of the query's terms of the first field's kind; 0 for a query without any.
        scores: (n_candidates,) the `WordScores`, as float32 adds them up; zeros where there are none.
    """

    shares: NDArray[np.float64]
    weight: float
    scores: NDArray[np.float32]

    @property
    def recall(self) -> NDArray[np.float64]:
        """(n_candidates, n_fields) share of the query's idf weight that the field holds."""
        return self.shares[: len(self.shares) // 2].T

    @property
    def precision(self) -> NDArray[np.float64]:
        """(n_candidates, n_fields) share of the field's idf weight that the query holds."""
        return self.shares[len(self.shares) // 2 :].T


class TermFields:
    """The term codes of every document's fields.

    Args:
        fields: Name → (one text a document, which of its `Terms`: `words`, `grams` or `pairs`).
        reader: Reads terms off texts and queries.
        scores: A lexical score of the same documents, looked up in the same gather.

    >>> fields = TermFields({"title": (["sort rows", "solve it"], "words")}, TermReader())
    >>> fields.overlap("sorts matrices", np.array([1, 0])).recall.round(2).tolist()
    [[0.0], [0.5]]
    """

    def __init__(self, fields: Mapping[str, tuple[Sequence[str], str]], reader: TermReader, *,
                 scores: WordScores | None = None) -> None:
        self.names, self._reader, self._scores = tuple(fields), reader, scores
        sizes = {len(texts) for texts, _ in fields.values()} | ({len(scores.rows)} if scores is not None else set())
        if len(sizes) != 1:
            raise InputError("fields differ in length", where="reranking fields", expected="one text a document",
                             found=sorted(sizes))
        self.documents = sizes.pop()
        self._kinds = [_kind(kind) for _, kind in fields.values()]
        self._code = {"": 0}  # no text has this term: it marks where a query's next kind begins
        rows = self._coded([texts for texts, _ in fields.values()])
        terms = np.fromiter(chain.from_iterable(rows), dtype=np.int32)
        ends = np.cumsum([0, *map(len, rows)])[::len(fields)]
        self._idf = self._inverse_frequency(terms, np.diff(ends))
        self._lay_out([terms[start:end] for start, end in pairwise(ends)], [*map(len, rows)])
        self._unseen = float(np.log1p(self.documents))
        every = np.arange(self.documents)
        totals = self._added(np.ones(self._width, dtype=np.bool_), every)[:, : len(fields)].T
        self._totals = np.ascontiguousarray(np.maximum(totals, _LEAST))
        self._entry = lru_cache(_KEPT)(self._entry_of)

    def overlap(self, text: str, codes: Codes) -> Overlap:
        """Share the query `text` with the documents `codes`; terms never seen count against the query's recall."""
        terms = self._terms(text)
        known = [[code for code in every if code.__class__ is int] for every in terms]
        flat: Any = np.array([0, *known[0], 0, *known[1], 0, *known[2]], dtype=np.int64)
        first, second, _ = map(len, known)
        # Behind a zero each kind is added up as if it stood alone.
        found = np.add.reduceat(self._idf.take(flat), [0, 1 + first, 2 + first + second])
        weights = found.tolist()
        for kind, (every, seen) in enumerate(zip(terms, known, strict=True)):
            if len(seen) < len(every):
                weights[kind] = float(found[kind] + self._unseen * (len(every) - len(seen)))
        shared, width, kind = self._sums(flat, text, codes), len(self.names), self._kinds[0]
        shares = np.empty((2, width, len(codes)), dtype=np.float64)
        fields = shared[:, :width].T
        np.divide(fields, np.array([max(weights[kind], _LEAST) for kind in self._kinds])[:, None], out=shares[0])
        np.divide(fields, self._totals.take(codes, axis=1), out=shares[1])
        return Overlap(np.minimum(shares, 1.0, out=shares).reshape(2 * width, -1),
                       weights[kind] / max(len(terms[kind]), 1), shared[:, width].astype(np.float32))

    def _terms(self, text: str) -> list[dict[int | str, None]]:
        """Kind by kind the distinct terms of a query: codes, or as they are written where no document has them."""
        stems: list[str] = []
        words: list[int | str] = []
        grams: list[int | str] = []
        for word in self._reader.words(text):
            found, coded, pieces = self._entry(word)
            stems += found
            words += coded
            grams += pieces
        get = self._code.get
        return [dict.fromkeys(words), dict.fromkeys(grams),
                dict.fromkeys([get(pair, pair) for pair in self._reader.pairs(stems)])]

    def _entry_of(self, word: str) -> _Entry:
        stems, grams = self._reader.cut(word)
        get = self._code.get
        return stems, tuple(get(stem, stem) for stem in stems), tuple(get(gram, gram) for gram in grams)

    def _sums(self, flat: Codes, text: str, codes: Codes) -> NDArray[np.float64]:
        """(n, n_fields + 1): what each field shares with the terms `flat`, and the lexical score."""
        asked = np.zeros(self._width, dtype=np.bool_)
        asked[flat] = True
        said = {} if self._scores is None else self._scores.said(text)
        if not said:
            return self._added(asked, codes)
        scored = np.array([*said], dtype=np.int64) + len(self._code)
        asked[scored] = True
        if max(said.values()) == 1:
            return self._added(asked, codes)
        times = np.empty(self._width, dtype=np.float32)  # read where it is written, at what is asked for
        times[flat], times[scored] = 1.0, [*said.values()]
        return self._added(asked, codes, times)

    def _added(self, asked: NDArray[np.bool_], codes: Codes, times: NDArray[np.float32] | None = None) -> NDArray[
            np.float64]:
        """(n, n_fields + 1) weights of the terms that are asked for; of the last column as often as they are said.

        An idf has 24 bits and lies between log 2 and log(1 + n): sums of them are exact, in whatever order.
        """
        stretches, width = self._stretches, len(self.names) + 1
        terms = np.concatenate([stretches[code] for code in codes.tolist()])
        place = asked.take(terms).nonzero()[0]
        ends = self._lengths.take(codes, axis=0).cumsum()
        field = ends.searchsorted(place, side="right")
        shift = (self._ends.take(codes) - ends[width - 1::width]).repeat(width)
        held = self._weights.take(place + shift.take(field))
        if times is not None:
            held *= times.take(terms.take(place))
        sums: NDArray[np.float64] = np.bincount(field, held, minlength=len(ends)).astype(np.float64, copy=False)
        return sums.reshape(len(codes), width)

    def _coded(self, columns: list[Sequence[str]]) -> list[list[int]]:
        """Document by document, field by field, the codes of its terms; a text of two fields is read once."""
        code, rows = self._code, []
        for texts in zip(*columns, strict=True):
            read = {text: self._reader(text) for text in dict.fromkeys(texts)}
            for text, kind in zip(texts, self._kinds, strict=True):
                rows.append([code.setdefault(term, len(code)) for term in read[text][kind]])
        return rows

    def _inverse_frequency(self, terms: NDArray[np.int32], lengths: Codes) -> NDArray[np.float32]:
        """log(1 + n / df) with df the number of documents that hold the term in any field; 0 for the mark."""
        owner = np.repeat(np.arange(self.documents), lengths)
        once = np.unique(terms.astype(np.int64) * max(self.documents, 1) + owner)
        counts = np.bincount(once // max(self.documents, 1), minlength=len(self._code))
        idf = np.log1p(self.documents / np.maximum(counts, 1)).astype(np.float32)
        idf[0] = 0.0
        return idf

    def _lay_out(self, fields: list[NDArray[np.int32]], lengths: list[int]) -> None:
        """One stretch a document: the terms of its fields, then those of the lexical score; and a weight for each."""
        first = len(self._code)
        rows = self._scores.rows if self._scores is not None else [
            (np.empty(0, np.int32), np.empty(0, np.float32))] * self.documents
        self._width = first + (0 if self._scores is None else self._scores.width)
        self._stretches = [np.concatenate([one, terms + np.int32(first)]).astype(np.int64) for one, (terms, _)
                           in zip(fields, rows, strict=True)]
        self._weights = np.concatenate([part for one, (_, weights) in zip(fields, rows, strict=True)
                                        for part in (self._idf[one], weights)])
        scored = np.array([[len(terms)] for terms, _ in rows], dtype=np.int64)
        self._lengths = np.hstack([np.array(lengths, dtype=np.int64).reshape(self.documents, -1), scored])
        self._ends = self._lengths.sum(axis=1).cumsum()


def _kind(name: str) -> int:
    if name not in Terms._fields:
        raise InputError("no such kind of terms", where="reranking fields", expected=", ".join(Terms._fields),
                         found=name, hint=nearest(name, Terms._fields))
    return Terms._fields.index(name)
