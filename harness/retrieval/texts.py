"""Text to term counts, in whole-array steps: the one tokeniser that LSA and BM25 share.

Words are runs of letters or digits, plural endings folded, function words dropped. Case and Unicode form are folded
before anything is read off them: how a word is written in one query must not decide what is found. Identifiers split
at punctuation, and where the corpus writes one with inner capitals (`DataFrame`) it splits there in any spelling. Terms
are words and pairs of neighbouring words.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.data.spelling import NO_COMPOUNDS, Compounds, compounds_of, folded, singular
from harness.errors import InputError
from harness.retrieval.protocols import Codes

if TYPE_CHECKING:
    import scipy.sparse as sp

__all__ = ["STOP", "Vocabulary", "checked_texts", "words"]

_WORD = re.compile(r"[^\W\d_]+|\d+")
STOP = frozenset(
    {"a", "an", "and", "are", "as", "at", "be", "by", "for", "from", "has", "have", "if", "in", "is", "it", "its", "of"}
    | {"on", "or", "that", "the", "this", "to", "was", "were", "which", "will", "with", "not", "can", "may", "then"}
    | {"than", "these", "those", "there", "their", "into", "also", "such", "when", "where", "while", "whether", "each"}
    | {"other", "use", "used", "using"}
)


def words(text: str, *, compounds: Compounds = NO_COMPOUNDS) -> list[str]:
    """The words of a text that carry meaning, in order; case and Unicode normal form make no difference.

    >>> words("Eigenvalues of a HermitianMatrix, see eigvals_sym2.", compounds=compounds_of(["HermitianMatrix"]))
    ['eigenvalue', 'hermitian', 'matrix', 'see', 'eigval', 'sym']
    """
    found = (singular(word) for word in _WORD.findall(folded(text)) if len(word) > 1 and word not in STOP)
    if not compounds:
        return list(found)
    return [part for word in found for part in compounds.get(word, (word,))]


def checked_texts(texts: Sequence[str], *, where: str) -> Sequence[str]:
    """`texts` itself, or InputError where it is one text instead of many, or holds something other than text."""
    if isinstance(texts, str):
        raise InputError("one text where many are expected", where=where, expected="a list of texts", found=texts)
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise InputError("not a text", where=where, row=row + 1, expected="text", found=text)
    return texts


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The terms a fit has seen often enough: words first, then pairs of words.

    Attributes:
        position: Word → its code, in order of first appearance.
        pairs: (n_pairs,) ascending keys `first code * n_words + second code`.
        compounds: Words that are read as several.
    """

    position: dict[str, int]
    pairs: Codes
    compounds: Compounds = field(default_factory=dict)

    @classmethod
    def fit(cls, texts: Sequence[str], *, min_df: int, lead: int = 0) -> Vocabulary:
        """Words in at least `min_df` texts; pairs in at least two, at least once among a text's first `lead` words.

        Queries speak like a document's first lines; pairs from further down cost memory and find less.
        """
        split = compounds_of(texts)
        lists = [words(text, compounds=split) for text in texts]
        frequency: dict[str, int] = {}
        for found in lists:
            for word in dict.fromkeys(found):
                frequency[word] = frequency.get(word, 0) + 1
        kept = [word for word, count in frequency.items() if count >= min_df]
        bare = cls({word: code for code, word in enumerate(kept)}, np.empty(0, np.int64), split)
        return replace(bare, pairs=bare._frequent_pairs(lists, lead)) if lead else bare

    def __len__(self) -> int:
        return len(self.position) + len(self.pairs)

    def count(self, texts: Sequence[str], *, lead: int = 0, lead_weight: float = 1.0) -> sp.csr_array:
        """(n_texts, n_terms) float32 counts; the first `lead` words of a text weigh `lead_weight` each."""
        import scipy.sparse as sp

        flat, row, place = self._stream([words(text, compounds=self.compounds) for text in texts])
        weight = np.where(place < lead, lead_weight, 1.0).astype(np.float32)
        key, second = _neighbours(flat, row, len(self.position))
        at, known = _find(key, self.pairs)
        columns = np.concatenate([flat[flat >= 0], len(self.position) + at[known]])
        rows = np.concatenate([row[flat >= 0], row[second][known]])
        values = np.concatenate([weight[flat >= 0], weight[second][known]])
        return sp.coo_array((values, (rows, columns)), shape=(len(texts), len(self))).tocsr()

    def terms(self, text: str) -> tuple[Codes, NDArray[np.float32]]:
        """Distinct term codes of one text, ascending, and their counts; the fast road for a single query."""
        codes = [self.position.get(word, -1) for word in words(text, compounds=self.compounds)]
        size = len(self.position)
        keys = [a * size + b for a, b in itertools.pairwise(codes) if a >= 0 and b >= 0]
        at, known = _find(np.asarray(keys, dtype=np.int64), self.pairs)
        found = np.concatenate([np.asarray([code for code in codes if code >= 0], dtype=np.int64), size + at[known]])
        distinct, counts = np.unique(found, return_counts=True)
        return distinct, counts.astype(np.float32)

    def to_arrays(self) -> tuple[dict[str, Any], Codes]:
        """Words in code order with the compounds among them, and the pairs' keys: what a file needs."""
        split = {word: list(way) for word, way in self.compounds.items()}
        return {"words": list(self.position), "compounds": split}, self.pairs

    @classmethod
    def of(cls, held: Mapping[str, Any], pairs: Any) -> Vocabulary:
        """The inverse of `to_arrays`."""
        return cls({word: code for code, word in enumerate(held["words"])}, np.asarray(pairs, dtype=np.int64),
                   {word: tuple(way) for word, way in held["compounds"].items()})

    def _frequent_pairs(self, lists: list[list[str]], lead: int) -> Codes:
        flat, row, place = self._stream(lists)
        key, second = _neighbours(flat, row, len(self.position))
        distinct = np.unique(key * max(len(lists), 1) + row[second])
        keys, frequency = np.unique(distinct // max(len(lists), 1), return_counts=True)
        return np.intersect1d(keys[frequency >= 2], key[place[second] < lead])

    def _stream(self, lists: list[list[str]]) -> tuple[Codes, Codes, Codes]:
        # One long array of word codes (-1 unknown), with the row and the place in its row of each.
        lengths = np.asarray([len(found) for found in lists], dtype=np.int64)
        get = self.position.get
        every = (get(word, -1) for word in itertools.chain.from_iterable(lists))
        flat = np.fromiter(every, dtype=np.int64, count=int(lengths.sum()))
        row = np.repeat(np.arange(len(lists)), lengths)
        return flat, row, np.arange(len(flat)) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def _neighbours(flat: Codes, row: Codes, size: int) -> tuple[Codes, Codes]:
    # Keys of neighbouring known words in one text, and the place in the stream of each pair's second word.
    together = (row[1:] == row[:-1]) & (flat[1:] >= 0) & (flat[:-1] >= 0)
    second = np.flatnonzero(together) + 1
    return flat[second - 1] * size + flat[second], second


def _find(keys: Codes, ordered: Codes) -> tuple[Codes, NDArray[np.bool_]]:
    if not len(ordered):
        return np.zeros(len(keys), np.int64), np.zeros(len(keys), np.bool_)
    at = np.minimum(np.searchsorted(ordered, keys), len(ordered) - 1)
    return at, ordered[at] == keys
