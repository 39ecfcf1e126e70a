"""What a property of a release is, and the comparisons that all of them share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from harness.hunting.drawing import whole
from harness.hunting.relations_surface import Surface
from harness.retrieval.protocols import Codes, Vectors

__all__ = ["NEAR", "Draw", "Property", "query", "said", "same_but_ties", "same_hits"]

NEAR = 1e-5  # a product of float32 vectors may differ by this with the size of the batch: nearer scores are ties
Draw = Callable[[st.SearchStrategy[int]], int]


def said(surface: Surface, drawn: Sequence[int]) -> str:
    """A counterexample in words: its draws, and the query that the first of them chose."""
    return f"draws {list(drawn)}, query {surface.texts[drawn[0] % len(surface.texts)]!r}"


@dataclass(frozen=True)
class Property:
    """A sentence that must hold for every draw, and how to spoil a surface so that it does not.

    Attributes:
        claim: The sentence.
        holds: Whether it holds for what is drawn; the first draw chooses the query.
        spoilt: Surface → its twin, for which the search must find a counterexample.
        twin: What is wrong with the twin, in words.
        meaning: What is compared exactly: depth, ties, tolerance.
        shown: How a counterexample is told.
        examples: The most examples that are tried, where one costs more than a few searches.
    """

    claim: str
    holds: Callable[[Surface, Draw], bool]
    spoilt: Callable[[Surface], Surface]
    twin: str
    meaning: str
    shown: Callable[[Surface, Sequence[int]], str] = said
    examples: int | None = None


def query(surface: Surface, draw: Draw) -> str:
    """One of the surface's queries."""
    return surface.texts[draw(whole(0, len(surface.texts) - 1))]


def same_hits(one: tuple[Codes, Vectors], other: tuple[Codes, Vectors]) -> bool:
    """Whether the first rows of two answers are the same: scores within NEAR, order the same but among near scores."""
    return bool(np.allclose(one[1][0], other[1][0], rtol=0.0, atol=NEAR)) and same_but_ties(one, other)


def same_but_ties(one: tuple[Codes, Vectors], other: tuple[Codes, Vectors]) -> bool:
    """Whether two first rows differ only where a score has another within NEAR beside it, or at the cut."""
    moved = one[0][0] != other[0][0]
    scores = np.maximum(one[1][0], np.float32(-1e30))  # the end of a short list is no number to subtract
    near = np.minimum(np.abs(np.diff(scores, prepend=np.inf)), np.abs(np.diff(scores, append=-np.inf))) < NEAR
    return bool((~moved | near)[:-1].all())
