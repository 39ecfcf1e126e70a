"""Latency beside the baseline: both releases serve the same queries in turns, one request at a time.

A machine that is slow for a moment is slow for both; what is left of the difference is the releases'.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from harness.errors import InputError, nearest
from harness.records import Floats, Ids, Trace
from harness.shown import brief

if TYPE_CHECKING:
    from harness.data.corpus import World
    from harness.data.task import Task
    from harness.release.build import Built
    from harness.release.live import Answer
    from harness.release.manifest import Loaded, Manifest
    from harness.release.observed import Observed

__all__ = ["PAIRED", "PairedLatency", "Request", "Serves", "in_turns", "joined", "observe", "recorded",
           "requests_of", "wanted"]

PAIRED = re.compile(r"delta p(50|90|95|99|99\.9) ([a-z]+)_ms$")
_STAGE = "_ms"


class Request(NamedTuple):
    """One request: the query, the document it was made of (-1 for none), and its page where that is known."""

    name: str
    text: str
    own: int = -1
    module: str | None = None


class Serves(Protocol):
    """What is timed: a release that answers one query and says what each stage took."""

    def search(self, text: str, *, own: int = -1, module: str | None = None) -> Answer:
        """One query's answer, its stages timed in fields that end in `_ms`."""


@dataclass(frozen=True, eq=False)
class PairedLatency:
    """Two releases' latencies of the same requests, in milliseconds, row by row.

    Attributes:
        requests: (n,) name of each request.
        candidate: Stage → (n,) milliseconds; `total` is always there where the study ran live.
        baseline: The same of the baseline.
    """

    requests: Ids
    candidate: Mapping[str, Floats]
    baseline: Mapping[str, Floats]

    __repr__ = brief

    def both(self, stage: str) -> tuple[Floats, Floats]:
        """(n,) latencies of a stage, candidate and baseline. Raises InputError for a stage that either lacks.

        >>> record = PairedLatency(np.array(["q"], dtype=object), {"total": np.ones(1)}, {"total": np.zeros(1)})
        >>> [float(column[0]) for column in record.both("total")]
        [1.0, 0.0]
        """
        shared = [name for name in self.candidate if name in self.baseline]
        if stage not in shared:
            raise InputError("no such stage on both sides", where="paired latency", expected=", ".join(shared),
                             found=stage, hint=nearest(stage, shared))
        return self.candidate[stage], self.baseline[stage]


def wanted(manifest: Manifest) -> bool:
    """True where the policy names a difference of percentiles."""
    return any(check.own_gate is None and PAIRED.match(check.measure) for check in manifest.checks)


def observe(loaded: Loaded, built: Built, candidate: Observed, baseline: Observed | None,  # noqa: ARG001 as every study
            tell: Callable[[str], None]) -> PairedLatency:
    """Time the candidate and its baseline in turns on judged queries of the text tasks.

    Raises InputError where either has no live parts.
    """
    ours, other = candidate.live, None if baseline is None else baseline.live
    if ours is None or other is None:
        raise InputError("nothing to serve beside the candidate", where=loaded.manifest.release,
                         expected="a live baseline", found=loaded.manifest.baseline)
    options = loaded.manifest.studies.paired
    rows = requests_of(ours.world, tuple(candidate.tasks), options.requests, seed=loaded.manifest.seed)
    tell(f"timing {len(rows):,} requests on {candidate.release} and {loaded.manifest.baseline}, in turns")
    mine, theirs = in_turns(ours, other, rows, repeats=options.repeats)
    return PairedLatency(np.array([row.name for row in rows], dtype=object), mine, theirs)


def recorded(loaded: Loaded, tell: Callable[[str], None]) -> PairedLatency:
    """Two recorded latency files, joined by request. Raises InputError where a side has none, or others."""
    from harness.data.readers import read_trace

    sides = loaded.manifest.recorded
    if sides is None or sides.baseline is None or sides.candidate.latency is None or sides.baseline.latency is None:
        raise InputError("no latencies of both sides", where=loaded.path, column="recorded",
                         expected="`latency:` under candidate and under baseline", found=None)
    tell("joining recorded latencies")
    traces = [read_trace({key: str(loaded.folder / path) for key, path in source.spec.items()})
              for source in (sides.candidate.latency, sides.baseline.latency)]
    return joined(*traces)


def requests_of(world: World, first: Sequence[str], most: int, *, seed: int) -> list[Request]:
    """Up to `most` judged queries of the world's text tasks in a drawn order; no query stands twice.

    Tasks named in `first` are taken whole before others are drawn on, so that a study asks what the policy judges.

    Raises:
        InputError: No text task.
    """
    tasks = sorted((task for task in world.tasks.values() if task.contexts is None),
                   key=lambda task: (task.name not in first, list(first).index(task.name) if task.name in first else 0))
    rng, rows = np.random.default_rng(seed), list[Request]()
    for task in tasks:
        judged = _asked(task.judge())
        rows += [judged[place] for place in rng.permutation(len(judged))[: most - len(rows)]]
    if not rows:
        raise InputError("no query to serve", where="studies", expected="a task of query texts")
    return [rows[place] for place in rng.permutation(len(rows))]


def in_turns(one: Serves, two: Serves, rows: Sequence[Request], *, repeats: int
             ) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Stage → (n,) milliseconds of either, the fastest of each request's repeats.

    Both serve a request before the next; who comes first changes with every request and every pass. A first pass warms
    caches and is not counted. `total` is the sum of the stages, `retrieval` what comes before the rerank.
    """
    passes: list[list[tuple[list[float], list[float]]]] = []
    stages: list[str] = []
    for turn in range(1 + repeats):
        times = []
        for place, row in enumerate(rows):
            order = (one, two) if (turn + place) % 2 else (two, one)
            answers = [system.search(row.text, own=row.own, module=row.module) for system in order]
            stages = stages or [name for name in answers[0]._fields if name.endswith(_STAGE)]
            told = [[float(getattr(answer, name)) for name in stages] for answer in answers]
            times.append((told[0], told[1]) if order[0] is one else (told[1], told[0]))
        passes.append(times)
    counted = np.array(passes[1:])  # (repeats, n, 2, stages)
    return _fastest(counted[:, :, 0], stages), _fastest(counted[:, :, 1], stages)


def joined(candidate: Trace, baseline: Trace) -> PairedLatency:
    """Two traces row by row: the k-th request of a query on one side stands beside its k-th on the other.

    Raises:
        InputError: A request that only one side served: what a side left out may be what it was slow at.

    >>> import pandas as pd
    >>> one = Trace.of(pd.DataFrame({"query_id": ["a", "b"], "total_ms": [1.0, 2.0]}))
    >>> two = Trace.of(pd.DataFrame({"query_id": ["b", "a"], "total_ms": [4.0, 3.0]}))
    >>> joined(one, two).baseline["total"].tolist()
    [3.0, 4.0]
    """
    frames = [trace.frame.assign(turn=trace.frame.groupby("query_id").cumcount()).set_index(["query_id", "turn"])
              for trace in (candidate, baseline)]
    alone = frames[0].index.symmetric_difference(frames[1].index)
    if len(alone):
        raise InputError("served by one side only", where="paired latency", column="query_id",
                         expected=f"the same {len(frames[0]):,} requests on both sides", found=str(alone[0][0]))
    other = frames[1].loc[frames[0].index]
    mine = {name: candidate.latency_ms(name) for name in candidate.stages}
    theirs = {name: other[f"{name}_ms"].to_numpy(dtype=np.float64) for name in baseline.stages}
    return PairedLatency(candidate.frame["query_id"].to_numpy(dtype=object), mine, theirs)


def _asked(task: Task) -> list[Request]:
    from harness.release.stages import MODULE_TASKS

    modules = task.clusters if task.name in MODULE_TASKS else [None] * len(task)
    return [Request(name, text, int(own), module) for name, text, own, module
            in zip(task.query_ids, task.texts, task.own, modules, strict=True)]


def _fastest(times: Floats, stages: Sequence[str]) -> dict[str, Floats]:
    """(repeats, n, stages) → stage → (n,): each request's stages in the pass that took it least in all."""
    best = times[times.sum(axis=2).argmin(axis=0), np.arange(times.shape[1])]
    told = {name.removesuffix(_STAGE): best[:, at] for at, name in enumerate(stages)}
    if {"encode", "search"} <= set(told):
        told["retrieval"] = told["encode"] + told["search"]
    return told | {"total": best.sum(axis=1)}
