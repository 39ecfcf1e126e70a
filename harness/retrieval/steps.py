"""The base of sequence models: what a step is, how it is checked, and how a predicted vector becomes hits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.retrieval.files import read_part, write_part
from harness.retrieval.hits import checked_depth, unit, without
from harness.retrieval.protocols import Codes, Hits, Index, Vectors

__all__ = ["SequenceModel", "checked_contexts", "checked_steps", "decayed", "learnt"]


@dataclass
class SequenceModel:
    """Base of the models that predict a vector: `fit` learns from steps, `predict` maps contexts to unit vectors."""

    name: ClassVar[str] = ""

    def fit(self, vectors: Vectors, contexts: Codes, targets: Codes) -> Self:
        """Learn from (n, width) contexts, oldest first, and (n,) targets, all codes into (n_docs, d) `vectors`."""
        checked_steps(vectors, contexts, targets)
        return self

    def predict(self, vectors: Vectors, contexts: Codes) -> Vectors:
        """(n, d) unit vectors of what is expected next."""
        raise NotImplementedError

    def retrieve(self, contexts: Codes, *, vectors: Vectors, index: Index, k: int) -> Hits:
        """The `k` best next documents of each context, without the context itself."""
        contexts = checked_contexts(contexts, len(vectors))
        hits = index.search(self.predict(vectors, contexts), k=checked_depth(k) + contexts.shape[1])
        codes, scores = without(hits, contexts)
        return Hits(codes[:, :k], scores[:, :k])

    def save(self, folder: Path) -> None:
        """Write options and learnt arrays; the same fit gives the same bytes."""
        arrays = self._arrays()
        options = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        write_part(folder, self.name, meta=options, arrays=arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read back what `save` wrote. Raises InputError where the files are torn or hold another model."""
        meta, arrays = read_part(folder, cls.name)
        model = cls(**meta)
        model._restore(arrays)
        return model

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take learnt arrays back; the references have none."""


def decayed(vectors: Vectors, contexts: Codes, decay: float) -> Vectors:
    """(n, d) unit vectors of the contexts' means, each step back counting `decay` as much."""
    shares = np.asarray(decay, dtype=np.float32) ** np.arange(contexts.shape[1])[::-1]
    return unit(np.einsum("nwd,w->nd", vectors[contexts], shares.astype(np.float32)))


def checked_contexts(contexts: Codes, n_docs: int) -> Codes:
    """`contexts` as (n, width) int64, or InputError where the shape is wrong or a document is unknown."""
    codes = np.asarray(contexts, dtype=np.int64)
    if codes.ndim != 2 or not codes.shape[1]:
        raise InputError("wrong shape of contexts", expected="(n, width), width at least 1", found=codes.shape)
    if codes.size and (codes.min() < 0 or codes.max() >= n_docs):
        raise InputError("no such document in a context", expected=f"codes 0 to {n_docs - 1}",
                         found=(int(codes.min()), int(codes.max())))
    return codes


def checked_steps(vectors: Vectors, contexts: Codes, targets: Codes) -> tuple[Codes, Codes]:
    """Contexts and targets as int64, or InputError where they do not fit each other or the vectors."""
    codes, answers = checked_contexts(contexts, len(vectors)), np.asarray(targets, dtype=np.int64)
    if len(codes) != len(answers) or not len(answers):
        raise InputError("steps do not fit", expected="as many targets as contexts, at least one",
                         found=(len(codes), len(answers)))
    checked_contexts(answers[:, None], len(vectors))
    return codes, answers


def learnt(array: NDArray[Any], name: str) -> NDArray[Any]:
    """`array`, or InputError where nothing was learnt yet."""
    if not array.size:
        raise InputError("not fitted yet", where=name, expected="fit or load before use")
    return array
