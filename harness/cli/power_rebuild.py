"""Real rebuilds as no-op candidates: the parts that draw at random are made again under another seed, and judged whole.

Index, sequence retriever and reranker are fitted anew, frozen, loaded back and run; the world (with its folds and
judgements), the encoder and the lexical index stay, and so does the baseline. Requests are timed while other rebuilds
run beside, so that a latency may be in doubt here which is not on a quiet machine. No rebuild is built twice, so
`replay differences` sees none of them. What no seed touches, the world and what features say of its documents, is read
once a process.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from harness.data.corpus import World
from harness.defects.power_pool import Job
from harness.defects.power_run import Study, Variant
from harness.defects.power_trials import Setting, Verdicts, verdicts_on
from harness.hunting.reading import property_reading
from harness.records import Trace
from harness.release.build import Built
from harness.release.cache import write_sums
from harness.release.evidence import rounded
from harness.release.freeze import RUN_MANIFEST, artifact_sums, freeze
from harness.release.judge import judge
from harness.release.live import LiveRelease
from harness.release.manifest import Loaded, Manifest, load_manifest
from harness.release.measures import PROPERTIES, family_of
from harness.release.observed import IntegrityObserved, Observed, Trial
from harness.release.observing import observe_release
from harness.release.overrides import overridden
from harness.release.policy import Check
from harness.release.stages import first_stage, lists_to_learn, make_index, rerank_stage
from harness.reranking.protocols import FeatureSource
from harness.reranking.stage import RerankStage

__all__ = ["rebuilt", "rebuilt_variants", "shared_live"]

REQUESTS = 100  # timed on each, a p95's upper end needs 59
_RESEEDED = ("index", "sequence", "reranker")
_SEEN = {"quality", "latency", "index", "integrity", "hygiene", PROPERTIES}  # families that a rebuild is observed for


def rebuilt_variants(loaded: Loaded, studies: Sequence[Study], checks: Mapping[str, Check], folders: Mapping[str, Path],
                     *, seed: int, number: int) -> list[Variant]:
    """One job for each of `number` rebuilds; none for a release without parts of ours that draw at random.

    Gates on studies and on pinned regressions see none: a rebuild is observed without either.
    """
    shown = [(checks[one.start.gate], one.start.defect) for one in studies
             if one.points and one.start.defect and one.start.measure != "replay differences"
             and family_of(one.start.measure) in _SEEN]
    if not any(name in folders for name in _RESEEDED):
        return []
    places = {name: str(folder) for name, folder in folders.items()}
    return [Variant("rebuilt", Job(rebuilt, (str(loaded.path), places, shown, seed + 1 + place)))
            for place in range(number)]


def rebuilt(setting: Setting, manifest: str, folders: Mapping[str, str], gates: Sequence[tuple[Check, str]],
            seed: int) -> list[Verdicts]:
    """Build again under `seed`, observe, judge. Its own errors are crashes of every gate, which count as refusals."""
    sys.path.append(str(Path.cwd()))  # where a callable of the user's own lies
    loaded = overridden(load_manifest(manifest), os.environ)
    loaded = replace(loaded, manifest=loaded.manifest.model_copy(update={"seed": seed}))
    try:
        with TemporaryDirectory() as place:
            trial = _observed(loaded, {name: Path(folder) for name, folder in folders.items()}, Path(place))
            trial = replace(trial, baseline=setting.trial.baseline)
            read = [(check, name) for check, name in gates if family_of(check.measure) != PROPERTIES]
            tried = {check.id: judge(check, rounded(property_reading(check, trial))).verdict for check, _ in gates
                     if family_of(check.measure) == PROPERTIES}
            return [verdicts_on(trial, read) | tried]
    except Exception:  # whatever it is, nothing was shown to pass
        return [{check.id: None for check, _ in gates}]


class _Unseeded(NamedTuple):
    """What all rebuilds share: the world, and the source of features where a reranker follows."""

    world: World
    source: FeatureSource | None


@lru_cache(maxsize=1)
def _unseeded(manifest: Path, places: tuple[tuple[str, Path], ...]) -> _Unseeded:
    folders = dict(places)
    world = World.load(folders["world"])
    if "reranker" not in folders:
        return _Unseeded(world, None)
    return _Unseeded(world, rerank_stage(load_manifest(manifest).manifest, world, folders).source)


def _shared(loaded: Loaded, folders: Mapping[str, Path]) -> _Unseeded:
    return _unseeded(loaded.path.resolve(), tuple((name, folder.resolve()) for name, folder in folders.items()))


def shared_live(loaded: Loaded, folders: Mapping[str, Path]) -> LiveRelease:
    """`LiveRelease.load` of frozen folders, as rebuilds load theirs: the features' source is made once a process."""
    return _live(loaded.manifest, _shared(loaded, folders), folders)


def _observed(loaded: Loaded, folders: Mapping[str, Path], place: Path) -> Trial:
    shared = _shared(loaded, folders)
    made = _remade(loaded.manifest, shared, folders, place)
    frozen = freeze(loaded, Built(shared.world, made), root=place / "artifacts")
    built = Built(shared.world, {name: frozen / name for name in made})
    candidate = observe_release(_live(loaded.manifest, shared, built.folders), loaded, built)
    stated, found = artifact_sums(frozen)
    facts = IntegrityObserved(json.loads((frozen / RUN_MANIFEST).read_bytes()), stated, found, replayed={})
    candidate = replace(candidate, files=found, integrity=facts, trace=_timed(loaded, candidate))
    return Trial(candidate, None, loaded.manifest.seed)


def _live(manifest: Manifest, shared: _Unseeded, folders: Mapping[str, Path]) -> LiveRelease:
    parts = manifest.parts
    if shared.source is None or parts is None or parts.reranker is None or "router" in folders:
        return LiveRelease.load(manifest, shared.world, folders)
    second = RerankStage.load(folders["reranker"], shared.source)
    return LiveRelease(shared.world, first_stage(manifest, shared.world, folders), second, parts.reranker.depth)


def _timed(loaded: Loaded, candidate: Observed) -> Trace | None:
    live = candidate.live
    asked = any(check.own_gate is None and family_of(check.measure) == "latency" for check in loaded.manifest.checks)
    if live is None or not asked:
        return None
    texts = [task for task in (live.world.task(name) for name in candidate.tasks) if task.contexts is None]
    return live.trace(texts[0].judge(), requests=min(REQUESTS, loaded.manifest.latency_requests)) if texts else None


def _remade(manifest: Manifest, shared: _Unseeded, folders: Mapping[str, Path], place: Path) -> dict[str, Path]:
    """The parts' folders, those that draw at random made again, each on what was made before it."""
    parts, world = manifest.parts, shared.world
    assert parts is not None
    made = {name: folder for name, folder in folders.items() if name not in _RESEEDED}
    for name in (one for one in _RESEEDED if one in folders):
        folder = place / name
        folder.mkdir()
        if name == "index":
            made_index = make_index(parts.index, world, made["encoder"], parts.encoder, seed=manifest.seed)
            made_index.save(folder / "index.faiss")
        elif name == "sequence":
            from harness.release.reading import fit_sequence

            assert parts.sequence is not None
            fit_sequence(parts.sequence.impl, manifest, world, made).save(folder)
        else:
            assert parts.reranker is not None and shared.source is not None
            lists = lists_to_learn(world, first_stage(manifest, world, made), depth=parts.reranker.depth)
            stage = RerankStage(shared.source, parts.reranker.impl, seed=manifest.seed,
                                accept_share=parts.reranker.accept_share)
            stage.fit(lists).save(folder)
        write_sums(folder)
        made[name] = folder
    return made
