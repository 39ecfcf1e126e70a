"""A live release: queries in, rankings out, in batch for judging and one at a time for latency; the same answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np

from harness.data.corpus import World
from harness.data.task import Task
from harness.errors import InputError
from harness.records import Floats, Ids, Run, Trace
from harness.release.manifest import Manifest
from harness.release.spend_rule import SpendRule
from harness.release.stages import MODULE_TASKS, FirstStage, first_stage, rerank_stage
from harness.reranking.stage import RerankStage
from harness.retrieval.hits import without
from harness.retrieval.indexes import one_thread
from harness.retrieval.protocols import Codes, Hits, Vectors

__all__ = ["DEPTH", "REPEATS", "Answer", "Answers", "FirstHits", "LiveRelease", "run_of"]

DEPTH = 100  # hits kept of each query
REPEATS = 5


class Answer(NamedTuple):
    """One query's hits before and after the second stage, and what each stage took, in milliseconds.

    `rerank_ms` holds the spend rule's own time too; `spend` is how many candidates were reranked.
    """

    before: Hits
    codes: Codes
    encode_ms: float
    search_ms: float
    rerank_ms: float
    spend: int = 0


class FirstHits(NamedTuple):
    """A task's queries as they are asked, their vectors, and the first stage's hits, own documents removed."""

    texts: Sequence[str]
    vectors: Vectors
    hits: Hits


class Answers(NamedTuple):
    """A task answered: final ranking, the first stage's ranking where a second followed, best cosine of each query."""

    run: Run
    before: Run | None
    best: Floats | None


@dataclass(frozen=True, eq=False)
class LiveRelease:
    """First and second stage, loaded from frozen folders."""

    world: World
    first: FirstStage
    second: RerankStage | None
    depth: int
    rule: SpendRule | None = None

    @classmethod
    def load(cls, manifest: Manifest, world: World, folders: Mapping[str, Path]) -> LiveRelease:
        """Load every stage; `folders` are the parts' folders, by name."""
        reranker = None if manifest.parts is None else manifest.parts.reranker
        second = rerank_stage(manifest, world, folders) if reranker is not None else None
        rule = SpendRule.load(manifest, world, folders) if "router" in folders else None
        return cls(world, first_stage(manifest, world, folders), second, 0 if reranker is None else reranker.depth,
                   rule)

    def answer(self, task: Task) -> Answers:
        """Every query of a text task, in batch, its own document removed."""
        if task.contexts is not None:
            raise InputError("a reading order has no query texts", where=f"task {task.name}",
                             expected="a sequence retriever")
        texts, vectors, hits = self.first_hits(task)
        best = hits.scores[:, 0].astype(np.float64) if self.first.part.impl == "dense" else None
        before = run_of(hits.codes, hits.scores, task.query_ids, self.world.corpus.ids)
        if self.second is None:
            return Answers(before, None, best)
        modules = task.clusters if task.name in MODULE_TASKS else [None] * len(task)
        spends = self.spends(texts, hits)
        rows = [self._reordered(text, vector, Hits(one, row), module, spend=spend) for text, vector, one, row, module,
                spend in zip(texts, vectors, hits.codes, hits.scores, modules, spends, strict=True)]
        codes, scores = (np.stack(columns) for columns in zip(*rows, strict=True))
        return Answers(run_of(codes, scores, task.query_ids, self.world.corpus.ids), before, best)

    def first_hits(self, task: Task) -> FirstHits:
        """What the second stage, the spend rule and the signals see of each query of a text task."""
        texts = self.first.mended(task.texts)
        vectors = self.first.vectors(texts)
        hits = without(self.first.hits(texts, vectors, k=DEPTH + 1), task.own)
        return FirstHits(texts, vectors, Hits(hits.codes[:, :DEPTH], hits.scores[:, :DEPTH]))

    def planned(self, task: Task) -> Sequence[int]:
        """(n,) how many hits of each query of a text task are reranked when it is served."""
        found = self.first_hits(task)
        return self.spends(found.texts, found.hits)

    def search(self, text: str, *, own: int = -1, module: str | None = None) -> Answer:
        """One query, each stage timed, on one thread."""
        with one_thread():
            start = perf_counter()
            (text,) = self.first.mended([text])
            vector = self.first.vectors([text])
            encoded = perf_counter()
            hits = without(self.first.hits([text], vector, k=DEPTH + 1), np.array([own]))
            hits = Hits(hits.codes[:, :DEPTH], hits.scores[:, :DEPTH])
            found = perf_counter()
            spend = self.spends([text], hits)[0]
            codes = hits.codes[0] if not spend else self._reordered(
                text, vector[0], Hits(hits.codes[0], hits.scores[0]), module, spend=spend)[0]
            done = perf_counter()
        return Answer(hits, codes, 1e3 * (encoded - start), 1e3 * (found - encoded), 1e3 * (done - found), spend)

    def spends(self, texts: Sequence[str], hits: Hits) -> Sequence[int]:
        """(n,) how many of each query's hits are reranked: all down to the depth, or what the spend rule says."""
        if self.second is None or self.rule is None:
            return [self.depth] * len(texts)
        return self.rule.spends(texts, hits)

    def trace(self, *tasks: Task, requests: int, repeats: int = REPEATS) -> Trace:
        """Latencies of queries, one at a time, warm: `encode`, `search`, `rerank`, `total`, in milliseconds.

        Several tasks are asked in turns. All requests are served once unmeasured and then `repeats` times, in passes,
        and the fastest of a request's repeats counts: what the release takes, not what else the machine was doing in
        one of the moments.
        """
        import pandas as pd

        turns = [(tasks[row % len(tasks)], row // len(tasks)) for row in range(requests)]
        asked = [(task, place % len(task)) for task, place in turns]
        passes = [[self._asked(task, place) for task, place in asked]
                  for _ in range(1 + repeats)][1:]  # the first pass is warm-up and not counted
        stages = ("encode", "search", "rerank")
        times = np.array([[[getattr(one, f"{stage}_ms") for stage in stages] for one in answers] for answers in passes])
        fastest = times[times.sum(axis=2).argmin(axis=0), np.arange(requests)]
        frame = pd.DataFrame(fastest, columns=[f"{stage}_ms" for stage in stages])
        frame.insert(0, "query_id", [task.query_ids[place] for task, place in asked])
        frame["total_ms"], frame["cache"] = fastest.sum(axis=1), "warm"
        return Trace.of(frame, source="live latencies")

    def _asked(self, task: Task, place: int) -> Answer:
        module = task.clusters[place] if task.name in MODULE_TASKS else None
        return self.search(task.texts[place], own=int(task.own[place]), module=module)

    def _reordered(self, text: str, vector: Vectors, hits: Hits, module: str | None, *,
                   spend: int) -> tuple[Codes, Floats]:
        """The top `spend` in the second stage's order with its scores, the rest below as they were.

        What the second stage did not score counts down in whole steps from its lowest score, so that scores descend.
        """
        codes, scores = hits
        if not spend:
            return codes, scores.astype(np.float64)
        assert self.second is not None
        top = self.second.rerank(text, vector, codes[:spend], scores[:spend], query_module=module)
        padded, rest = np.full(min(spend, len(codes)), -1, dtype=np.int64), codes[spend:]
        padded[: len(top.codes)] = top.codes
        lowest = float(top.scores[-1]) if len(top.codes) else 0.0
        below = lowest - np.arange(1.0, len(codes) - len(top.codes) + 1.0)
        return np.concatenate([padded, rest]), np.concatenate([top.scores, below])


def run_of(codes: Codes, scores: Vectors | None, query_ids: Sequence[str], doc_ids: Sequence[str]) -> Run:
    """A Run from (n, k) codes in final order; without scores, each hit's is the number of hits from it to the end.

    Codes number ascending document ids and equal scores stand higher code first, so the order given is trec_eval's.
    """
    present = codes >= 0
    rank = np.cumsum(present, axis=1)[present].astype(np.int32)
    score = (codes.shape[1] + 1.0 - rank) if scores is None else scores[present].astype(np.float64)
    answered = present.any(axis=1)
    query = np.repeat(np.arange(answered.sum(), dtype=np.int32), present.sum(axis=1)[answered])
    used, doc = np.unique(codes[present], return_inverse=True)
    queries: Ids = np.asarray(query_ids, dtype=object)[answered]
    docs: Ids = np.asarray(doc_ids, dtype=object)[used]
    return Run(queries, docs, query, doc.astype(np.int32), score, rank)
