"""What the reader's answers were worth: one value a judged question, of the candidate and of its baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from harness.errors import InputError, nearest
from harness.records import Floats, Ids
from harness.release.observed import Bools
from harness.shown import brief

__all__ = ["COUNTS", "SHARES", "TIMES", "AnswersObserved"]

SHARES = ("precision", "recall", "f1", "faithfulness", "hit", "used_gold")
TIMES = ("total_ms", "embedding_ms")
COUNTS = ("calls", "retries", "timed_out")


@dataclass(frozen=True, eq=False)
class AnswersObserved:
    """A row is one judged question; columns are (n,). A column that nobody measured is NaN throughout.

    Attributes:
        query_ids: Questions.
        clusters: Labels within which questions resemble each other (a module).
        precision: Token precision beside the gold answer, in [0, 1]; 0 where no answer came.
        recall: Token recall, likewise.
        f1: Token F1, likewise.
        faithfulness: Share of the answer's content tokens that the cited passages say, in [0, 1].
        hit: 1 where a gold document is in the first stage's pool, before any filter and reranker; else 0.
        used_gold: 1 where a cited passage is of a gold document; else 0.
        total_ms: From question to answer, in milliseconds.
        embedding_ms: Of that, the question's vector.
        calls: Calls of a model, repeated ones among them.
        retries: Of these, the repeated ones.
        timed_out: 1 where no answer came in time; else 0.
        slices: Slices of the questions, by name.
        baseline: The same of the baseline on the same questions; None where there is none.
    """

    query_ids: Ids
    clusters: Ids
    precision: Floats
    recall: Floats
    f1: Floats
    faithfulness: Floats
    hit: Floats
    used_gold: Floats
    total_ms: Floats
    embedding_ms: Floats
    calls: Floats
    retries: Floats
    timed_out: Floats
    slices: Mapping[str, Bools] = field(default_factory=dict)
    baseline: AnswersObserved | None = None

    __repr__ = brief

    def __post_init__(self) -> None:
        for name in ("clusters", *SHARES, *TIMES, *COUNTS):
            if len(getattr(self, name)) != len(self):
                raise InputError("columns of different lengths", where="answers", column=name, expected=str(len(self)),
                                 found=len(getattr(self, name)))
        if self.baseline is not None and self.baseline.query_ids.tolist() != self.query_ids.tolist():
            raise InputError("candidate and baseline answered different questions", where="answers",
                             expected=f"{len(self)} questions", found=len(self.baseline))

    def __len__(self) -> int:
        return len(self.query_ids)

    def column(self, name: str) -> Floats:
        """(n,) a column. Raises InputError where it was not measured on every question."""
        values: Floats = getattr(self, name)
        if np.isnan(values).any():
            raise InputError("was not measured", where="answers", column=name, expected="a number for each question",
                             found=f"{int(np.isnan(values).sum())} of {len(self)} without one")
        return values

    @property
    def against(self) -> AnswersObserved:
        """The baseline's record. Raises InputError where there is none."""
        if self.baseline is None:
            raise InputError("a comparison needs a baseline", where="answers", found=None,
                             expected="a baseline that answered the same questions")
        return self.baseline

    def rows(self, name: str) -> Bools:
        """(n,) true for the questions of a slice. Raises InputError for one there is not, with the nearest."""
        if name == "all":
            return np.ones(len(self), dtype=np.bool_)
        if name not in self.slices:
            known = ["all", *self.slices]
            raise InputError("no such slice", where="answers", expected=f"one of {', '.join(known)}", found=name,
                             hint=nearest(name, known))
        return np.asarray(self.slices[name], dtype=np.bool_)
