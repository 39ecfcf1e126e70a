"""Words and phrases that a corpus lends to mutations: what else it says in the same company, and how it goes on.

Company is the two words before and the two after, each place for itself, weighed by positive pointwise mutual
information with smoothed contexts and compared by cosine (Levy, Goldberg & Dagan, TACL 2015). Two words of one company
are not always synonyms, `row` and `column` are such a pair: what a user might have said instead, not what is true.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from harness.data.spelling import folded, singular
from harness.retrieval.protocols import Codes
from harness.retrieval.texts import STOP

if TYPE_CHECKING:
    import scipy.sparse as sp

__all__ = ["NOTHING", "Lexicon", "lexicon_of"]

_WORD = re.compile(r"[^\W\d_]+")
_SENTENCE = re.compile(r"[.;:\n]\s")
_PLACES, _SMOOTHING = (1, 2), 0.75
_FEWEST_TEXTS, _SHORTEST = 5, 3
_LEAST_ALIKE = 0.2  # cosine under which two words keep no company
_PHRASE_WORDS = range(3, 9)


@dataclass(frozen=True)
class Lexicon:
    """What a corpus lends.

    Attributes:
        synonyms: Lower-case word → words of the nearest company, nearest first.
        phrases: Short runs of words of the corpus, to be appended to a query.
    """

    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    phrases: tuple[str, ...] = ()


NOTHING = Lexicon()


def lexicon_of(texts: Sequence[str], *, words: int = 1500, near: int = 3, phrases: int = 300) -> Lexicon:
    """What these texts lend: the same texts in the same order give the same lexicon, on any number of threads.

    Args:
        texts: Of the corpus. Fewer than five texts lend no synonyms.
        words: How many of the commonest words (by the texts they stand in) are given synonyms, and may be one.
        near: The most synonyms of a word.
        phrases: The most phrases, spread evenly over the alphabet.

    >>> alike = ["sort the rows of a table", "sort the lines of a table", "print all rows", "print all lines"] * 5
    >>> lexicon_of(alike).synonyms["rows"]
    ('lines',)
    """
    lists = [_WORD.findall(folded(text)) for text in texts]
    frequency = Counter(word for found in lists for word in dict.fromkeys(found))
    common = sorted((-count, word) for word, count in frequency.items() if count >= _FEWEST_TEXTS)
    kept = [word for _, word in common if len(word) >= _SHORTEST and word not in STOP][:words]
    around = [word for _, word in common][:words]  # function words too: they tell a verb from a noun
    table = _nearest(kept, _alike(_company(lists, kept, around)), near) if kept else {}
    return Lexicon(table, _phrases(texts, phrases))


def _company(lists: list[list[str]], kept: list[str], around: list[str]) -> sp.csr_array:
    """(n_kept, 2 · places · n_around) how often a kept word has which word in which place beside it."""
    import scipy.sparse as sp

    code = {word: place for place, word in enumerate(dict.fromkeys(around + kept))}
    gap = [-1] * max(_PLACES)  # so that the end of one text is no company to the start of the next
    stream = np.array([place for found in lists for place in (*(code.get(word, -1) for word in found), *gap)])
    own = np.full(len(code) + 1, -1)
    own[[code[word] for word in kept]] = np.arange(len(kept))
    sides = [(own[stream[:-step]], stream[step:]) for step in _PLACES]
    sides += [(own[stream[step:]], stream[:-step]) for step in _PLACES]
    known = [(one >= 0) & (beside >= 0) & (beside < len(around)) for one, beside in sides]
    rows = np.concatenate([one[held] for (one, _), held in zip(sides, known, strict=True)])
    columns = np.concatenate([side * len(around) + beside[held] for side, ((_, beside), held)
                              in enumerate(zip(sides, known, strict=True))])
    return sp.coo_array((np.ones(len(rows)), (rows, columns)), shape=(len(kept), len(sides) * len(around))).tocsr()


def _alike(counts: sp.csr_array) -> NDArray[np.float64]:
    """(n, n) cosines of the words' weighed contexts, to four digits; 0 for a word without company."""
    own, context = counts.sum(axis=1), counts.sum(axis=0) ** _SMOOTHING
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    expected = own[rows] * context[counts.indices] / context.sum()
    weighed = counts.copy()
    weighed.data = np.log(np.maximum(counts.data / expected, 1.0))
    length = np.sqrt(np.bincount(rows, weights=weighed.data**2, minlength=counts.shape[0]))
    weighed.data /= np.where(length > 0, length, 1.0)[rows]
    alike: NDArray[np.float64] = np.round((weighed @ weighed.T).toarray(), 4)
    return alike


def _nearest(kept: list[str], alike: NDArray[np.float64], near: int) -> dict[str, tuple[str, ...]]:
    """Word → its nearest, other forms of itself left out; equals in the order of `kept`."""
    stem = np.unique([singular(word) for word in kept], return_inverse=True)[1]
    table = {}
    for place, word in enumerate(kept):
        cosine = np.where(stem == stem[place], -1.0, alike[place])
        order: Codes = np.argsort(-cosine, kind="stable")[:near]
        if found := tuple(kept[other] for other in order if cosine[other] >= _LEAST_ALIKE):
            table[word] = found
    return table


def _phrases(texts: Sequence[str], most: int) -> tuple[str, ...]:
    """Clauses of a few plain words that the texts hold between stops."""
    clauses = {" ".join(clause.split()).rstrip(".") for text in texts for clause in _SENTENCE.split(text)}
    plain = sorted(clause for clause in clauses if len(clause.split()) in _PHRASE_WORDS
                   and all(_WORD.fullmatch(word.strip(",")) for word in clause.split()))
    return tuple(plain[:: max(1, -(-len(plain) // most))])
