"""What could be nudged in a release, and what its queries are worth with each: nothing that is frozen is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from harness.data.corpus import World
from harness.data.task import Task
from harness.errors import InputError
from harness.generation.choosing import word_index
from harness.generation.extractive import ExtractiveReader
from harness.generation.near_duplicates import without_near_duplicates
from harness.generation.passages import Passages, passages_of
from harness.metrics.answers import overlaps
from harness.metrics.evaluate import per_query
from harness.records import Floats
from harness.release.asking import Asking
from harness.release.live import LiveRelease
from harness.triage.nudges import Option

__all__ = ["FACTORS", "RANKED", "Tried", "tried_answers", "tried_ranking"]

FACTORS = (0.8, 1.25)  # of a weight or a chunk's words: small, so that what is suggested is a nudge
RANKED = "nDCG@10"
Tell = Callable[[str], None]


class Tried(NamedTuple):
    """Values of each query as the release is, and with each option."""

    base: Floats
    options: Mapping[Option, Floats]


def tried_ranking(live: LiveRelease, task: Task, *, tell: Tell = lambda _: None) -> Tried:
    """nDCG@10 of every query of a task, by option: of a release without a hybrid there is none."""
    def worth(one: LiveRelease) -> Floats:
        return per_query(one.answer(task).run, task.qrels, RANKED, queries=task.query_ids)

    found = {}
    for option, other in _weighted(live):
        tell(f"trying {option.knob} {option.after} on {len(task):,} queries")
        found[option] = worth(other)
    return Tried(worth(live) if found else np.zeros(len(task)), found)


def tried_answers(asking: Asking, task: Task, world: World, *, tell: Tell = lambda _: None) -> Tried:
    """Token F1 of every question of a task, by option: weights, passages of one document, words of a passage.

    Answers are read by sentences of the passages, whatever reads in the release: a model would be asked thousands of
    times, and what is nudged is what the reader is given.

    Raises InputError without gold answers.
    """
    reading = replace(asking, reader=ExtractiveReader())
    found = {}
    for option, other in _answering(reading, world):
        tell(f"trying {option.knob} {option.after} on {len(task):,} questions")
        found[option] = _f1(other, task, world)
    return Tried(_f1(reading, task, world), found)


def _weighted(live: LiveRelease) -> Iterator[tuple[Option, LiveRelease]]:
    """A hybrid with its words weighing a little less or more."""
    part = live.first.part
    if part.impl not in {"rrf", "blend"}:
        return
    words, vectors = part.weights
    for factor in FACTORS:
        weights = (round(words * factor, 4), vectors)
        if weights != part.weights:
            first = replace(live.first, part=part.model_copy(update={"weights": weights}))
            yield (Option(f"{part.impl} weights", f"[{words:g}, {vectors:g}]", f"[{weights[0]:g}, {weights[1]:g}]"),
                   replace(live, first=first))


def _answering(asking: Asking, world: World) -> Iterator[tuple[Option, Asking]]:
    for option, live in _weighted(asking.live):
        yield option, replace(asking, live=live)
    cap, part = asking.chooser.per_document, asking.part
    for other in (cap - 1, cap + 1):
        if 1 <= other <= asking.chooser.shown:
            yield (Option("per_document", str(cap), str(other), by_domain=True),
                   replace(asking, chooser=replace(asking.chooser, per_document=other)))
    for factor in FACTORS:
        words = max(8, round(part.chunk_words * factor))
        if words != part.chunk_words:
            passages = _cut(world, words, part.near_duplicates)
            yield (Option("chunk_words", str(part.chunk_words), str(words), by_domain=True),
                   replace(asking, chooser=replace(asking.chooser, passages=passages, words=word_index(passages))))


def _cut(world: World, words: int, threshold: float) -> Passages:
    """The corpus in passages of another length, near-duplicates out as in the release."""
    return without_near_duplicates(passages_of(world.corpus, chunk_words=words), threshold=threshold)


def _f1(asking: Asking, task: Task, world: World) -> Floats:
    if world.answers is None:
        raise InputError("no gold answers", where=f"corpus {world.corpus.name}", expected="answers to be judged by")
    said = [asking.ask(text, own=int(own)).reply.text for text, own in zip(task.texts, task.own, strict=True)]
    return overlaps(said, [[world.answers.text(query)] for query in task.query_ids]).f1
