"""Requests served under load: several at once by threads, at settings of their own, each with what was known before.

The live release serves them itself, its first stage asked for fewer hits and its rerank planned beforehand where the
request says so. Threads of one process share Python's lock: what faiss and LightGBM do runs side by side, what Python
does waits in line, and a request's latency holds that wait. That is what this process does under load, and not what
another server would do.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

from harness.latency.features import RequestFeatures
from harness.release.live import DEPTH, Answer, LiveRelease
from harness.release.signals import SignalMaker
from harness.release.stages import FirstStage
from harness.release.studied.paired import Request
from harness.retrieval.indexes import FaissIndex
from harness.retrieval.protocols import Hits, Vectors

__all__ = ["RECENT", "Ask", "Gauge", "Served", "asked", "ef_of", "served_at_once", "served_by"]

RECENT = 100  # finished requests that the recent p95 looks back on
_SIGNALS = SignalMaker(("entropy", "margin"))


class Ask(NamedTuple):
    """A request with its own settings: hits asked of the first stage, and the rerank, None where the rule decides."""

    request: Request
    topk: int = DEPTH
    spend: int | None = None


class Served(NamedTuple):
    """What was known of a request, and the milliseconds that it took."""

    features: RequestFeatures
    ms: float


@dataclass(frozen=True, eq=False)
class _Cut(FirstStage):
    """A first stage that is asked for `topk` hits, whatever the release would ask for."""

    topk: int = DEPTH

    def hits(self, texts: Sequence[str], vectors: Vectors, *, k: int) -> Hits:
        """The `topk` best and one more, for a query's own document."""
        return super().hits(texts, vectors, k=min(k, self.topk + 1))


class Gauge:
    """Requests in flight, and the 95th percentile of those that finished; one for all threads."""

    def __init__(self) -> None:
        """Nothing in flight, nothing finished."""
        self._lock, self._flying = threading.Lock(), 0
        self._finished: deque[float] = deque(maxlen=RECENT)

    def arrived(self) -> tuple[int, float]:
        """Requests in flight with this one, and the recent p95; NaN before any has finished.

        >>> gauge = Gauge()
        >>> gauge.arrived(), gauge.done(2.0), gauge.arrived()
        ((1, nan), None, (1, 2.0))
        """
        with self._lock:
            self._flying += 1
            flying, known = self._flying, sorted(self._finished)
        return flying, known[min(len(known) - 1, int(0.95 * len(known)))] if known else float("nan")

    def done(self, ms: float) -> None:
        """One has finished."""
        with self._lock:
            self._flying -= 1
            self._finished.append(ms)


def ef_of(index: FaissIndex | None) -> int:
    """Candidates held while the graph is walked; 0 without a graph."""
    return index.ef_search if index is not None and index.kind == "hnsw" else 0


def asked(live: LiveRelease, ask: Ask) -> LiveRelease:
    """The release as the request wants it: the very same where it wants nothing."""
    if ask.topk == DEPTH and ask.spend is None:
        return live
    stage = {each.name: getattr(live.first, each.name) for each in fields(FirstStage)}
    found = replace(live, first=_Cut(**stage, topk=ask.topk))
    return found if ask.spend is None else replace(found, rule=None, depth=ask.spend)


def served_by(live: LiveRelease, asks: Sequence[Ask], *, flying: int, gauge: Gauge, cold: bool = False) -> list[Served]:
    """Every request, `flying` of them at any time: each thread takes the next when it has finished one."""
    waiting = iter(list(enumerate(asks)))
    lock, found = threading.Lock(), list[tuple[int, Served]]()

    def work() -> None:
        while True:
            with lock:
                place, ask = next(waiting, (-1, None))
            if ask is None:
                return
            found.append((place, _served(live, ask, gauge, cold=cold)))

    with ThreadPoolExecutor(flying) as pool:
        for one in [pool.submit(work) for _ in range(flying)]:
            one.result()
    return [served for _, served in sorted(found, key=lambda pair: pair[0])]


def served_at_once(live: LiveRelease, asks: Sequence[Ask], *, gauge: Gauge, pool: ThreadPoolExecutor,
                   cool: Callable[[], bool]) -> list[Served]:
    """All requests let go in one moment on a cold index; none where it could not be made cold."""
    gate = threading.Barrier(len(asks) + 1)

    def work(ask: Ask) -> Served:
        gate.wait()
        return _served(live, ask, gauge, cold=True)

    if not cool():
        return []
    started = [pool.submit(work, ask) for ask in asks]
    gate.wait()
    return [one.result() for one in started]


def _served(live: LiveRelease, ask: Ask, gauge: Gauge, *, cold: bool) -> Served:
    release, request = asked(live, ask), ask.request
    flying, recent = gauge.arrived()
    answer = release.search(request.text, own=request.own, module=request.module)
    ms = answer.encode_ms + answer.search_ms + answer.rerank_ms
    gauge.done(ms)
    return Served(_known(release, ask, answer, flying=flying, recent=recent, cold=cold), ms)


def _known(release: LiveRelease, ask: Ask, answer: Answer, *, flying: int, recent: float,
           cold: bool) -> RequestFeatures:
    entropy, margin = _SIGNALS.one(ask.request.text, answer.before.codes[0], answer.before.scores[0]).tolist()
    index = release.first.index
    size = len(release.first.ids) if index is None else int(index.faiss.ntotal)
    return RequestFeatures(len(ask.request.text.split()), entropy, margin, ef_of(index), ask.topk, answer.spend,
                           float(cold), size, flying, recent)
