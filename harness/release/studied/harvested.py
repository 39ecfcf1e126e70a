"""The latency harvest of a release's graph: every setting of ef and hits, timed and judged on the judged queries.

It runs on a copy of the frozen index, whose pages nobody else holds. A setting is judged by what the release would
serve with it, spend rule and second stage included, against the baseline's own answers.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from harness.data.store import atomic_write_text
from harness.errors import InputError
from harness.metrics.evaluate import per_query
from harness.records import Floats, Run
from harness.retrieval.harvest import Harvest, Requests, harvest
from harness.shown import brief

if TYPE_CHECKING:
    from harness.data.task import Task
    from harness.release.build import Built
    from harness.release.live import LiveRelease
    from harness.release.manifest import Loaded, Manifest
    from harness.release.observed import Observed
    from harness.retrieval.protocols import Codes, Hits, Vectors

__all__ = ["CONFIG", "HARVEST", "HarvestObserved", "first_hits", "observe", "wanted", "write_config"]

HARVEST = "harvest "
CONFIG = "latency_harvest_config.json"
_QUALITY = "nDCG@10"
_SERVED = 10  # hits that the quality looks at


@dataclass(frozen=True, eq=False)
class HarvestObserved:
    """What was measured and chosen."""

    harvest: Harvest

    __repr__ = brief


def wanted(manifest: Manifest) -> bool:
    """True where the policy names a measure of the harvest."""
    return any(check.own_gate is None and check.measure.startswith(HARVEST) for check in manifest.checks)


def observe(loaded: Loaded, built: Built, candidate: Observed, baseline: Observed | None,
            tell: Callable[[str], None]) -> HarvestObserved:
    """Harvest the candidate's graph against the baseline, on the judged queries of all text tasks.

    Raises InputError without live parts of both sides, or without a graph.
    """
    ours, other = candidate.live, None if baseline is None else baseline.live
    if ours is None or other is None or baseline is None:
        raise InputError("nothing to harvest against", where=loaded.manifest.release, expected="a live baseline",
                         found=loaded.manifest.baseline)
    if ours.first.index is None or ours.first.index.kind != "hnsw":
        raise InputError("no graph to harvest", where=loaded.path, column="parts.index.impl", expected="hnsw",
                         found=None if ours.first.index is None else ours.first.index.kind)
    tasks = _tasks(ours)
    tell(f"harvesting latency on {sum(map(len, tasks)):,} queries of {', '.join(task.name for task in tasks)}")
    folder = built.folders["index"].parent
    with tempfile.TemporaryDirectory(prefix=".harvest-", dir=folder.parent) as aside:
        copy = Path(shutil.copyfile(built.folders["index"] / "index.faiss", Path(aside) / "index.faiss"))
        found = _harvested(loaded, copy, (ours, other), tasks, baseline)
    write_config(found, folder)
    return HarvestObserved(found)


def first_hits(live: LiveRelease, task: Task, vectors: Vectors, hits: Hits) -> Codes:
    """(n, 10) codes that a release serves first when its first stage found `hits`, -1 for none.

    The query's own document is removed, the spend decided and that many hits reranked, as the release itself does it.
    """
    from harness.release.live import DEPTH
    from harness.release.stages import MODULE_TASKS
    from harness.retrieval.hits import without
    from harness.retrieval.protocols import Hits

    found = without(hits, task.own)
    found = Hits(found.codes[:, :DEPTH], found.scores[:, :DEPTH])
    served = np.full((len(task), _SERVED), -1, dtype=np.int64)
    modules = task.clusters if task.name in MODULE_TASKS else [None] * len(task)
    for row, (spend, module) in enumerate(zip(live.spends(task.texts, found), modules, strict=True)):
        codes = found.codes[row]
        if spend and live.second is not None:
            top = live.second.rerank(task.texts[row], vectors[row], codes[:spend], found.scores[row, :spend],
                                     query_module=module)
            codes = np.concatenate([top.codes, codes[spend:]])
        served[row, : min(_SERVED, len(codes))] = codes[:_SERVED]
    return served


def write_config(found: Harvest, folder: Path) -> Path:
    """Write `latency_harvest_config.json` into a folder, whole or not at all, and read it back before it counts."""
    path = atomic_write_text(folder / CONFIG, found.to_json())
    Harvest.from_json(path.read_bytes(), where=path)
    return path


def _harvested(loaded: Loaded, copy: Path, sides: tuple[LiveRelease, LiveRelease], tasks: Sequence[Task],
               baseline: Observed) -> Harvest:
    from harness.release.live import DEPTH

    options, (ours, other) = loaded.manifest.studies.harvested, sides
    vectors = [ours.first.vectors(task.texts) for task in tasks]
    before = [other.first.hits(task.texts, other.first.vectors(task.texts), k=DEPTH + 1) for task in tasks]
    runs = [baseline.tasks[task.name].run if task.name in baseline.tasks else other.answer(task).run for task in tasks]
    ends = np.cumsum([len(task) for task in tasks])[:-1]

    def quality(hits: Hits) -> Floats:
        parts = zip(tasks, vectors, np.split(hits.codes, ends), np.split(hits.scores, ends), strict=True)
        return np.concatenate([_quality(ours, task, first_hits(ours, task, own, type(hits)(codes, scores)))
                               for task, own, codes, scores in parts])

    return harvest(
        copy, np.vstack(vectors), quality,
        type(before[0])(np.vstack([hits.codes for hits in before]), np.vstack([hits.scores for hits in before])),
        seed=loaded.manifest.seed, efs=options.efs, topks=options.topks,
        baseline_values=np.concatenate([_in_order(task, run) for task, run in zip(tasks, runs, strict=True)]),
        clusters=np.array([name for task in tasks for name in task.clusters], dtype=object),
        requests=Requests(options.warm, options.warm_repeats, options.cold, options.cold_repeats))


def _quality(live: LiveRelease, task: Task, codes: Codes) -> Floats:
    from harness.release.live import run_of

    return _in_order(task, run_of(codes, None, task.query_ids, live.world.corpus.ids))


def _in_order(task: Task, run: Run) -> Floats:
    """(n,) quality in the task's order of queries, 0 for a query without judgement."""
    value = dict(zip(task.qrels.queries.tolist(), per_query(run, task.qrels, _QUALITY).tolist(), strict=True))
    return np.array([value.get(name, 0.0) for name in task.query_ids])


def _tasks(live: LiveRelease) -> list[Task]:
    """Every text task, its judged queries."""
    tasks = [task.judge() for task in live.world.tasks.values() if task.contexts is None]
    found = [task for task in tasks if len(task)]
    if not found:
        raise InputError("no query to search with", where="studies.harvested", expected="a task of query texts")
    return found
