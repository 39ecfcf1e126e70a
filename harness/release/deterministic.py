"""An evaluation of answers as lines of text: what another process, another day must write again to the byte.

A line is one question: its answer, what it cites, what was shown, the digest of the prompt, and its measures to six
digits. Times are no part of it: no clock repeats.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.data.canonical import digest_of
from harness.data.corpus import World
from harness.data.task import Task
from harness.errors import InputError
from harness.generation.prompts import Template, build
from harness.generation.shapes import Passage, Reader, Reply, Shot
from harness.release.asking import Asking
from harness.release.reader_parts import ReaderPart
from harness.release.studied.answers_live import asked_in_turns
from harness.release.studied.answers_rows import SHARES
from harness.release.studied.answers_table import record_of

__all__ = ["DIGITS", "Audited", "evidence_lines"]

DIGITS = 6


@dataclass
class Audited:
    """A reader whose prompts leave their digests: what it answers is untouched.

    A reader that sends nothing is noted too, by the prompt that a model would be sent in its place.

    Attributes:
        reader: Who answers.
        part: Budget and chain of thought of the prompt.
        notes: Question → digest of its prompt and ids of its examples, as last read.
    """

    reader: Reader
    part: ReaderPart
    notes: dict[str, tuple[str | None, list[str]]] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The reader's own name."""
        return self.reader.model

    def read(self, question: str, passages: Sequence[Passage], shots: Sequence[Shot] = ()) -> Reply:
        """Note the prompt, then let the reader answer."""
        try:
            digest = build(Template(cot=self.part.cot), question, passages, shots, budget=self.part.budget).digest
        except InputError:  # over its budget: nothing would be sent
            digest = None
        self.notes[question] = (digest, [shot.id for shot in shots])
        return self.reader.read(question, passages, shots)


def evidence_lines(asking: Asking, task: Task, world: World, *, audit: bool = True) -> tuple[str, ...]:
    """A line a question, in the task's order; `audit` adds the prompt's digest and the ids of its examples.

    Raises:
        InputError: A question without a gold answer.
    """
    audited = Audited(asking.reader, asking.part)
    rows = asked_in_turns([replace(asking, reader=audited)], task, world)[0]
    record, lines = record_of(rows), []
    for place, row in enumerate(rows):
        told: dict[str, Any] = {
            "query_id": row.query_id, "answer": row.answer, "cited": row.cited, "passages": row.passage_ids,
            "pool_sha256": digest_of(list(row.pool or ())), "timed_out": row.timed_out,
            **{name: round(float(getattr(record, name)[place]), DIGITS) for name in SHARES}}
        if audit:
            told["prompt_sha256"], told["few_shot_ids"] = audited.notes[task.texts[place]]
        lines.append(json.dumps(told, sort_keys=True, ensure_ascii=False))
    return tuple(lines)
