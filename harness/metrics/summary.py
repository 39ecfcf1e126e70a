"""The rows of `signoff metrics`: each measure's mean, what it stands on, and what was missing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from harness.metrics.evaluate import Evaluation, evaluate
from harness.metrics.spec import MetricSpec
from harness.records import Qrels, Run

__all__ = ["Row", "per_query_rows", "rows_of", "summarise"]


class Row(NamedTuple):
    """One measure over all judged queries.

    Attributes:
        measure: Its spelling.
        mean: Over all n judged queries; unanswered ones and ones without a relevant document count 0.
        n: Judged queries.
        unanswered: Judged queries that the run has no hit for.
        no_relevant: Judged queries without a document of grade ≥ 1.
        unknown: Queries of the run that have no judgements, and are left out.
        unjudged: Mean share of the first k hits that carry no judgement; None for a measure without a depth.
    """

    measure: str
    mean: float
    n: int
    unanswered: int
    no_relevant: int
    unknown: int
    unjudged: float | None


def summarise(run: Run, qrels: Qrels, specs: Iterable[MetricSpec | str], *, depth: int | None = None) -> list[Row]:
    """One row a measure, in the order asked for. Errors as `evaluate`.

    Raises:
        InputError: No judgement at all.
        UsageError: An unknown measure, or one of two runs.

    >>> summarise(Run.of(["q1"], ["a"], [1.0]), Qrels.of(["q1", "q2"], ["a", "b"], [1, 1]), ["RR"])[0][:4]
    ('RR', 0.5, 2, 1)
    """
    return rows_of(evaluate(run, qrels, specs, depth=depth))


def rows_of(found: Evaluation) -> list[Row]:
    """The summary of an evaluation at hand.

    Raises nothing.

    >>> found = evaluate(Run.of(["q1"], ["a"], [1.0]), Qrels.of(["q1", "q2"], ["a", "b"], [1, 1]), ["RR"])
    >>> rows_of(found)[0].mean
    0.5
    """
    counts = (len(found.queries), len(found.unanswered), len(found.no_relevant), found.unknown)
    return [Row(measure, found.mean(measure), *counts, _unjudged(found, spec.k))
            for measure, spec in zip(found.values, found.specs, strict=True)]


def per_query_rows(found: Evaluation) -> list[tuple[str, str, float]]:
    """(measure, query, value) for every judged query, measures in the order asked for, queries ascending.

    Raises nothing.

    >>> found = evaluate(Run.of(["q1"], ["a"], [1.0]), Qrels.of(["q1", "q2"], ["a", "b"], [1, 1]), ["RR"])
    >>> per_query_rows(found)
    [('RR', 'q1', 1.0), ('RR', 'q2', 0.0)]
    """
    return [(measure, query, value) for measure, values in found.values.items()
            for query, value in zip(found.queries.tolist(), values.tolist(), strict=True)]


def _unjudged(found: Evaluation, k: int | None) -> float | None:
    return None if k is None else float(found.unjudged(k).mean())
