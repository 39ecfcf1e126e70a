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
from harness.cli.sources import DEFAULT_MEASURES, qrels_from, run_from, same_queries
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
    ranked, judged = run_from(run), qrels_from(qrels)
    same_queries(ranked, judged, where=run)
    found = evaluate(ranked, judged, specs, depth=depth)
    if as_json:
        print_json({"qrels": qrels, "run": run, **_document(found, per_query=per_query)})
    else:
        sys.stdout.write("".join(_lines(found, per_query=per_query)))
    return int(Exit.PASSED)


def _document(found: Evaluation, *, per_query: bool) -> dict[str, Any]:
    from harness.metrics.summary import rows_of

    queries = found.queries.tolist()
    values = {name: dict(zip(queries, column.tolist(), strict=True)) for name, column in found.values.items()}
    rows = rows_of(found)
    return {
        "queries": len(queries), "unanswered": found.unanswered.tolist(), "no_relevant": found.no_relevant.tolist(),
        "unknown": found.unknown, "measures": {row.measure: row.mean for row in rows},
        "unjudged": {row.measure: row.unjudged for row in rows if row.unjudged is not None},
        **({"per_query": values} if per_query else {}),
    }


def _lines(found: Evaluation, *, per_query: bool) -> Iterator[str]:
    from harness.metrics.summary import per_query_rows, rows_of

    if per_query:
        yield from (_line(measure, query, f"{value:.4f}") for measure, query, value in per_query_rows(found))
    rows = rows_of(found)
    yield _line("num_q", "all", str(rows[0].n))
    yield from (_line(row.measure, "all", f"{row.mean:.4f}") for row in rows)
    yield _line("unanswered", "all", str(rows[0].unanswered))
    yield _line("no_relevant", "all", str(rows[0].no_relevant))
    yield _line("unknown_queries", "all", str(rows[0].unknown))
    shares = {row.measure.rpartition("@")[2]: row.unjudged for row in rows if row.unjudged is not None}
    yield from (_line(f"unjudged@{k}", "all", f"{share:.4f}") for k, share in shares.items())


def _line(measure: str, query: str, value: str) -> str:
    return f"{measure:<22}\t{query}\t{value}\n"
