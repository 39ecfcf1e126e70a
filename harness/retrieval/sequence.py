"""What comes next in a reading order: from the documents before, a vector; from the vector, hits.

Two systems, `amn_v0` and `gru_v0`, and the references they must beat: `last_vector`, `decayed_mean`, `popularity`.
Documents already in the context are never hits: a reader does not turn back.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from harness.errors import InputError, UsageError, nearest
from harness.retrieval.gru import Weights, corrected, initial, train
from harness.retrieval.hits import checked_depth, top_k, unit, without
from harness.retrieval.protocols import Codes, Hits, Index, Vectors
from harness.retrieval.steps import SequenceModel, checked_contexts, checked_steps, decayed, learnt

__all__ = ["SEQUENCE_MODELS", "AmnV0", "DecayedMean", "GruV0", "LastVector", "Popularity", "sequence_retriever"]

_ENVIRONMENT = "RETRIEVER_IMPL"


@dataclass
class LastVector(SequenceModel):
    """The next document is like the last one."""

    name: ClassVar[str] = "last_vector"

    def predict(self, vectors: Vectors, contexts: Codes) -> Vectors:
        """(n, d) the last document's vector."""
        return vectors[contexts[:, -1]]


@dataclass
class DecayedMean(SequenceModel):
    """The next document is like the mean of those before, each step back counting `decay` as much."""

    decay: float = 0.5
    name: ClassVar[str] = "decayed_mean"

    def predict(self, vectors: Vectors, contexts: Codes) -> Vectors:
        """(n, d) unit vectors of the decayed means."""
        return decayed(vectors, contexts, self.decay)


@dataclass
class Popularity(SequenceModel):
    """The next document is the one that came next most often, whatever the context."""

    _counts: Codes = field(default_factory=lambda: np.empty(0, np.int64), repr=False)
    name: ClassVar[str] = "popularity"

    def fit(self, vectors: Vectors, contexts: Codes, targets: Codes) -> Self:
        """Count the targets."""
        _, targets = checked_steps(vectors, contexts, targets)
        self._counts = np.bincount(targets, minlength=len(vectors)).astype(np.int64)
        return self

    def retrieve(self, contexts: Codes, *, vectors: Vectors, index: Index, k: int) -> Hits:  # noqa: ARG002 - one way to ask all
        """The `k` most frequent targets outside the context; a document that never came next is no hit."""
        contexts = checked_contexts(contexts, len(vectors))
        width = checked_depth(k) + contexts.shape[1]
        best = top_k(learnt(self._counts, self.name)[None, :], k=width, above=0.0)
        every = Hits(best.codes.repeat(len(contexts), axis=0), best.scores.repeat(len(contexts), axis=0))
        codes, scores = without(every, contexts)
        return Hits(codes[:, :k], scores[:, :k])

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"counts": learnt(self._counts, self.name)}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._counts = arrays["counts"]


@dataclass
class AmnV0(SequenceModel):
    """Associative memory: where did readers go from contexts like this one?

    A modern Hopfield memory (Ramsauer et al., ICLR 2021): softmax attention at inverse temperature `beta` over the
    stored contexts. What it recalls is the *step* each took away from its own decayed mean, and adds `share` of it to
    the decayed mean at hand: steps carry over to modules never seen, targets would not. Keys are the context's mean
    (decayed by `key_decay`) and, weighed by `heading`, the direction of its last step.
    """

    beta: float = 12.0
    share: float = 1.0
    decay: float = 0.5
    key_decay: float = 0.7
    heading: float = 0.3
    _keys: Vectors = field(default_factory=lambda: np.empty((0, 0), np.float32), repr=False)
    _moves: Vectors = field(default_factory=lambda: np.empty((0, 0), np.float32), repr=False)
    name: ClassVar[str] = "amn_v0"

    def fit(self, vectors: Vectors, contexts: Codes, targets: Codes) -> Self:
        """Store every context's key with the step that followed it."""
        contexts, targets = checked_steps(vectors, contexts, targets)
        self._keys = self._key(vectors, contexts)
        self._moves = vectors[targets] - decayed(vectors, contexts, self.decay)
        return self

    def predict(self, vectors: Vectors, contexts: Codes) -> Vectors:
        """(n, d) unit vectors: the decayed mean, moved by what the memory recalls."""
        keys = learnt(self._keys, self.name)
        with threadpool_limits(1):
            attention = self.beta * (self._key(vectors, contexts) @ keys.T)
            attention = np.exp(attention - attention.max(axis=1, keepdims=True))
            attention /= attention.sum(axis=1, keepdims=True)
            return unit(decayed(vectors, contexts, self.decay) + self.share * (attention @ self._moves))

    def _key(self, vectors: Vectors, contexts: Codes) -> Vectors:
        mean = decayed(vectors, contexts, self.key_decay)
        if contexts.shape[1] < 2:
            return mean
        step = unit(vectors[contexts[:, -1]] - vectors[contexts[:, -2]])
        return np.hstack([mean, np.float32(np.sqrt(self.heading)) * step])

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"keys": learnt(self._keys, self.name), "moves": self._moves}

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._keys, self._moves = arrays["keys"], arrays["moves"]


@dataclass
class GruV0(SequenceModel):
    """A small GRU reads the context and corrects its decayed mean; trained in numpy, on one thread, from a seed."""

    hidden: int = 64
    epochs: int = 8
    rate: float = 3e-3
    penalty: float = 0.1
    decay: float = 0.5
    seed: int = 42
    _weights: Weights = field(default_factory=dict, repr=False)
    name: ClassVar[str] = "gru_v0"

    def fit(self, vectors: Vectors, contexts: Codes, targets: Codes) -> Self:
        """Train from scratch; the same seed gives the same bytes."""
        contexts, targets = checked_steps(vectors, contexts, targets)
        rng = np.random.default_rng(self.seed)
        with threadpool_limits(1):
            self._weights, _ = train(
                initial(vectors.shape[1], self.hidden, rng), vectors[contexts], decayed(vectors, contexts, self.decay),
                vectors[targets], targets, rng=rng, epochs=self.epochs, rate=self.rate, decay=self.penalty)
        return self

    def predict(self, vectors: Vectors, contexts: Codes) -> Vectors:
        """(n, d) unit vectors: the decayed mean with the unit's correction."""
        if not self._weights:
            raise InputError("not fitted yet", where=self.name, expected="fit or load before use")
        with threadpool_limits(1):
            return unit(corrected(self._weights, vectors[contexts], decayed(vectors, contexts, self.decay)))

    def _arrays(self) -> dict[str, NDArray[Any]]:
        if not self._weights:
            raise InputError("not fitted yet", where=self.name, expected="fit before save")
        return dict(self._weights)

    def _restore(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._weights = dict(arrays)


SEQUENCE_MODELS: dict[str, type[SequenceModel]] = {
    model.name: model for model in (AmnV0, GruV0, LastVector, DecayedMean, Popularity)}


def sequence_retriever(name: str | None = None, **options: Any) -> SequenceModel:
    """The model of that name; without one, the model that the environment's `RETRIEVER_IMPL` names, else `amn_v0`.

    >>> sequence_retriever("decayed_mean", decay=0.7)
    DecayedMean(decay=0.7)
    """
    wanted = name or os.environ.get(_ENVIRONMENT) or AmnV0.name
    if wanted not in SEQUENCE_MODELS:
        raise InputError("no such sequence retriever", where=None if name else _ENVIRONMENT, found=wanted,
                         expected=", ".join(SEQUENCE_MODELS), hint=nearest(wanted, SEQUENCE_MODELS))
    try:
        return SEQUENCE_MODELS[wanted](**options)
    except TypeError as error:
        raise UsageError(f"{wanted}: {error}") from None
