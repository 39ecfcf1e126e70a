"""Defects done to what was fitted: weights in the wrong places, another seed, judgements among the training lists."""

from __future__ import annotations

import copy
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.task import FIT, Task
from harness.defects.catalogue import Dose
from harness.errors import InputError
from harness.records import Qrels
from harness.release.live import LiveRelease
from harness.release.stages import lists_to_learn
from harness.reranking.factory import load_reranker
from harness.reranking.stage import RerankStage

__all__ = ["leaked_judgements", "refitted", "reranker_weights_permuted", "seed_drift"]

_WEIGHTS = ("first_weights", "second_weights")
_AGAIN = "~again"


def reranker_weights_permuted(release: LiveRelease, dose: Dose) -> LiveRelease:
    """A share of the network's weights changes places: its files are read, permuted, written and loaded again."""
    stage = _stage(release, "reranker_weights_permuted")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        stage.model.save(folder)
        for name in _WEIGHTS:
            file = folder / f"{name}.npy"
            if not file.is_file():
                raise InputError("no weights to permute", where="defect reranker_weights_permuted",
                                 expected="an mlp reranker", found=stage.impl)
            np.save(file, _permuted(np.load(file), dose))
        broken = copy.copy(stage)
        broken.model = load_reranker(stage.impl, folder)
    return replace(release, second=broken)


def seed_drift(release: LiveRelease, _: Dose) -> LiveRelease:
    """The reranker fitted again on the same lists under another seed."""
    stage = _stage(release, "seed_drift")
    return replace(release, second=refitted(release, seed=stage.seed + 1))


def leaked_judgements(release: LiveRelease, dose: Dose) -> LiveRelease:
    """A share of the judged queries stands in the fit fold under other names, and the reranker learns from them."""
    stage = _stage(release, "leaked_judgements")
    tasks = {name: task if task.contexts is not None else _with_copies(task, dose)
             for name, task in release.world.tasks.items()}
    leaky = replace(release, world=replace(release.world, tasks=tasks))
    return replace(leaky, second=refitted(leaky, seed=stage.seed))


def refitted(release: LiveRelease, *, seed: int) -> RerankStage:
    """The release's second stage, fitted anew under a seed on what its world gives to learn from."""
    stage = _stage(release, "refitted")
    lists = lists_to_learn(release.world, release.first, depth=release.depth)
    return RerankStage(stage.source, stage.impl, seed=seed, accept_share=stage.accept_share, **stage.options).fit(lists)


def _stage(release: LiveRelease, name: str) -> RerankStage:
    if release.second is None:
        raise InputError("no reranker to break", where=f"defect {name}", expected="a release with a second stage",
                         found=release.first.part.impl)
    return release.second


def _permuted(weights: np.ndarray[Any, Any], dose: Dose) -> np.ndarray[Any, Any]:
    flat = weights.ravel().copy()
    chosen = np.flatnonzero(dose.share(len(flat)))
    flat[chosen] = flat[dose.rng(len(flat)).permutation(chosen)]
    return flat.reshape(weights.shape)


def _with_copies(task: Task, dose: Dose) -> Task:
    """The task with a share of its judged queries a second time, named apart, in the fit fold."""
    judged = np.flatnonzero([fold != FIT for fold in task.fold])
    rows = judged[dose.share(len(judged))]
    ids = [*task.query_ids, *(f"{task.query_ids[row]}{_AGAIN}" for row in rows)]
    places = np.concatenate([np.arange(len(task)), rows])
    order = sorted(range(len(ids)), key=ids.__getitem__)
    source = places[order]
    graded, copied = task.qrels, {task.query_ids[row] for row in rows}
    names, docs = graded.queries[graded.query], graded.docs[graded.doc]
    again = np.array([name in copied for name in names], dtype=np.bool_)
    return replace(
        task, query_ids=tuple(ids[row] for row in order), texts=tuple(task.texts[row] for row in source),
        own=task.own[source], clusters=tuple(task.clusters[row] for row in source),
        fold=tuple(task.fold[places[row]] if row < len(task) else FIT for row in order),
        slices={name: mask[source] for name, mask in task.slices.items()},
        qrels=Qrels.of([*names.tolist(), *(f"{name}{_AGAIN}" for name in names[again])],
                       [*docs.tolist(), *docs[again].tolist()],
                       np.concatenate([graded.relevance, graded.relevance[again]])))
