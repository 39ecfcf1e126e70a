"""One edit of words or of a text's form: words lost, doubled, replaced, cut off and added, case, white space, form.

The shapes are those of the letters' edits: at most one edit, and the text as it was where there is nothing to edit.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from typing import Literal

from harness.hunting.mutations_letters import Pick
from harness.hunting.synonyms import Lexicon

__all__ = ["appended_clause", "case", "doubled_word", "dropped_word", "normal_form", "synonym", "truncation",
           "white_space"]

_FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")
_BLANKS = ("  ", "\t", "\n", "\u00a0", "\u2003", "\u3000")
_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}  # '!' … '~' and their wide forms of the same NFKC
_WORD = re.compile(r"\S+")


def dropped_word(text: str, pick: Pick) -> str:
    """A word is lost, unless it is the only one.

    >>> dropped_word("sort the rows", lambda n: 1)
    'sort rows'
    """
    spans = _spans(text)
    if len(spans) < 2:
        return text
    which = pick(len(spans))
    if which + 1 < len(spans):
        return text[:spans[which][0]] + text[spans[which + 1][0]:]
    return text[:spans[which - 1][1]] + text[spans[which][1]:]


def doubled_word(text: str, pick: Pick) -> str:
    """A word is written twice.

    >>> doubled_word("sort rows", lambda n: 0)
    'sort sort rows'
    """
    spans = _spans(text)
    if not spans:
        return text
    start, end = spans[pick(len(spans))]
    return f"{text[:end]} {text[start:end]}{text[end:]}"


def truncation(text: str, pick: Pick) -> str:  # noqa: ARG001  the shape that edits share; there is one place to cut
    """The last word is cut off, unless it is the only one.

    >>> truncation("sort the rows", lambda n: 0)
    'sort the'
    """
    spans = _spans(text)
    return text if len(spans) < 2 else text[:spans[-2][1]]


def appended_clause(text: str, pick: Pick, lexicon: Lexicon) -> str:
    """A phrase of the corpus is added at the end; without phrases nothing is.

    >>> appended_clause("sort rows", lambda n: 0, Lexicon({}, ("in a table",)))
    'sort rows in a table'
    """
    if not lexicon.phrases:
        return text
    return f"{text} {lexicon.phrases[pick(len(lexicon.phrases))]}"


def synonym(text: str, pick: Pick, lexicon: Lexicon) -> str:
    """A word gives way to one that the corpus uses in the same company; without such words nothing changes.

    >>> synonym("Sort rows", lambda n: 0, Lexicon({"rows": ("lines",)}, ()))
    'Sort lines'
    """
    places = [(start, end) for start, end in _spans(text) if lexicon.synonyms.get(text[start:end].lower())]
    if not places:
        return text
    start, end = places[pick(len(places))]
    others = lexicon.synonyms[text[start:end].lower()]
    return text[:start] + others[pick(len(others))] + text[end:]


def case(text: str, pick: Pick) -> str:
    """A word is written large, small, or with its letters' case turned round.

    >>> [case("Sort rows", lambda n, way=way: min(way, n - 1) if n == 4 else 0) for way in range(4)]
    ['SORT rows', 'sort rows', 'sORT rows', 'Sort rows']
    """
    spans = _spans(text)
    if not spans:
        return text
    start, end = spans[pick(len(spans))]
    word = text[start:end]
    return text[:start] + (word.upper(), word.lower(), word.swapcase(), word.capitalize())[pick(4)] + text[end:]


def white_space(text: str, pick: Pick) -> str:
    r"""A gap between words, or one of the ends, gets other white space: more of it, a tab, a line, a wide blank.

    >>> white_space("sort rows", lambda n: 0), white_space("sort rows", lambda n: 1)
    ('  sort rows', 'sort\trows')
    """
    spans = _spans(text)
    if not spans:
        return text
    gaps = [(0, spans[0][0]), *((one[1], two[0]) for one, two in itertools.pairwise(spans)),
            (spans[-1][1], len(text))]
    start, end = gaps[pick(len(gaps))]
    return text[:start] + _BLANKS[pick(len(_BLANKS))] + text[end:]


def normal_form(text: str, pick: Pick) -> str:
    r"""The same text in another of Unicode's forms: one of the four normal forms, or one word in wide letters.

    All have the same NFKD: to a reader they are one text.

    >>> normal_form("naïve", lambda n: 0) == "nai\u0308ve", normal_form("rows", lambda n: n - 1)
    (True, 'ｒｏｗｓ')
    """
    forms = [form for form in _FORMS if unicodedata.normalize(form, text) != text]  # plain ASCII is in all four
    spans = [span for span in _spans(text) if text[slice(*span)].translate(_FULL_WIDTH) != text[slice(*span)]]
    if not forms + spans:
        return text
    which = pick(len(forms) + len(spans))
    if which < len(forms):
        return unicodedata.normalize(forms[which], text)
    start, end = spans[which - len(forms)]
    return text[:start] + text[start:end].translate(_FULL_WIDTH) + text[end:]


def _spans(text: str) -> list[tuple[int, int]]:
    return [found.span() for found in _WORD.finditer(text)]
