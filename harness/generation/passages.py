"""Documents cut into passages: each described entry and each paragraph on its own, short enough to be shown."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from harness.data.bodies import body_of, fetch_body, store_body
from harness.data.corpus import Corpus, Document
from harness.data.entries import cleaned, entries
from harness.data.pydocs.sections import parse
from harness.data.store import sha256_bytes
from harness.errors import InputError, nearest
from harness.generation.shapes import Passage

__all__ = ["Offer", "Passages", "chunks", "passages_of", "sentences"]

_NAME = "passages"
_WORD = re.compile(r"\w+")
_LEAST = 3  # words of a paragraph: less is a label of what is not shown
_DESCRIBED = frozenset({"attributes", "keyword arguments", "other parameters", "parameters", "raises", "receives",
                        "returns", "warns", "yields"})
_END = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!cf\.)(?<!etc\.)(?<!vs\.)(?<!al\.)\s+(?=[A-Z`*(\"'])")


class Offer(NamedTuple):
    """What a document has to say: the position of a passage, and under which section and field it says it."""

    row: int
    section: str
    field: str


@dataclass(frozen=True, eq=False)
class Passages:
    r"""The passages of a corpus, documents in its order, each document's in the order of its text.

    Attributes:
        all: What can be shown, each text once as far as it is known to be.
        removed: (passage without its text, id of the one in `all` that says the same) for every near-duplicate that
            was taken out: its document still offers what it said, in the words of the one that was kept.

    >>> from harness.data.corpus import Document
    >>> text = "np sum\n\nAdd things up.\n\nParameters\n----------\n\nx : int\n    What is added."
    >>> made = passages_of(Corpus.of("c", [Document("np.sum", "np sum", "Add.", text, "np", "np")]), chunk_words=80)
    >>> [(one.id, one.field, one.text, one.prefix) for one in made.all][-1]
    ('np.sum#0001', 'x', 'What is added.', 'np · sum · Parameters · x : int')
    """

    all: tuple[Passage, ...]
    removed: tuple[tuple[Passage, str], ...] = ()

    def __post_init__(self) -> None:
        ids = {one.id for one in self.all} | {one.id for one, _ in self.removed}
        repeated = len(self.all) + len(self.removed) - len(ids)
        if repeated:
            raise InputError("passage ids are repeated", where="passages", expected="each id once", found=repeated)
        for one, kept in self.removed:
            if kept not in self._places:
                raise InputError("kept for a passage that is not there", where="passages", found=kept,
                                 expected=f"what stands for {one.id}", hint=nearest(kept, self._places))

    def __len__(self) -> int:
        return len(self.all)

    def of(self, place: int) -> tuple[Offer, ...]:
        """What the document at `place` offers, its own passages first; nothing where it has none."""
        return self._offers.get(place, ())

    def documents(self, passage_id: str) -> frozenset[str]:
        """Ids of all documents that say this passage: its own, and those of the near-duplicates it was kept for."""
        return frozenset({self.at(passage_id).doc, *self._says.get(passage_id, ())})

    def at(self, passage_id: str) -> Passage:
        """The passage of that id; `InputError` with the nearest id where there is none."""
        place = self._places.get(passage_id)
        if place is None:
            hint = nearest(passage_id, self._places)
            raise InputError("no such passage", where="passages", found=passage_id, hint=hint)
        return self.all[place]

    def without(self, kept_for: Mapping[str, str]) -> Passages:
        """The passages less the keys of `kept_for`, removed id → id of the near-duplicate that is kept for it."""
        held = tuple(one for one in self.all if one.id not in kept_for)
        gone = tuple((replace(one, text=""), kept_for[one.id]) for one in self.all if one.id in kept_for)
        return Passages(held, (*self.removed, *gone))

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) over the canonical JSON of all passages."""
        return sha256_bytes(self._body())

    def save(self, folder: str | Path) -> None:
        """Write `passages.json` and, last, its header; equal passages give equal bytes."""
        store_body(Path(folder), _NAME, self._body(), f"{_NAME}.header", {"passages": len(self)})

    @classmethod
    def load(cls, folder: str | Path) -> Passages:
        """Read what `save` wrote; `InputError` where it is missing, torn or changed."""
        def parse(_: object, body: Mapping[str, list[Any]]) -> Passages:
            return cls(tuple(Passage(*row) for row in body["all"]),
                       tuple((Passage(*row), kept) for row, kept in body["removed"]))

        return fetch_body(Path(folder), _NAME, f"{_NAME}.header", parse)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {one.id: place for place, one in enumerate(self.all)}

    @cached_property
    def _offers(self) -> dict[int, tuple[Offer, ...]]:
        found: dict[int, list[Offer]] = defaultdict(list)
        for row, one in enumerate(self.all):
            found[one.place].append(Offer(row, one.section, one.field))
        for one, kept in self.removed:
            found[one.place].append(Offer(self._places[kept], one.section, one.field))
        return {place: tuple(offers) for place, offers in found.items()}

    @cached_property
    def _says(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = defaultdict(list)
        for one, kept in self.removed:
            found[kept].append(one.doc)
        return found

    def _body(self) -> bytes:
        gone = [[list(astuple(one)), kept] for one, kept in self.removed]
        return body_of({"all": [list(astuple(one)) for one in self.all], "removed": gone}, where="passages")


def passages_of(corpus: Corpus, *, chunk_words: int) -> Passages:
    """Cut every document: entries of numpydoc sections, and paragraphs, each into pieces of at most `chunk_words`.

    Raises:
        InputError: `chunk_words` is below 1, or no document has a word to show.
    """
    if chunk_words < 1:
        raise InputError("option out of range", where="passages", column="chunk_words", expected="at least 1",
                         found=chunk_words)
    made = Passages(tuple(passage for place, document in enumerate(corpus.documents)
                          for passage in _cut(document, place, chunk_words)))
    if not len(made):
        raise InputError("nothing to cut", where=f"corpus {corpus.name}", expected="documents with text")
    return made


def sentences(text: str) -> list[str]:
    """Sentences of one-line prose; abbreviations end none.

    >>> sentences("Use it, e.g. Here. Then (always) stop. Now.")
    ['Use it, e.g. Here.', 'Then (always) stop.', 'Now.']
    """
    return [one for one in _END.split(text) if one]


def chunks(text: str, *, most: int) -> list[str]:
    """Pieces of at most `most` words, broken between sentences where that can be, within one where it is longer.

    >>> chunks("One two. Three four five. Six.", most=3)
    ['One two.', 'Three four five.', 'Six.']
    """
    pieces: list[list[str]] = []
    for sentence in sentences(text):
        words = sentence.split()
        if pieces and len(pieces[-1]) + len(words) <= most:
            pieces[-1] += words
        else:
            pieces += [words[start : start + most] for start in range(0, len(words), most)]
    return [" ".join(piece) for piece in pieces]


def _cut(document: Document, place: int, most: int) -> Iterator[Passage]:
    head = [document.package, document.title.removeprefix(f"{document.package} ")]
    pieces = ((section, field, kind, piece) for section, field, kind, text in _parts(document)
              for piece in chunks(text, most=most) if any(letter.isalnum() for letter in piece))
    for number, (section, field, kind, piece) in enumerate(pieces):
        named = f"{field} : {kind}" if field and kind else field or kind
        prefix = " · ".join(part for part in (*head, section.capitalize(), named) if part)
        name = f"{document.id}#{number:04d}"
        yield Passage(name, document.id, place, section, field, prefix, piece, document.package)


def _parts(document: Document) -> Iterator[tuple[str, str, str, str]]:
    """(section, field, type, prose) of a document, in order."""
    found = parse(document.text.removeprefix(document.title).lstrip("\n"))
    yield "summary", "", "", cleaned(found.summary)
    yield from _prose("summary", found.extended)
    for section, text in found.sections:
        described = [one for one in entries(text) if one.names or one.text] if section in _DESCRIBED else []
        if any(one.text for one in described):
            for one in described:
                yield section, ", ".join(one.names), one.kind, one.text
        else:
            yield from _prose(section, text)


def _prose(section: str, text: str) -> Iterator[tuple[str, str, str, str]]:
    """Paragraphs of `_LEAST` words or more; one that leads up to code or a table, which are not shown, goes too."""
    parts = [cleaned(part) for part in re.split(r"\n[ \t]*\n", text) if part.strip()]
    for part, after in pairwise([*parts, ""]):
        if len(_WORD.findall(part)) >= _LEAST and (after or not part.endswith(":")):
            yield section, "", "", part
