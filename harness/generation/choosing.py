"""Which passages a reader is shown: those of the best documents that speak of what is asked, no document too often.

A passage is scored by its document's rank, by whether it describes a name that the question asks about, by whether it
stands in the section that answers such questions, and by BM25 over the passages' own words. Contextual prefixes are
not read here: they belong to vectors and prompts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import log2

import numpy as np

from harness.errors import InputError
from harness.generation.passages import Passages
from harness.generation.shapes import Passage
from harness.retrieval.bm25 import Bm25

__all__ = ["Chooser", "Weights", "asked_of", "word_index"]

_IDENTIFIER = re.compile(r"[^\W\d]\w*(?:\.\w+)*")
_INTENTS = (  # the first that a question shows; its words, and the sections that answer them
    (re.compile(r"\b(?:rais\w+|fail\w*|errors?|exceptions?)\b", re.IGNORECASE), frozenset({"raises"})),
    (re.compile(r"\b(?:return\w*|results?|outputs?|comes? back|yield\w*)\b", re.IGNORECASE),
     frozenset({"returns", "yields"})),
    (re.compile(r"\b(?:parameters?|arguments?|options?|keywords?|given|chosen|set|pass(?:ed)?)\b", re.IGNORECASE),
     frozenset({"parameters", "other parameters", "keyword arguments"})),
)


@dataclass(frozen=True)
class Weights:
    """What counts how much; chosen on queries to learn from.

    Attributes:
        rank: Taken off for each doubling of the document's rank.
        named: The passage describes a name that the question asks about.
        section: It stands in a section that answers such questions.
        both: Both at once, besides.
        words: For each point of BM25 between question and passage.
    """

    rank: float = 0.5
    named: float = 3.0
    section: float = 2.0
    both: float = 5.0
    words: float = 0.02


def word_index(passages: Passages) -> Bm25:
    """BM25 over the passages' own words, and nothing else of them: no prefix, no name."""
    return Bm25(lead=0, lead_weight=1.0).fit([one.text for one in passages.all])


def asked_of(question: str) -> tuple[frozenset[str], frozenset[str]]:
    """Names that may be asked about, and sections that would answer: both read off the last sentence alone.

    >>> names, sections = asked_of("Sums the rows. What does the parameter axis mean?")
    >>> "axis" in names, "rows" in names, sorted(sections)
    (True, False, ['keyword arguments', 'other parameters', 'parameters'])
    """
    last = re.split(r"(?<=[.!?])\s+", question.strip())[-1]
    sections = next((sections for cue, sections in _INTENTS if cue.search(last)), frozenset[str]())
    return frozenset(_IDENTIFIER.findall(last)), sections


@dataclass(frozen=True, eq=False)
class Chooser:
    """Chooses among the passages of the documents that were found.

    Attributes:
        passages: All that there are.
        words: Their `word_index`.
        documents: Documents that are considered, the best first.
        shown: Passages that are chosen, at most.
        per_document: Of one document, at most.
        weights: What counts how much.
        budget: Tokens of all chosen passages together, at most, as `count` counts them; what does not fit is left out
            for the next that does.

    Raises:
        InputError: An option below 1, or an index of other passages.
    """

    passages: Passages
    words: Bm25
    documents: int = 20
    shown: int = 5
    per_document: int = 1
    weights: Weights = field(default_factory=Weights)
    budget: int | None = None
    count: Callable[[str], int] = lambda text: len(text.split())

    def __post_init__(self) -> None:
        if min(self.documents, self.shown, self.per_document, self.budget or 1) < 1:
            raise InputError("option out of range", where="choosing", expected="at least 1",
                             found=(self.documents, self.shown, self.per_document, self.budget))
        if self.words.size != len(self.passages):
            raise InputError("the index is of other passages", where="choosing", expected=str(len(self.passages)),
                             found=self.words.size)

    def choose(self, question: str, documents: Sequence[int]) -> tuple[Passage, ...]:
        """The passages to show, best first, for documents (positions in the corpus) in the order they were ranked.

        Ties go to the better ranked document, then to the earlier passage; no documents, no passages.
        """
        chosen: list[Passage] = []
        taken: Counter[int] = Counter()
        seen: set[int] = set()
        room = self.budget
        for _, document, row in sorted(self._scored(question, documents)):
            if row in seen or taken[document] >= self.per_document:
                continue
            passage = self.passages.all[row]
            cost = 0 if room is None else self.count(passage.text)
            if room is not None and cost > room:
                continue
            room = None if room is None else room - cost
            chosen.append(passage)
            seen.add(row)
            taken[document] += 1
            if len(chosen) == self.shown:
                break
        return tuple(chosen)

    def _scored(self, question: str, documents: Sequence[int]) -> list[tuple[float, int, int]]:
        """(negative score, rank of the document from 0, row of the passage) of all that is considered."""
        names, sections = asked_of(question)
        weights, found = self.weights, []
        offers = [(rank, offer) for rank, place in enumerate(list(documents)[: self.documents])
                  for offer in self.passages.of(int(place))]
        said = self.words.scores(question, np.array([offer.row for _, offer in offers], dtype=np.int64))
        for (rank, offer), words in zip(offers, said.tolist(), strict=True):
            named = not names.isdisjoint(part.strip("*` ") for part in offer.field.split(","))
            there = offer.section in sections
            score = (weights.named * named + weights.section * there + weights.both * (named and there)
                     + weights.words * words - weights.rank * log2(rank + 1))
            found.append((-score, rank, offer.row))
        return found
