"""Words and phrases that a corpus lends to mutations: what else it says in the same company, and how it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["NOTHING", "Lexicon"]


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
