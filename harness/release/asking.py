"""One question through all of a release: found, reranked, passages chosen, read; every stage timed."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from harness.data.corpus import World
from harness.errors import InputError
from harness.generation.choosing import Chooser, word_index
from harness.generation.extractive import ExtractiveReader
from harness.generation.passages import Passages
from harness.generation.prompts import count_tokens
from harness.generation.shapes import Passage, Reader, Reply, Shot
from harness.release.live import LiveRelease
from harness.release.manifest import Manifest
from harness.release.reader_parts import ReaderPart
from harness.release.readying import PASSAGES, shots_of

__all__ = ["Asked", "Asking", "reader_of"]

Shots = Callable[[str], Sequence[Shot]]


class Asked(NamedTuple):
    """What became of one question.

    Attributes:
        pool: Positions of the documents that the first stage found, best first, before any filter and reranker.
        documents: Positions of the documents whose passages were considered, best first.
        passages: What the reader was shown, best first.
        reply: What it answered.
        embedding_ms: The question's vector.
        total_ms: From question to answer: the sum of what each stage took, without waiting for a turn at a model.
    """

    pool: tuple[int, ...]
    documents: tuple[int, ...]
    passages: tuple[Passage, ...]
    reply: Reply
    embedding_ms: float
    total_ms: float


@dataclass(frozen=True, eq=False)
class Asking:
    """A release that answers: what finds, what chooses, what reads.

    Attributes:
        live: First and second stage.
        chooser: Chooses passages of the best documents.
        reader: Answers from them.
        part: The manifest's options of all that.
        shots: Few-shot examples of a question; none where there are none.
    """

    live: LiveRelease
    chooser: Chooser
    reader: Reader
    part: ReaderPart
    shots: Shots = lambda _: ()

    @classmethod
    def load(cls, manifest: Manifest, world: World, folders: Mapping[str, Path]) -> Asking:
        """Load every stage from its frozen folder, `passages` among them. Raises InputError without a reader."""
        return cls.of(LiveRelease.load(manifest, world, folders), manifest, folders)

    @classmethod
    def of(cls, live: LiveRelease, manifest: Manifest, folders: Mapping[str, Path], *, reader: Reader | None = None
           ) -> Asking:
        """The same around stages that are loaded already; `reader` instead of the manifest's."""
        part = None if manifest.parts is None else manifest.parts.reader
        if part is None or PASSAGES not in folders:
            raise InputError("nothing answers", where=manifest.release, column="parts.reader", found=None,
                             expected="a reader, for a policy that measures answers")
        passages = Passages.load(folders[PASSAGES])
        chooser = Chooser(passages, word_index(passages), documents=part.documents, shown=part.passages,
                          per_document=part.per_document, budget=part.budget, count=count_tokens)
        shots = shots_of(live.first, part, folders, seed=manifest.seed)
        return cls(live, chooser, reader or reader_of(part, seed=manifest.seed), part, shots)

    def ask(self, question: str, *, own: int = -1) -> Asked:
        """Answer one question; `own` is a document that may not be found, -1 for none."""
        found = self.live.search(question, own=own)
        began = perf_counter()
        documents = tuple(code for code in found.codes.tolist() if code >= 0)[: self.part.documents]
        passages = self.chooser.choose(question, documents)
        shots = self.shots(question)
        chosen_ms = 1e3 * (perf_counter() - began)
        reply = self.reader.read(question, passages, shots)
        pool = tuple(code for code in found.before.codes[0].tolist() if code >= 0)[: self.part.pool]
        return Asked(pool, documents, passages, reply, found.encode_ms,
                     found.encode_ms + found.search_ms + found.rerank_ms + chosen_ms + reply.total_ms)


def reader_of(part: ReaderPart, *, seed: int, environ: Mapping[str, str] | None = None, cache: Path | None = None
              ) -> Reader:
    """The reader that a manifest names; a model's endpoint and key are the environment's (docs/rag-models.md).

    `cache` is a folder where a model's completions are kept; by default none are: an evaluation asks again.

    Raises:
        InputError: The environment, the address or the model's name cannot be used.
        UsageError: No server is named.

    >>> reader_of(ReaderPart(), seed=42).model
    'extractive'
    """
    if part.impl == "extractive":
        return ExtractiveReader()
    from harness.generation.http_reader import http_reader  # loads httpx

    return http_reader(os.environ if environ is None else environ, model=str(part.model), url=part.url, seed=seed,
                       cot=part.cot, budget=part.budget, limits=part.limits, fallback=ExtractiveReader(), cache=cache)
