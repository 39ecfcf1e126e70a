"""The leakage guard of few-shots: no question or gold answer that is judged stands in the pool or in a prompt.

A text leaks where, of an evaluation item's question or answer and a text that is shown,

- both are the same after folding (letters and digits alone): `exact`;
- four of five character 5-grams of the shorter stand in the longer: `contained` (Broder's containment, 1997; counted
  exactly, since a pool is small);
- three of four letters survive the least number of edits: `edited` (Levenshtein's distance over the longer's length, by
  RapidFuzz);
- the sets of words are the same, or all letters in ascending order are, whatever their order and the spaces between
  them: `reordered` (sorted, reversed, spelled letter by letter).

Signs that nobody sees are left out; what Unicode's tag characters say unseen is a text of its own. What is said in
other words altogether passes: docs/few-shot.md tells how far each reaches.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple
from unicodedata import category

import numpy as np

from harness.data.spelling import folded
from harness.errors import InputError
from harness.generation.shapes import Shot

__all__ = ["CONTAINED", "EDITED", "GRAM", "Leak", "leaks", "plain"]

GRAM = 5
CONTAINED = 0.8
EDITED = 0.75
_LEAST = 24  # 5-grams: what is shorter stands in any longer text by chance
_ROWS = 2000  # items at a time
_TAGS = 0xE0000  # from here on ASCII stands once more, as signs that nobody sees
_LEAST_LETTERS = 16  # in another order: shorter texts have the same letters by chance
_WORD = re.compile(r"[^\W_]+")


class Leak(NamedTuple):
    """An evaluation item that stands in what is shown: which part of it, in which shot, found how, how much alike."""

    item: str
    part: Literal["question", "answer"]
    shot: str
    how: Literal["exact", "contained", "edited", "reordered"]
    score: float


def plain(text: str) -> str:
    """Letters and digits, folded, single spaces: what is compared.

    >>> plain("The `axis`, along  which\u2026")
    'the axis along which'
    """
    shown = "".join(sign for sign in text if category(sign) != "Cf")  # soft hyphens, zero widths: nobody sees them
    return " ".join(_WORD.findall(folded(shown)))


def leaks(items: Sequence[Shot], held: Sequence[Shot]) -> list[Leak]:
    """Every part of an item that is like a question or an answer that is held, and every shot that it is like.

    Args:
        items: What is judged: id, question, gold answer.
        held: What is shown: shots, or fixed words of a prompt as a question or an answer of their own. Empty texts are
            compared with nothing.

    Raises:
        InputError: Either holds something other than shots.

    >>> leaks([Shot("q", "When does it fail?", "If the axis is out of bounds.")],
    ...       [Shot("s", "What is it?", "When an axis is out of bounds.")])
    [Leak(item='q', part='answer', shot='s', how='edited', score=0.7586206896551724)]
    """
    for one in (*items, *held):
        if not isinstance(one, Shot):
            raise InputError("not a question with its answer", where="few-shot leaks", expected="shots",
                             found=type(one).__name__)
    shown = [(one.id, text) for one in held for part in (one.question, one.answer)
             for text in (plain(part), plain(_tagged(part))) if text]
    found = []
    for start in range(0, len(items) if shown else 0, _ROWS):
        block = items[start : start + _ROWS]
        asked: list[tuple[str, Literal["question", "answer"], str]] = []
        for one in block:
            asked += [(one.id, "question", plain(one.question)), (one.id, "answer", plain(one.answer))]
        found += _block([one for one in asked if one[2]], shown)
    return found


def _block(asked: list[tuple[str, Literal["question", "answer"], str]], shown: list[tuple[str, str]]) -> list[Leak]:
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cdist

    texts, others = [text for _, _, text in asked], [text for _, text in shown]
    within = _containment(texts, others)
    edited = cdist(texts, others, scorer=Levenshtein.normalized_similarity, score_cutoff=EDITED, dtype=np.float64)
    moved = _reordered(texts, others)
    score = np.maximum(np.where(within >= CONTAINED, within, 0.0), edited)
    score = np.where(moved, 1.0, score)
    best: dict[tuple[str, str, str], Leak] = {}
    for row, at in np.argwhere(score > 0.0).tolist():
        item, part, text = asked[row]
        how: Literal["exact", "contained", "edited", "reordered"] = "edited"
        if text == others[at]:
            how = "exact"
        elif moved[row, at]:
            how = "reordered"
        elif within[row, at] >= max(CONTAINED, edited[row, at]):
            how = "contained"
        one = Leak(item, part, shown[at][0], how, float(score[row, at]))
        best[one[:3]] = max(best.get(one[:3], one), one, key=lambda leak: leak.score)
    return list(best.values())


def _tagged(text: str) -> str:
    """What a text says in tag characters (U+E0020 to U+E007E)."""
    return "".join(chr(ord(sign) - _TAGS) for sign in text if 0x20 <= ord(sign) - _TAGS < 0x7F)


def _reordered(texts: list[str], others: list[str]) -> Any:
    """(n, m) whether two texts say the same words, or the same letters, in whatever order."""
    found = np.zeros((len(texts), len(others)), dtype=np.bool_)
    for key in (_words, _letters):
        places: dict[object, list[int]] = {}
        for at, text in enumerate(others):
            places.setdefault(key(text), []).append(at)
        for row, text in enumerate(texts):
            if (same := key(text)) is not None:
                found[row, places.get(same, [])] = True
    return found


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _letters(text: str) -> str | None:
    letters = sorted(text.replace(" ", ""))
    return "".join(letters) if len(letters) >= _LEAST_LETTERS else None


def _containment(texts: list[str], others: list[str]) -> Any:
    """(n, m) share of the shorter's distinct grams that stand in the longer; 0 where the shorter has too few."""
    from scipy.sparse import csr_array

    codes: dict[str, int] = {}
    rows = [[{codes.setdefault(text[at : at + GRAM], len(codes)) for at in range(max(0, len(text) - GRAM + 1))}
             for text in side] for side in (texts, others)]
    sides, sizes = [], []
    for side in rows:
        size = np.array([len(one) for one in side], dtype=np.int64)
        columns = np.fromiter((code for one in side for code in one), dtype=np.int64, count=int(size.sum()))
        sides.append(csr_array((np.ones(len(columns)), columns, np.concatenate([[0], np.cumsum(size)])),
                               shape=(len(side), max(len(codes), 1))))
        sizes.append(size)
    shorter = np.minimum(sizes[0][:, None], sizes[1][None, :])
    shared = (sides[0] @ sides[1].T).toarray()
    return np.where(shorter >= _LEAST, shared / np.maximum(shorter, 1), 0.0)
