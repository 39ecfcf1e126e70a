"""Searches on an index that was just mapped, its pages dropped: what the first request after a restart waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np

from harness.data.task import Task
from harness.records import Floats
from harness.release.live import DEPTH, LiveRelease
from harness.retrieval.harvest_pages import drop
from harness.retrieval.hits import without
from harness.retrieval.indexes import FaissIndex, one_thread

__all__ = ["cold_searches"]


def cold_searches(live: LiveRelease, folder: Path | None, requests: Sequence[tuple[Task, int]], *,
                  drop: Callable[[Path], float | None] = drop) -> Floats:
    """(n,) milliseconds to encode and search, the pages of the index dropped before each request.

    The opening is not timed, in which faiss reads the graph; the vectors come from disk as the search asks for them.

    Args:
        live: The release; its index stays as it is.
        folder: Of the index; None where there is none.
        requests: Task, and the query's place in it.
        drop: Throws a file's pages out and tells the share that stayed.

    Returns:
        NaN for every request where there is no index or no vectors are searched, and from the first on whose pages
        stayed, or could not be told to be gone: a time that may be warm is not called cold.
    """
    times = np.full(len(requests), np.nan)
    if folder is None or live.first.index is None or live.first.part.impl not in {"dense", "rrf", "blend"}:
        return times
    path = folder / "index.faiss"
    for at, (task, place) in enumerate(requests):
        if drop(path) != 0.0:
            return np.full(len(requests), np.nan)
        first = replace(live.first, index=FaissIndex.load(path, mmap=True))
        with one_thread():
            start = perf_counter()
            asked = first.mended([task.texts[place]])
            vector = first.vectors(asked)
            without(first.hits(asked, vector, k=DEPTH + 1), task.own[place : place + 1])
            times[at] = 1e3 * (perf_counter() - start)
        del first  # its map would keep the pages of the next request
    return times
