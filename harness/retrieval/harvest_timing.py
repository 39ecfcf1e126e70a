"""Requests timed at several settings in turns, warm on one index and cold each on an index whose pages are gone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.records import Floats
from harness.retrieval.indexes import FaissIndex
from harness.retrieval.protocols import Vectors

__all__ = ["Clock", "Drop", "Load", "Setting", "Timed", "timed_cold", "timed_warm"]

Clock = Callable[[], float]
Load = Callable[[Path], FaissIndex]
Drop = Callable[[Path], float | None]


class Setting(NamedTuple):
    """How the graph is searched: candidates held while it is walked, and hits asked for."""

    ef: int
    topk: int


class Timed(NamedTuple):
    """Milliseconds of each request at each setting: (settings, requests), the best and the worst of its repeats."""

    best: Floats
    worst: Floats


def timed_warm(index: FaissIndex, queries: Vectors, settings: Sequence[Setting], *, repeats: int, clock: Clock,
               rng: np.random.Generator) -> Timed:
    """Each of `queries` (n, d) alone at every setting before the next, `repeats` times, in an order that rotates.

    A slow moment of the machine falls on all settings alike; a first pass, untimed, brings the pages in.

    Raises:
        InputError: Vectors that do not fit the index.

    >>> index = FaissIndex("hnsw").build(np.eye(8, dtype=np.float32))
    >>> ticks = iter(range(99))
    >>> timed_warm(index, np.eye(8, dtype=np.float32)[:2], [Setting(4, 2), Setting(8, 2)], repeats=1,
    ...            clock=lambda: next(ticks) / 1000, rng=np.random.default_rng(1)).best.tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    for setting in settings:
        index.ef_search = setting.ef
        index.search(queries, k=setting.topk)
    times = np.empty((repeats, len(settings), len(queries)))
    for turn in range(repeats):
        order = rng.permutation(len(settings))
        for place in range(len(queries)):
            for at in np.roll(order, place):
                times[turn, at, place] = _one(index, queries[place : place + 1], settings[at], clock)
    return Timed(times.min(axis=0), times.max(axis=0))


def timed_cold(path: Path, queries: Vectors, settings: Sequence[Setting], *, repeats: int, clock: Clock, load: Load,
               drop: Drop, rng: np.random.Generator) -> Timed | None:
    """The same with the file's pages dropped and the index mapped anew before every single search.

    None as soon as pages stay, or nobody can tell: a time that may be warm is not called cold. The search is timed, not
    the opening, in which faiss reads the graph; the vectors come from disk as the search asks for them.

    Raises:
        InputError: The index cannot be read, or vectors do not fit it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "a.hnsw"
    ...     FaissIndex("hnsw").build(np.eye(8, dtype=np.float32)).save(path)
    ...     timed_cold(path, np.eye(8, dtype=np.float32)[:2], [Setting(4, 2)], repeats=1, clock=lambda: 0.0,
    ...                load=FaissIndex.load, drop=lambda _: 0.5, rng=np.random.default_rng(1)) is None
    True
    """
    times = np.empty((repeats, len(settings), len(queries)))
    for turn in range(repeats):
        order = rng.permutation(len(settings))
        for place in range(len(queries)):
            for at in np.roll(order, place):
                if drop(path) != 0.0:
                    return None
                times[turn, at, place] = _one(load(path), queries[place : place + 1], settings[at], clock)
    return Timed(times.min(axis=0), times.max(axis=0))


def _one(index: FaissIndex, query: Vectors, setting: Setting, clock: Clock) -> float:
    index.ef_search = setting.ef
    start = clock()
    index.search(query, k=setting.topk)
    return 1000.0 * (clock() - start)
