"""Queries as their author meant them: a word that the corpus does not know gives way to one that it does.

Only unknown words are touched, so that a clean query stays as it is, to the letter. A slip is one letter lost, struck
twice, hit beside its key, or swapped with its neighbour (optimal string alignment, Wagner & Lowrance 1975, through
RapidFuzz), or a lost blank between two known words. A letter beyond ASCII is never taken for an ASCII one: Müller is no
slip of miller. A query of nonsense costs no more than its first MOST unknown words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np

from harness.data.spelling import NO_COMPOUNDS, Compounds, folded, singular
from harness.errors import InputError
from harness.retrieval.files import read_part
from harness.retrieval.texts import STOP

__all__ = ["MOST", "Speller"]

MOST = 32  # unknown words of one query that are looked up; what comes after them stays as written
_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[\u0300-\u036f])*")  # with the accents that stand apart from their letters
_KEPT = 1 << 14  # unknown words whose mending is kept
_SHORTEST, _SHORTEST_PART = 3, 2
_ENDING = 3  # letters that the singular may take off
_End = tuple[int, int, str]  # how long a word is, which of its ends, and the letter there
_EVERYWHERE = 1 << 40  # how often function words stand, which no vocabulary counts


class Speller:
    """Mends words by how often the corpus says what they may have been.

    Args:
        frequency: Folded word → how many documents say it.
        compounds: Words that are read as several, and known for that.
        least: A word that fewer documents say is no mending: it may be a slip itself.

    Raises:
        InputError: `least` under 1.

    >>> speller = Speller({"sort": 9, "row": 7, "matrix": 4})
    >>> speller.mended("Srot the rwos of a sparse matrixx"), speller.mended("sortrows, please")
    ('sort the row of a sparse matrix', 'sort rows, please')
    """

    def __init__(self, frequency: Mapping[str, int], compounds: Compounds = NO_COMPOUNDS, *, least: int = 2) -> None:
        if least < 1:
            raise InputError("out of bounds", where="speller", column="least", expected="1 or more", found=least)
        self.least = least
        self._frequency, self._compounds = dict(frequency), compounds
        ends: dict[_End, list[str]] = {}
        for word, count in sorted(self._frequency.items()):
            if count >= least and len(word) >= _SHORTEST and _WORD.fullmatch(word):
                for end in _ends(word, len(word)):
                    ends.setdefault(end, []).append(word)
        self._ends = ends
        self._longest = max(map(len, (*self._frequency, *STOP)))
        self._word = lru_cache(_KEPT)(self._mended)

    @classmethod
    def load(cls, folder: Path, *, least: int = 2) -> Self:
        """Off a saved BM25, whose words it knows. Raises InputError where the files are torn or hold something else."""
        meta, arrays = read_part(folder, "bm25")
        counts = np.diff(arrays["starts"])[: len(meta["words"])].tolist()
        return cls(dict(zip(meta["words"], counts, strict=True)),
                   {word: tuple(parts) for word, parts in meta["compounds"].items()}, least=least)

    def mended(self, text: str) -> str:
        """The text with each unknown word in the spelling of the nearest known one, where there is one.

        Of a text with more than MOST different unknown words all after those stay as written.
        """
        looked: dict[str, str] = {}

        def meant(found: re.Match[str]) -> str:
            written = found.group()
            if written not in looked and len(looked) < MOST and (word := self._unknown(written)):
                looked[written] = self._word(word) or written
            return looked.get(written, written)

        return _WORD.sub(meant, text)

    def all(self, texts: Sequence[str]) -> list[str]:
        """`mended` of each."""
        return [self.mended(text) for text in texts]

    def _unknown(self, written: str) -> str:
        """The word folded, where the corpus does not know it and it is long enough to be mended; else empty."""
        word = folded(written)
        return "" if len(word) < _SHORTEST or self._knows(word) else word

    def _knows(self, word: str) -> bool:
        if word in STOP or word in self._frequency:
            return True
        one = singular(word)
        return one in self._frequency or one in self._compounds

    def _mended(self, word: str) -> str:
        """What a folded, unknown word may have been; empty where nothing near is known."""
        return self._neighbour(singular(word)) or self._split(word)

    def _neighbour(self, word: str) -> str:
        """The word one edit away that most documents say; of equals the first by the alphabet."""
        from rapidfuzz.distance import OSA
        from rapidfuzz.process import extract

        near = [(-self._frequency[one], one) for length in (len(word) - 1, len(word), len(word) + 1)
                for end in _ends(word, length)
                for one, _, _ in extract(word, self._ends.get(end, ()), scorer=OSA.distance, score_cutoff=1,
                                         limit=None) if _may_be(word, one)]
        return min(near)[1] if near else ""

    def _split(self, word: str) -> str:
        """Two known words that stand together without their blank: the pair whose rarer half is commonest."""
        if len(word) > 2 * (self._longest + _ENDING):  # each half is longer than any word: not worth its many cuts
            return ""
        ways = [(min(self._said(word[:at]), self._said(word[at:])), -at)
                for at in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1)]
        often, at = max(ways, default=(0, 0))
        return f"{word[:-at]} {word[-at:]}" if often >= self.least else ""

    def _said(self, word: str) -> int:
        return _EVERYWHERE if word in STOP else self._frequency.get(singular(word), 0)


def _ends(word: str, length: int) -> tuple[_End, _End]:
    """Where words of a length that begin, or that end, as this one does are kept: one edit spares one of the two."""
    return (length, 0, word[0]), (length, -1, word[-1])


def _may_be(word: str, one: str) -> bool:
    """Whether a word one edit away may be meant: a short one begins alike, and no letter beyond ASCII is given up."""
    if len(word) <= _SHORTEST and word[0] != one[0]:
        return False
    if word.isascii():
        return True
    return not one.isascii() and _beyond(one) >= _beyond(word) - (len(one) < len(word))


def _beyond(word: str) -> int:
    return sum(not letter.isascii() for letter in word)
