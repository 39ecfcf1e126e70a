"""Perturbed queries: one slip of the keyboard, a word of the same company, clauses added, long ones as they are.

Edits are the operators of `harness.hunting.mutations`, one a query, drawn by a generator instead of by hypothesis: a
search looks for the worst that can happen to one query, a stress test for what happens to most.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple
from zlib import crc32

import numpy as np

from harness.hunting.mutations import MUTATIONS
from harness.hunting.mutations_letters import Pick
from harness.hunting.synonyms import Lexicon

__all__ = ["CLAUSES", "LETTERS", "LONG_SHARE", "Perturbed", "added_clauses", "drawn_for", "longest", "synonyms",
           "typos"]

LETTERS = ("neighbour_key", "transposition", "dropped_letter", "doubled_letter", "joined_words")
LONG_SHARE = 0.9  # queries of at least this quantile of lengths are long as they are
CLAUSES = (2, 3)  # clauses appended to a query, from and to
_WORD = re.compile(r"[^\W\d_]{4,}")  # a slip in a shorter word is often another word
_GAP = re.compile(r"\S+\s+(?=(\S+))")  # a word and its gap; the word behind is looked at, and free to begin the next


class Perturbed(NamedTuple):
    """Queries of one kind of perturbation; queries that it leaves as they were are not among them.

    Attributes:
        kind: Its name, the slice that measures read.
        rows: Place of each among the texts, ascending.
        texts: What is asked in the place of each.
        edits: How many edits each took; 0 where the text is asked as it is.
        lost: The text without the words that were edited, where edits have a place: what is left to a system that
            cannot read them. "" where nothing is left, None where nothing was tried.
    """

    kind: str
    rows: tuple[int, ...]
    texts: tuple[str, ...]
    edits: tuple[int, ...]
    lost: tuple[str, ...] | None = None


class _Slip(NamedTuple):
    text: str
    lost: str


def typos(texts: Sequence[str], operator: str, *, rng: np.random.Generator) -> Perturbed:
    """One slip a query, in a word of four letters or more where the query has one.

    Args:
        texts: (n,) plain queries.
        operator: A name in LETTERS.
        rng: Draws word and slip.

    >>> found = typos(["sort the rows"], "transposition", rng=np.random.default_rng(0))
    >>> found.texts, found.lost
    (('sort the rwos',), ('sort the',))
    """
    edit = MUTATIONS[operator].edit
    pick = _picking(rng)

    def slip(text: str) -> _Slip:
        places = [(one.start(), one.end(1)) for one in _GAP.finditer(text)] if operator == "joined_words" else [
            one.span() for one in _WORD.finditer(text)]
        start, end = places[pick(len(places))] if places else (0, len(text))
        return _Slip(text[:start] + edit(text[start:end], pick, Lexicon()) + text[end:],
                     " ".join((text[:start] + " " + text[end:]).split()))

    return _kept(f"typo={operator}", texts, slip)


def synonyms(texts: Sequence[str], lexicon: Lexicon, *, rng: np.random.Generator) -> Perturbed:
    """One word a query gives way to one that the corpus uses in the same company.

    >>> lexicon = Lexicon({"rows": ("lines",)}, ())
    >>> synonyms(["sort rows", "sort all"], lexicon, rng=np.random.default_rng(0)).texts
    ('sort lines',)
    """
    pick = _picking(rng)

    def other(text: str) -> _Slip:
        made = MUTATIONS["synonym"].edit(text, pick, lexicon)
        changed = [word for word, now in zip(text.split(), made.split(), strict=False) if word == now]
        return _Slip(made, " ".join(changed))

    return _kept("synonym", texts, other)


def added_clauses(texts: Sequence[str], lexicon: Lexicon, *, rng: np.random.Generator) -> Perturbed:
    """Two or three clauses of the corpus are added to each query.

    >>> made = added_clauses(["sort"], Lexicon({}, ("in a table",)), rng=np.random.default_rng(1))
    >>> made.texts, made.edits
    (('sort in a table in a table',), (2,))
    """
    pick, asked = _picking(rng), list[str]()
    many = rng.integers(CLAUSES[0], CLAUSES[1] + 1, size=len(texts)).tolist()
    for text, times in zip(texts, many, strict=True):
        asked.append(text)
        for _ in range(times):
            asked[-1] = MUTATIONS["appended_clause"].edit(asked[-1], pick, lexicon)
    rows = tuple(row for row, text in enumerate(asked) if text != texts[row])
    return Perturbed("long=appended", rows, tuple(asked[row] for row in rows), tuple(many[row] for row in rows))


def longest(texts: Sequence[str]) -> Perturbed:
    """The queries at and above the 90th percentile of length in words, as they are.

    >>> longest(["one", "two words", "and three words"]).texts
    ('and three words',)
    """
    lengths = np.array([len(text.split()) for text in texts])
    cut = np.quantile(lengths, LONG_SHARE, method="higher") if len(texts) else 0
    rows = tuple(np.flatnonzero(lengths >= cut).tolist())
    return Perturbed("long=own", rows, tuple(texts[row] for row in rows), (0,) * len(rows))


def drawn_for(base: int, *names: str) -> np.random.Generator:
    """A generator of its own for each name: what is drawn for one kind does not hang on which others are asked for.

    >>> one, two = drawn_for(7, "synonym"), drawn_for(7, "synonym")
    >>> bool(one.integers(1000) == two.integers(1000))
    True
    """
    return np.random.default_rng([base, *(crc32(name.encode()) for name in names)])


def _kept(kind: str, texts: Sequence[str], edit: Callable[[str], _Slip]) -> Perturbed:
    made = [edit(text) for text in texts]
    rows = tuple(row for row, one in enumerate(made) if one.text != texts[row])
    return Perturbed(kind, rows, tuple(made[row].text for row in rows), (1,) * len(rows),
                     tuple(made[row].lost for row in rows))


def _picking(rng: np.random.Generator) -> Pick:
    return lambda n: int(rng.integers(n))
