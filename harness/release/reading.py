"""The reading task of a release: predict the next document from those before, beside plain references."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.corpus import World
from harness.data.task import Task
from harness.errors import InputError
from harness.records import Run
from harness.release.live import DEPTH, run_of
from harness.release.manifest import Manifest
from harness.release.stages import FirstStage, document_vectors
from harness.retrieval.protocols import Codes, Vectors
from harness.retrieval.sequence import SEQUENCE_MODELS, sequence_retriever

__all__ = ["REFERENCES", "answer_reading", "fit_sequence", "taught_steps"]

REFERENCES = ("last_vector", "decayed_mean", "popularity")
TASK = "reading_order"


def fit_sequence(impl: str, manifest: Manifest, world: World, folders: Mapping[str, Path]) -> Any:
    """A sequence retriever fitted on the fit fold's steps: whole listings and classes that are never judged."""
    return _fitted(impl, world, document_vectors(manifest, world, folders))


def answer_reading(manifest: Manifest, task: Task, world: World, folders: Mapping[str, Path],
                   first: FirstStage) -> tuple[Run, dict[str, Run]]:
    """The release's ranking of what comes next, and each reference's, all over the release's own index."""
    parts = manifest.parts
    if parts is None or parts.sequence is None or task.contexts is None:
        raise InputError("no sequence retriever", where=manifest.release, column="parts.sequence",
                         expected="one, for a policy that names reading_order")
    model = SEQUENCE_MODELS[parts.sequence.impl].load(folders["sequence"])
    vectors = document_vectors(manifest, world, folders)
    contexts = np.asarray(task.contexts, dtype=np.int64)

    def run(one: Any) -> Run:
        hits = one.retrieve(contexts, vectors=vectors, index=first.index, k=DEPTH)
        return run_of(hits.codes, hits.scores, task.query_ids, world.corpus.ids)

    references = {name: run(_fitted(name, world, vectors)) for name in REFERENCES if name != parts.sequence.impl}
    return run(model), references


def taught_steps(world: World) -> Task:
    """The steps that a sequence retriever is fitted on: the reading order's fit fold."""
    return world.task(TASK).fit()


def _fitted(impl: str, world: World, vectors: Vectors) -> Any:
    contexts, targets = _steps(taught_steps(world), world)
    return sequence_retriever(impl).fit(vectors, contexts, targets)


def _steps(task: Task, world: World) -> tuple[Codes, Codes]:
    """(n, width) contexts and (n,) targets: a step's target is its one relevant document."""
    target = {str(task.qrels.queries[query]): world.corpus.position(str(task.qrels.docs[doc]))
              for query, doc in zip(task.qrels.query, task.qrels.doc, strict=True)}
    return (np.asarray(task.contexts, dtype=np.int64),
            np.array([target[query] for query in task.query_ids], dtype=np.int64))
