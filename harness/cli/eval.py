"""`signoff eval`: a release's measures before and after reranking, kept per query, appended to the history."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.common import JsonFlag, MeasureOption, console, plain, print_json
from harness.cli.live import TaskOption, live_release, task_of, tell
from harness.data.store import atomic_write_text, atomic_writer
from harness.data.task import Task
from harness.estimate import Estimate
from harness.records import Run

__all__ = ["MEASURES", "command", "evaluate_release"]

MEASURES = ("R@5", "RR", "Success@50", "nDCG@10")


def command(
    manifest: Annotated[Path, typer.Argument(help="The release's manifest, with live parts.")],
    *,
    measure: MeasureOption = None,
    task: TaskOption = None,
    history: Annotated[Path, typer.Option(help="Where evaluations are appended.")] = Path("history.jsonl"),
    output: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="The evaluation, for `signoff compare`. "
                                                "Default: reports/RELEASE/eval-TASK.json.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure a release on its judged queries, before and after the second stage."""
    from harness.report.history import append, history_table, read_history, rolling

    now = datetime.now(UTC)
    document = evaluate_release(manifest, task, tuple(measure or MEASURES), output)
    append(history, {name: document[name] for name in ("release", "task", "measures")}, at=now)
    if as_json:
        print_json(document)
        return
    out = console()
    out.print(_table(document))
    lines = [line for line in rolling(read_history(history), now=now) if line.release == document["release"]
             and line.task == document["task"]]
    out.print(history_table(lines))
    out.print(f"{document['n']:,} queries, intervals {document['confidence']:.0%} clustered; compare with: "
              f"signoff compare BEFORE {document['file']}", soft_wrap=True, markup=False)


def evaluate_release(manifest: Path, task: str | None, measures: tuple[str, ...],
                     output: Path | None) -> dict[str, Any]:
    """Evaluate and write the evaluation and its per-query values; returns the evaluation."""
    import json

    loaded, built, release = live_release(manifest)
    judged = task_of(built.world, task).judge()
    tell(f"running {loaded.manifest.release} on {judged.name}: {len(judged):,} queries")
    after, before, _ = release.answer(judged)
    tell("")
    rows, frame = _measured({"after": after, "before": before}, judged, measures)
    target = output or Path("reports") / loaded.manifest.release / f"eval-{judged.name}.json"
    parquet = target.with_suffix(".parquet")
    with atomic_writer(parquet) as stream:
        frame.to_parquet(stream, index=False)
    document = {"release": loaded.manifest.release, "task": judged.name, "config_hash": loaded.manifest.config_hash,
                "n": len(judged), "confidence": 0.9, "file": str(target), "per_query": parquet.name,
                "measures": {name: stages["after"].value for name, stages in rows.items()},
                "estimates": {name: {stage: one._asdict() for stage, one in stages.items()}
                              for name, stages in rows.items()}}
    atomic_write_text(target, json.dumps(plain(document), indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    return document


def _measured(runs: dict[str, Run | None], judged: Task, measures: tuple[str, ...]
              ) -> tuple[dict[str, dict[str, Estimate]], Any]:
    """Measure → stage → estimate, and a frame of the final ranking's per-query values."""
    import numpy as np
    import pandas as pd

    from harness.estimators.intervals import mean_interval
    from harness.metrics.evaluate import per_query

    clusters = np.asarray(judged.clusters, dtype=object)
    frames, rows = [], {}
    for name in measures:
        values = {stage: per_query(run, judged.qrels, name, queries=judged.query_ids)
                  for stage, run in runs.items() if run is not None}
        rows[name] = {stage: mean_interval(x, clusters=clusters, support=(0.0, 1.0)) for stage, x in values.items()}
        if "before" in values:
            rows[name]["lift"] = mean_interval(values["after"] - values["before"], clusters=clusters,
                                               support=(-1.0, 1.0))
        frames.append(pd.DataFrame({"query_id": judged.query_ids, "cluster": clusters, "task": judged.name,
                                    "measure": name, "value": values["after"]}))
    return rows, pd.concat(frames, ignore_index=True)


def _table(document: dict[str, Any]) -> Any:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold",
                  title=f"{document['release']} on {document['task']}", title_justify="left")
    for title in ("measure", "before", "after", "lift (pp)"):
        table.add_column(title, justify="left" if title == "measure" else "right")
    for name, stages in document["estimates"].items():
        def cell(stage: str, scale: float = 1.0, digits: int = 3, stages: Any = stages) -> str:
            if stage not in stages:
                return "–"
            one = stages[stage]
            return " ".join((f"{one['value'] * scale:.{digits}f}",
                             f"[{one['low'] * scale:.{digits}f}, {one['high'] * scale:.{digits}f}]"))
        from rich.text import Text

        table.add_row(name, Text(cell("before")), Text(cell("after")), Text(cell("lift", 100.0, 1)))
    return table
