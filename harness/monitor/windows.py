"""One-minute windows: what was seen of one release, as one arm, on one slice, in the accumulators of the gates.

A window is a state that merges: minutes to hours, hours to days, batches in any split and any order. Its size depends
on how many stages, measures and buckets there are, never on how many requests. What it holds has no text and no user:
numbers, and the ids of a few judged queries.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import numpy as np

from harness.data.canonical import strict_json
from harness.errors import EvidenceError, InputError
from harness.estimators.moments import Moments
from harness.estimators.sketch import LatencySketch
from harness.estimators.tally import Tally
from harness.estimators.weights import TopWeights
from harness.monitor.reliability import Reliabilities
from harness.rollout.shapes import Observation

__all__ = ["ALL", "COVERED", "ERRORS", "HIT", "JACCARD", "KEPT", "NDCG", "RERANKED", "RESOLUTION_S", "RR", "Key",
           "Ranked", "Window", "merged", "minute_of", "windows_of"]

RESOLUTION_S = 60
ALL = "all"
KEPT = 5  # slowest and worst queries that a window names
_WEIGHTS = 100  # largest importance weights that a window keeps
ERRORS, RERANKED, COVERED = "error rate", "rerank share", "conformal coverage"
HIT, NDCG, RR, JACCARD = "hit", "delta nDCG@10", "delta RR@10", "Jaccard@10"
_VERSION = 1


class _Merges(Protocol):
    def merge(self, other: Self) -> Self: ...


_State = TypeVar("_State", bound=_Merges)
Ranked = tuple[tuple[float, str], ...]


class Key(NamedTuple):
    """What a window is of; `minute` is its beginning, in UTC, however long the resolution is."""

    environment: str
    release: str
    assignment: str
    slice: str
    minute: datetime


@dataclass(frozen=True, eq=False)
class Window:
    """What was seen, in states that merge; equal where their bytes are.

    Attributes:
        requests: Requests answered, and those of them that failed.
        latency: Milliseconds by stage.
        means: Moments by measure: of shadow replay, of the answers, and of whatever else was measured.
        shares: Counts by measure: reranked, covered.
        weights: Importance weights of logged decisions.
        calibration: Stated probabilities against what came.
        slowest: The slowest judged queries, (ms, id).
        worst: The judged queries that lose most, (ΔnDCG@10, id).
        shown: What was read off it already, by measure: a window never changes. No part of the state.

    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> seen = Window.of([Observation(day, "prod", "ab", "stable", {"total": 4.0})])
    >>> both = seen.merge(Window.of([Observation(day, "prod", "ab", "stable", error=True)]))
    >>> both.requests, Window.read(both.raw).raw == both.raw
    (Tally(hits=1, n=2), True)
    """

    requests: Tally = field(default_factory=Tally)
    latency: Mapping[str, LatencySketch] = field(default_factory=dict)
    means: Mapping[str, Moments] = field(default_factory=dict)
    shares: Mapping[str, Tally] = field(default_factory=dict)
    weights: TopWeights = field(default_factory=lambda: TopWeights(_WEIGHTS))
    calibration: Reliabilities = field(default_factory=Reliabilities)
    slowest: Ranked = ()
    worst: Ranked = ()
    shown: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, observations: Sequence[Observation]) -> Self:
        """The state of a batch; an empty one is the identity. What replays a query is no request of its own.

        Raises: InputError for a latency, weight, share or value that no accumulator takes, named by its measure.
        """
        columns = _columns(observations)
        served = [one.error for one in observations if not _replayed(one)]
        slow = [(-one.latency_ms["total"], one.query) for one in observations
                if one.query is not None and "total" in one.latency_ms]
        lost = [(one.ndcg_delta, one.query) for one in observations
                if one.query is not None and one.ndcg_delta is not None]
        return cls(
            Tally.of(served), _each(columns["latency"], LatencySketch.of), _each(columns["mean"], Moments.of),
            _each(columns["share"], Tally.of),
            TopWeights.of([one.weight for one in observations if one.weight is not None], keep=_WEIGHTS),
            Reliabilities.of([one.calibration for one in observations if one.calibration is not None]),
            tuple((-ms, name) for ms, name in sorted(slow)[:KEPT]), tuple(sorted(lost)[:KEPT]))

    def merge(self, other: Window) -> Window:
        """The state of both batches together. Raises nothing."""
        slow = sorted((-ms, name) for ms, name in (*self.slowest, *other.slowest))[:KEPT]
        return Window(
            self.requests.merge(other.requests), _merged(self.latency, other.latency),
            _merged(self.means, other.means), _merged(self.shares, other.shares), self.weights.merge(other.weights),
            self.calibration.merge(other.calibration), tuple((-ms, name) for ms, name in slow),
            tuple(sorted((*self.worst, *other.worst))[:KEPT]))

    @property
    def raw(self) -> bytes:
        """The state as canonical JSON: equal states have equal bytes."""
        told = {
            "v": _VERSION, "requests": [self.requests.hits, self.requests.n],
            "latency": {name: [one.buckets.tolist(), one.counts.tolist()] for name, one in self.latency.items()},
            "means": {name: [one.n, one.mean, one.m2, one.m3] for name, one in self.means.items()},
            "shares": {name: [one.hits, one.n] for name, one in self.shares.items()},
            "weights": [self.weights.n, self.weights.total, self.weights.squares, self.weights.largest.tolist()],
            "calibration": self.calibration.told, "slowest": self.slowest, "worst": self.worst}
        return json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def read(cls, raw: bytes) -> Window:
        """The state that `raw` was made of. Raises EvidenceError for bytes that no window wrote."""
        try:
            told = strict_json(raw, where="window")
            found = _read(told) if told["v"] == _VERSION else None
        except (InputError, KeyError, TypeError, ValueError) as error:
            raise EvidenceError("not a window", where="windows", expected="what a monitor wrote",
                                found=f"{type(error).__name__}: {error}") from None
        if found is None or found.raw != raw:
            raise EvidenceError("not a window", where="windows", expected=f"version {_VERSION}", found=raw[:40])
        return found


def merged(windows: Iterable[Window]) -> Window:
    """All of them as one; of none, the identity.

    >>> merged([]).requests
    Tally(hits=0, n=0)
    """
    whole = Window()
    for one in windows:
        whole = whole.merge(one)
    return whole


def minute_of(at: datetime, *, resolution_s: int = RESOLUTION_S) -> datetime:
    """The beginning, in UTC, of the window that a moment falls into. Raises InputError for one without an offset.

    >>> minute_of(datetime(2025, 3, 1, 12, 0, 59, tzinfo=UTC)).isoformat()
    '2025-03-01T12:00:00+00:00'
    """
    if at.utcoffset() is None:
        raise InputError("no offset", where="at", expected="a time with its offset", found=at.isoformat())
    seconds = int(at.timestamp()) if at.timestamp() >= 0 else int(at.timestamp() // 1)
    return datetime.fromtimestamp(seconds - seconds % resolution_s, UTC)


def windows_of(observations: Iterable[Observation], *, resolution_s: int = RESOLUTION_S) -> dict[Key, Window]:
    """The windows of a batch: each observation counts in `all` and in every slice it names, once.

    Raises: InputError as `Window.of`, for a moment without an offset, and for a resolution that is no whole second.
    """
    if resolution_s < 1 or int(resolution_s) != resolution_s:
        raise InputError("not a resolution", where="MONITORING_RESOLUTION", expected="whole seconds from 1",
                         found=resolution_s)
    groups: dict[Key, list[Observation]] = defaultdict(list)
    for one in observations:
        minute = minute_of(one.at, resolution_s=resolution_s)
        for name in {ALL, *one.slices}:
            groups[Key(one.environment, one.release, one.assignment, name, minute)].append(one)
    return {key: Window.of(group) for key, group in sorted(groups.items())}


def _replayed(one: Observation) -> bool:
    shown = (one.ndcg_delta, one.rr_delta, one.jaccard) != (None, None, None) or bool(one.values)
    return not one.latency_ms and not one.error and shown


def _columns(observations: Sequence[Observation]) -> dict[str, dict[str, list[float]]]:
    """Values by kind of accumulator and by name."""
    latency, mean, share = (defaultdict[str, list[float]](list) for _ in range(3))
    for one in observations:
        for name, ms in one.latency_ms.items():
            latency[name].append(ms)
        for name, value in ((HIT, one.hit), (NDCG, one.ndcg_delta), (RR, one.rr_delta), (JACCARD, one.jaccard),
                            *one.values.items()):
            if value is not None:
                mean[name].append(value)
        for name, held in ((RERANKED, one.reranked), (COVERED, one.covered)):
            if held is not None:
                share[name].append(held)
    return {"latency": latency, "mean": mean, "share": share}


def _each(columns: Mapping[str, list[float]], into: Callable[[list[float]], _State]) -> dict[str, _State]:
    found = {}
    for name in sorted(columns):
        try:
            found[name] = into(columns[name])
        except InputError as error:
            raise InputError(error.what, where="observations", column=name, expected=error.expected,
                             found=error.found) from None
    return found


def _merged(one: Mapping[str, _State], two: Mapping[str, _State]) -> dict[str, _State]:
    both = {**one, **two}
    for name in one.keys() & two.keys():
        both[name] = one[name].merge(two[name])
    return dict(sorted(both.items()))


def _read(told: Mapping[str, Any]) -> Window:
    n, total, squares, largest = told["weights"]
    return Window(
        Tally(*told["requests"]),
        {name: LatencySketch(np.array(buckets, dtype=np.int64), np.array(counts, dtype=np.int64))
         for name, (buckets, counts) in told["latency"].items()},
        {name: Moments(*one) for name, one in told["means"].items()},
        {name: Tally(*one) for name, one in told["shares"].items()},
        TopWeights(_WEIGHTS, n, total, squares, np.array(largest, dtype=np.float64)),
        Reliabilities.read(told["calibration"]),
        tuple((ms, name) for ms, name in told["slowest"]), tuple((lost, name) for lost, name in told["worst"]))
