"""Requests of the study `surrogate`, served live: settings and loads drawn, two sizes of the index, warm and cold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from harness.records import Floats
from harness.release.live import LiveRelease
from harness.release.loads import Ask, Gauge, Served, ef_of, served_at_once, served_by
from harness.release.mapped import MappedIndex
from harness.release.studied.paired import Request
from harness.retrieval.indexes import FaissIndex

if TYPE_CHECKING:
    from harness.release.study_options import SurrogateStudy

__all__ = ["Drawn", "cold_requests", "smaller", "warm_requests"]

WARMING = 20  # requests of each setting that are served and not counted
FAILS = 20  # rounds on end whose pages stayed, after which the machine cannot do it
Tell = Callable[[str], None]


class Drawn(NamedTuple):
    """What asks are drawn from: judged queries, hits asked for, and the rungs of the ladder."""

    requests: Sequence[Request]
    topks: tuple[int, ...]
    ladder: tuple[int, ...]

    def asks(self, n: int, rng: np.random.Generator) -> list[Ask]:
        """`n` requests, half of them with a rung drawn and half left to the rule; never more reranked than found."""
        found = []
        for place, topk, planned in zip(rng.integers(len(self.requests), size=n), rng.choice(self.topks, n),
                                        rng.random(n) < 0.5, strict=True):
            rungs = [rung for rung in self.ladder if rung <= topk]
            spend = int(rng.choice(rungs)) if planned and rungs else None
            found.append(Ask(self.requests[place], int(topk), spend))
        return found


def warm_requests(live: LiveRelease, drawn: Drawn, options: SurrogateStudy, *, rng: np.random.Generator,
                  tell: Tell) -> tuple[list[Served], Floats, list[Served]]:
    """Requests at the release's own settings, one in flight; their fastest repeats; and those at all others.

    Repeats are passes, as a release's trace takes them: what the release takes, not what else the machine was doing.
    """
    own = [Ask(drawn.requests[place]) for place in rng.integers(len(drawn.requests), size=options.own + WARMING)]
    tell(f"serving {options.own:,} requests as the release is set")
    passes = [served_by(live, own, flying=1, gauge=Gauge())[WARMING:] for _ in range(options.repeats)]
    fastest = np.array([[one.ms for one in served] for served in passes]).min(axis=0)
    sizes = [live, *(smaller(live, share) for share in options.sizes)] if live.first.index is not None else [live]
    blocks = [(system, ef, load) for system in sizes for ef in _efs(live, options) for load in options.loads]
    each = -(-max(0, options.needed - options.own) // len(blocks))
    tell(f"serving {each * len(blocks):,} more, {', '.join(map(str, options.loads))} at a time")
    found: list[Served] = []
    for place in rng.permutation(len(blocks)):
        system, ef, load = blocks[place]
        with _walked(system.first.index, ef):
            asks = drawn.asks(each + WARMING, rng)
            found += served_by(system, asks, flying=load, gauge=Gauge())[WARMING:]
    return passes[0], fastest, found


def cold_requests(live: LiveRelease, folder: Path | None, drawn: Drawn, options: SurrogateStudy, *,
                  rng: np.random.Generator, tell: Tell) -> list[Served]:
    """Requests each of which met an index without a page in memory; none where that cannot be had."""
    index = live.first.index
    if folder is None or index is None or live.first.part.impl == "bm25":
        return []
    mapped = MappedIndex.open(folder / "index.faiss")
    system = replace(live, first=replace(live.first, index=mapped.graph))
    blocks = [(ef, load) for ef in _efs(live, options) for load in options.loads]
    each = -(-options.needed // len(blocks))
    tell(f"serving {each * len(blocks):,} on a cold index, its pages dropped before each")
    found: list[Served] = []
    with ThreadPoolExecutor(max(options.loads)) as pool:
        for place in rng.permutation(len(blocks)):
            ef, load = blocks[place]
            with _walked(mapped.graph, ef):
                asks = drawn.asks(load * (2 + (each - 1) // load), rng)
                served = _rounds(system, asks, load, pool, mapped.cool)[:each]
            tell(f"cold: {len(found) + len(served):,} of {each * len(blocks):,}")
            found += served
            if not served:
                break
    return found


def _rounds(system: LiveRelease, asks: Sequence[Ask], load: int, pool: ThreadPoolExecutor,
            cool: Callable[[], bool]) -> list[Served]:
    """`load` at a time; the first round, before which nothing had finished, is not counted."""
    gauge, found, failed = Gauge(), list[Served](), 0
    for start in range(0, len(asks), load):
        served = served_at_once(system, asks[start : start + load], gauge=gauge, pool=pool, cool=cool)
        failed = 0 if served else failed + 1
        if failed == FAILS:
            return []
        found += served if start else []
    return found


def smaller(live: LiveRelease, share: float) -> LiveRelease:
    """The release over an index of a `share` of its documents, evenly spaced, built as its own was."""
    index = live.first.index
    assert index is not None
    ids = np.unique(np.linspace(0, len(index.ids) - 1, max(1, round(share * len(index.ids)))).astype(np.int64))
    vectors = np.ascontiguousarray(index.vectors()[ids])
    made = FaissIndex(index.kind, ef_search=ef_of(index) or 64).build(vectors, ids=index.ids[ids])
    if index.has_cells:
        made.nprobe = min(index.nprobe, len(made.cell_sizes()))
    return replace(live, first=replace(live.first, index=made))


def _efs(live: LiveRelease, options: SurrogateStudy) -> tuple[int, ...]:
    """Walks of the graph that are tried: the release's own, and multiples of it; 0 without a graph."""
    own = ef_of(live.first.index)
    return tuple(sorted({max(1, round(own * factor)) for factor in (1.0, *options.efs)})) if own else (0,)


@contextmanager
def _walked(index: FaissIndex | None, ef: int) -> Iterator[None]:
    """The index at another ef inside, at its own after."""
    if index is None or not ef:
        yield
        return
    before, index.ef_search = index.ef_search, ef
    try:
        yield
    finally:
        index.ef_search = before
