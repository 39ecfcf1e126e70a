"""Observing: a manifest in, a trial out. Live parts are built, frozen, loaded back and run; recorded files are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.canonical import digest_of
from harness.data.task import Task
from harness.errors import InputError, nearest
from harness.records import Trace
from harness.release.banking import banked
from harness.release.build import Built, build
from harness.release.cache import PartCache
from harness.release.freeze import RUN_MANIFEST, artifact_sums, freeze, recorded_digests, recorded_manifest
from harness.release.health import checked_healthy, checked_ready
from harness.release.leaks import leaked, taught
from harness.release.live import REPEATS, LiveRelease
from harness.release.manifest import Loaded, load_manifest
from harness.release.measures import family_of
from harness.release.observed import IndexObserved, IntegrityObserved, Observed, TaskObserved, Trial
from harness.release.recording import recorded_trial
from harness.release.replay import Replay, rankings_digest
from harness.release.standing import standing_of
from harness.release.studies import studied, studied_files
from harness.retrieval.indexes import FaissIndex

__all__ = ["ARTIFACTS", "CACHE", "baseline_of", "frozen", "observe", "observe_live", "observe_release",
           "planned_header"]

ARTIFACTS = Path("artifacts")
CACHE = Path(".signoff") / "cache"
INDEX_QUERIES = 1500  # agreement with exhaustive search is measured on at most this many judged queries
Tell = Callable[[str], None]


def observe(loaded: Loaded, *, tell: Tell = lambda _: None) -> Trial:
    """Everything the manifest's policy needs, measured once. Raises InputError where an input is missing or wrong."""
    if loaded.manifest.recorded is not None:
        return _recorded(loaded, tell)
    _has_what_is_asked(loaded)
    gold = _banked(loaded)
    replay = Replay.begin(loaded, wanted=_wants(loaded, "integrity"), cache=CACHE)
    try:
        built, folder = frozen(loaded, tell=tell)
        files, studies = artifact_sums(folder)[1], checked_healthy(loaded, folder, tell=tell)
        replay.repeat(folder)
        candidate = replace(observe_live(loaded, built, tell=tell), files=files, studies=studies)
        baseline = _baseline(loaded, tell)
        tell("repeating the rankings in another process")
        integrity = replace(_integrity(folder, replay.finish(folder, candidate)), standing=_standing(loaded))
        candidate = replace(candidate, studies=studied(loaded, built, candidate, baseline, tell))
        trace = _timed(loaded, candidate, tell)  # last: no process of ours is at work beside it now
    finally:
        replay.stop()
    return Trial(replace(candidate, integrity=integrity, trace=trace), baseline, loaded.manifest.seed,
                 {"threads": 1.0, "repeats": float(REPEATS)}, gold)


def _banked(loaded: Loaded) -> str | None:
    """sha256 of the bundle that makes the baseline a gold standard; None where none was banked."""
    if loaded.manifest.baseline is None:
        return None
    record = banked(baseline_of(loaded), digest=loaded.manifest.baseline_digest)
    return None if record is None else record.bundle_sha256


def _baseline(loaded: Loaded, tell: Tell) -> Observed | None:
    """The baseline on the tasks that something is compared on; None where the manifest names none."""
    if loaded.manifest.baseline is None:
        return None
    other = baseline_of(loaded)
    compared = sorted({check.task for check in loaded.manifest.checks
                       if check.task is not None and check.measure.startswith(("delta ", "Jaccard@"))})
    parts, stored = frozen(other, tell=tell, standing=True)
    return replace(observe_live(other, parts, tell=tell, tasks=compared, measured=False),
                   files=artifact_sums(stored)[1])


def _standing(loaded: Loaded) -> dict[str, tuple[bool, str]]:
    """The live baseline and whether it is signed as it was frozen here; nothing where no row of the policy asks."""
    if not any(check.measure == "unsigned baseline" for check in loaded.manifest.checks):
        return {}
    other = baseline_of(loaded)
    return {other.manifest.release: standing_of(other, ARTIFACTS / other.manifest.release, now=datetime.now(UTC))}


def frozen(loaded: Loaded, *, tell: Tell, standing: bool = False) -> tuple[Built, Path]:
    """Build what is not cached, freeze it (`standing` as `freeze` has it), and hand back the frozen folders."""
    made = build(loaded, PartCache(CACHE, lambda name: tell(f"building {loaded.manifest.release}: {name}")))
    tell(f"freezing {loaded.manifest.release}")
    folder = freeze(loaded, made, root=ARTIFACTS, standing=standing)
    return Built(made.world, {name: folder / name for name in made.folders}), folder


def baseline_of(loaded: Loaded) -> Loaded:
    """The baseline's manifest: a sibling file by that name."""
    name = loaded.manifest.baseline
    path = loaded.folder / f"{name}.yaml"
    if not path.is_file():
        known = [other.stem for other in loaded.folder.glob("*.yaml")]
        raise InputError("no manifest for the baseline", where=loaded.path, column="baseline",
                         expected=str(path), found=name, hint=nearest(str(name), known))
    other = load_manifest(path)
    if other.manifest.release != name:
        raise InputError("the baseline's manifest describes another release", where=path, column="release",
                         expected=name, found=other.manifest.release)
    return other


def observe_live(loaded: Loaded, built: Built, *, tell: Tell, tasks: Sequence[str] = (),
                 measured: bool = True) -> Observed:
    """Run a frozen release on the judged queries of `tasks`, or of every task that its policy names.

    `measured` adds the index; latencies are `observe`'s, which knows when the machine is quiet.
    """
    release = LiveRelease.load(loaded.manifest, built.world, built.folders)
    return observe_release(release, loaded, built, tell=tell, tasks=tasks, measured=measured)


def observe_release(release: LiveRelease, loaded: Loaded, built: Built, *, tell: Tell = lambda _: None,
                    tasks: Sequence[str] = (), measured: bool = True) -> Observed:
    """`observe_live`, for parts that are loaded already: as they were frozen, or broken on purpose."""
    answered: dict[str, TaskObserved] = {}
    judged = {name: built.world.task(name).judge() for name in tasks or _tasks(loaded, built)}
    for name, task in judged.items():
        tell(f"running {loaded.manifest.release} on {name}: {len(task):,} queries")
        answered[name] = _task(release, task, built, loaded)
    first = next((task for task in judged.values() if task.contexts is None), None)
    index = None
    if measured and first is not None and _wants(loaded, "index"):
        tell("comparing the index with exhaustive search")
        index = _index(release, first)
    return Observed(loaded.manifest.release, loaded.manifest.config_hash, answered, index=index,
                    live=release)


def planned_header(loaded: Loaded, trial: Trial) -> dict[str, Any]:
    """What the evidence says of the run before its first finding."""
    manifest = loaded.manifest
    artifacts, baseline = dict(trial.candidate.files), trial.baseline
    recorded = manifest.recorded is not None
    run = digest_of(recorded_manifest(loaded, artifacts)) if recorded else artifacts[RUN_MANIFEST]
    return {
        "release": manifest.release, "manifest": loaded.path.name, "manifest_sha256": loaded.sha256,
        "called_as": loaded.path.as_posix(),
        "config_hash": manifest.config_hash, "run_manifest_sha256": run, "artifacts": artifacts,
        "baseline": None if baseline is None else {"release": baseline.release, "config_hash": baseline.config_hash,
                                                   **({"banked": trial.banked} if trial.banked else {})},
        "seed": manifest.seed, "threads": 1,
    }


def _timed(loaded: Loaded, candidate: Observed, tell: Tell) -> Trace | None:
    """Latencies on the judged queries of the policy's text tasks, in turns, where it asks for any."""
    live = candidate.live
    if live is None or not _wants(loaded, "latency"):
        return None
    texts = [task for task in (live.world.task(name) for name in candidate.tasks) if task.contexts is None]
    if not texts:
        return None
    tell(f"timing {loaded.manifest.latency_requests} requests")
    return live.trace(*(task.judge() for task in texts), requests=loaded.manifest.latency_requests)


def _has_what_is_asked(loaded: Loaded) -> None:
    """Told before anything is built: a system that is not ready, or rows on a second stage where there is none."""
    checked_ready(loaded)
    parts = loaded.manifest.parts
    for check in loaded.manifest.checks:
        second = check.own_gate is None and (check.measure == "acceptance" or check.measure.startswith("lift "))
        if second and parts is not None and parts.reranker is None:
            raise InputError("no ranking before the reranker", where=loaded.manifest.release, column="parts.reranker",
                             expected="a reranker, for a policy that measures it", found=check.id)


def _recorded(loaded: Loaded, tell: Tell) -> Trial:
    tell("reading recorded files")
    files = recorded_digests(loaded)
    trial = recorded_trial(loaded)
    candidate = replace(trial.candidate, files=files)
    if _wants(loaded, "integrity"):
        tell("reading them again in another process")
        replayed = {"this process": rankings_digest(candidate), "another process": Replay.again(loaded)}
        facts = IntegrityObserved(recorded_manifest(loaded, files), files, recorded_digests(loaded), replayed)
        candidate = replace(candidate, integrity=facts)
    candidate = replace(candidate, studies=studied_files(loaded, tell))
    return replace(trial, candidate=candidate)


def _task(release: LiveRelease, task: Task, built: Built, loaded: Loaded) -> TaskObserved:
    judged = task.qrels.queries
    place = {name: row for row, name in enumerate(task.query_ids)}
    rows = np.array([place[name] for name in judged], dtype=np.int64)
    shared: dict[str, Any] = {"clusters": np.asarray(task.clusters, dtype=object)[rows],
                              "slices": {name: mask[rows] for name, mask in task.slices.items()},
                              "leaked": leaked(task, taught(loaded.manifest, release.world))}
    if task.contexts is not None:
        from harness.release.reading import answer_reading

        run, references = answer_reading(loaded.manifest, task, built.world, built.folders, release.first)
        return TaskObserved(task.name, task.qrels, run, references=references, **shared)
    run, before, best = release.answer(task)
    return TaskObserved(task.name, task.qrels, run, before, best=None if best is None else best[rows], **shared)


def _index(release: LiveRelease, task: Task) -> IndexObserved | None:
    from harness.retrieval.agreement import flat_agreement

    index = release.first.index
    if index is None:
        return None
    stored, size = index.vectors(), len(release.world.corpus)
    flat = FaissIndex("flat").build(stored)
    queries = release.first.vectors(task.texts[:INDEX_QUERIES])
    agreement = flat_agreement(index, flat, queries, k=10)
    broken, cells = np.full(len(agreement), np.nan), np.empty(0, dtype=np.int64)
    if index.has_cells:
        cells, nprobe = index.cell_sizes(), index.nprobe
        index.nprobe = 1
        broken = flat_agreement(index, flat, queries, k=10)
        index.nprobe = nprobe
    elif index.kind == "hnsw":  # held to one candidate, the walk ends at the first that has no better neighbour
        ef = index.ef_search
        index.ef_search = 1
        broken = flat_agreement(index, flat, queries, k=10)
        index.ef_search = ef
    return IndexObserved(agreement, broken, np.asarray(task.clusters[:INDEX_QUERIES], dtype=object),
                         np.linalg.norm(stored.astype(np.float64), axis=1), index.ids, size, cells)


def _integrity(folder: Path, replayed: dict[str, str]) -> IntegrityObserved:
    return IntegrityObserved(json.loads((folder / RUN_MANIFEST).read_bytes()), *artifact_sums(folder), replayed)


def _tasks(loaded: Loaded, built: Built) -> list[str]:
    """Tasks the policy names, in its order; a policy that names none is judged on the only text task there is."""
    named = list(dict.fromkeys(check.task for check in loaded.manifest.checks if check.task is not None))
    texts = [name for name, task in built.world.tasks.items() if task.contexts is None]
    return named or texts[:1]


def _wants(loaded: Loaded, family: str) -> bool:
    return any(check.own_gate is None and family_of(check.measure) == family for check in loaded.manifest.checks)
