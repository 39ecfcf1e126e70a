"""The study `readied`: what a reader is given, looked at whole before a question is asked.

Of live parts it is read from the frozen folders: the passages, the lexical index that is made over them, the pool of
few-shots and whom each judged question would be shown. The baseline's passages are read where they were frozen. From
files it is a user's own tables.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import InputError, nearest
from harness.generation.few_shot import ShotPool, items_of
from harness.generation.passages import Passages
from harness.generation.prefix_leaks import held_words
from harness.generation.prompts import Template
from harness.generation.shapes import Shot
from harness.records import Ids
from harness.release.measures.readied import BREADTH, DIFFERENCES, DUPLICATES, LEAKS, PREFIXES, owns
from harness.release.readying import PASSAGES, SHOTS, Encodes, answered_task, picker_of
from harness.release.studied.readied_rows import ReadiedObserved
from harness.release.studied.readied_tables import read_passages, read_picks, read_shots
from harness.release.studied.snapshot import Snapshot, snapshot_of

if TYPE_CHECKING:
    from harness.release.build import Built
    from harness.release.manifest import Loaded, Manifest
    from harness.release.observed import Observed
    from harness.release.reader_parts import ReaderPart

__all__ = ["ARTIFACTS", "observe", "picks_of", "recorded", "wanted"]

ARTIFACTS = Path("artifacts")


def wanted(manifest: Manifest) -> bool:
    """Whether a row of the policy reads this study."""
    return any(check.own_gate is None and owns(check.measure) for check in manifest.checks)


def observe(loaded: Loaded, built: Built, candidate: Observed, baseline: Observed | None,  # noqa: ARG001 as every study
            tell: Callable[[str], None]) -> ReadiedObserved:
    """Read what was frozen, as far as the policy asks for it.

    Raises:
        InputError: The release has no reader, or its parts were not frozen.
    """
    part = None if loaded.manifest.parts is None else loaded.manifest.parts.reader
    if part is None or PASSAGES not in built.folders:
        raise InputError("nothing is read", where=loaded.manifest.release, column="parts.reader", found=None,
                         expected="a reader, for a policy that measures what it is given")
    asked = {check.measure for check in loaded.manifest.checks}
    tell("looking through passages and few-shots")
    passages = Passages.load(built.folders[PASSAGES])
    from harness.generation.choosing import word_index  # what the release itself searches

    held = held_words(word_index(passages)) if PREFIXES in asked else None
    before = _before(loaded) if BREADTH in asked else None
    if not asked & {LEAKS, DIFFERENCES}:
        return ReadiedObserved(passages, held, part.chunk_words, part.budget, before)
    if SHOTS not in built.folders:
        raise InputError("no few-shots were frozen", where=loaded.manifest.release, column="parts.reader.shots",
                         expected="at least 1, for a policy that measures them", found=part.shots)
    pool, items = ShotPool.load(built.folders[SHOTS]), tuple(items_of(*answered_task(built.world)))
    picks = None
    if DIFFERENCES in asked and candidate.live is not None:
        picks = picks_of(candidate.live.first, part, pool, items, seed=loaded.manifest.seed)
    told = (Template(cot=part.cot).told,)
    return ReadiedObserved(passages, held, part.chunk_words, part.budget, before, pool, items, told, picks)


def recorded(loaded: Loaded, tell: Callable[[str], None]) -> ReadiedObserved:
    """The user's own tables, as far as he gives any. Raises InputError where none is given, or one cannot be read."""
    options, folder = loaded.manifest.studies.readied, loaded.folder
    if not options.tables:
        raise InputError("no table of passages or few-shots", where=loaded.path, column="studies.readied", found=None,
                         expected="passages, baseline, shots, items or shown")
    tell("reading passages and few-shots")
    judged = any(check.measure == DUPLICATES for check in loaded.manifest.checks)
    passages, held = (None, None) if options.passages is None else read_passages(options.passages, folder,
                                                                                 removed=judged)
    before = None if options.baseline is None else snapshot_of(read_passages(options.baseline, folder)[0])
    pool = None if options.shots is None else ShotPool.of(read_shots(options.shots, folder))
    items = () if options.items is None else tuple(read_shots(options.items, folder, key="query_id"))
    picks = None if options.shown is None else read_picks(options.shown, folder)
    if pool is not None and picks is not None and (strange := sorted(set(picks.ravel().tolist()) - {*pool.ids, ""})):
        raise InputError("shown, and not in the pool", where=loaded.path, column="studies.readied.shown",
                         expected="shots of the pool, which are held to what is judged", found=strange[0],
                         hint=nearest(strange[0], pool.ids))
    return ReadiedObserved(passages, held, options.chunk_words, options.budget, before, pool, items, (), picks)


def picks_of(encoder: Encodes, part: ReaderPart, pool: ShotPool, items: tuple[Shot, ...], *, seed: int) -> Ids:
    """(3, questions, k) ids of what each question is shown: as it is, with pool and questions in other orders, singly.

    The second pool is made of the shots in a drawn order, its questions come last first; the third asks one question at
    a time, as it is served.
    """
    rng = np.random.default_rng(seed)
    asked = [one.question for one in items]
    drawn = ShotPool.of(pool.shots[at] for at in rng.permutation(len(pool)).tolist())
    pickers = [picker_of(encoder, part, each, seed=seed) for each in (pool, drawn)]
    orders = [pickers[0].pick(encoder.vectors(asked), k=part.shots),
              pickers[1].pick(encoder.vectors(asked[::-1]), k=part.shots)[::-1],
              [pickers[0].pick(encoder.vectors([text]), k=part.shots)[0] for text in asked]]
    told = [[[one.id for one in row] for row in order] for order in orders]
    return np.array(told, dtype=object).reshape(len(orders), len(asked), -1)


def _before(loaded: Loaded) -> Snapshot | None:
    """The baseline's passages as they were frozen; None without a baseline that has a reader."""
    name = loaded.manifest.baseline
    folder = ARTIFACTS / str(name) / PASSAGES
    return snapshot_of(Passages.load(folder)) if name is not None and folder.is_dir() else None
