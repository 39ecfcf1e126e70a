"""What the service tells Prometheus: latencies by stage, requests, errors, guards; by release and assignment only.

No label holds a query, a user or anything that a request brings along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from harness.monitor import metric_names as names
from harness.rollout.shapes import Observation, Reading

__all__ = ["BUCKETS", "Metrics"]

BUCKETS = (.0005, .001, .002, .003, .005, .0075, .01, .015, .02, .03, .05, .075, .1, .12, .15, .2, .3, .5, 1., 2., 5.)
_ARM = ("release", "assignment")


class _Arm(NamedTuple):
    requests: Counter
    errors: Counter
    reranks: Counter
    hits: Counter
    seconds: dict[str, Histogram]


class Metrics:
    """The counters of one service, in a registry of their own."""

    def __init__(self, *, hit_above: float = 0.5) -> None:
        self.registry, self._hit_above = CollectorRegistry(), hit_above
        self._arms: dict[tuple[str, str], _Arm] = {}
        self._shown: set[tuple[str, str]] = set()
        self._counted = ("", "")
        ProcessCollector(registry=self.registry)
        made: dict[str, Any] = {"registry": self.registry}
        self._seconds = Histogram(names.REQUEST_SECONDS, "Seconds by stage", ("stage", *_ARM), buckets=BUCKETS, **made)
        self._requests = Counter(names.REQUESTS, "Requests answered", _ARM, **made)
        self._errors = Counter(names.ERRORS, "Requests that failed or timed out on their arm", _ARM, **made)
        self._fallbacks = Counter(names.FALLBACKS, "Requests of a candidate that the stable release answered",
                                  ("release",), **made)
        self._reranks = Counter(names.RERANKS, "Requests that the second stage ran for", _ARM, **made)
        self._hits = Counter(names.HITS_ABOVE, "Requests whose best cosine is above the bar", (*_ARM, "above"), **made)
        guard = ("guard", "release")
        self._value = Gauge(names.GUARD_VALUE, "What a guard reads", guard, **made)
        self._limit = Gauge(names.GUARD_LIMIT, "What a guard allows", guard, **made)
        self._state = Gauge(names.GUARD_STATE, "0 ok, 1 warning, 2 critical, 3 emergency, -1 missing", guard, **made)
        self._moved = Gauge(names.VECTORS_MOVED, "Documents that a release has over the one it replaces, and lacks",
                            ("release", "is"), **made)
        self._percent = Gauge(names.CANARY_PERCENT, "The candidate's share of traffic, in percent", **made)
        self._dropped = Gauge(names.DROPPED, "Observations that did not fit the queue", **made)
        self._waiting = Gauge(names.WAITING, "Observations that are not in the store yet", **made)
        self._replays = Counter(names.REPLAYS, "Judged queries replayed through both arms", **made)

    def count(self, one: Observation, *, fallback: bool = False) -> None:
        """Count one request."""
        arm = self._arms.get((one.release, one.assignment)) or self._arm(one.release, one.assignment)
        arm.requests.inc()
        if one.error:
            arm.errors.inc()
        for stage, ms in one.latency_ms.items():
            seconds = arm.seconds.get(stage)
            if seconds is None:
                seconds = arm.seconds[stage] = self._seconds.labels(stage, one.release, one.assignment)
            seconds.observe(ms / 1e3)
        if one.reranked:
            arm.reranks.inc()
        if one.hit is not None and one.hit > self._hit_above:
            arm.hits.inc()
        if fallback:
            self._fallbacks.labels(one.release).inc()

    def _arm(self, release: str, assignment: str) -> _Arm:
        """The counters of an arm, looked up once: a request then finds each in no time; all begin at 0."""
        label = (release, assignment)
        made = _Arm(self._requests.labels(*label), self._errors.labels(*label), self._reranks.labels(*label),
                    self._hits.labels(*label, f"{self._hit_above:g}"), {})
        return self._arms.setdefault(label, made)

    def replayed(self) -> None:
        """Count one judged query that was replayed through both arms."""
        self._replays.inc()

    def guards(self, release: str, readings: Sequence[Reading]) -> None:
        """Show what the guards of the watched release read; what reads nothing has the state -1 and no value.

        What was shown before and is not read any more is gone: a release that was rolled back alarms nobody for ever.
        """
        fresh = {(one.guard.name, release) for one in readings}
        for one in readings:
            label = (one.guard.name, release)
            self._limit.labels(*label).set(one.guard.limit.bound)
            self._state.labels(*label).set(names.STATES[one.state])
            self._value.labels(*label).set(float("nan") if one.value is None else one.value)
        for label in self._shown - fresh:
            for gauge in (self._limit, self._state, self._value):
                gauge.remove(*label)
        self._shown = fresh

    def compared(self, stable: tuple[str, Sequence[str]], candidate: tuple[str, Sequence[str]]) -> None:
        """Show how many documents a candidate has that the stable release has not, and the reverse.

        Each release is its digest and its document ids; the same two are counted once.
        """
        if self._counted != (stable[0], candidate[0]):
            before, after = set(stable[1]), set(candidate[1])
            self._moved.labels(candidate[0], "added").set(len(after - before))
            self._moved.labels(candidate[0], "removed").set(len(before - after))
            self._counted = (stable[0], candidate[0])

    def text(self, *, percent: float, dropped: int, waiting: int) -> bytes:
        """Everything in Prometheus' text format."""
        self._percent.set(percent)
        self._dropped.set(dropped)
        self._waiting.set(waiting)
        return generate_latest(self.registry)
