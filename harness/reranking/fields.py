"""Word overlap between a query and the fields of documents, for fifty candidates in one gather.

Each document is one stretch of term codes, cut into fields. A query puts a weight on its own terms; what a field shares
with the query is then a sum over its stretch. Words are cut to their first six letters, a stemmer that needs no rules
(McNamee & Mayfield 2004 found n-gram stems on a par with rule-based ones).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.data.spelling import NO_COMPOUNDS, Compounds, folded, singular
from harness.errors import InputError
from harness.reranking.protocols import Codes

__all__ = ["Overlap", "TermFields", "grams", "pairs", "words"]

_WORD = re.compile(r"[a-z]+|[0-9]+")
_STEM = 6

Terms = Callable[[str], list[str]]


def words(text: str, *, compounds: Compounds = NO_COMPOUNDS) -> list[str]:
    """Distinct stems in order of appearance; identifiers fall into their words, in whatever case they are written.

    >>> words("Compute dataframe.to_csv distributions", compounds={"dataframe": ("data", "frame")})
    ['comput', 'data', 'frame', 'to', 'csv', 'distri']
    """
    return list(dict.fromkeys(map(_stem, _parts(text, compounds))))


def pairs(text: str, *, compounds: Compounds = NO_COMPOUNDS) -> list[str]:
    """Distinct neighbouring stems, joined by a blank: a small phrase match.

    >>> pairs("linear sum assignment")
    ['linear sum', 'sum assign']
    """
    stems = list(map(_stem, _parts(text, compounds)))
    return list(dict.fromkeys(map(" ".join, pairwise(stems))))


def grams(text: str, *, compounds: Compounds = NO_COMPOUNDS) -> list[str]:
    """Distinct three-letter pieces of whole words, edges marked: what abbreviated names still share.

    >>> grams("argsort")[:3]
    ['#ar', '#arg', '#rgs']
    """
    marked = (f"{word} " for word in _parts(text, compounds))
    cut = ((f"#{word[:2]}", *(f"#{word[i:i + 3]}" for i in range(len(word) - 2))) for word in marked)
    return list(dict.fromkeys(chain.from_iterable(cut)))


class Overlap(NamedTuple):
    """What candidates share with a query, field by field; all in [0, 1].

    Attributes:
        recall: (n_candidates, n_fields) share of the query's idf weight that the field holds.
        precision: (n_candidates, n_fields) share of the field's idf weight that the query holds.
        weight: Mean idf of the query's words; 0 for a query without words.
    """

    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    weight: float


class TermFields:
    """The term codes of every document's fields.

    Args:
        fields: Name → (one text a document, the function that cuts texts and queries into terms).
    """

    def __init__(self, fields: Mapping[str, tuple[Sequence[str], Terms]]) -> None:
        self.names = tuple(fields)
        self._cutters = [cut for _, cut in fields.values()]
        sizes = {len(texts) for texts, _ in fields.values()}
        if len(sizes) != 1:
            raise InputError("fields differ in length", where="reranking fields", expected="one text a document",
                             found=sorted(sizes))
        self.documents = sizes.pop()
        self._code: dict[str, int] = {}
        rows = [self._coded(cut(text)) for document in zip(*(texts for texts, _ in fields.values()), strict=True)
                for text, cut in zip(document, self._cutters, strict=True)]
        self._ends = np.cumsum([0, *map(len, rows)])
        self._terms = np.fromiter(chain.from_iterable(rows), dtype=np.int32, count=int(self._ends[-1]))
        self._idf = self._inverse_frequency()
        self._totals = self._sums(self._idf, np.arange(self.documents))

    def overlap(self, text: str, codes: Codes) -> Overlap:
        """Share the query `text` with the documents `codes`; terms never seen count against the query's recall."""
        weight = np.zeros(len(self._idf), dtype=np.float32)
        unseen = float(np.log1p(self.documents))
        cuts = {cut: cut(text) for cut in dict.fromkeys(self._cutters)}
        sums: dict[Terms, float] = {}
        for cut, terms in cuts.items():
            known = [self._code[term] for term in terms if term in self._code]
            weight[known] = self._idf[known]
            sums[cut] = float(self._idf[known].sum() + unseen * (len(terms) - len(known)))
        totals = [sums[cut] for cut in self._cutters]
        mean = totals[0] / max(len(cuts[self._cutters[0]]), 1)
        shared = self._sums(weight, codes)
        recall = np.minimum(shared / np.maximum(totals, 1e-9), 1.0)
        return Overlap(recall, np.minimum(shared / np.maximum(self._totals[codes], 1e-9), 1.0), mean)

    def _coded(self, terms: list[str]) -> list[int]:
        code = self._code
        return [code.setdefault(term, len(code)) for term in terms]

    def _inverse_frequency(self) -> NDArray[np.float32]:
        """log(1 + n / df) with df the number of documents that hold the term in any field."""
        width = len(self.names)
        owner = np.repeat(np.arange(self.documents), np.diff(self._ends[::width]))
        once = np.unique(self._terms.astype(np.int64) * max(self.documents, 1) + owner)
        counts = np.bincount(once // max(self.documents, 1), minlength=len(self._code))
        return np.log1p(self.documents / np.maximum(counts, 1)).astype(np.float32)

    def _sums(self, weight: NDArray[np.float32], codes: NDArray[Any]) -> NDArray[np.float64]:
        """(n, n_fields): the weight summed over each field's terms."""
        width = len(self.names)
        starts, lengths = self._ends[codes * width], self._ends[(codes + 1) * width] - self._ends[codes * width]
        before = np.cumsum(lengths) - lengths
        places = np.arange(int(lengths.sum())) + np.repeat(starts - before, lengths)
        running = np.concatenate([[0.0], np.cumsum(weight[self._terms[places]], dtype=np.float64)])
        bounds = self._ends[codes[:, None] * width + np.arange(width + 1)] - (starts - before)[:, None]
        sums: NDArray[np.float64] = np.diff(running[bounds], axis=1)
        return sums


def _parts(text: str, compounds: Compounds) -> list[str]:
    found = _WORD.findall(folded(text))
    return [part for word in found for part in compounds.get(singular(word), (word,))] if compounds else found


def _stem(word: str) -> str:
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    return word[:_STEM]
