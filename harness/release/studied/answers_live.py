"""Live parts asked: every judged question that has a gold answer, one at a time, the sides in turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.data.task import Task
from harness.errors import InputError
from harness.release.measures.answered import MEANS, owns
from harness.release.studied.answers_table import AnsweredRow

if TYPE_CHECKING:
    from harness.data.corpus import World
    from harness.generation.passages import Passages
    from harness.generation.shapes import Passage
    from harness.release.asking import Asked, Asking
    from harness.release.build import Built
    from harness.release.manifest import Loaded, Manifest
    from harness.release.observed import Observed

__all__ = ["answered_row", "asked_in_turns", "asking_of", "baseline_asking", "compares", "questions_of"]


def compares(manifest: Manifest) -> bool:
    """Whether a row of the policy is about the candidate beside its baseline.

    Rows that only speak for others (`any_with`) count too.
    """
    names = [name for check in manifest.checks if check.own_gate is None
             for name in (check.measure, *(other for other, _ in check.any_with)) if owns(name)]
    return any((name in MEANS and name.startswith("delta ")) or name.endswith(" ratio") for name in names)


def questions_of(loaded: Loaded, world: World) -> Task:
    """Judged questions with a gold answer: of the task that the policy's rows name, else of the only one that has any.

    `studies.answered.questions` takes that many of them in an order that the seed draws.

    Raises:
        InputError: No gold answers, rows that name several tasks, or a task none of whose questions has any.
    """
    manifest = loaded.manifest
    golds = set() if world.answers is None else set(world.answers.query_ids)
    named = {check.task for check in manifest.checks
             if check.own_gate is None and owns(check.measure) and check.task is not None}
    having = sorted(named) if named else [name for name, task in sorted(world.tasks.items())
                                          if golds.intersection(task.query_ids)]
    if len(having) != 1:
        raise InputError("which questions are answered is not said", where=loaded.path, column="task",
                         expected="one task with gold answers", found=", ".join(having) or "none")
    task = world.task(having[0]).judge()
    known = np.array([query in golds for query in task.query_ids], dtype=np.bool_)
    if not known.any():
        raise InputError("no question has a gold answer", where=loaded.path, column="task", found=having[0],
                         expected="a task with gold answers")
    most = manifest.studies.answered.questions
    if most is not None and most < int(known.sum()):
        drawn = np.random.default_rng(manifest.seed).permutation(np.flatnonzero(known))[:most]
        known = np.isin(np.arange(len(known)), drawn)
    return task.only(known)


def asking_of(manifest: Manifest, observed: Observed, built: Built) -> Asking:
    """The release with its reader around the stages that were observed. Raises InputError where nothing answers."""
    from harness.release.asking import Asking  # loads live parts

    if observed.live is None:
        raise InputError("nothing answers", where=manifest.release, column="parts", expected="live parts", found=None)
    return Asking.of(observed.live, manifest, built.folders)


def baseline_asking(loaded: Loaded, built: Built, baseline: Observed | None) -> Asking:
    """The baseline with its reader, from the folders that lie frozen beside the candidate's.

    Raises InputError without a live baseline, or where it has no reader.
    """
    from harness.release.build import Built as Made
    from harness.release.build import needed_parts
    from harness.release.observing import baseline_of  # which loads the studies

    if baseline is None:
        raise InputError("a comparison needs a baseline", where=loaded.manifest.release, column="baseline", found=None,
                         expected="a live baseline with a reader")
    other = baseline_of(loaded).manifest
    frozen = built.folders["world"].parent.parent / other.release
    return asking_of(other, baseline, Made(built.world, {name: frozen / name for name in needed_parts(other)
                                                         if (frozen / name).is_dir()}))


def asked_in_turns(sides: Sequence[Asking], task: Task, world: World, *, repeats: int = 1) -> list[list[AnsweredRow]]:
    """Every question of a task, asked of each side in turns; a first one that warms up is not counted.

    Args:
        sides: Releases that answer, one or more.
        task: Questions, each with a gold answer in `world.answers`.
        world: Corpus and gold answers.
        repeats: How often all questions are asked where no side calls a model; the first answer counts, and the
            fastest time: what the release takes, not what else the machine was doing.

    Returns:
        A list of rows a side, in the order of the questions.
    """
    for one in sides:
        one.ask(task.texts[0], own=int(task.own[0]))
    rows = [[answered_row(asked, task, place, world, sides[side].chooser.passages)
             for place, asked in enumerate(answered)] for side, answered in enumerate(_pass(sides, task))]
    if all(one.part.impl == "extractive" for one in sides):
        for _ in range(repeats - 1):
            rows = [[_faster(row, asked) for row, asked in zip(mine, answered, strict=True)]
                    for mine, answered in zip(rows, _pass(sides, task), strict=True)]
    return rows


def _pass(sides: Sequence[Asking], task: Task) -> list[list[Asked]]:
    found: list[list[Asked]] = [[] for _ in sides]
    for place, text in enumerate(task.texts):
        order = range(len(sides)) if place % 2 == 0 else reversed(range(len(sides)))
        for side in order:
            found[side].append(sides[side].ask(text, own=int(task.own[place])))
    return found


def _faster(row: AnsweredRow, again: Asked) -> AnsweredRow:
    fastest = {"total_ms": again.total_ms, "embedding_ms": again.embedding_ms}
    return row.model_copy(update={name: min(getattr(row, name), ms) for name, ms in fastest.items()})


def answered_row(asked: Asked, task: Task, place: int, world: World, every: Passages) -> AnsweredRow:
    """The row of one answered question: the `place`-th of a task, `every` passage of its release at hand."""
    from harness.generation.http_reader import is_degraded  # loads readers

    query, reply = task.query_ids[place], asked.reply
    gold, read = _gold(task, query), {world.corpus.ids[code] for code in asked.documents}
    assert world.answers is not None
    return AnsweredRow(
        query_id=query, question=task.texts[place], answer=reply.text, gold_answers=(world.answers.text(query),),
        passages=tuple(one.text for one in asked.passages), passage_ids=tuple(one.id for one in asked.passages),
        passage_docs=tuple(_document(one, every, read, gold) for one in asked.passages), cited=reply.cited,
        gold_docs=gold, pool=tuple(world.corpus.ids[code] for code in asked.pool), total_ms=asked.total_ms,
        embedding_ms=asked.embedding_ms, calls=reply.calls, retries=reply.retries,
        timed_out=reply.timed_out or is_degraded(reply),  # another reader's answer is no evidence of this one's
        cluster=task.clusters[place], slices=tuple(name for name, held in task.slices.items() if held[place]))


def _document(one: Passage, every: Passages, read: set[str], gold: tuple[str, ...]) -> str:
    """The document that a passage is shown for: a gold one that was found and says it too, else its own.

    Where near-duplicates were taken out, the passage that was kept speaks for all documents that said the same.
    """
    return min(every.documents(one.id) & read & set(gold), default=one.doc)


def _gold(task: Task, query: str) -> tuple[str, ...]:
    """Documents of the question's highest grade above 0."""
    qrels = task.qrels
    rows = np.flatnonzero((qrels.queries[qrels.query] == query) & (qrels.relevance > 0))
    best = rows[qrels.relevance[rows] == qrels.relevance[rows].max(initial=0)]
    return tuple(str(name) for name in qrels.docs[qrels.doc[best]])
