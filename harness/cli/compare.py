"""`signoff compare BEFORE AFTER`: paired differences with intervals, and the checklist's decision: plan, tune or hold.

Takes two evaluations (JSON, as `signoff eval` writes it) or two runs with their judgements.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.common import JsonFlag, MeasureOption, console, print_json
from harness.cli.sources import DEFAULT_MEASURES, qrels_from, run_from, same_queries
from harness.errors import Exit, InputError, UsageError, nearest
from harness.estimate import Estimate
from harness.report.comparison import Column, Difference, compare, comparison_table, gravest

__all__ = ["command"]

Columns = dict[tuple[str, str], Column]
_TABLE = ("query_id", "cluster", "task", "measure", "value")


def command(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="An evaluation (JSON) or a run.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="Another of the same kind.")],
    *,
    qrels: Annotated[str | None, typer.Option(metavar="QRELS", help="Judgements, for two runs.")] = None,
    measures: MeasureOption = None,
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of the two-sided interval.")] = 0.9,
    as_json: JsonFlag = False,
) -> int:
    """Paired differences of two releases and the checklist's decision; a report, so it exits 0 whatever it says."""
    if _is_evaluation(before) != _is_evaluation(after):
        raise UsageError("compare: one side is an evaluation, the other a run; give two of a kind")
    alike: dict[str, Estimate] = {}
    if _is_evaluation(before):
        sides = [_chosen(_evaluation(Path(name)), measures) for name in (before, after)]
    else:
        sides, alike = _runs(before, after, qrels, measures, confidence)
    found = compare(sides[0], sides[1], confidence=confidence) if sides else []
    if as_json:
        rows = [{**one._asdict(), "settled": len(one.reach) == 1} for one in found]
        print_json({"before": before, "after": after, "decision": gravest(found) if found else None,
                    "differences": rows, "agreement": alike})
    else:
        _show(found, alike)
    return int(Exit.PASSED)


def _show(found: list[Difference], alike: Mapping[str, Estimate]) -> None:
    out = console()
    for name, one in alike.items():
        out.print(f"{name} of the two rankings: {one.value:.4f} [{one.low:.4f}, {one.high:.4f}], n = {one.n:,}",
                  markup=False)
    if not found:
        return
    out.print(comparison_table(found))
    worst = gravest(found)
    by = ", ".join(one.measure for one in found if one.decision == worst)
    out.print(f"Decision: {worst}, by {by}. (|Δ| under 2 pp plan, 2 to 5 tune, over 5 hold.)", markup=False)
    unsettled = [one.measure for one in found if len(one.reach) > 1]
    if unsettled:
        out.print(f"Open within its interval: {', '.join(unsettled)}. More queries would settle it.", markup=False)
    lost = max(one.left_out for one in found)
    if lost:
        out.print(f"{lost} queries stand on one side only and were left out.", markup=False)


def _is_evaluation(name: str) -> bool:
    return Path(name).suffix.lower() == ".json"


def _runs(before: str, after: str, qrels: str | None, measures: list[str] | None, confidence: float
          ) -> tuple[list[Columns], dict[str, Estimate]]:
    """Per-query columns of both runs, and how alike their rankings are where RBO or Jaccard@k is asked for."""
    from harness.estimators.intervals import mean_interval
    from harness.metrics.agreement import agreement
    from harness.metrics.evaluate import evaluate
    from harness.metrics.spec import parse

    specs = [parse(measure) for measure in measures or DEFAULT_MEASURES]
    judged = [spec for spec in specs if not spec.compares_runs]
    if judged and qrels is None:
        raise UsageError(f"compare: {judged[0]} of two runs needs their judgements: --qrels QRELS")
    runs = [run_from(name) for name in (before, after)]
    alike = {str(spec): mean_interval(agreement(runs[0], runs[1], spec).values, confidence=confidence,
                                      support=(0.0, 1.0)) for spec in specs if spec.compares_runs}
    if not judged or qrels is None:
        return [], alike
    relevant = qrels_from(qrels)
    for name, run in zip((before, after), runs, strict=True):
        same_queries(run, relevant, where=name)
    found = [evaluate(run, relevant, judged) for run in runs]
    return [{("default", name): Column(one.queries, values) for name, values in one.values.items()}
            for one in found], alike


def _evaluation(path: Path) -> Columns:
    """Per-query columns of an evaluation file: one document, or a list with one a task."""
    from harness.data.canonical import strict_json
    from harness.data.files import read_bytes

    document = strict_json(bytes(read_bytes(path)), where=path)
    columns: Columns = {}
    for one in document if isinstance(document, list) else [document]:
        if not isinstance(one, Mapping) or not isinstance(one.get("per_query"), str):
            raise InputError("not an evaluation", where=path, expected="release, task, measures and per_query",
                             found=sorted(one) if isinstance(one, Mapping) else type(one).__name__)
        columns |= _columns(_beside(path, one["per_query"]))
    return columns


def _beside(path: Path, name: str) -> Path:
    """The per-query table, sought beside its evaluation first, then from here."""
    table = path.parent / name
    return table if table.is_file() else Path(name)


def _columns(path: Path) -> Columns:
    import pandas as pd

    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors derive from these
        raise InputError("cannot be read", where=path, expected="a Parquet table", found=str(error)) from None
    for column in _TABLE:
        if column not in frame.columns:
            raise InputError("missing column", where=path, column=column, expected=", ".join(_TABLE),
                             found=list(map(str, frame.columns)), hint=nearest(column, map(str, frame.columns)))
    return {(str(task), str(measure)): _column(rows, path)
            for (task, measure), rows in frame.groupby(["task", "measure"], sort=False)}


def _column(rows: Any, path: Path) -> Column:
    import numpy as np

    values = rows["value"].to_numpy(dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError("not finite", where=path, column="value", expected="finite numbers")
    return Column(rows["query_id"].to_numpy(dtype=object), values, rows["cluster"].to_numpy(dtype=object))


def _chosen(columns: Columns, measures: list[str] | None) -> Columns:
    if measures is None:
        return columns
    known = {measure for _, measure in columns}
    for measure in measures:
        if measure not in known:
            raise InputError("no such measure", where="evaluation", expected=f"one of {', '.join(sorted(known))}",
                             found=measure, hint=nearest(measure, known))
    return {key: column for key, column in columns.items() if key[1] in measures}
