"""What a stress test saw: how candidate and baseline rank each query as it stands, and perturbed.

A kind is `FAMILY` or `FAMILY=WHICH`: `paraphrase`, `synonym`, `typo=transposition`, `long=own`, `language=de`. Both
spellings are slices, and `all` is every query that was altered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError, nearest
from harness.records import Floats, Ids
from harness.release.observed import Bools
from harness.shown import brief

__all__ = ["LANGUAGE", "MEASURED", "StressObserved", "joined_rows"]

LANGUAGE = "language"
_LABELS = ("queries", "tasks", "clusters", "kinds")
MEASURED = ("plain", "stressed", "baseline_plain", "baseline_stressed", "overlap", "lost", "lost_overlap")


@dataclass(frozen=True, eq=False)
class StressObserved:
    """A row is one query under one perturbation; columns are (n,).

    Attributes:
        queries: Query ids.
        tasks: Their tasks.
        clusters: Labels within which queries resemble each other (a module).
        kinds: The kind of perturbation.
        edits: How many edits; 0 where the query is asked as it is.
        plain: nDCG@10 of the candidate on the query as it stands, in [0, 1].
        stressed: The same on the perturbed text.
        baseline_plain: nDCG@10 of the baseline on the query as it stands; NaN without a baseline.
        baseline_stressed: The same on the perturbed text.
        overlap: Jaccard@10 of the candidate's two rankings, in [0, 1].
        lost: nDCG@10 of the candidate where the edited words are left out; NaN where that was not asked.
        lost_overlap: Jaccard@10 of that ranking with the plain one; NaN likewise.
        slices: Further slices of the rows, by name.
    """

    queries: Ids
    tasks: Ids
    clusters: Ids
    kinds: Ids
    edits: NDArray[np.int64]
    plain: Floats
    stressed: Floats
    baseline_plain: Floats
    baseline_stressed: Floats
    overlap: Floats
    lost: Floats
    lost_overlap: Floats
    slices: Mapping[str, Bools] = field(default_factory=dict)

    __repr__ = brief

    @property
    def deltas(self) -> tuple[Floats, Floats]:
        """(n,) candidate minus baseline, plain and perturbed, nDCG@10. Raises InputError without a baseline."""
        plain, stressed = self.plain - self.baseline_plain, self.stressed - self.baseline_stressed
        if np.isnan(plain).any() or np.isnan(stressed).any():
            raise InputError("a delta needs a baseline", where="stress", expected="a baseline on the same texts")
        return plain, stressed

    @property
    def altered(self) -> Bools:
        """(n,) true where the text is not the query's own."""
        return np.asarray(self.edits > 0)

    def kinds_of(self, family: str, task: str | None = None) -> list[str]:
        """The kinds of a family that there are rows of, ascending."""
        here = np.ones(len(self), dtype=np.bool_) if task is None else self.tasks == task
        return sorted({str(kind) for kind in self.kinds[here].tolist() if kind.partition("=")[0] == family})

    def rows(self, name: str, task: str | None = None) -> Bools:
        """(n,) true for the rows of a slice and a task.

        Raises:
            InputError: A slice or a task that there are no rows of, with the nearest.
        """
        tasks = sorted(set(self.tasks.tolist()))
        if task is not None and task not in tasks:
            raise InputError("no such task under stress", where="stress", expected=f"one of {', '.join(tasks)}",
                             found=task, hint=nearest(task, tasks))
        here = np.ones(len(self), dtype=np.bool_) if task is None else np.asarray(self.tasks == task)
        if name == "all":
            return np.asarray(here & self.altered)
        if name in self.slices:
            return np.asarray(here & self.altered & self.slices[name])
        found = [kind for kind in sorted(set(self.kinds.tolist())) if name in {kind, kind.partition("=")[0]}]
        if not found:
            known = ["all", *self.names, *self.slices]
            raise InputError("no such slice", where="stress", expected=f"one of {', '.join(known)}", found=name,
                             hint=nearest(name, known))
        return np.asarray(here & np.isin(self.kinds, found))

    @property
    def names(self) -> list[str]:
        """Every kind and family there is, ascending: the slices that the record has by itself."""
        kinds = set(self.kinds.tolist())
        return sorted(kinds | {kind.partition("=")[0] for kind in kinds})

    def __len__(self) -> int:
        return len(self.queries)


def joined_rows(parts: list[StressObserved]) -> StressObserved:
    """Several records as one, in their order; a slice that a part does not know holds none of its rows.

    Raises InputError where there is no part: nothing was asked.
    """
    if not parts:
        raise InputError("nothing was put under stress", where="stress", expected="a task with queries to perturb")
    names = list(dict.fromkeys(name for part in parts for name in part.slices))
    slices = {name: np.concatenate([part.slices.get(name, np.zeros(len(part), dtype=np.bool_)) for part in parts])
              for name in names}
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in (*_LABELS, "edits", *MEASURED)}
    return StressObserved(**columns, slices=slices)
