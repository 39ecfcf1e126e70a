"""What is known of a release once it has run: the records that measures read, whether it ran here or elsewhere.

Live parts and recorded files end in the same values, so that no measure can tell which they came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError, nearest
from harness.records import Floats, Ids, Qrels, Run, Trace

if TYPE_CHECKING:
    from harness.release.live import LiveRelease

__all__ = ["Bools", "IndexObserved", "IntegrityObserved", "Observed", "Pin", "PinsObserved", "TaskObserved", "Trial"]

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class TaskObserved:
    """One task as a release answered it. Per-query arrays follow `qrels.queries`.

    Attributes:
        name: The task's name (`see_also`, `default`, …).
        qrels: Judgements; its queries are the ones that count.
        run: The final ranking.
        before: The first stage's ranking, where a reranker follows it.
        clusters: (n_queries,) labels within which queries resemble each other (a module), or None.
        slices: Name → (n_queries,) mask; `all` is always there.
        best: (n_queries,) cosine of the best hit, where vectors are at hand.
        references: Rankings of plain methods that a part must beat, by name.
        leaked: (n_judgements,) true where the release was fitted on this very pair; None where nobody knows.
    """

    name: str
    qrels: Qrels
    run: Run
    before: Run | None = None
    clusters: Ids | None = None
    slices: Mapping[str, Bools] = field(default_factory=dict)
    best: Floats | None = None
    references: Mapping[str, Run] = field(default_factory=dict)
    leaked: Bools | None = None

    def mask(self, name: str) -> Bools:
        """The queries of a slice; an unknown slice is an error that names the nearest."""
        if name == "all":
            return np.ones(len(self.qrels.queries), dtype=np.bool_)
        if name not in self.slices:
            known = ["all", *self.slices]
            raise InputError("no such slice", where=f"task {self.name}", expected=f"one of {', '.join(known)}",
                             found=name, hint=nearest(name, known))
        return self.slices[name]


@dataclass(frozen=True, eq=False)
class IndexObserved:
    """An index as it stands, and what it returns beside an exhaustive search.

    Attributes:
        agreement: (n_queries,) share of the exhaustive top 10 that the index returns; equal scores at the cut agree.
        under_probed: The same at nprobe or ef = 1: the planted defect, measured on the same queries.
        clusters: (n_queries,) labels, as in `TaskObserved`.
        norms: (n_docs,) lengths of the stored vectors.
        ids: (n_stored,) codes found in the index.
        size: Documents that the index should hold, codes 0 … size - 1.
        cells: (n_cells,) vectors in each cell; empty where the index has no cells.
    """

    agreement: Floats
    under_probed: Floats
    clusters: Ids | None
    norms: Floats
    ids: NDArray[np.int64]
    size: int
    cells: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class IntegrityObserved:
    """Whether a release is what it says it is.

    Attributes:
        run_manifest: The frozen run manifest.
        stated: Name → sha256 as frozen.
        found: Name → sha256 of the bytes that were measured.
        replayed: Digest of all rankings, name of the process → digest; all must be equal.
        standing: Baseline → whether it is signed as it was measured here, and by whom or why not; empty where nobody
            looked.
    """

    run_manifest: Mapping[str, Any]
    stated: Mapping[str, str]
    found: Mapping[str, str]
    replayed: Mapping[str, str]
    standing: Mapping[str, tuple[bool, str]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Pin:
    """A pinned regression, replayed: both of its queries as the release ranks them now.

    Attributes:
        name: The file's name without its ending.
        status: `known` or `fixed`.
        qrels: Judgements of the one query.
        plain: Ranking of the plain query.
        mutated: Ranking of the query that was found to lose.
        least_plain: nDCG@10 that the plain ranking must reach.
        least_mutated: nDCG@10 that the other must reach.
    """

    name: str
    status: str
    qrels: Qrels
    plain: Run
    mutated: Run
    least_plain: float
    least_mutated: float


@dataclass(frozen=True, eq=False)
class PinsObserved:
    """All pins of a release's data, replayed.

    Attributes:
        pins: In the order of their names.
        elsewhere: Names of pins whose data carry this corpus's name and are not its bytes: they cannot be replayed.
        digest: sha256 over the names and bytes of all pins.
    """

    pins: tuple[Pin, ...]
    elsewhere: tuple[str, ...]
    digest: str


@dataclass(frozen=True, eq=False)
class Observed:
    """One release, observed; `live` are its parts themselves, where they ran here, for properties to try.

    `files` are the sha256 of what was measured, by name, taken before it was read: what is signed must still be it.
    `studies` are what was measured beyond one run of the judged queries, by the study's name (`release.studies`).
    """

    release: str
    config_hash: str
    tasks: Mapping[str, TaskObserved]
    trace: Trace | None = None
    index: IndexObserved | None = None
    integrity: IntegrityObserved | None = None
    live: LiveRelease | None = None
    pins: PinsObserved | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    studies: Mapping[str, Any] = field(default_factory=dict)

    def task(self, name: str | None) -> TaskObserved:
        """The named task; without a name, the only one."""
        if name is None and len(self.tasks) == 1:
            return next(iter(self.tasks.values()))
        if name is None or name not in self.tasks:
            raise InputError("no such task" if name else "the row names no task", where=self.release,
                             expected=f"one of {', '.join(self.tasks)}", found=name,
                             hint=nearest(name or "", self.tasks))
        return self.tasks[name]


@dataclass(frozen=True, eq=False)
class Trial:
    """A candidate beside its baseline; `seed` drives resampling, nothing else.

    `banked` is the sha256 of the signed bundle that makes the baseline a gold standard; None where none was banked.
    """

    candidate: Observed
    baseline: Observed | None
    seed: int
    details: Mapping[str, float | str] = field(default_factory=dict)
    banked: str | None = None

    def with_study(self, name: str, record: object) -> Trial:
        """The trial with the candidate's record of a study in the place of what it had."""
        studies = {**self.candidate.studies, name: record}
        return replace(self, candidate=replace(self.candidate, studies=studies))

    @property
    def against(self) -> str:
        """What is compared with, in a finding's words: the baseline, by its bank's digest where it has one."""
        if self.baseline is None:
            return ""
        return f"against {self.baseline.release}" + (f" (banked, sha256 {self.banked})" if self.banked else "")
