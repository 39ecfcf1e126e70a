"""What a measure of the policy is in traffic: from its spelling to one number a minute, and how many stand behind it.

`error rate`, `rerank share`, `conformal coverage` are shares; `p95 total_ms` a percentile of a stage and
`p99/p95 total_ms` their ratio; `delta nDCG@10`, `delta RR@10` and `Jaccard@10` come from shadow replay, query by query;
so do `delta answer F1` and the like; `answers a minute` is what a minute of work gives; `ESS/N` comes from the weights
of logged decisions, `AECE` from stated probabilities. Any other name is the mean of what is observed under it.
`delta X` is the candidate's less the stable release's in the same minute, `rise X` that over the stable level.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from harness.errors import InputError
from harness.estimators.sketch import RELATIVE_ERROR
from harness.monitor.answered import ANSWER_DELTAS, ANSWERS, RATE, rate_of
from harness.monitor.windows import COVERED, ERRORS, HIT, JACCARD, NDCG, RERANKED, RR, Window

__all__ = ["AECE", "ESS", "Measure", "Minute", "measure_of", "observed_as"]

AECE, ESS = "AECE", "ESS/N"
_QUANTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?) (\w+?)_ms")
_RATIO = re.compile(r"p(\d{1,2})/p(\d{1,2}) (\w+?)_ms")
_ALIASES = {"ess/n": ESS, "log ess/n": ESS, "log ess/n all": ESS, "jaccard@10 baseline": JACCARD, "aece": AECE,
            "errors": ERRORS, "coverage": COVERED}
_GROWTH = (1.0 + RELATIVE_ERROR) / (1.0 - RELATIVE_ERROR)


class Minute(NamedTuple):
    """What a minute shows: a value, how many observations stand behind it, and, of a share, how many were hits."""

    value: float
    n: int
    hits: int | None = None


class Measure(NamedTuple):
    """How a measure is read off a window.

    Attributes:
        name: Its spelling, aliases resolved.
        read: The minute of a window; None where nothing of it was observed.
        support: Least and greatest value, where there are such.
        versus: `""` for the arm alone, `delta` or `rise` against the stable release.
        per_query: Whether it is a paired difference of shadow replay: one number is both arms'.
        waits: Whether a minute with too little is read together with the next.
        least: Requests of which there is a value.
    """

    name: str
    read: Callable[[Window], Minute | None]
    support: tuple[float, float] | None = None
    versus: str = ""
    per_query: bool = False
    waits: bool = False
    least: int = 1


def measure_of(spelling: str) -> Measure:
    """The measure that a policy's spelling names.

    Raises: InputError for an empty name, a percentile outside (0, 100), and `delta` of what has no minutes (`AECE`).

    >>> measure_of("p95 total_ms").support is None, measure_of("error rate").support
    (True, (0.0, 1.0))
    >>> measure_of("delta p95 total_ms").versus, measure_of("delta nDCG@10").versus
    ('delta', '')
    """
    name = " ".join(spelling.split())
    name = _ALIASES.get(name.lower(), name)
    if name in {NDCG, RR} or name in ANSWER_DELTAS:
        return Measure(name, _mean(name), (-1.0, 1.0), per_query=True)
    for word in ("delta", "rise"):
        if name.startswith(f"{word} "):
            inner = measure_of(name.removeprefix(f"{word} "))
            if inner.versus or inner.name in {AECE, ESS}:
                raise InputError(f"has no {word}", where="measure", expected="a measure of one arm", found=spelling)
            low, high = inner.support or (0.0, 0.0)
            span = (low - high, high - low) if inner.support and word == "delta" else None
            return Measure(name, inner.read, span, versus=word, waits=inner.waits,
                           least=inner.least)
    return _single(name)


def observed_as(spelling: str) -> tuple[Literal["stage", "value"], str]:
    """What has to be observed for a measure: a stage's time, or a value under a name.

    >>> observed_as("delta p95 total_ms"), observed_as("rise memory_mb")
    (('stage', 'total'), ('value', 'memory_mb'))
    """
    name = " ".join(spelling.split())
    if name in ANSWER_DELTAS:
        return "value", name  # a number of its own, not two arms' to be subtracted
    while name.startswith(("delta ", "rise ")):
        name = name.partition(" ")[2]
    name = _ALIASES.get(name.lower(), name)
    if name == RATE:
        return "stage", "total"
    found = _RATIO.fullmatch(name) or _QUANTILE.fullmatch(name)
    return ("value", name) if found is None else ("stage", found[found.lastindex or 0])


def _single(name: str) -> Measure:
    """A measure of one arm."""
    if not name:
        raise InputError("no measure", where="measure", expected="a name such as 'error rate' or 'p95 total_ms'")
    known = {
        ERRORS: Measure(ERRORS, lambda one: _share(one.requests.hits, one.requests.n), (0.0, 1.0)),
        RERANKED: Measure(RERANKED, _counted(RERANKED), (0.0, 1.0)),
        COVERED: Measure(COVERED, _counted(COVERED), (0.0, 1.0)),
        JACCARD: Measure(JACCARD, _mean(JACCARD), (0.0, 1.0), per_query=True),
        HIT: Measure(HIT, _mean(HIT), (-1.0, 1.0)), ESS: Measure(ESS, _spread), RATE: Measure(RATE, _rate)}
    if name in known:
        return known[name]
    if (found := _RATIO.fullmatch(name)) is not None:
        read = _ratio(float(found[1]), float(found[2]), found[3])
        return Measure(name, read, waits=True, least=_tail(max(float(found[1]), float(found[2]))))
    if (found := _QUANTILE.fullmatch(name)) is not None:
        return Measure(name, _quantile(float(found[1]), found[2]), waits=True, least=_tail(float(found[1])))
    return Measure(name, _mean(name), _support(name))


def _support(name: str) -> tuple[float, float] | None:
    """Measures of rankings and of answers lie in [0, 1]; of anything else nothing is known."""
    return (0.0, 1.0) if name in ANSWERS or re.fullmatch(r"(R|P|RR|AP|nDCG|Success|Recall|Hit)@?\d*", name) else None


def _share(hits: int, n: int) -> Minute | None:
    return Minute(hits / n, n, hits) if n else None


def _counted(name: str) -> Callable[[Window], Minute | None]:
    def read(one: Window) -> Minute | None:
        tally = one.shares.get(name)
        return None if tally is None else _share(tally.hits, tally.n)
    return read


def _mean(name: str) -> Callable[[Window], Minute | None]:
    def read(one: Window) -> Minute | None:
        found = one.means.get(name)
        return Minute(found.mean, found.n) if found is not None and found.n else None
    return read


def _rate(one: Window) -> Minute | None:
    found = rate_of(one)
    return None if found is None else Minute(*found)


def _tail(percent: float) -> int:
    """Requests of which one lies above a percentile."""
    return math.ceil(100.0 / (100.0 - percent) - 1e-9)


def _at(one: Window, percent: float, stage: str) -> tuple[float, int]:
    """A percentile of a stage, to the sketch's one per cent; of fewer requests than one in its tail, none."""
    sketch = one.latency.get(stage)
    if sketch is None or sketch.n < _tail(percent):
        return math.nan, 0
    rank = math.ceil(sketch.n * percent / 100.0 - 1e-9)
    bucket = int(sketch.buckets[int(np.searchsorted(np.cumsum(sketch.counts), rank))])
    return 2.0 * _GROWTH**bucket / (_GROWTH + 1.0), sketch.n


def _quantile(percent: float, stage: str) -> Callable[[Window], Minute | None]:
    if not 0.0 < percent < 100.0:
        raise InputError("not a percentile", where="measure", expected="p1 to p99", found=f"p{percent:g}")

    def read(one: Window) -> Minute | None:
        value, n = _at(one, percent, stage)
        return Minute(value, n) if n else None
    return read


def _ratio(above: float, below: float, stage: str) -> Callable[[Window], Minute | None]:
    def read(one: Window) -> Minute | None:
        (top, n), (bottom, _) = _at(one, above, stage), _at(one, below, stage)
        return Minute(top / bottom, n) if n and bottom > 0.0 else None
    return read


def _spread(one: Window) -> Minute | None:
    """Mean squared weight of a minute: over the squared mean of all, its inverse is ESS/N."""
    weights = one.weights
    return Minute(weights.squares / weights.n, weights.n) if weights.n and weights.total > 0.0 else None
