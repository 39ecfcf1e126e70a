"""Properties of a live release, each tried on many queries by hypothesis, each with a twin that breaks it.

A property sees a release through its `Surface`: the few calls that a property may make. Its twin is the same surface
with one call spoilt, so that the search is known to find what it looks for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky

from harness.errors import InputError, SignoffError, nearest
from harness.metrics.ranking import ndcg
from harness.records import Floats
from harness.release.live import LiveRelease
from harness.retrieval.protocols import Codes, Vectors

__all__ = ["EXAMPLES", "PROPERTIES", "Property", "Surface", "Tried", "surface_of", "try_property"]

EXAMPLES = 60
Draw = Callable[[st.SearchStrategy[int]], int]


@dataclass(frozen=True)
class Surface:
    """What a property may ask of a release.

    Attributes:
        texts: Queries to draw from, real ones.
        hits: (texts, k) → (n, k) codes and scores of the first stage.
        rerank: (text, codes, scores) → codes in the second stage's order; None without a second stage.
        ndcg: (gains (n, depth), k) → (n,) values.
    """

    texts: Sequence[str]
    hits: Callable[[Sequence[str], int], tuple[Codes, Vectors]]
    rerank: Callable[[str, Codes, Vectors], Codes] | None
    ndcg: Callable[[Floats, int], Floats]


@dataclass(frozen=True)
class Property:
    """A sentence that must hold for every draw, and how to spoil a surface so that it does not."""

    claim: str
    holds: Callable[[Surface, Draw], bool]
    spoilt: Callable[[Surface], Surface]


class Tried(NamedTuple):
    """How many examples were tried, and the smallest one that broke the property, in words."""

    examples: int
    counterexample: str | None


def surface_of(live: LiveRelease, texts: Sequence[str]) -> Surface:
    """The surface of a live release over real query texts."""

    def hits(asked: Sequence[str], k: int) -> tuple[Codes, Vectors]:
        found = live.first.hits(asked, live.first.vectors(asked), k=k)
        return found.codes, found.scores

    def rerank(text: str, codes: Codes, scores: Vectors) -> Codes:
        assert live.second is not None
        return live.second.rerank(text, live.first.vectors([text])[0], codes, scores).codes

    return Surface(tuple(texts), hits, rerank if live.second is not None else None,
                   lambda gains, k: np.asarray(ndcg(gains, k=k), dtype=np.float64))


def try_property(name: str, surface: Surface, *, examples: int = EXAMPLES) -> Tried:
    """Try a property on drawn examples, the same every time; the counterexample is what hypothesis shrank to.

    A break that does not come back when its draws are repeated counts as well: the release answered in two ways.
    Raises InputError for an unknown name, for nothing to draw from, and what the release itself raises.
    """
    if name not in PROPERTIES:
        raise InputError("no such property", where="policy", expected=", ".join(PROPERTIES), found=name,
                         hint=nearest(name, PROPERTIES))
    if not surface.texts:
        raise InputError("nothing to try a property on", where="properties", expected="judged queries with texts")
    tried = _Trying(PROPERTIES[name], surface)

    @settings(max_examples=examples, derandomize=True, database=None, deadline=None,
              suppress_health_check=list(HealthCheck))
    @given(st.data())
    def search(data: st.DataObject) -> None:
        tried.once(data)

    with contextlib.suppress(_Broken, Flaky):
        search()
    if tried.raised is not None:
        raise tried.raised
    return Tried(tried.examples, tried.broken)


@dataclass
class _Trying:
    """One search: what it saw so far. The last break is the one that hypothesis shrank to."""

    prop: Property
    surface: Surface
    examples: int = 0
    broken: str | None = None
    raised: SignoffError | None = None

    def once(self, data: st.DataObject) -> None:
        """Try one example; a break and an error of the release both end it."""
        drawn: list[int] = []

        def draw(strategy: st.SearchStrategy[int]) -> int:
            drawn.append(data.draw(strategy))
            return drawn[-1]

        self.examples += 1
        try:
            holds = self.prop.holds(self.surface, draw)
        except SignoffError as error:
            self.raised = error
            raise _Broken from None
        if not holds:
            self.broken = f"draws {drawn}, query {self.surface.texts[drawn[0] % len(self.surface.texts)]!r}"
            raise _Broken


class _Broken(Exception):  # noqa: N818  it reports a find, not an error
    """A drawn example for which the property does not hold."""


def _query(surface: Surface, draw: Draw) -> str:
    return surface.texts[draw(st.integers(0, len(surface.texts) - 1))]


def _topk_prefix(surface: Surface, draw: Draw) -> bool:
    text, k = _query(surface, draw), draw(st.integers(1, 50))
    (codes, scores), (longer, also) = surface.hits([text], k), surface.hits([text], k + 1)
    above = scores > scores[:, -1:]  # which of equal scores at the cut gets in is nobody's promise
    return bool(np.array_equal(scores, also[:, :k]) and np.array_equal(codes[above], longer[:, :k][above]))


def _batch_single(surface: Surface, draw: Draw) -> bool:
    text, others = _query(surface, draw), [_query(surface, draw) for _ in range(draw(st.integers(1, 8)))]
    alone, together = surface.hits([text], 10), surface.hits([*others, text], 10)
    # A batch may round a product differently in the last bit: documents nearer than that may trade places.
    return bool(np.allclose(alone[1][0], together[1][-1], atol=1e-5)) and _same_but_ties(alone, together)


def _same_but_ties(alone: tuple[Codes, Vectors], together: tuple[Codes, Vectors]) -> bool:
    moved = alone[0][0] != together[0][-1]
    scores = np.maximum(alone[1][0], np.float32(-1e30))  # the end of a short list is no number to subtract
    near = np.minimum(np.abs(np.diff(scores, prepend=np.inf)), np.abs(np.diff(scores, append=-np.inf))) < 1e-5
    return bool((~moved | near)[:-1].all())


def _order_blind(surface: Surface, draw: Draw) -> bool:
    if surface.rerank is None:
        raise InputError("no reranker to try", where="properties", expected="a release with a second stage")
    text, seed = _query(surface, draw), draw(st.integers(0, 2**16))
    codes, scores = (rows[0] for rows in surface.hits([text], 20))
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    return bool(np.array_equal(surface.rerank(text, codes, scores),
                               surface.rerank(text, codes[shuffled], scores[shuffled])))


def _metric_laws(surface: Surface, draw: Draw) -> bool:
    """In [0, 1], ideal order scores 1, and lifting a better hit over a worse one never lowers it."""
    gains = np.array([[draw(st.integers(0, 3)) for _ in range(12)]], dtype=np.float64)
    k, place = draw(st.integers(1, 12)), draw(st.integers(0, 10))
    lifted = gains.copy()
    lifted[0, place:place + 2] = np.sort(gains[0, place:place + 2])[::-1]
    value, better = surface.ndcg(gains, k)[0], surface.ndcg(lifted, k)[0]
    ideal = surface.ndcg(-np.sort(-gains, axis=1), k)[0]
    return bool(0.0 <= value <= 1.0 + 1e-12 and better >= value - 1e-12
                and (ideal == 0.0 if not gains.any() else abs(ideal - 1.0) < 1e-12))


def _stable(surface: Surface, draw: Draw) -> bool:
    text = _query(surface, draw)
    first, again = surface.hits([text], 20), surface.hits([text], 20)
    return bool(np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1]))


def _odd_depths_reversed(surface: Surface) -> Surface:
    def hits(texts: Sequence[str], k: int) -> tuple[Codes, Vectors]:
        codes, scores = surface.hits(texts, k)
        return (codes[:, ::-1] if k % 2 else codes), scores

    return replace(surface, hits=hits)


def _batches_shifted(surface: Surface) -> Surface:
    def hits(texts: Sequence[str], k: int) -> tuple[Codes, Vectors]:
        codes, scores = surface.hits(texts, k)
        return (np.roll(codes, 1, axis=0), np.roll(scores, 1, axis=0)) if len(texts) > 1 else (codes, scores)

    return replace(surface, hits=hits)


def _first_stays_first(surface: Surface) -> Surface:
    def rerank(text: str, codes: Codes, scores: Vectors) -> Codes:
        assert surface.rerank is not None
        order = surface.rerank(text, codes, scores)
        return np.concatenate([codes[:1], order[order != codes[0]]])

    return replace(surface, rerank=rerank)


def _unnormalised_gain(surface: Surface) -> Surface:
    return replace(surface, ndcg=lambda gains, k: surface.ndcg(gains, k) * 1.5)


def _drifting(surface: Surface) -> Surface:
    calls = iter(range(10**9))

    def hits(texts: Sequence[str], k: int) -> tuple[Codes, Vectors]:
        codes, scores = surface.hits(texts, k)
        return codes, scores + np.float32(1e-3 * next(calls))

    return replace(surface, hits=hits)


PROPERTIES: dict[str, Property] = {
    "topk_prefix": Property("the top k are the first k of the top k + 1", _topk_prefix, _odd_depths_reversed),
    "batch_equals_single": Property("a query in a batch gets what it gets alone", _batch_single, _batches_shifted),
    "reranker_order_blind": Property("the reranker does not see the order of its input", _order_blind,
                                     _first_stays_first),
    "same_twice": Property("the same query twice gets the same hits and scores", _stable, _drifting),
    "metric_laws": Property("nDCG is bounded, 1 for the ideal order, and never falls when a better hit rises",
                            _metric_laws, _unnormalised_gain),
}
