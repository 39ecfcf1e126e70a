"""`signoff weekly`: build the release afresh, rebuild the exhaustive truth, evaluate again, append to the history."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, print_json
from harness.cli.live import TaskOption

__all__ = ["command"]


def command(
    manifest: Annotated[Path, typer.Argument(help="The release's manifest, with live parts.")],
    *,
    task: TaskOption = None,
    history: Annotated[Path, typer.Option(help="Where evaluations are appended.")] = Path("history.jsonl"),
    as_json: JsonFlag = False,
) -> None:
    """Evaluate on the corpus as it is today, compare with the last days, say what moved."""
    from harness.report.history import append, read_history, rolling

    now = datetime.now(UTC)
    document = _week(manifest, task)
    append(history, {name: document[name] for name in ("release", "task", "measures")}, at=now)
    lines = [line for line in rolling(read_history(history), now=now)
             if (line.release, line.task) == (document["release"], document["task"])]
    document["rolling"] = [line._asdict() for line in lines]
    if as_json:
        print_json(document)
        return
    _show(document, lines)


def _week(manifest: Path, task: str | None) -> dict[str, Any]:
    import numpy as np

    from harness.cli.eval import MEASURES, evaluate_release
    from harness.cli.live import live_release, task_of, tell
    from harness.estimators.intervals import mean_interval
    from harness.retrieval.agreement import flat_agreement
    from harness.retrieval.indexes import FaissIndex

    document = evaluate_release(manifest, task, MEASURES, None)
    _, built, release = live_release(manifest)
    index = release.first.index
    if index is not None and release.first.encoder is not None:
        tell("rebuilding the exhaustive truth from the current corpus")
        judged = task_of(built.world, task).judge()
        texts = [one.text for one in built.world.corpus.documents]
        truth = FaissIndex("flat").build(release.first.encoder.documents(texts))
        agreed = flat_agreement(index, truth, release.first.vectors(judged.texts), k=10)
        estimate = mean_interval(agreed, clusters=np.asarray(judged.clusters, dtype=object), support=(0.0, 1.0))
        document["measures"]["agreement@10"] = estimate.value
        document["estimates"]["agreement@10"] = {"after": estimate._asdict()}
    tell("")
    return document


def _show(document: dict[str, Any], lines: Any) -> None:
    from harness.report.history import history_table

    out = console()
    out.print(history_table(lines))
    for line in lines:
        if line.before is not None and abs(line.mean - line.before) >= 0.02:
            out.print(f"→ {line.measure} moved by {100 * (line.mean - line.before):+.1f} pp against the week before: "
                      f"signoff diagnose, then signoff compare with that week's evaluation", soft_wrap=True)
    out.print(f"{document['release']} on {document['task']}: {document['n']:,} queries, appended to the history",
              soft_wrap=True)
