"""What a reader is given before it answers anything: passages, their lexical index, few-shots and who gets which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from harness.errors import InputError
from harness.generation.few_shot import ShotPool
from harness.generation.passages import Passages
from harness.generation.prefix_leaks import Held
from harness.generation.shapes import Shot
from harness.records import Ids
from harness.release.studied.snapshot import Snapshot
from harness.shown import brief

__all__ = ["ReadiedObserved"]

Part = TypeVar("Part")


@dataclass(frozen=True, eq=False)
class ReadiedObserved:
    """Everything that stands still while questions come; None where a release has none of it.

    Attributes:
        passages: What can be shown, with the near-duplicates that were taken out.
        held: Words of the lexical index over `passages.all`.
        chunk_words: Words of a passage, at most.
        budget: Tokens of a prompt, at most.
        baseline: The breadth of the baseline's passages.
        shots: The curated pool.
        items: Questions that are judged, with their gold answers.
        told: Fixed words of every prompt.
        picks: (repeats, questions, k) ids of the shots that each question got, in other orders of pool and questions.
    """

    passages: Passages | None = None
    held: Held | None = None
    chunk_words: int = 0
    budget: int = 0
    baseline: Snapshot | None = None
    shots: ShotPool | None = None
    items: tuple[Shot, ...] = ()
    told: tuple[str, ...] = ()
    picks: Ids | None = None

    __repr__ = brief

    def __post_init__(self) -> None:
        if self.picks is not None and (self.picks.ndim != 3 or len(self.picks) < 2):
            raise InputError("nothing to compare", where="readied", column="picks", found=np.shape(self.picks),
                             expected="(at least 2 repeats, questions, k)")

    def need(self, part: Part | None, name: str) -> Part:
        """A part that a measure reads. Raises InputError where the release has none: nothing measured is no pass.

        >>> ReadiedObserved().need(3, "anything")
        3
        """
        if part is None or (isinstance(part, tuple) and not part):
            raise InputError("was not measured", where="readied", column=name, expected=f"a release with {name}",
                             found=None)
        return part
