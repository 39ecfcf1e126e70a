"""The terms of a text that fields are compared by: stems of its words, pieces of them, and neighbouring stems.

Words are cut to their first six letters, a stemmer that needs no rules (McNamee & Mayfield 2004 found n-gram stems on a
par with rule-based ones). What a word comes to is kept: a text is mostly words seen before.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from harness.data.spelling import NO_COMPOUNDS, Compounds, folded, singular

__all__ = ["TermReader", "Terms"]

_WORD = re.compile(r"[a-z]+|[0-9]+")
_STEM = 6
_KEPT = 1 << 16  # words whose stems and pieces are kept

_Cut = tuple[tuple[str, ...], tuple[str, ...]]


class Terms(NamedTuple):
    """Distinct terms in order of appearance.

    Attributes:
        words: Stems.
        grams: Three-letter pieces of whole words, edges marked: what abbreviated names still share.
        pairs: Neighbouring stems, joined by a blank: a small phrase match.
    """

    words: list[str]
    grams: list[str]
    pairs: list[str]


class TermReader:
    """Reads the terms of a text; identifiers fall into their words, in whatever case they are written.

    Args:
        compounds: Words that are read as several.

    >>> read = TermReader(compounds={"dataframe": ("data", "frame")})
    >>> read("Compute dataframe.to_csv distributions").words
    ['comput', 'data', 'frame', 'to', 'csv', 'distri']
    >>> read("argsort").grams[:3], read("linear sum assignment").pairs
    (['#ar', '#arg', '#rgs'], ['linear sum', 'sum assign'])
    """

    def __init__(self, *, compounds: Compounds = NO_COMPOUNDS) -> None:
        self._compounds = compounds
        self.cut = lru_cache(_KEPT)(self._cut)

    def __call__(self, text: str) -> Terms:
        """The terms of `text`; case and Unicode normal form make no difference."""
        cuts = [self.cut(word) for word in self.words(text)]
        stems = [stem for found, _ in cuts for stem in found]
        grams = dict.fromkeys(piece for _, pieces in cuts for piece in pieces)
        return Terms(list(dict.fromkeys(stems)), list(grams), list(dict.fromkeys(self.pairs(stems))))

    @staticmethod
    def words(text: str) -> list[str]:
        """The words of a text as they are written, folded, in order; `cut` turns each into its terms."""
        return _WORD.findall(folded(text))

    @staticmethod
    def pairs(stems: list[str]) -> list[str]:
        """Neighbouring stems, in order, some perhaps more than once."""
        return list(map(" ".join, pairwise(stems)))

    def _cut(self, word: str) -> _Cut:
        """The stems of one word, and its grams."""
        parts = self._compounds.get(singular(word), (word,))
        return tuple(map(_stem, parts)), tuple(piece for part in parts for piece in _pieces(part))


def _stem(word: str) -> str:
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        word = word[:-1]
    return word[:_STEM]


def _pieces(word: str) -> list[str]:
    marked = f"{word} "
    return [f"#{marked[:2]}", *(f"#{marked[i:i + 3]}" for i in range(len(marked) - 2))]
