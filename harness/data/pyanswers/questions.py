"""Questions whose answers their documents' authors wrote: what a parameter means, what comes back, when it fails.

A question is the sentence that was cut from the document, and what is asked of it in a wording of few. It never names
the document, and its answer, the description under the entry asked about, stands nowhere in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.data.entries import entries
from harness.data.pydocs.library import Article, Library
from harness.data.pydocs.names import path_words
from harness.data.pydocs.text import squash
from harness.data.splits import keyed

__all__ = ["WORDINGS", "Asked", "names_its_document", "questions_of"]

WORDINGS = {
    "parameter": ("What does the parameter {} mean?", "What should be given as {}?", "What is the argument {} for?",
                  "How is {} to be chosen?"),
    "return": ("What does it return?", "What comes back from the call?", "What is the result of the call?"),
    "raise": ("When does it raise {}?", "What makes it fail with {}?", "In which case is {} raised?"),
}
_SECTIONS = {"parameter": ("parameters", "other parameters"), "return": ("returns", "yields"), "raise": ("raises",)}
_ANSWER = range(4, 121)  # words: less says only a type, more is a chapter
_NAME = re.compile(r"^[A-Za-z_][\w.]*$")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Asked:
    """One question: `id` is its document's; `kind` and `field` what is asked of it; `answer` the authors' words."""

    id: str
    text: str
    kind: str
    field: str
    answer: str


def questions_of(library: Library, sentences: Mapping[str, str], *, seed: int) -> list[Asked]:
    """One question a document that has a sentence, and an entry to be asked about, by ascending id.

    Which kind, entry and wording is drawn by the seed from the document's id alone. Left out are questions that name
    their document, and answers that the question gives away. An entry of several names is asked about by its first.
    """
    asked = []
    for name in sorted(sentences):
        article, offered = library.articles[name], _offered(library.articles[name])
        if not offered:
            continue
        kind = _drawn(sorted(offered), name, "kind", seed)
        field, answer = _drawn(offered[kind], name, "entry", seed)
        text = f"{sentences[name]} {_drawn(WORDINGS[kind], name, 'wording', seed).format(field)}"
        if not names_its_document(text, name) and squash(answer) not in squash(text):
            asked.append(Asked(article.id, text, kind, field, answer))
    return asked


def names_its_document(text: str, name: str) -> bool:
    """Whether the last part of a document's name stands in a text, as written or as the words it is made of.

    >>> names_its_document("What `log_gamma` gives.", "scipy.special.loggamma"), names_its_document("Sum it.", "np.sum")
    (False, True)
    """
    last = name.rpartition(".")[2]
    said = f" {' '.join(re.findall(r'[a-z0-9]+', text.lower()))} "
    return any(f" {' '.join(re.findall(r'[a-z0-9]+', form.lower()))} " in said for form in (last, path_words(last)))


def _offered(article: Article) -> dict[str, list[tuple[str, str]]]:
    """Kind → (field, answer) of what can be asked about; a call returns all that stands under Returns, together."""
    offered: dict[str, list[tuple[str, str]]] = {}
    for kind, sections in _SECTIONS.items():
        found = [one for section in sections for one in entries(article.parsed.section(section))]
        if kind == "return":
            answers = [("", " ".join(one.text for one in found if one.text))]
        else:
            answers = [(one.names[0], one.text) for one in found if one.names and _NAME.match(one.names[0])]
        fit = [(field, answer) for field, answer in answers if len(answer.split()) in _ANSWER]
        if fit:
            offered[kind] = fit
    return offered


def _drawn(among: Sequence[Item], name: str, what: str, seed: int) -> Item:
    return among[keyed(f"{name} {what}", seed=seed) % len(among)]
