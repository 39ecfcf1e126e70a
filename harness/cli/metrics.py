"""`signoff metrics QRELS RUN`: score a run against judgements, in the shape that trec_eval's readers know.

Every judged query counts: one that the run does not answer scores 0, as with `trec_eval -c`. What is missing is
counted in lines of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common import JsonFlag, MeasureOption, print_json
from harness.cli.sources import DEFAULT_MEASURES, qrels_from, run_from
from harness.errors import Exit, UsageError

if TYPE_CHECKING:
    from harness.metrics.evaluate import Evaluation

__all__ = ["command"]


def command(
    qrels: Annotated[str, typer.Argument(metavar="QRELS", help="Judgements; FORMAT:PATH where no suffix tells.")],
    run: Annotated[str, typer.Argument(metavar="RUN", help="The run; formats: trec, beir, parquet, jsonl, csv.")],
    *,
    measures: MeasureOption = None,
    depth: Annotated[int | None, typer.Option(min=1, metavar="K", help="Look at the first K hits only.")] = None,
    per_query: Annotated[bool, typer.Option("--per-query", "-q", help="Also one line a query.")] = False,
    as_json: JsonFlag = False,
) -> int:
    """Score a run against judgements, every judged query counted."""
    from harness.metrics.evaluate import evaluate
    from harness.metrics.spec import parse

    specs = list(dict.fromkeys(parse(measure) for measure in measures or DEFAULT_MEASURES))
    for spec in specs:
        if spec.compares_runs:
            raise UsageError(f"metrics: {spec} compares two runs; signoff compare takes it")
    found = evaluate(run_from(run), qrels_from(qrels), specs, depth=depth)
    if as_json:
        print_json({"qrels": qrels, "run": run, **_document(found, per_query=per_query)})
    else:
        sys.stdout.write("".join(_lines(found, per_query=per_query)))
    return int(Exit.PASSED)


def _document(found: Evaluation, *, per_query: bool) -> dict[str, Any]:
    values = {name: dict(zip(found.queries.tolist(), column.tolist(), strict=True))
              for name, column in found.values.items()}
    return {
        "queries": len(found.queries), "unanswered": found.unanswered.tolist(),
        "no_relevant": found.no_relevant.tolist(), "unknown": found.unknown,
        "unjudged": {f"@{k}": float(column.mean()) for k, column in found.unjudged.items()},
        "measures": {name: found.mean(name) for name in found.values}, **({"per_query": values} if per_query else {}),
    }


def _lines(found: Evaluation, *, per_query: bool) -> Iterator[str]:
    queries = found.queries.tolist()
    for name, column in found.values.items() if per_query else ():
        pairs = zip(queries, column.tolist(), strict=True)
        yield from (f"{name:<22}\t{query}\t{value:.4f}\n" for query, value in pairs)
    yield f"{'num_q':<22}\tall\t{len(queries)}\n"
    yield from (f"{name:<22}\tall\t{found.mean(name):.4f}\n" for name in found.values)
    yield f"{'unanswered':<22}\tall\t{len(found.unanswered)}\n"
    yield f"{'no_relevant':<22}\tall\t{len(found.no_relevant)}\n"
    yield f"{'unknown_queries':<22}\tall\t{found.unknown}\n"
    yield from (f"{f'unjudged@{k}':<22}\tall\t{column.mean():.4f}\n" for k, column in found.unjudged.items())
