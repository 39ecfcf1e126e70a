"""`signoff explain`: why a query got its results: cosines, margins, and what the reranker changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, print_json
from harness.cli.live import live_release
from harness.errors import UsageError
from harness.release.live import LiveRelease

__all__ = ["command"]


def command(
    query: Annotated[str, typer.Argument(help="The query, in words.")],
    *,
    manifest: Annotated[Path, typer.Option(help="The release that answers.")] = Path("manifests/retriever-v0.yaml"),
    k: Annotated[int, typer.Option("-k", min=1, max=50, help="Hits to show.")] = 10,
    as_json: JsonFlag = False,
) -> None:
    """Show the top hits of one query before and after the second stage."""
    if not query.strip():
        raise UsageError("explain: the query is empty")
    loaded, _, release = live_release(manifest)
    document = _explained(loaded.manifest.release, release, query, k)
    if as_json:
        print_json(document)
        return
    _show(document)


def _explained(name: str, release: LiveRelease, query: str, k: int) -> dict[str, Any]:
    answer = release.search(query)
    before = [int(code) for code in answer.before.codes[0] if code >= 0]
    scores = dict(zip(before, answer.before.scores[0].tolist(), strict=False))
    ids, documents = release.world.corpus.ids, release.world.corpus.documents
    shown = [int(code) for code in answer.codes if code >= 0][:k]
    rows = [{"rank": rank, "doc_id": ids[code], "summary": documents[code].summary, "score": scores.get(code),
             "rank_before": before.index(code) + 1, "moved": before.index(code) + 1 - rank}
            for rank, code in enumerate(shown, start=1)]
    values = list(scores.values())
    return {
        "release": name, "query": query, "hits": rows,
        "margin": values[0] - values[1] if len(values) > 1 else None,
        "first_changed": bool(shown and before and shown[0] != before[0]),
        "latency_ms": {"encode": answer.encode_ms, "search": answer.search_ms, "rerank": answer.rerank_ms}}


def _show(document: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    out = console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for title in ("rank", "first stage", "cosine or score", "document"):
        table.add_column(title, justify="left" if title == "document" else "right", no_wrap=title != "document")
    for row in document["hits"]:
        was = str(row["rank_before"]) + ("" if not row["moved"] else f" ({row['moved']:+d})")
        table.add_row(str(row["rank"]), was, f"{row['score']:.3f}", Text(f"{row['doc_id']}\n  {row['summary']}"))
    if not document["hits"]:
        out.print("No hit: no word of the query is known to this release.")
        return
    out.print(table)
    margin = document["margin"]
    told = "the reranker changed the first hit" if document["first_changed"] else "the first hit stands as first found"
    out.print(f"{told}; margin of the first stage {margin:.3f}" if margin is not None else told)
    times = ", ".join(f"{name} {value:.2f} ms" for name, value in document["latency_ms"].items())
    out.print(f"{document['release']}: {times}", markup=False)
