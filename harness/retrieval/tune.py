"""How many inverted lists to probe: measured against the exact index, paired by query, timed in turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from harness.errors import InputError
from harness.records import Floats
from harness.retrieval.agreement import overlap
from harness.retrieval.hits import checked_vectors, without
from harness.retrieval.indexes import FaissIndex
from harness.retrieval.protocols import Codes, Hits, Vectors

__all__ = ["GRID", "Choice", "Judged", "Lower", "ProbeRow", "Target", "choose", "sweep_nprobe"]

Lower = Callable[[Floats, Codes], float]
GRID = (4, 8, 12, 16, 24, 32, 48, 64)


@dataclass(frozen=True, eq=False)
class Judged:
    """Judgements beside the queries: `relevant` codes per query, and `removed` (n, width) codes that are no hits."""

    relevant: Sequence[Codes]
    removed: Codes | None = None


@dataclass(frozen=True, eq=False)
class ProbeRow:
    """What one nprobe costs and gives.

    Attributes:
        nprobe: Lists probed; 0 is the exact index, kept as the yardstick.
        agreement: (n,) share of the exact k hits found.
        recall_delta: (n,) R@k minus the exact index's, NaN where nothing is relevant; None without judgements.
        latency_ms: (timed,) best time of each timed query alone, one thread.
    """

    nprobe: int
    agreement: Floats
    recall_delta: Floats | None
    latency_ms: Floats

    @property
    def p50_ms(self) -> float:
        """Median latency."""
        return float(np.quantile(self.latency_ms, 0.5, method="higher"))

    @property
    def p95_ms(self) -> float:
        """95th percentile of latency, an observed value."""
        return float(np.quantile(self.latency_ms, 0.95, method="higher"))


@dataclass(frozen=True)
class Target:
    """What the chosen nprobe must meet; None leaves a demand out. Bounds are lower bounds over queries."""

    agreement: float | None = 0.95
    recall_delta: float | None = -0.005
    p95_ms: float | None = 8.0


class Choice(NamedTuple):
    """The smallest nprobe that meets the target, None where none does, and for each nprobe why it does not."""

    nprobe: int | None
    reasons: dict[int, list[str]]


def sweep_nprobe(
    index: FaissIndex, flat: FaissIndex, queries: Vectors, *, clock: Callable[[], float], grid: Sequence[int] = GRID,
    k: int = 10, judged: Judged | None = None, timed: int = 200, rounds: int = 3,
) -> list[ProbeRow]:
    """One row for the exact index (nprobe 0), then one for each nprobe of `grid` that the index has lists for.

    `clock` gives seconds. Each of the first `timed` queries is searched alone at every nprobe in turn, `rounds` times,
    so that a slow moment of the machine falls on all alike; its best time counts. The index keeps its own nprobe.
    """
    queries = checked_vectors(queries, where="query vectors", dimension=flat.dimension)
    probes = _probes(index, grid, (len(queries), timed, rounds))
    removed = None if judged is None else judged.removed
    deep = k + (0 if removed is None else removed.reshape(len(queries), -1).shape[1])
    truth = flat.search(queries, k=deep)
    before = index.nprobe
    try:
        found = dict(_searches(index, queries, probes, deep))
        times = _times(index, flat, queries[:timed], probes, k=k, rounds=rounds, clock=clock)
    finally:
        index.nprobe = before
    exact = _recall(truth, judged, k)
    rows = [ProbeRow(0, np.ones(len(queries)), None if exact is None else exact - exact, times[0])]
    for probe, hits in found.items():
        agreement = overlap(_cut(hits, k), _cut(truth, k), queries, flat, exact=index.exact_scores)
        recall = _recall(hits, judged, k)
        delta = None if recall is None or exact is None else recall - exact
        rows.append(ProbeRow(probe, agreement, delta, times[probe]))
    return rows


def choose(rows: Sequence[ProbeRow], *, target: Target, lower: Lower) -> Choice:
    """The smallest nprobe whose bounds meet `target`.

    `lower(values, rows)` gives the lower bound of the mean of `values`, one for each query in `rows`: a caller who
    resamples by cluster looks the clusters up by row.
    A demand without its measurement (no judgements for `recall_delta`) is not met: nothing passes unseen.
    """
    tried = sorted((row for row in rows if row.nprobe), key=lambda row: row.nprobe)
    reasons = {row.nprobe: _misses(row, target, lower) for row in tried}
    return Choice(next((probe for probe, misses in reasons.items() if not misses), None), reasons)


def _misses(row: ProbeRow, target: Target, lower: Lower) -> list[str]:
    misses, every = [], np.arange(len(row.agreement))
    if target.agreement is not None and not (low := lower(row.agreement, every)) >= target.agreement:
        misses.append(f"agreement: lower bound {low:.4f} < {target.agreement:g}")
    if target.recall_delta is not None:
        delta = np.empty(0) if row.recall_delta is None else row.recall_delta
        rows = np.flatnonzero(~np.isnan(delta))
        if not rows.size:
            misses.append("recall: no judgements")
        elif not (low := lower(delta[rows], rows)) >= target.recall_delta:
            misses.append(f"recall: lower bound of the change {low:+.4f} < {target.recall_delta:+g}")
    if target.p95_ms is not None and not row.p95_ms <= target.p95_ms:
        misses.append(f"latency: p95 {row.p95_ms:.3f} ms > {target.p95_ms:g} ms")
    return misses


def _probes(index: FaissIndex, grid: Sequence[int], amounts: tuple[int, ...]) -> list[int]:
    lists = len(index.cell_sizes())
    probes = [probe for probe in dict.fromkeys(grid) if 1 <= probe <= lists]
    if not probes or min(amounts) < 1:
        raise InputError("nothing to sweep", where="nprobe", found=list(grid),
                         expected=f"queries, rounds, and values from 1 to {lists}")
    return probes


def _searches(index: FaissIndex, queries: Vectors, probes: Sequence[int], depth: int) -> Iterator[tuple[int, Hits]]:
    for probe in probes:
        index.nprobe = probe
        yield probe, index.search(queries, k=depth)


def _times(
    index: FaissIndex, flat: FaissIndex, queries: Vectors, probes: Sequence[int], *, k: int, rounds: int,
    clock: Callable[[], float],
) -> dict[int, Floats]:
    best = {probe: np.full(len(queries), np.inf) for probe in (0, *probes)}
    for _ in range(rounds):
        for place in range(len(queries)):
            for probe, times in best.items():
                searched = index if probe else flat
                if probe:
                    index.nprobe = probe
                start = clock()
                searched.search(queries[place : place + 1], k=k)
                times[place] = min(times[place], 1000.0 * (clock() - start))
    return best


def _recall(hits: Hits, judged: Judged | None, k: int) -> Floats | None:
    if judged is None:
        return None
    if len(judged.relevant) != len(hits.codes):
        raise InputError("judgements do not fit the queries", expected=str(len(hits.codes)), found=len(judged.relevant))
    left = hits if judged.removed is None else without(hits, judged.removed)
    shares = [np.isin(relevant, row).mean() if len(relevant) else np.nan
              for relevant, row in zip(judged.relevant, left.codes[:, :k], strict=True)]
    return np.asarray(shares, dtype=np.float64)


def _cut(hits: Hits, k: int) -> Hits:
    return Hits(hits.codes[:, :k], hits.scores[:, :k])
