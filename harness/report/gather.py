"""Pictures of what a run left beside its evidence: per-query differences, latencies, the index, the harvest.

Each is drawn from the records as they were kept; a record that is not there leaves its picture out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.data.canonical import strict_json
from harness.errors import InputError
from harness.release.judge import Finding
from harness.release.keep import ROC, SURROGATE
from harness.release.studied.harvested import CONFIG
from harness.release.studied.policy_file import FILE as VALUES
from harness.release.studied.policy_file import read_values
from harness.release.studied.stress_file import FILE as STRESS
from harness.release.studied.stress_file import read_stress
from harness.report.harvest_picture import harvest_svg
from harness.report.pictures import bars_svg, ecdf_svg, histogram_svg
from harness.report.routing_pictures import roc_svg
from harness.report.stress_picture import stress_svg
from harness.report.surrogate_picture import Told, surrogate_svg
from harness.report.values_picture import values_svg
from harness.retrieval.harvest import Harvest

__all__ = ["pictures_of"]

_STAGE = re.compile(r"p\d+(?:\.\d+)? ([a-z]+)_ms$")


def pictures_of(folder: Path, findings: Sequence[Finding]) -> dict[str, str]:
    """Title → SVG, from the records that a run kept in `folder`, as far as they are there."""
    pictures: dict[str, str] = {}
    if (folder / "per_query.parquet").is_file():
        pictures |= _differences(folder / "per_query.parquet")
    if (folder / "trace.parquet").is_file():
        pictures |= _latencies(folder / "trace.parquet", findings)
    if (folder / "index.json").is_file():
        pictures |= _index(folder / "index.json")
    if (folder / "stages.json").is_file():
        pictures |= _before_after(folder / "stages.json")
    tried = folder / CONFIG
    if tried.is_file():
        pictures["Latency harvest"] = harvest_svg(Harvest.from_json(tried.read_bytes(), where=tried))
    if (folder / VALUES).is_file():
        title = "What the target policy would have earned"
        pictures[title] = values_svg(read_values(folder / VALUES), title=title)
    if (folder / STRESS).is_file():
        pictures["Under stress"] = stress_svg(read_stress(folder / STRESS), title="Under stress")
    if (folder / ROC).is_file():
        pictures |= _roc(folder / ROC)
    if (folder / SURROGATE).is_file():
        pictures |= _surrogate(folder / SURROGATE)
    return pictures


def _roc(path: Path) -> dict[str, str]:
    """Gain captured by share reranked: the router between chance and an oracle, and the place of θ*."""
    held = strict_json(path.read_bytes(), where=path)
    try:
        curves = {name: held[name] for name in ("router", "entropy", "random", "oracle")}
        at, standing = (float(held["at_share"]), float(held["at_gain"])), float(held["standing"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("not the curves of a spend rule", where=path, found=str(error),
                         expected="share, router, entropy, random, oracle, at_share, at_gain, standing") from None
    title = f"Gain by share reranked: θ* stands {standing:.0%} of the way from chance to an oracle"
    return {title: roc_svg(held["share"], curves, at=at, title=title)}


def _surrogate(path: Path) -> dict[str, str]:
    """What new requests took over the upper end that the latency surrogate told; nothing where it told none."""
    held = strict_json(path.read_bytes(), where=path)
    try:
        told = {str(state): Told(*(np.array(one[name], dtype=np.float64) for name in Told._fields))
                for state, one in held.items()}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError("not what a surrogate told", where=path, expected="states, each with low, high and ms",
                         found=str(error)) from None
    title = "Latency surrogate: upper end told, and what was taken"
    return {title: surrogate_svg(told, title=title)} if told else {}


def _before_after(path: Path) -> dict[str, str]:
    """What the second stage changed: mean measures before and after it, per task."""
    stages = strict_json(path.read_bytes(), where=path)
    if not isinstance(stages, Mapping):
        raise InputError("not stage means", where=path, expected="task, measure, before and after",
                         found=type(stages).__name__)
    pictures = {}
    for task, measures in stages.items():
        title = f"Before and after the reranker, {task}"
        pictures[title] = bars_svg({"before": [pair[0] for pair in measures.values()],
                                    "after": [pair[1] for pair in measures.values()]},
                                   labels=list(measures), title=title, y_label="mean over queries")
    return pictures


def _differences(path: Path) -> dict[str, str]:
    """One histogram a paired measure and task: the mean hides the queries that lose everything."""
    import pandas as pd

    frame = pd.read_parquet(path)
    pictures = {}
    for (task, measure), rows in frame.groupby(["task", "measure"], sort=False):
        if str(measure).startswith(("delta ", "lift ", "over ")):
            title = f"{measure} per query, {task}"
            pictures[title] = histogram_svg(rows["value"].to_numpy(), title=title, x_label=str(measure), mark=0.0)
    return pictures


def _latencies(path: Path, findings: Sequence[Finding]) -> dict[str, str]:
    """One curve a stage; a stage that a gate limits is drawn with its limit."""
    import pandas as pd

    from harness.records import Trace
    from harness.release.measures.latency import stage_ms

    trace = Trace.of(pd.read_parquet(path), source=path)
    pictures: dict[str, str] = {}
    gated: dict[str, float] = {}
    for finding in findings:
        found = _STAGE.match(finding.check.measure)
        if found and finding.check.own_gate is None:
            gated.setdefault(found[1], finding.limit.bound)
    for stage, limit in gated.items():
        title = f"Latency, {stage}"
        pictures[title] = ecdf_svg({stage: stage_ms(trace, stage)}, title=title, x_label="ms", limit=limit)
    stages = {stage: trace.latency_ms(stage) for stage in trace.stages if stage not in gated}
    if stages:
        pictures["Latency by stage"] = ecdf_svg(stages, title="Latency by stage", x_label="ms")
    return pictures


def _index(path: Path) -> dict[str, str]:
    facts = strict_json(path.read_bytes(), where=path)
    if not isinstance(facts, Mapping):
        raise InputError("not index facts", where=path, expected="cells and agreement", found=type(facts).__name__)
    pictures = {}
    cells, agreement = sorted(facts.get("cells") or [], reverse=True), facts.get("agreement") or []
    if len(cells) > 1:
        title = "Cells of the index, largest first"
        pictures[title] = bars_svg({"documents": cells}, labels=[str(place + 1) for place in range(len(cells))],
                                   title=title, y_label="documents in a cell")
    if agreement:
        title = "Agreement with exhaustive search, per query"
        pictures[title] = histogram_svg(agreement, title=title, x_label="share of the exhaustive top 10", bins=20)
    return pictures
