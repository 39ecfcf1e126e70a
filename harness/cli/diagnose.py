"""`signoff diagnose`: is the index healthy, and does the reranker say anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, print_json
from harness.cli.live import TaskOption, live_release, task_of, tell
from harness.errors import InputError

__all__ = ["command", "diagnosis"]


def command(
    manifest: Annotated[Path, typer.Argument(help="The release's manifest, with live parts.")],
    *,
    task: TaskOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Cell sizes and Gini, norms, duplicates, diversity, memory; the share of first hits that the reranker changed."""
    document = diagnosis(manifest, task)
    if as_json:
        print_json(document)
        return
    out = console()
    width = max(map(len, document["facts"]))
    out.print(f"{document['release']} on {document['task']}", style="bold")
    for name, value in document["facts"].items():
        told = f"{value:.6g}" if isinstance(value, float) else str(value)
        out.print(f"  {name.replace('_', ' '):<{width}}  {told}", markup=False, soft_wrap=True)
    for line in document["advice"]:
        out.print(f"→ {line}", markup=False, soft_wrap=True)


def diagnosis(manifest: Path, task: str | None) -> dict[str, Any]:
    """The facts as shown, and what they advise."""
    from harness.reranking.acceptance import acceptance
    from harness.retrieval.health import index_health

    loaded, built, release = live_release(manifest)
    if release.first.index is None and release.second is None:
        raise InputError("nothing to look into", where=manifest, column="parts", expected="an index or a reranker")
    facts: dict[str, Any] = {}
    judged = task_of(built.world, task).judge()
    if release.first.index is not None:
        tell("reading the index")
        facts |= index_health(release.first.index, release.first.vectors(judged.texts[:500]))
    share = None
    if release.second is not None:
        tell(f"reranking {len(judged):,} queries")
        after, before, _ = release.answer(judged)
        assert before is not None
        first = [run.docs[run.doc[run.rank == 1]] for run in (before, after)]
        share = float(acceptance(first[0], first[1]).mean())
        facts["first hits changed by the reranker"] = f"{share:.1%} (expected 20 to 40 %, refused under 10 %)"
    tell("")
    return {"release": loaded.manifest.release, "task": judged.name, "facts": facts, "acceptance": share,
            "advice": _advice(facts, share)}


def _advice(facts: dict[str, Any], share: float | None) -> list[str]:
    lines = []
    if share is not None and share < 0.1:
        lines.append("the reranker hardly speaks: look at its features, or switch it off and save its time")
    if share is not None and share > 0.4:
        lines.append("the reranker overrules the first stage often: an accept_share in the manifest holds it back, "
                     "and `signoff compare` says what that costs")
    if facts.get("duplicates"):
        lines.append("equal vectors compete for the same places: merge the documents they come from")
    return lines or ["nothing stands out"]
