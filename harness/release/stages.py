"""A release's stages as objects: the first stage that finds, the second that reorders, made or loaded from folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.corpus import World
from harness.data.task import Task
from harness.errors import InputError
from harness.estimators.intervals import mean_interval
from harness.release.manifest import Manifest
from harness.release.parts import EncoderPart, IndexPart, RetrieverPart
from harness.reranking.features import FeatureMaker
from harness.reranking.protocols import FeatureSource
from harness.reranking.stage import Lists, RerankStage
from harness.reranking.vectors import VectorFeatures
from harness.retrieval.agreement import flat_agreement
from harness.retrieval.hits import without
from harness.retrieval.indexes import FaissIndex
from harness.retrieval.lsa import LsaEncoder
from harness.retrieval.protocols import Encoder, Hits, Retriever, Vectors
from harness.retrieval.speller import Speller

__all__ = ["FUSED", "GRID", "MODULE_TASKS", "FirstStage", "document_vectors", "encoder_of", "first_stage",
           "learnable", "lists_to_learn", "load_encoder", "make_index", "rerank_stage"]

GRID = (4, 8, 12, 16, 24, 32, 40, 48, 64, 79)
AGREEMENT = 0.96  # lower bound that `nprobe: tuned` aims at on the fit queries, a point above the gate's 0.95
FUSED = 202  # depth of a hybrid's legs, whatever is asked: so the top k are the first k of the top k + 1
MODULE_TASKS = {"see_also"}  # where the query's own page is known; in known_item the module gives the target away


@dataclass(frozen=True, eq=False)
class FirstStage:
    """Finds candidates. `encoder` and `index` are None for a first stage without vectors, `speller` if none mends."""

    part: RetrieverPart
    ids: tuple[str, ...]
    encoder: Encoder | None
    index: FaissIndex | None
    lexical: Retriever | None
    own: Any = None
    speller: Speller | None = None

    def mended(self, texts: Sequence[str]) -> Sequence[str]:
        """Queries as they are asked: with a speller, each unknown word in the spelling of a known one."""
        return texts if self.speller is None else self.speller.all(texts)

    def vectors(self, texts: Sequence[str]) -> Vectors:
        """(n, d) query vectors; (n, 0) where there is no encoder."""
        return self.encoder.queries(texts) if self.encoder is not None else np.empty((len(texts), 0), dtype=np.float32)

    def hits(self, texts: Sequence[str], vectors: Vectors, *, k: int) -> Hits:
        """The `k` best documents of each query, by the release's own first stage."""
        if self.part.impl == "dense":
            assert self.index is not None
            return self.index.search(vectors, k=k)
        if self.part.impl == "bm25":
            assert self.lexical is not None
            return self.lexical.retrieve(texts, k=k)
        if self.part.impl in {"rrf", "blend"}:
            from harness.retrieval.hybrid import blend, fuse

            assert self.index is not None and self.lexical is not None
            legs = [self.lexical.retrieve(texts, k=max(k, FUSED)), self.index.search(vectors, k=max(k, FUSED))]
            if self.part.impl == "blend":
                return blend(*legs, k=k, weights=self.part.weights)
            return fuse(legs, k=k, weights=self.part.weights)
        hits: Hits = self.own.retrieve(texts, k=k)
        return hits


def encoder_of(part: EncoderPart, *, seed: int) -> Any:
    """A new, unfitted encoder."""
    if part.impl == "lsa":
        return LsaEncoder(dimension=part.dims, seed=seed)
    from harness.retrieval.neural import SentenceEncoder

    return SentenceEncoder.of(part.impl)


def load_encoder(part: EncoderPart, folder: Path) -> Any:
    """The encoder that was saved in a folder."""
    if part.impl == "lsa":
        return LsaEncoder.load(folder)
    from harness.retrieval.neural import SentenceEncoder

    return SentenceEncoder.load(folder)


def make_index(part: IndexPart, world: World, encoder_folder: Path, encoder_part: EncoderPart, *,
               seed: int) -> FaissIndex:
    """Encode the corpus and index it; `nprobe: tuned` is chosen on the fit queries, never on the judged ones."""
    encoder = load_encoder(encoder_part, encoder_folder)
    vectors = encoder.documents([document.text for document in world.corpus.documents])
    index = FaissIndex(part.impl, seed=seed, nlist=part.nlist, opq=part.opq, links=part.m,
                       ef_search=part.ef).build(vectors)
    if index.has_cells and part.nprobe == "tuned":
        index.nprobe = _tuned(index, vectors, world, encoder)
    elif index.has_cells:
        index.nprobe = min(int(part.nprobe), _cells(index))
    return index


def first_stage(manifest: Manifest, world: World, folders: Mapping[str, Path]) -> FirstStage:
    """The first stage, loaded from its parts' folders."""
    parts = manifest.parts
    assert parts is not None
    lexical = None
    if "lexical" in folders:
        from harness.retrieval.bm25 import Bm25

        lexical = Bm25.load(folders["lexical"])
    own = None
    if parts.retriever.target is not None:
        from harness.retrieval.external import external_retriever

        own = external_retriever(parts.retriever.impl, parts.retriever.target, ids=world.corpus.ids,
                                 timeout_s=parts.retriever.timeout_s)
    encoder = load_encoder(parts.encoder, folders["encoder"]) if "encoder" in folders else None
    index = FaissIndex.load(folders["index"] / "index.faiss") if "index" in folders else None
    speller = None if parts.speller is None else Speller.load(folders["lexical"], least=parts.speller.least)
    return FirstStage(parts.retriever, world.corpus.ids, encoder, index, lexical, own, speller)


def rerank_stage(manifest: Manifest, world: World, folders: Mapping[str, Path]) -> RerankStage:
    """The reranking stage: loaded where its folder is there, new otherwise."""
    assert manifest.parts is not None and manifest.parts.reranker is not None
    part = manifest.parts.reranker
    source = _features(manifest, world, folders)
    if "reranker" in folders:
        return RerankStage.load(folders["reranker"], source)
    return RerankStage(source, part.impl, seed=manifest.seed, accept_share=part.accept_share)


def lists_to_learn(world: World, first: FirstStage, *, depth: int) -> Lists:
    """The first stage's candidates for every fit query, with their grades; no judged query is among them."""
    from harness.records import Qrels

    texts: list[str] = []
    names = ("vectors", "codes", "scores", "labels", "clusters", "modules")
    columns: dict[str, list[Any]] = {name: [] for name in names}
    place = {name: code for code, name in enumerate(world.corpus.ids)}
    for task in learnable(world):
        asked = first.mended(task.texts)
        vectors = first.vectors(asked)
        hits = without(first.hits(asked, vectors, k=depth + 1), task.own)
        codes, scores = hits.codes[:, :depth], hits.scores[:, :depth]
        graded: Qrels = task.qrels
        grades = {(str(graded.queries[q]), place[str(graded.docs[d])]): int(g) for q, d, g
                  in zip(graded.query, graded.doc, graded.relevance, strict=True) if str(graded.docs[d]) in place}
        texts += asked
        columns["vectors"].append(vectors)
        columns["codes"] += list(codes)
        columns["scores"] += list(scores)
        columns["labels"] += [np.array([grades.get((query, int(code)), 0) for code in row]) for query, row
                              in zip(task.query_ids, codes, strict=True)]
        columns["clusters"] += task.clusters
        columns["modules"] += task.clusters if task.name in MODULE_TASKS else [None] * len(task)
    return Lists(texts, np.vstack(columns["vectors"]), columns["codes"], columns["scores"], columns["labels"],
                 columns["clusters"], columns["modules"])


def learnable(world: World) -> list[Task]:
    """Tasks of query texts, their fit folds; reading orders teach the sequence retrievers instead."""
    tasks = [task.fit() for task in world.tasks.values() if task.contexts is None]
    kept = [task for task in tasks if len(task)]
    if not kept:
        raise InputError("nothing to learn from", where=f"corpus {world.corpus.name}",
                         expected="queries in the fit fold")
    return kept


def document_vectors(manifest: Manifest, world: World, folders: Mapping[str, Path]) -> Vectors:
    """(n_docs, d): read off the index where it keeps them as they were, encoded again otherwise."""
    parts = manifest.parts
    assert parts is not None
    if "index" in folders:
        index = FaissIndex.load(folders["index"] / "index.faiss")
        if index.exact_scores and len(index.ids) == len(world.corpus):
            return index.vectors()
    encoder = load_encoder(parts.encoder, folders["encoder"])
    made: Vectors = encoder.documents([document.text for document in world.corpus.documents])
    return made


def _features(manifest: Manifest, world: World, folders: Mapping[str, Path]) -> FeatureSource:
    parts = manifest.parts
    assert parts is not None and parts.reranker is not None
    documents = world.corpus.documents
    vectors = document_vectors(manifest, world, folders)
    if parts.reranker.features == "vectors":
        return VectorFeatures(vectors)
    from harness.retrieval.candidate_bm25 import CandidateBm25

    lexical = CandidateBm25.load(folders["lexical"])
    return FeatureMaker([document.text for document in documents], [document.title for document in documents],
                        [document.module for document in documents], vectors, lexical=lexical,
                        summaries=[document.summary for document in documents])


def _tuned(index: FaissIndex, vectors: Vectors, world: World, encoder: Encoder) -> int:
    """The smallest nprobe of the grid whose agreement with exhaustive search, on fit queries, is bounded by the aim."""
    flat = FaissIndex("flat").build(vectors)
    task = learnable(world)[0]
    queries, clusters = encoder.queries(task.texts), np.asarray(task.clusters, dtype=object)
    cells = _cells(index)
    for nprobe in (*(step for step in GRID if step < cells), cells):
        index.nprobe = nprobe
        agreed = mean_interval(flat_agreement(index, flat, queries, k=10), clusters=clusters, support=(0.0, 1.0))
        if agreed.low >= AGREEMENT:
            break
    return index.nprobe


def _cells(index: FaissIndex) -> int:
    return len(index.cell_sizes())
