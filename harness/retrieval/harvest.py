"""The latency harvest: which ef and how many hits of an HNSW graph to serve with, so that p95 falls and nothing else.

Measured against the baseline in quality, against the default setting in time; warm and cold apart, and both must agree.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators.intervals import mean_interval, paired
from harness.estimators.quantiles import quantile_difference, quantile_interval
from harness.records import Floats
from harness.retrieval.harvest_cells import Cell, Choice, Limits, choose, frontier
from harness.retrieval.harvest_file import read, written
from harness.retrieval.harvest_pages import drop as drop_pages
from harness.retrieval.harvest_timing import Clock, Drop, Load, Setting, Timed, timed_cold, timed_warm
from harness.retrieval.hits import checked_vectors
from harness.retrieval.indexes import FaissIndex
from harness.retrieval.protocols import Codes, Hits, Vectors

__all__ = ["EFS", "TOPKS", "Harvest", "Requests", "harvest", "jaccard"]

EFS, TOPKS = (104, 108, 112), (80, 88, 96)
_TOP = 10  # hits whose overlap with the baseline's counts
_CONFIDENCE = 0.9
_FEWEST = 59  # requests that a p95 needs for an upper end at 95 %


class Requests(NamedTuple):
    """How much is timed: requests drawn from the queries and how often each, warm and cold."""

    warm: int = 400
    warm_repeats: int = 5
    cold: int = 150
    cold_repeats: int = 2


@dataclass(frozen=True)
class Harvest:
    """What was measured and what follows.

    Attributes:
        cells: Every setting, in the order tried.
        default: The setting that stands where none is shown better.
        limits: What was asked.
        choice: The setting to serve with, verdict and reason.
    """

    cells: tuple[Cell, ...]
    default: Setting
    limits: Limits
    choice: Choice

    @property
    def frontier(self) -> list[Cell]:
        """Settings that no other beats in both p95 and quality, fastest first."""
        return frontier(self.cells)

    @property
    def chosen(self) -> Cell:
        """The cell of the chosen setting."""
        return next(cell for cell in self.cells if cell.setting == self.choice.setting)

    def to_json(self) -> str:
        """The text of `latency_harvest_config.json`, with its digest."""
        return written(self.cells, self.default, self.limits, self.choice)

    @classmethod
    def from_json(cls, raw: str | bytes, *, expected: str | None = None, where: object = "latency harvest") -> Self:
        """Read back what `to_json` wrote; the choice is made again from the cells and must be the same.

        Raises:
            InputError: Torn, tampered with, of another format, or another file than `expected` (its digest).
        """
        return cls(*read(raw, expected=expected, where=where))


def harvest(
    index_path: Path, query_vectors: Vectors, quality: Callable[[Hits], Floats], baseline_hits: Hits, *,
    seed: int, efs: Sequence[int] = EFS, topks: Sequence[int] = TOPKS, default: tuple[int, int] | None = None,
    baseline_values: Floats | None = None, clusters: Any = None, requests: Requests | None = None,
    limits: Limits | None = None, clock: Clock = time.perf_counter, load: Load | None = None, drop: Drop = drop_pages,
) -> Harvest:
    """Try every ef × topk on the graph at `index_path` and take the fastest that is shown better and loses nothing.

    Args:
        index_path: A saved `hnsw` index.
        query_vectors: (n, d), one for each judged query.
        quality: Hits (n, topk) of a setting to (n,) values in [0, 1], such as nDCG@10 of what is served in the end.
        baseline_hits: (n, k ≥ 10) hits of the baseline.
        seed: Of the draw of requests and of the order in which settings are timed.
        efs: Candidates held while the graph is walked.
        topks: Hits asked for.
        default: (ef, topk) that stands where none is better; the largest of each unless given.
        baseline_values: (n,) quality of the baseline where its way differs; `quality(baseline_hits)` unless given.
        clusters: (n,) labels of queries that depend on each other, or None.
        requests: How much is timed.
        limits: Bounds on quality, overlap and tail.
        clock: Gives seconds.
        load: Opens the index, mapped, from its path.
        drop: Throws the file's pages out and tells the share that stayed.

    Raises:
        InputError: No graph at the path, settings below 1, hits or values that do not fit the queries.

    >>> import tempfile
    >>> vectors = np.random.default_rng(3).normal(size=(200, 8)).astype(np.float32)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.hnsw"
    ...     FaissIndex("hnsw").build(vectors).save(path)
    ...     hits = FaissIndex.load(path).search(vectors, k=10)
    ...     found = harvest(path, vectors, lambda hits: np.full(200, 0.5), hits, seed=1, efs=[16, 24], topks=[10],
    ...                     requests=Requests(60, 1, 60, 1), clock=lambda: 0.0)
    >>> found.choice.setting, found.choice.verdict  # a clock that stands still shows nothing faster
    (Setting(ef=24, topk=10), 'INCONCLUSIVE')
    """
    amounts, limits, load = requests or Requests(), limits or Limits(), load or _mapped
    settings, standing = _settings(efs, topks, default)
    index = load(index_path)
    _fit(index, index_path, baseline_hits)
    vectors = checked_vectors(query_vectors, where="query vectors", dimension=index.dimension)
    picked = _drawn(len(vectors), amounts, rng := np.random.default_rng(seed))
    before = _values(quality(baseline_hits) if baseline_values is None else baseline_values, len(vectors), "baseline")
    gains = [_gains(_found(index, vectors, setting), quality, baseline=baseline_hits, before=before, clusters=clusters)
             for setting in settings]
    warm = timed_warm(index, vectors[picked[: amounts.warm]], settings, repeats=amounts.warm_repeats, clock=clock,
                      rng=rng)
    del index  # its map would keep the pages
    again = _told_apart(warm, settings.index(standing), _sure(len(settings)))
    cold = timed_cold(index_path, vectors[picked[: amounts.cold]], [settings[at] for at in again],
                      repeats=amounts.cold_repeats, clock=clock, load=load, drop=drop, rng=rng)
    cells = _cells(settings, settings.index(standing), gains, warm, {} if cold is None else dict(zip(again, cold.best,
                                                                                                  strict=True)))
    return Harvest(cells, standing, limits, choose(cells, standing, limits))


def jaccard(one: Codes, other: Codes, *, k: int = _TOP) -> Floats:
    """(n,) shared over all of the first `k` codes of two (n, width) rankings, -1 for no hit; 1 where neither has any.

    Raises:
        InputError: Rankings of another number of queries.

    >>> jaccard(np.array([[1, 2], [-1, -1]]), np.array([[2, 3], [-1, -1]]))
    array([0.33333333, 1.        ])
    """
    if len(one) != len(other):
        raise InputError("hits do not fit the queries", where="baseline hits", expected=f"{len(one)} rows",
                         found=len(other))
    a, b = np.asarray(one)[:, :k], np.asarray(other)[:, :k]
    shared = ((a[:, :, None] == b[:, None, :]) & (a >= 0)[:, :, None]).any(axis=2).sum(axis=1)
    either = (a >= 0).sum(axis=1) + (b >= 0).sum(axis=1) - shared
    return np.where(either > 0, shared / np.maximum(either, 1), 1.0)


def _found(index: FaissIndex, vectors: Vectors, setting: Setting) -> Hits:
    index.ef_search = setting.ef
    return index.search(vectors, k=setting.topk)


def _gains(hits: Hits, quality: Callable[[Hits], Floats], *, baseline: Hits, before: Floats,
           clusters: Any) -> tuple[Estimate, Estimate]:
    """Change in quality and overlap of one setting's hits, each with its interval over queries."""
    change = paired(_values(quality(hits), len(hits.codes), "quality"), before)
    shared = jaccard(hits.codes, baseline.codes)
    return (mean_interval(change, clusters=clusters, confidence=_CONFIDENCE, support=(-1, 1)),
            mean_interval(shared, clusters=clusters, confidence=_CONFIDENCE, support=(0, 1)))


def _mapped(path: Path) -> FaissIndex:
    return FaissIndex.load(path, mmap=True)


def _fit(index: FaissIndex, path: Path, baseline: Hits) -> None:
    if index.kind != "hnsw":
        raise InputError("has no graph", where=path, expected="an hnsw index", found=index.kind)
    if baseline.codes.ndim != 2 or baseline.codes.shape[1] < _TOP:
        raise InputError("too few hits to compare with", where="baseline hits", expected=f"(n, {_TOP} or more) codes",
                         found=baseline.codes.shape)


def _settings(efs: Sequence[int], topks: Sequence[int],
              default: tuple[int, int] | None) -> tuple[list[Setting], Setting]:
    tried = [Setting(ef, topk) for ef in dict.fromkeys(efs) for topk in dict.fromkeys(topks)]
    if not tried or min(min(setting) for setting in [*tried, default or tried[0]]) < 1:
        raise InputError("nothing to harvest", where="efs, topks", expected="values of at least 1",
                         found=[list(efs), list(topks)])
    standing = Setting(*default) if default else Setting(max(efs), max(topks))
    return tried if standing in tried else [*tried, standing], standing


def _drawn(n: int, amounts: Requests, rng: np.random.Generator) -> Codes:
    """Rows of the requests to time: one draw without repetition, of which warm and cold take the first ones."""
    if min(amounts) < 1 or min(n, amounts.warm, amounts.cold) < _FEWEST:
        raise InputError("too few requests for a p95", where="requests", found=min(n, *amounts),
                         expected=f"at least {_FEWEST} queries and requests, and one repeat")
    return np.asarray(rng.permutation(n), dtype=np.int64)


def _values(values: Floats, n: int, name: str) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (n,) or not np.isfinite(column).all():
        raise InputError("does not fit the queries", where=name, found=column.shape,
                         expected=f"{n} finite values, one per query")
    return column


def _sure(settings: int) -> float:
    """Each setting but the default is compared with it: the miss rate is shared out among them."""
    return 1.0 - (1.0 - _CONFIDENCE) / max(settings - 1, 1)


def _told_apart(warm: Timed, standing: int, sure: float) -> list[int]:
    """Settings worth a cold start: the default, those that differ from it when warm, and the fastest.

    No other can be taken, or disagree, whatever it does cold; and a cold request takes as long as hundreds warm.
    """
    default = warm.best[standing]
    against = [quantile_difference(times, default, 0.95, confidence=sure, unit="ms") for times in warm.best]
    shown = {at for at, one in enumerate(against) if one.low > 0.0 or one.high < 0.0}
    fastest = min(range(len(against)), key=lambda at: against[at].value)
    return sorted(shown | {standing, fastest})


def _cells(settings: Sequence[Setting], standing: int, gains: Sequence[tuple[Estimate, Estimate]], warm: Timed,
           cold: Mapping[int, Floats]) -> tuple[Cell, ...]:
    sure = _sure(len(settings))

    def against(times: Floats, default: Floats) -> Estimate:
        return quantile_difference(times, default, 0.95, confidence=sure, unit="ms")

    def ratio(times: Floats) -> float:
        low, high = np.quantile(times, [0.95, 0.99])
        return float(high / low) if low > 0.0 else 1.0

    return tuple(
        Cell(setting, delta, overlap, quantile_interval(warm.best[at], 0.95, confidence=_CONFIDENCE, unit="ms"),
             against(warm.best[at], warm.best[standing]), against(warm.worst[at], warm.worst[standing]),
             against(cold[at], cold[standing]) if at in cold else None, ratio(warm.best[at]))
        for at, (setting, (delta, overlap)) in enumerate(zip(settings, gains, strict=True)))
