"""What every system on trial sees: documents, tasks (queries with judgements), and the world that joins them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.data.answers import Golds
from harness.data.bodies import body_of, fetch_body, store_body
from harness.data.canonical import canonical_json, digest_of
from harness.data.store import sha256_bytes
from harness.data.task import FIT, JUDGE, Task, ascending
from harness.errors import InputError, nearest

__all__ = ["FIT", "JUDGE", "Corpus", "Document", "Task", "World"]


@dataclass(frozen=True)
class Document:
    """One text to be found. `title`: the words of its path; `text`: all that is indexed; `module` within `package`."""

    id: str
    title: str
    summary: str
    text: str
    module: str
    package: str


@dataclass(frozen=True, eq=False)
class Corpus:
    """Documents in ascending id order; `versions` of what they were read from.

    >>> documents = [Document("b", "b", "B.", "b B.", "m", "p"), Document("a", "a", "A.", "a A.", "m", "p")]
    >>> corpus = Corpus.of("two", documents)
    >>> corpus.ids, corpus.position("b")
    (('a', 'b'), 1)
    """

    name: str
    documents: tuple[Document, ...]
    versions: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ascending(self.ids, f"corpus {self.name}", "document id")

    @classmethod
    def of(cls, name: str, documents: Iterable[Document], versions: dict[str, str] | None = None) -> Corpus:
        """Put documents in order; an empty or repeated id is an `InputError`."""
        return cls(name, tuple(sorted(documents, key=lambda document: document.id)), dict(versions or {}))

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Document ids, ascending: the id at each position."""
        return tuple(document.id for document in self.documents)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.ids)}

    def position(self, doc_id: str) -> int:
        """Where a document stands, from 0; an unknown id is an `InputError` that names the nearest."""
        place = self._places.get(doc_id)
        if place is None:
            hint = nearest(doc_id, self.ids)
            raise InputError("no such document", where=f"corpus {self.name}", found=doc_id, hint=hint)
        return place

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) over the canonical JSON of the documents; name and versions stand beside it, not in it."""
        return sha256_bytes(self._body())

    def save(self, folder: str | Path) -> None:
        """Write `documents.json` and, last, its header `corpus.json`; equal corpora give equal bytes."""
        store_body(Path(folder), "documents", self._body(), "corpus", {"name": self.name, "versions": self.versions})

    @classmethod
    def load(cls, folder: str | Path) -> Corpus:
        """Read what `save` wrote; `InputError` where it is missing, torn or changed."""
        def parse(header: dict[str, Any], rows: list[list[str]]) -> Corpus:
            return cls(header["name"], tuple(Document(*row) for row in rows), dict(header["versions"]))

        return fetch_body(Path(folder), "documents", "corpus", parse)

    def _body(self) -> bytes:
        rows = [[d.id, d.title, d.summary, d.text, d.module, d.package] for d in self.documents]
        return body_of(rows, where=f"corpus {self.name}")

    def __len__(self) -> int:
        return len(self.documents)


@dataclass(frozen=True, eq=False)
class World:
    """A corpus with its tasks, the `facts` counted while it was made, and gold `answers` where questions have any."""

    corpus: Corpus
    tasks: dict[str, Task]
    facts: dict[str, int] = field(default_factory=dict)
    answers: Golds | None = None

    def __post_init__(self) -> None:
        for name, task in self.tasks.items():
            removed = task.removed
            if removed.size and not -1 <= removed.min() <= removed.max() < len(self.corpus):
                found = (int(removed.min()), int(removed.max()))
                raise InputError("position outside the corpus", where=f"task {name}", column="own or contexts",
                                 expected=f"-1 to {len(self.corpus) - 1}", found=found)
        asked = {query for task in self.tasks.values() for query in task.query_ids}
        for query in self.answers.query_ids if self.answers is not None else ():
            if query not in asked:
                raise InputError("answer to an unknown question", where=f"corpus {self.corpus.name}", found=query,
                                 hint=nearest(query, asked))

    @property
    def versions(self) -> dict[str, str]:
        """Package → version that the corpus was read from."""
        return self.corpus.versions

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) over the digests of corpus and tasks, and of the answers where there are any."""
        answers = [] if self.answers is None else [self.answers.digest]
        return digest_of([self.corpus.digest, {name: task.digest for name, task in self.tasks.items()}, *answers])

    def task(self, name: str) -> Task:
        """The task of that name; `InputError` with the nearest name otherwise."""
        if name not in self.tasks:
            raise InputError("no such task", where=f"corpus {self.corpus.name}", expected=", ".join(sorted(self.tasks)),
                             found=name, hint=nearest(name, self.tasks))
        return self.tasks[name]

    def save(self, folder: str | Path) -> None:
        """Write corpus and tasks under `folder`, and the list of them last."""
        place = Path(folder)
        self.corpus.save(place)
        for task in self.tasks.values():
            task.save(place / "tasks")
        listed: dict[str, Any] = {"tasks": list(self.tasks), "facts": self.facts, "digest": self.digest}
        if self.answers is not None:
            self.answers.save(place)
            listed |= {"answers": True}
        body = canonical_json(listed)
        store_body(place, "world", body, "world.header", {"name": self.corpus.name})

    @classmethod
    def load(cls, folder: str | Path) -> World:
        """Read what `save` wrote; parts of two different worlds in one folder are refused."""
        place = Path(folder)
        listed = fetch_body(place, "world", "world.header", lambda _, body: dict(body))
        tasks = {name: Task.load(place / "tasks", name) for name in listed["tasks"]}
        answers = Golds.load(place) if listed.get("answers") else None
        world = cls(Corpus.load(place), tasks, listed["facts"], answers)
        if world.digest != listed["digest"]:
            raise InputError("corpus and tasks are not of one world", where=place, expected=listed["digest"],
                             found=world.digest)
        return world
