"""The study `answered`: a reader's answers to judged questions, beside its baseline's to the same.

Live parts are asked one question at a time, candidate and baseline in turns. From files it is the user's own table of
answers, or another evaluator's results: any system that answers can be gated by what it wrote down.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.rag_results import read_results
from harness.errors import InputError
from harness.release.measures.answered import MEANS, owns
from harness.release.studied.answers_file import read_answers, write_answers
from harness.release.studied.answers_live import (
    asked_in_turns,
    asking_of,
    baseline_asking,
    compares,
    questions_of,
)
from harness.release.studied.answers_rows import SHARES, AnswersObserved
from harness.release.studied.answers_table import AnsweredRow, record_of, rows_of
from harness.release.studied.slices import require_slices

if TYPE_CHECKING:
    from harness.release.build import Built
    from harness.release.manifest import Loaded, Manifest
    from harness.release.observed import Observed
    from harness.release.schema import Source

__all__ = ["ARTIFACTS", "beside", "observe", "recorded", "wanted"]

ARTIFACTS = Path("artifacts")


def wanted(manifest: Manifest) -> bool:
    """Whether a row of the policy reads this study."""
    return any(check.own_gate is None and owns(check.measure) for check in manifest.checks)


def observe(loaded: Loaded, built: Built, candidate: Observed, baseline: Observed | None,
            tell: Callable[[str], None]) -> AnswersObserved:
    """Ask the candidate, and its baseline where the policy compares, the judged questions that have a gold answer.

    Raises InputError where nothing answers, no question has a gold answer, or a row names a slice that there is not.
    """
    task = questions_of(loaded, built.world)
    require_slices(loaded, owns, lambda check: tuple(task.slices) if check.measure in MEANS else ())
    sides = [asking_of(loaded.manifest, candidate, built)]
    if compares(loaded.manifest):
        sides.append(baseline_asking(loaded, built, baseline))
    tell(f"asking {loaded.manifest.release} {len(task):,} questions")
    rows, *other = asked_in_turns(sides, task, built.world, repeats=loaded.manifest.studies.answered.repeats)
    write_answers(built.folders["world"].parent, rows)
    return beside(rows, other[0] if other else None)


def recorded(loaded: Loaded, tell: Callable[[str], None]) -> AnswersObserved:
    """The user's own tables. Raises InputError where he gives none, they cannot be read, or lack a row's slice."""
    options = loaded.manifest.studies.answered
    if options.table is None:
        raise InputError("no table of answers", where=loaded.path, column="studies.answered.table", found=None,
                         expected="a table with a row a question")
    tell("reading answers")
    rows = _rows(loaded, options.table)
    other = None if options.baseline is None else _rows(loaded, options.baseline)
    record = beside(rows, other)
    require_slices(loaded, owns, lambda check: tuple(record.slices) if check.measure in MEANS else ())
    write_answers(ARTIFACTS / loaded.manifest.release, rows)
    return record


def beside(rows: list[AnsweredRow], other: list[AnsweredRow] | None) -> AnswersObserved:
    """The candidate's record with the baseline's in the candidate's order.

    Raises:
        InputError: Questions that only one of them answered, or with another gold answer: a difference is between
            answers to the same question, beside the same.

    >>> one = rows_of([{"query_id": "q", "answer": "rows", "gold_answers": "rows"}])
    >>> record = beside(one, one)
    >>> float((record.f1 - record.against.f1)[0])
    0.0
    """
    record = record_of(rows)
    if other is None:
        return record
    places = {row.query_id: place for place, row in enumerate(other)}
    asked = {row.query_id for row in rows}
    if alone := asked ^ set(places):
        raise InputError("a question that only one side answered", where="answers", column="query_id",
                         expected="the same questions of candidate and baseline", found=min(alone))
    before = [other[places[row.query_id]] for row in rows]
    for one, two in zip(rows, before, strict=True):
        if set(one.gold_answers) != set(two.gold_answers):
            raise InputError("another gold answer on either side", where="answers", column="gold_answers",
                             expected="the same of candidate and baseline", found=one.query_id)
    return replace(record, baseline=_alike(record_of(before), rows, before))


def _alike(baseline: AnswersObserved, rows: list[AnsweredRow], before: list[AnsweredRow]) -> AnswersObserved:
    """The baseline without what one side counted and the other was given: two measures have no difference."""
    given = [{name for name in SHARES[:4] if any(getattr(row, name) is not None for row in side)}
             for side in (rows, before)]
    unlike: dict[str, Any] = {name: np.full(len(baseline), np.nan) for name in given[0] ^ given[1]}
    return replace(baseline, **unlike)


def _rows(loaded: Loaded, source: Source) -> list[AnsweredRow]:
    options = loaded.manifest.studies.answered
    ((kind, name),) = source.spec.items()
    path = loaded.folder / name
    if options.written_by == "table":
        return read_answers({kind: path})
    return rows_of(read_results(options.written_by, path, scores=options.scores == "file"), where=path)
