"""Each measure by its literal definition, one query at a time: the slow twins that the fast ones must meet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.metrics.spec import EXPONENTIAL, MetricSpec


def value(spec: MetricSpec, ranking: Sequence[str], grades: Mapping[str, int]) -> float:
    """One measure of one ranking."""
    k = spec.k or len(ranking)
    top = ranking[:k]
    relevant = [doc for doc, grade in grades.items() if grade >= spec.rel]
    hits = [rank for rank, doc in enumerate(top, start=1) if doc in relevant]
    if spec.name == "nDCG":
        ideal = sorted(grades.values(), reverse=True)[: spec.k]
        best = gain(ideal, spec)
        return gain([grades.get(doc, 0) for doc in top], spec) / best if best else 0.0
    if spec.name == "RR":
        return 1 / hits[0] if hits else 0.0
    if spec.name == "AP":
        return sum(place / rank for place, rank in enumerate(hits, start=1)) / len(relevant) if relevant else 0.0
    if spec.name == "R":
        return len(hits) / len(relevant) if relevant else 0.0
    return len(hits) / k if spec.name == "P" else float(bool(hits))


def gain(grades: Sequence[int], spec: MetricSpec) -> float:
    """Discounted cumulative gain."""
    positive = [max(grade, 0) for grade in grades]
    worth = [2**grade - 1 for grade in positive] if spec.dcg == EXPONENTIAL else positive
    return sum(gained / math.log2(rank + 1) for rank, gained in enumerate(worth, start=1))


def rbo_ext(a: Sequence[str], b: Sequence[str], p: float) -> float:
    """Webber, Moffat & Zobel 2010, equation 32, term by term."""
    short, long = sorted((a, b), key=len)
    s, l = len(short), len(long)  # noqa: E741 - the paper's letters
    if not s:
        return 0.0
    overlap = [len(set(short[:d]) & set(long[:d])) for d in range(l + 1)]
    head = sum(overlap[d] / d * p**d for d in range(1, l + 1))
    more = sum(overlap[s] * (d - s) / (s * d) * p**d for d in range(s + 1, l + 1))
    return (1 - p) / p * (head + more) + ((overlap[l] - overlap[s]) / l + overlap[s] / s) * p**l
