"""Answers beside what their authors wrote, and beside the passages that they cite: tokens in, one value a question out.

Precision, recall and F1 count tokens in common with the gold answer after SQuAD's normalisation: lower case, without
punctuation, without articles (Rajpurkar et al., EMNLP 2016; the official script's `f1_score`). Before it, both sides
are brought to one Unicode form; ASCII stays as SQuAD has it, bit for bit. Faithfulness is the
share of an answer's content tokens that the cited passages say, sentence by sentence, each sentence held to the one
passage that says most of it. It sees invented words, names and numbers; it is blind to what is denied, reordered, or
put together of true words (docs/answers.md).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from unicodedata import category, normalize

import numpy as np

from harness.errors import InputError
from harness.records import Floats

__all__ = ["FUNCTION_WORDS", "Overlaps", "content_tokens", "faithfulness", "normal_tokens", "overlaps", "sentences"]

FUNCTION_WORDS = frozenset(re.findall(r"\w+", """
    about after all also am and any are as at be because been before being both but by can could did do does doing
    during each few for from further had has have having he her here his how i if in into is it its itself may me
    might more most must my of on once only or other our out over own same shall she should so some such than that
    their them then there these they this those through to too under until up upon us very was we were what when
    where which while who whom why will with would you your"""))  # not, no, never, without carry content
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]*[A-Z0-9`])|\n+")


class Overlaps(NamedTuple):
    """(n,) token precision, recall and F1 of n answers, each in [0, 1].

    >>> found = overlaps(["The axis."], [["axis"]])
    >>> float(found.f1[0])
    1.0
    """

    precision: Floats
    recall: Floats
    f1: Floats


def normal_tokens(text: str) -> list[str]:
    """SQuAD's normalisation: lower case, punctuation gone (not spaced), articles gone, split at white space.

    What is not ASCII is folded first (NFKC, case), loses what nobody sees (zero widths, soft hyphens), and its
    punctuation goes as ASCII's does.

    >>> normal_tokens("The x-axis, a number."), normal_tokens("\u201cＡ ｎｕｍｂｅｒ\u200b\u201d")
    (['xaxis', 'number'], ['number'])
    """
    if not text.isascii():
        shown = "".join(sign for sign in text if category(sign) != "Cf")
        folded = normalize("NFKC", normalize("NFKC", shown).casefold())
        text = "".join(sign for sign in folded if not category(sign).startswith("P"))
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def content_tokens(text: str) -> list[str]:
    """`normal_tokens` without function words; words that deny (not, no, never, without) stay.

    >>> content_tokens("It is not the number of rows.")
    ['not', 'number', 'rows']
    """
    return [token for token in normal_tokens(text) if token not in FUNCTION_WORDS]


def sentences(text: str) -> list[str]:
    """Sentences: a stop, question or exclamation mark before white space and a capital or digit ends one, so do lines.

    >>> sentences("Rows, e.g. of a table. Columns too.")
    ['Rows, e.g. of a table.', 'Columns too.']
    """
    return [one for part in _END.split(text) if (one := part.strip())]


def overlaps(answers: Sequence[str], golds: Sequence[Sequence[str]]) -> Overlaps:
    """Tokens that each answer and its gold answer have in common, counted as often as both say them.

    Args:
        answers: n answers; one without a token scores 0.
        golds: n times one or more answers that would be right; the one of greatest F1 counts, as SQuAD has it.

    Returns:
        Precision: common over the answer's tokens; recall: common over the gold's; F1: their harmonic mean.

    Raises:
        InputError: Lengths that differ, no gold answer, or one without a token: nothing could be right.

    >>> found = overlaps(["the number of rows", ""], [["number of columns"], ["axis"]])
    >>> [[round(float(x), 3) for x in column] for column in found]
    [[0.667, 0.0], [0.667, 0.0], [0.667, 0.0]]
    """
    _same(answers, golds, "gold answers")
    rows = [max((_overlap(normal_tokens(answer), _gold(gold, row)) for gold in some), key=lambda found: found[::-1],
                default=None) for row, (answer, some) in enumerate(zip(answers, golds, strict=True), start=1)]
    for row, found in enumerate(rows, start=1):
        if found is None:
            raise InputError("no gold answer", where="answers", row=row, expected="at least one")
    columns = np.array(rows, dtype=np.float64).reshape(len(rows), 3)
    return Overlaps(columns[:, 0], columns[:, 1], columns[:, 2])


def faithfulness(answers: Sequence[str], cited: Sequence[Sequence[str]]) -> Floats:
    """(n,) share of each answer's content tokens that its cited passages say, in [0, 1].

    A sentence is held to the one cited passage that says most of its distinct tokens: words that lie scattered over
    several passages do not add up. An answer without a content token, or that cites nothing, is 0: nothing was shown.

    Args:
        answers: n answers.
        cited: n times the texts of the passages that the answer cites.

    Raises:
        InputError: Lengths that differ.

    >>> faithfulness(["Counts rows. Sorts columns."], [["It counts the rows.", "A column."]]).tolist()
    [0.5]
    """
    _same(answers, cited, "cited passages")
    return np.array([_faithful(answer, texts) for answer, texts in zip(answers, cited, strict=True)], dtype=np.float64)


def _faithful(answer: str, texts: Sequence[str]) -> float:
    said = [frozenset(content_tokens(text)) for text in texts]
    parts = [content_tokens(sentence) for sentence in sentences(answer)]
    total = sum(map(len, parts))
    if not total or not said:
        return 0.0
    return sum(max(sum(token in one for token in part) for one in said) for part in parts) / total


def _gold(text: str, row: int) -> list[str]:
    found = normal_tokens(text)
    if not found:
        raise InputError("a gold answer without a word", where="answers", row=row, expected="text", found=text)
    return found


def _overlap(answer: Sequence[str], gold: Sequence[str]) -> tuple[float, float, float]:
    common = sum((Counter(answer) & Counter(gold)).values())
    if not common:
        return 0.0, 0.0, 0.0
    precision, recall = common / len(answer), common / len(gold)
    return precision, recall, 2.0 * precision * recall / (precision + recall)


def _same(answers: Sequence[object], others: Sequence[object], what: str) -> None:
    if len(answers) != len(others):
        raise InputError(f"{what} do not go with the answers", where="answers", expected=f"{len(answers)} of them",
                         found=len(others))
