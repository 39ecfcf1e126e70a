"""What a reader is given, made once and frozen: passages without near-duplicates, the curated pool, who gets which."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from harness.data.answers import Golds
from harness.data.corpus import World
from harness.data.task import Task
from harness.errors import InputError
from harness.generation.few_shot import Picker, ShotPool, curated
from harness.generation.near_duplicates import without_near_duplicates
from harness.generation.passages import passages_of
from harness.generation.shapes import Shot
from harness.release.reader_parts import ReaderPart
from harness.retrieval.protocols import Vectors

__all__ = ["PASSAGES", "SHOTS", "Encodes", "answered_task", "make_passages", "make_shots", "picker_of", "shots_of"]

PASSAGES, SHOTS = "passages", "shots"


class Encodes(Protocol):
    """What makes vectors of questions: a release's first stage."""

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """(n, d) unit vectors; (n, 0) where there is no encoder."""


def make_passages(world: World, part: ReaderPart, folder: Path) -> None:
    """Cut the corpus, take out near-duplicates, write the folder `passages`. The same world gives the same bytes."""
    whole = passages_of(world.corpus, chunk_words=part.chunk_words)
    without_near_duplicates(whole, threshold=part.near_duplicates).save(folder)


def make_shots(world: World, folder: Path, *, seed: int) -> None:
    """Curate the pool and write the folder `shots`. Raises InputError where no question has a gold answer."""
    task, golds = answered_task(world)
    curated(task, golds, seed=seed).save(folder)


def answered_task(world: World) -> tuple[Task, Golds]:
    """The first task whose questions have gold answers, and those. Raises InputError where none has."""
    golds = world.answers
    known = set() if golds is None else set(golds.query_ids)
    for task in world.tasks.values():
        if golds is not None and not known.isdisjoint(task.query_ids):
            return task, golds
    raise InputError("no question has a gold answer", where=f"corpus {world.corpus.name}", found=None,
                     expected="data with answers, for few-shots and what is judged")


def picker_of(encoder: Encodes, part: ReaderPart, pool: ShotPool, *, seed: int) -> Picker:
    """Who is picked from: the shots whose turn it is, with their vectors.

    Raises:
        InputError: The release has no vectors to pick by.
    """
    picker = Picker.of(pool.turn(part.rotation, seed=seed), encoder.vectors)
    if not picker.vectors.shape[1]:
        raise InputError("no vectors to pick few-shots by", where="few-shots", column="parts.retriever", found=None,
                         expected="a first stage with an encoder, or shots: 0")
    return picker


def shots_of(encoder: Encodes, part: ReaderPart, folders: Mapping[str, Path], *, seed: int
             ) -> Callable[[str], Sequence[Shot]]:
    """What each question is shown, from the frozen pool; nothing where the manifest asks for no shots.

    Raises:
        InputError: Shots are asked for and no pool was frozen, or there are no vectors to pick by.
    """
    if not part.shots:
        return lambda _: ()
    if SHOTS not in folders:
        raise InputError("no few-shots were frozen", where="few-shots", expected=f"the folder {SHOTS}", found=None)
    picker = picker_of(encoder, part, ShotPool.load(folders[SHOTS]), seed=seed)
    return lambda question: picker.pick(encoder.vectors([question]), k=part.shots)[0]
