"""Text as it is indexed and asked: repairs, words, sentences, and cutting a sentence whatever its line breaks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from harness.data.pydocs.sections import Docstring

__all__ = ["body", "content_words", "cut", "prose_sentences", "repaired", "squash", "words"]

_LEFT_OUT = frozenset({"methods", "references", "see also"})
_SET = re.compile(r"\{('[^'{}\n]*'(?:,\s*'[^'{}\n]*')+)\}")
_DRAWN = re.compile(r"^>>> X\.sample\(", re.MULTILINE)
_NUMBER = re.compile(r"-?\d+\.\d+(?:e[-+]?\d+)?")
_WORD = re.compile(r"[a-z]+|\d+")
_END = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!cf\.)(?<!etc\.)(?<!vs\.)(?<!al\.)\s+(?=[A-Z`*])")
_PARAGRAPHS = re.compile(r"(\n[ \t]*\n)")
_QUOTED = re.compile(r"`+[^`]*`+")
_NOT_PROSE = re.compile(r"^\s*(?:>>>|\.\.|[-*+•|]\s|\d+[.)]\s|:\w+|=+|\+[-=])")
_STOP = frozenset(re.findall(r"\w+", """
    a all an and any are as at be between but by can each either for from given has have if in instead into is it its
    like may more new not of on one only or other out over per same so such than that the their them then these they
    this to two up use used using via was when where whether which while with within without you
"""))


def repaired(doc: str) -> str:
    """The docstring without what changes from run to run: sets in hash order, samples drawn unseeded at import.

    Halves of surrogate pairs, which no file can hold, become question marks.

    >>> repaired("one of {'b', 'a'}")
    "one of {'a', 'b'}"
    """
    doc = doc.encode("utf-8", "replace").decode()
    doc = _SET.sub(lambda found: "{" + ", ".join(sorted(re.split(r",\s*", found[1]))) + "}", doc)
    return _without_draws(doc) if _DRAWN.search(doc) else doc


def _without_draws(doc: str) -> str:
    """Keep the prose of the Examples, drop code and output, and the numbers that the prose quotes from them."""
    head, rule, examples = doc.partition("\nExamples\n--------\n")
    paragraphs = [part for part in re.split(r"\n\s*\n", examples) if not part.lstrip().startswith(">>>")]
    return head + rule + _NUMBER.sub("", "\n\n".join(paragraphs))


def body(found: Docstring) -> str:
    """Summary, extended summary and sections as indexed; See Also, References and Methods are left out."""
    kept = [text for name, text in found.sections if name not in _LEFT_OUT]
    return "\n\n".join(part for part in (found.summary, found.extended, *kept) if part.strip())


def words(text: str) -> list[str]:
    """Lower-case runs of letters, and runs of digits; underscores and punctuation part words.

    >>> words("Compute the 2-D log_gamma.")
    ['compute', 'the', '2', 'd', 'log', 'gamma']
    """
    return _WORD.findall(text.lower())


def content_words(text: str) -> frozenset[str]:
    """Words of three letters or more that are no stop words, a plural s taken off.

    >>> sorted(content_words("Return the eigenvalues of a matrix."))
    ['eigenvalue', 'matrix', 'return']
    """
    return frozenset(_singular(word) for word in words(text) if len(word) >= 3 and word not in _STOP)


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def prose_sentences(text: str) -> Iterator[str]:
    """Sentences of the paragraphs that are plain prose: no code, directives, lists or tables; white space as spaces."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        lines = paragraph.splitlines()
        if lines and not any(_NOT_PROSE.match(line) for line in lines) and not lines[0][:1].isspace():
            yield from (sentence for sentence in _END.split(" ".join(paragraph.split())) if sentence[-1:] in ".!?")


def squash(text: str) -> str:
    r"""Lower case without white space and without quoted names: what sentences are compared by, so templates are equal.

    >>> squash("An instance of\n`norm`.") == squash("An instance of `beta`.") == "aninstanceof."
    True
    """
    return "".join(_QUOTED.sub("", text).lower().split())


def cut(text: str, sentence: str) -> str:
    r"""The text without the sentence, wherever its lines break; a paragraph that loses one becomes one line.

    >>> cut("Head.\n\nOne two\nthree. Four.", "One two three.")
    'Head.\n\nFour.'
    """
    parts = _PARAGRAPHS.split(text)
    for row, part in enumerate(parts):
        flat = " ".join(part.split())
        if sentence in flat:
            parts[row] = " ".join(flat.replace(sentence, " ").split())
    return "".join(parts)
