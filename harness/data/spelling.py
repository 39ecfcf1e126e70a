"""One spelling for all the ways to write a word: Unicode form, case, plural, and names with inner capitals.

What reads words off texts begins here, so that first stage and reranker fold the same differences.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

__all__ = ["NO_COMPOUNDS", "Compounds", "compounds_of", "folded", "singular"]

Compounds = Mapping[str, tuple[str, ...]]
NO_COMPOUNDS: Compounds = MappingProxyType({})
_LETTERS = re.compile(r"[^\W\d_]+")
_INNER = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SHORTEST, _SHORTEST_PART = 6, 2  # NumPy, NaNs and isNaN are words, not compounds


def folded(text: str) -> str:
    """A text without the differences that a reader does not see: NFKC and case (Unicode's toNFKC_Casefold, nearly).

    >>> folded("Ｓｏｒｔ Ro\u0308ws") == folded("sort r\u00d6WS") == "sort r\u00f6ws"
    True
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def compounds_of(texts: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Folded word → its parts, ascending, for what the texts write with inner capitals; the commonest way to split.

    >>> compounds_of(["A DataFrame of NaNs, as DataFrames are."])
    {'dataframe': ('data', 'frame')}
    """
    written: Counter[str] = Counter()
    for text in texts:
        written.update(word for word in _LETTERS.findall(text) if not (word.islower() or word.isupper()))
    ways: dict[str, Counter[tuple[str, ...]]] = {}
    for word, count in written.items():
        parts = _INNER.split(word)
        if len(parts) > 1 and len(word) >= _SHORTEST and min(map(len, parts)) >= _SHORTEST_PART:
            kept = tuple(singular(part.lower()) for part in parts)
            ways.setdefault(singular(word.lower()), Counter())[kept] += count
    return {word: min(ways[word], key=lambda way: (-ways[word][way], way)) for word in sorted(ways)}


@lru_cache(maxsize=1 << 17)  # a corpus says the same words millions of times; the rule costs ten times a look-up
def singular(word: str) -> str:
    """A folded word without its plural ending, by rule.

    >>> [singular(word) for word in ("matrices", "queries", "classes", "axis")]
    ['matrice', 'query', 'class', 'axis']
    """
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word
