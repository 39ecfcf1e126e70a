"""`signoff tune nprobe`: the fewest cells that lose nothing, measured against exhaustive search."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, plain, print_json
from harness.cli.live import TaskOption, live_release, task_of, tell
from harness.errors import Exit, InputError, UsageError, nearest

__all__ = ["command", "sweep"]

KNOBS = ("nprobe",)


def command(
    knob: Annotated[str, typer.Argument(help="What to tune: nprobe.")],
    manifest: Annotated[Path, typer.Argument(help="The release's manifest.")] = Path("manifests/retriever-v0.yaml"),
    *,
    task: TaskOption = None,
    p95: Annotated[float, typer.Option(metavar="MS", min=0.0, help="Search latency allowed at p95.")] = 8.0,
    loss: Annotated[float, typer.Option(metavar="SHARE", help="Loss of R@10 allowed, as a lower bound.")] = 0.005,
    as_json: JsonFlag = False,
) -> int:
    """Sweep nprobe on queries that are never judged; exit 11 when no value meets the target."""
    if knob not in KNOBS:
        raise UsageError(f"tune knows {', '.join(KNOBS)}, not {knob!r} (nearest: {nearest(knob, KNOBS) or KNOBS[0]})")
    document = sweep(manifest, task, p95_ms=p95, loss=loss)
    if as_json:
        print_json(document)
    else:
        _show(document)
    return int(Exit.PASSED if document["chosen"] is not None else Exit.INCONCLUSIVE)


def sweep(manifest: Path, task: str | None, *, p95_ms: float, loss: float) -> dict[str, Any]:
    """The sweep as plain values, written with its picture under `reports/<release>/`."""
    from harness.estimators.intervals import mean_interval
    from harness.retrieval.tune import Target, choose, sweep_nprobe

    loaded, built, release = live_release(manifest)
    asked = task_of(built.world, task).fit()
    index, flat, queries, judged, clusters = _material(manifest, release, asked)
    tell(f"sweeping nprobe over {len(queries):,} queries")
    rows = sweep_nprobe(index, flat, queries, clock=perf_counter, judged=judged)
    tell("")

    def lower(values: Any, places: Any) -> float:
        """Lower bound by module of the queries at `places`."""
        return mean_interval(values, clusters=clusters[places], support=(-1.0, 1.0)).low

    choice = choose(rows, target=Target(agreement=None, recall_delta=-loss, p95_ms=p95_ms), lower=lower)
    shown = [_told(row, clusters) | {"misses": choice.reasons.get(row.nprobe, [])} for row in rows[1:]]
    document = {"release": loaded.manifest.release, "task": asked.name, "n": len(queries), "chosen": choice.nprobe,
                "serving": index.nprobe, "exhaustive_p95_ms": rows[0].p95_ms, "rows": shown,
                "target": {"delta R@10, lower bound": -loss, "p95_ms": p95_ms}}
    _keep(document, Path("reports") / loaded.manifest.release)
    return document


def _told(row: Any, clusters: Any) -> dict[str, Any]:
    import numpy as np

    from harness.estimators.intervals import mean_interval

    delta = row.recall_delta if row.recall_delta is not None else np.full(len(row.agreement), np.nan)
    known = ~np.isnan(delta)
    moved = mean_interval(delta[known], clusters=clusters[known], support=(-1.0, 1.0))
    return {"nprobe": row.nprobe, "agreement@10": float(row.agreement.mean()), "delta R@10": moved._asdict(),
            "p50_ms": row.p50_ms, "p95_ms": row.p95_ms}


def _material(manifest: Path, release: Any, task: Any) -> tuple[Any, Any, Any, Any, Any]:
    import numpy as np

    from harness.retrieval.indexes import FaissIndex
    from harness.retrieval.tune import Judged

    index = release.first.index
    if index is None or not index.has_cells:
        raise InputError("no cells to probe", where=manifest, column="parts.index", expected="ivf_flat or ivf_pq")
    flat = FaissIndex("flat").build(index.vectors())
    place = {name: code for code, name in enumerate(release.world.corpus.ids)}
    relevant: dict[str, list[int]] = {name: [] for name in task.query_ids}
    for query, doc, grade in zip(task.qrels.query, task.qrels.doc, task.qrels.relevance, strict=True):
        if grade > 0 and str(task.qrels.docs[doc]) in place:
            relevant[str(task.qrels.queries[query])].append(place[str(task.qrels.docs[doc])])
    judged = Judged([np.array(codes, dtype=np.int64) for codes in relevant.values()], task.removed)
    return index, flat, release.first.vectors(task.texts), judged, np.asarray(task.clusters, dtype=object)


def _keep(document: dict[str, Any], folder: Path) -> None:
    import json

    from harness.data.store import atomic_write_text
    from harness.report.pictures import lines_svg

    text = json.dumps(plain(document), indent=1, ensure_ascii=False, allow_nan=False)
    atomic_write_text(folder / "tune-nprobe.json", text + "\n")
    points = {"agreement@10": [(float(row["nprobe"]), row["agreement@10"]) for row in document["rows"]]}
    picture = lines_svg(points, title="Agreement with exhaustive search by nprobe", x_label="nprobe",
                        y_label="agreement@10")
    atomic_write_text(folder / "tune-nprobe.svg", picture)


def _show(document: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for title in ("nprobe", "agreement@10", "ΔR@10 (pp)", "p50 ms", "p95 ms", ""):
        table.add_column(title, justify="right" if title else "left")
    for row in document["rows"]:
        delta = row["delta R@10"]
        mark = "← chosen" if row["nprobe"] == document["chosen"] else "; ".join(row["misses"])
        table.add_row(str(row["nprobe"]), f"{row['agreement@10']:.4f}",
                      Text(f"{100 * delta['value']:+.2f} [{100 * delta['low']:+.2f}, {100 * delta['high']:+.2f}]"),
                      f"{row['p50_ms']:.3f}", f"{row['p95_ms']:.3f}", Text(mark))
    out = console()
    out.print(table)
    chosen = document["chosen"]
    out.print(f"nprobe {chosen} is the smallest that meets the target; this release serves {document['serving']}."
              if chosen is not None else "No nprobe of the sweep meets the target.")
    out.print(f"Exhaustive search: p95 {document['exhaustive_p95_ms']:.3f} ms. Kept: reports/{document['release']}/"
              "tune-nprobe.json and .svg", markup=False, soft_wrap=True)
