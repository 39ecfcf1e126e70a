"""The process that evaluates a frozen release once more: `python -m harness.hunting.evaluating …`.

Its words are MANIFEST FROZEN OUT PASSES. It writes OUT/evidence.jsonl, a line a question, and for each reader that is
spoilt on purpose OUT/DEFECT.jsonl. What it writes must not depend on its seed of hashes, its number of threads, its
clock, or who ran before it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.data.corpus import World
from harness.data.store import atomic_write_text
from harness.data.task import Task
from harness.defects.spoilt_readers import SPOILT
from harness.errors import SignoffError
from harness.generation.extractive import ExtractiveReader
from harness.release.asking import Asking
from harness.release.build import needed_parts
from harness.release.deterministic import evidence_lines
from harness.release.manifest import Loaded, load_manifest
from harness.release.overrides import overridden
from harness.release.studied.answers_live import questions_of
from harness.release.switches import prompt_audit

__all__ = ["EVIDENCE", "evaluate", "main"]

EVIDENCE = "evidence"


def main(words: list[str]) -> None:
    """Evaluate; the words are a manifest, its frozen folder, where to write, and the passes of spoilt readers."""
    sys.path.append(str(Path.cwd()))  # where a callable of the user's own lies
    loaded = overridden(load_manifest(words[0]), os.environ)
    folder = Path(words[1])
    world = World.load(folder / "world")
    folders = {name: folder / name for name in needed_parts(loaded.manifest)}
    evaluate(loaded, Asking.load(loaded.manifest, world, folders), world, Path(words[2]), passes=int(words[3]))


def evaluate(loaded: Loaded, asking: Asking, world: World, out: Path, *, passes: int = 1) -> None:
    """Write what the release answers, and what it would with each defect in its reader.

    Args:
        loaded: Its manifest.
        asking: The release, loaded.
        world: Questions and gold answers.
        out: Where to write.
        passes: How often a spoilt evaluation is made, of which the last is written: whoever comes second finds what
            those before left lying.

    Raises:
        InputError: Nothing answers, or no question has a gold answer.
    """
    options, task = loaded.manifest.studies.repeated, questions_of(loaded, world)
    audit = prompt_audit(os.environ)
    _write(out, EVIDENCE, evidence_lines(asking, _first(task, options.questions), world, audit=audit))
    few = _first(task, options.spoilt)
    reader = ExtractiveReader() if asking.part.impl == "http" else asking.reader  # no call is spent on a defect
    for name, spoil in SPOILT.items():
        spoilt = replace(asking, reader=spoil(reader, out / "cache"))
        for _ in range(passes):
            lines = evidence_lines(spoilt, few, world, audit=audit)
        _write(out, name, lines)


def _first(task: Task, most: int | None) -> Task:
    """The first questions of a task, in its order."""
    return task if most is None else task.only(np.arange(len(task)) < most)


def _write(out: Path, name: str, lines: tuple[str, ...]) -> None:
    atomic_write_text(out / f"{name}.jsonl", "".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SignoffError as error:
        sys.exit(str(error))
