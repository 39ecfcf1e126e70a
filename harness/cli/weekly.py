"""`signoff weekly`: evaluate afresh, rebuild the truth, keep the history, triage the worst queries, try what helps."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, plain, print_json
from harness.cli.live import TaskOption

if TYPE_CHECKING:
    from harness.release.build import Built
    from harness.release.live import LiveRelease
    from harness.triage.week import Week

__all__ = ["command"]


def command(
    manifest: Annotated[Path, typer.Argument(help="The release's manifest, with live parts.")],
    *,
    task: TaskOption = None,
    history: Annotated[Path, typer.Option(help="Where evaluations are appended.")] = Path("history.jsonl"),
    triage: Annotated[bool, typer.Option(help="Triage the worst queries and try small changes.")] = True,
    queries: Annotated[int, typer.Option(min=60, help="Queries to learn from on which changes are tried.")] = 400,
    as_json: JsonFlag = False,
) -> None:
    """Evaluate on the corpus as it is today, compare with the last days, say what moved and what to look at."""
    from harness.report.history import append, read_history, rolling

    now = datetime.now(UTC)
    document, week = _week(manifest, task, queries=queries if triage else 0)
    append(history, {name: document[name] for name in ("release", "task", "measures")}, at=now)
    lines = [line for line in rolling(read_history(history), now=now)
             if (line.release, line.task) == (document["release"], document["task"])]
    document["rolling"] = [line._asdict() for line in lines]
    if as_json:
        print_json(document)
        return
    _show(document, lines)
    if week is not None:
        _show_week(week, document["triage"]["cards"])


def _week(manifest: Path, task: str | None, *, queries: int) -> tuple[dict[str, Any], Week | None]:
    from harness.cli.eval import MEASURES, evaluate_release
    from harness.cli.live import live_release, task_of, tell

    document = evaluate_release(manifest, task, MEASURES, None)
    loaded, built, release = live_release(manifest)
    _agreement(document, built, release, task)
    week = None
    if queries:
        from harness.triage.week import triaged

        week = triaged(loaded, built, release, task_of(built.world, task), queries=queries, tell=tell)
        document["measures"] |= week.measures
        document["triage"] = {**week.document(), "cards": str(_kept(loaded.manifest.release, week))}
    tell("")
    return document, week


def _agreement(document: dict[str, Any], built: Built, release: LiveRelease, task: str | None) -> None:
    """Add the index's agreement with exhaustive search of the corpus as it is."""
    import numpy as np

    from harness.cli.live import task_of, tell
    from harness.estimators.intervals import mean_interval
    from harness.retrieval.agreement import flat_agreement
    from harness.retrieval.indexes import FaissIndex

    index = release.first.index
    if index is None or release.first.encoder is None:
        return
    tell("rebuilding the exhaustive truth from the current corpus")
    judged = task_of(built.world, task).judge()
    texts = [one.text for one in built.world.corpus.documents]
    truth = FaissIndex("flat").build(release.first.encoder.documents(texts))
    agreed = flat_agreement(index, truth, release.first.vectors(judged.texts), k=10)
    estimate = mean_interval(agreed, clusters=np.asarray(judged.clusters, dtype=object), support=(0.0, 1.0))
    document["measures"]["agreement@10"] = estimate.value
    document["estimates"]["agreement@10"] = {"after": estimate._asdict()}


def _kept(release: str, week: Week) -> Path:
    """Write the triage and its cards under the release's reports; returns the cards."""
    import json

    from harness.data.store import atomic_write_text
    from harness.triage.cards import cards_page

    folder = Path("reports") / release / "weekly"
    atomic_write_text(folder / "triage.json", json.dumps(plain(week.document()), indent=1, ensure_ascii=False) + "\n")
    return atomic_write_text(folder / "cards.md", cards_page(release, week))


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


def _show_week(week: Week, cards: str) -> None:
    from harness.cli.common import prose
    from harness.triage.causes import counted, worst_of

    out = console()
    prose(out, f"What is likely wrong, of {len(week.cases):,} queries on {week.task}, by {week.measure}:")
    for cause, n in counted(week.cases).items():
        (first,) = worst_of(week.cases, cause, most=1)
        prose(out, f"  {n:5,}  {cause} (such as {first.query_id}, {first.value:.2f})")
    for one in week.nudges:
        effect = one.effect
        prose(out, f"  {one.option.knob} {one.option.before} → {one.option.after} on {one.domain}: "
                   f"{effect.value:+.4f} [{effect.low:+.4f}, {effect.high:+.4f}], n = {effect.n:,}: "
                   f"{'suggested' if one.suggested else 'not shown to help'}")
    if not week.nudges:
        prose(out, f"  {week.why or 'No small change helped on the half that was searched'}.")
    prose(out, f"Nothing was applied. What to do about each: {cards}")
