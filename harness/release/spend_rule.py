"""The spend rule: on every request, from cheap signals, how many candidates are reranked. Loaded from frozen files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np

from harness.data.corpus import World
from harness.gating.two_stage import TwoStageGate
from harness.release.manifest import Manifest
from harness.release.routers import GATE, ROUTER, TEACHER
from harness.release.signals import SignalMaker
from harness.retrieval.protocols import Hits
from harness.routing.int8 import Int8Router
from harness.routing.teacher import RouterTeacher

__all__ = ["SpendRule"]


@dataclass(frozen=True, eq=False)
class SpendRule:
    """Signals → int8 router → two-stage gate → candidates to rerank.

    Attributes:
        signals: Makes the router's signals.
        router: Predicts τ, spend and gain.
        gate: Decides on entropy and predicted gain.
        ladder: Candidates reranked when left alone (0), at the early exit, and in full.
        folder: Where the part is frozen.
    """

    signals: SignalMaker
    router: Int8Router
    gate: TwoStageGate
    ladder: tuple[int, int, int]
    folder: Path

    @cached_property
    def teacher(self) -> RouterTeacher:
        """What the tables were distilled from; no request needs it. Raises InputError for a file that was changed."""
        return RouterTeacher.load(self.folder / TEACHER)

    @classmethod
    def load(cls, manifest: Manifest, world: World, folders: Mapping[str, Path]) -> Self:
        """The rule that the part `router` holds. Raises InputError for a file that is not what was written."""
        parts = manifest.parts
        assert parts is not None
        files = [folders["router"] / name for name in (ROUTER, GATE)]
        router = Int8Router.from_json(files[0].read_bytes(), where=files[0])
        gate = TwoStageGate.from_json(files[1].read_bytes(), where=files[1])
        return cls(SignalMaker.load(world, folders, router.names), router, gate,
                   parts.steps, folders["router"])

    def spends(self, texts: Sequence[str], hits: Hits) -> list[int]:
        """(n,) candidates to rerank of each query, by its text and the first stage's hits."""
        entropy, ladder = self.router.names.index("entropy"), self.ladder
        if len(texts) == 1:  # a request served: without arrays, the same answer to the bit
            row = self.signals.one(texts[0], hits.codes[0], hits.scores[0]).tolist()
            return [ladder[self.gate.one(row[entropy], self.router.one(row)[2])]]
        matrix = self.signals.batch(texts, hits.codes, hits.scores)
        decided = self.gate.decide(matrix[:, entropy], self.router.predict(matrix).gain)
        return [ladder[int(step)] for step in np.asarray(decided)]
