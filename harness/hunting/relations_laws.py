"""Laws of answering: depth, batch, repetition, the reranker's input, the metric; and the twins that break them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.errors import InputError
from harness.hunting.drawing import whole
from harness.hunting.relations import Draw, Property, query, same_hits
from harness.hunting.relations_surface import Surface
from harness.records import Floats
from harness.retrieval.protocols import Codes, Vectors

__all__ = ["LAWS"]


def _topk_prefix(surface: Surface, draw: Draw) -> bool:
    text, k = query(surface, draw), draw(whole(1, 50))
    (codes, scores), (longer, also) = surface.hits([text], k), surface.hits([text], k + 1)
    above = scores > scores[:, -1:]  # which of equal scores at the cut gets in is nobody's promise
    return bool(np.array_equal(scores, also[:, :k]) and np.array_equal(codes[above], longer[:, :k][above]))


def _batch_single(surface: Surface, draw: Draw) -> bool:
    text, others = query(surface, draw), [query(surface, draw) for _ in range(draw(whole(1, 8)))]
    alone, (codes, scores) = surface.hits([text], 10), surface.hits([*others, text], 10)
    return same_hits(alone, (codes[-1:], scores[-1:]))


def _order_blind(surface: Surface, draw: Draw) -> bool:
    if surface.rerank is None:
        raise InputError("no reranker to try", where="properties", expected="a release with a second stage")
    text, seed = query(surface, draw), draw(whole(0, 2**16))
    codes, scores = (rows[0] for rows in surface.hits([text], 20))
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    return bool(np.array_equal(surface.rerank(text, codes, scores),
                               surface.rerank(text, codes[shuffled], scores[shuffled])))


def _metric_laws(surface: Surface, draw: Draw) -> bool:
    """In [0, 1], ideal order scores 1, and lifting a better hit over a worse one never lowers it."""
    gains = np.array([[draw(whole(0, 3)) for _ in range(12)]], dtype=np.float64)
    k, place = draw(whole(1, 12)), draw(whole(0, 10))
    lifted = gains.copy()
    lifted[0, place:place + 2] = np.sort(gains[0, place:place + 2])[::-1]
    value, better = surface.ndcg(gains, k)[0], surface.ndcg(lifted, k)[0]
    ideal = surface.ndcg(-np.sort(-gains, axis=1), k)[0]
    return bool(0.0 <= value <= 1.0 + 1e-12 and better >= value - 1e-12
                and (ideal == 0.0 if not gains.any() else abs(ideal - 1.0) < 1e-12))


def _stable(surface: Surface, draw: Draw) -> bool:
    text = query(surface, draw)
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
    def unbounded(gains: Floats, k: int) -> Floats:
        return surface.ndcg(gains, k) * 1.5

    return replace(surface, ndcg=unbounded)


def _drifting(surface: Surface) -> Surface:
    calls = iter(range(10**9))

    def hits(texts: Sequence[str], k: int) -> tuple[Codes, Vectors]:
        codes, scores = surface.hits(texts, k)
        return codes, scores + np.float32(1e-3 * next(calls))

    return replace(surface, hits=hits)


def _gains_said(_: Surface, drawn: Sequence[int]) -> str:
    return f"draws {list(drawn)}: twelve gains, the depth, the place of the better hit"


LAWS: dict[str, Property] = {
    "topk_prefix": Property(
        "the top k are the first k of the top k + 1", _topk_prefix, _odd_depths_reversed,
        twin="hits come in reverse at odd depths",
        meaning="k from 1 to 50; scores equal to the bit; which of equal scores stands at the cut is left open"),
    "batch_equals_single": Property(
        "a query in a batch gets what it gets alone", _batch_single, _batches_shifted,
        twin="a batch's answers are handed out one place on",
        meaning="one query beside 1 to 8 others, 10 hits; scores within 1e-5, nearer ones may trade places"),
    "reranker_order_blind": Property(
        "the reranker does not see the order of its input", _order_blind, _first_stays_first,
        twin="the first of the input stays first",
        meaning="20 hits in a drawn order; the reranked codes are equal, no tolerance"),
    "same_twice": Property(
        "the same query twice gets the same hits and scores", _stable, _drifting,
        twin="scores grow by 0.001 a call",
        meaning="20 hits; codes and scores equal to the bit"),
    "metric_laws": Property(
        "nDCG is bounded, 1 for the ideal order, and never falls when a better hit rises", _metric_laws,
        _unnormalised_gain, twin="nDCG is multiplied by 1.5", shown=_gains_said,
        meaning="twelve gains from 0 to 3, depth 1 to 12; within 1e-12; without any gain the ideal is 0"),
}
