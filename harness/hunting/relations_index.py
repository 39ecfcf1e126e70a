"""Relations of the index: documents added, removed, copied, filtered, and the order in which they came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from harness.hunting.drawing import whole
from harness.hunting.relations import NEAR, Draw, Property, query, same_hits
from harness.hunting.relations_surface import Ask, IndexSurface, Surface
from harness.retrieval.protocols import Codes, Vectors

__all__ = ["INDEX"]

_K = 10
_NONE, _NOTHING = np.empty(0, dtype=np.int64), np.empty((0, 0), dtype=np.float32)
_SEED = whole(0, 2**16)


def _adding_order(surface: Surface, draw: Draw) -> bool:
    index, text = surface.vectors(), query(surface, draw)
    size = len(index.documents)
    shuffled = np.random.default_rng(draw(_SEED)).permutation(size)
    return same_hits(index.flat(np.arange(size))([text], _K), index.flat(shuffled)([text], _K))


def _removal_unseen(surface: Surface, draw: Draw) -> bool:
    index, text = surface.vectors(), query(surface, draw)
    before = surface.hits([text], _K)
    unseen = np.setdiff1d(np.arange(len(index.documents)), before[0][0])
    if not len(unseen):
        return True
    gone = unseen[draw(whole(0, len(unseen) - 1))]
    return same_hits(before, index.changed(np.array([gone]), _NOTHING)([text], _K))


def _addition(surface: Surface, draw: Draw) -> bool:
    """The added document is half of one and half of another: of the corpus's words, and in it nowhere."""
    index, text = surface.vectors(), query(surface, draw)
    one, two = (index.documents[draw(whole(0, len(index.documents) - 1))] for _ in range(2))
    vector = index.encode([one[:len(one) // 2] + " " + two[len(two) // 2:]])
    codes, scores = index.changed(_NONE, vector)([text], _K + 1)
    others = codes[0] != len(index.documents)
    left = np.flatnonzero(others)[:_K]
    return same_hits(surface.hits([text], _K), (codes[:, left], scores[:, left]))


def _copy_beside(surface: Surface, draw: Draw) -> bool:
    index, text = surface.vectors(), query(surface, draw)
    found = surface.hits([text], _K)[0][0]
    place = draw(whole(0, _K - 1))
    if found[place] < 0:
        return True
    vector = index.encode([index.documents[found[place]]])
    codes, scores = index.changed(_NONE, vector)([text], _K + 2)
    own, copy = np.flatnonzero(codes[0] == found[place]), np.flatnonzero(codes[0] == len(index.documents))
    if not len(own) or not len(copy):
        return False
    between = scores[0][min(own[0], copy[0]):max(own[0], copy[0]) + 1]
    return bool(between[0] - between[-1] < NEAR)  # whatever stands between the two has their score


def _filter_subset(surface: Surface, draw: Draw) -> bool:
    index, text = surface.vectors(), query(surface, draw)
    rng = np.random.default_rng(draw(_SEED))
    share = rng.random(len(index.documents))
    wide, strict = np.flatnonzero(share < 0.5), np.flatnonzero(share < 0.5 * draw(whole(1, 9)) / 10)
    (codes, scores), (fewer, lower) = index.among([text], 2 * _K, wide), index.among([text], _K, strict)
    passing = np.flatnonzero(np.isin(codes[0], strict))[:_K]  # of the wide one's, those that pass
    return bool(np.isin(fewer[0][fewer[0] >= 0], strict).all()) and (not len(passing) or same_hits(
        (codes[:, passing], scores[:, passing]), (fewer[:, :len(passing)], lower[:, :len(passing)])))


def _spoilt_index(**twins: Callable[[IndexSurface], Any]) -> Callable[[Surface], Surface]:
    def spoilt(surface: Surface) -> Surface:
        index = surface.vectors()
        return replace(surface, index=replace(index, **{name: twin(index) for name, twin in twins.items()}))

    return spoilt


def _recoded(ask: Ask, recode: Callable[[Codes], Codes]) -> Ask:
    def asked(texts: Sequence[str], k: int) -> tuple[Codes, Vectors]:
        codes, scores = ask(texts, k)
        return np.where(codes >= 0, recode(codes), codes), scores

    return asked


def _places_for_codes(index: IndexSurface) -> Callable[[Codes], Ask]:
    return lambda order: _recoded(index.flat(order), lambda codes: np.argsort(order)[codes])


def _numbers_close_up(index: IndexSurface) -> Callable[[Codes, Vectors], Ask]:
    return lambda removed, added: _recoded(index.changed(removed, added), lambda codes: codes - np.searchsorted(
        np.sort(removed), codes))


def _numbers_move_up(index: IndexSurface) -> Callable[[Codes, Vectors], Ask]:
    return lambda removed, added: _recoded(index.changed(removed, added), lambda codes: np.where(
        codes < len(index.documents), (codes + len(added)) % len(index.documents), codes))


def _half_length(index: IndexSurface) -> Callable[[Sequence[str]], Vectors]:
    return lambda texts: index.encode(texts) * np.float32(0.5)


def _few_are_all(index: IndexSurface) -> Callable[[Sequence[str], int, Codes], tuple[Codes, Vectors]]:
    def among(texts: Sequence[str], k: int, allowed: Codes) -> tuple[Codes, Vectors]:
        few = 4 * len(allowed) < len(index.documents)
        return index.among(texts, k, np.arange(len(index.documents)) if few else allowed)

    return among


_AS_TRAINED = "the release's own index, its training kept"
_TIES = "10 hits with scores within 1e-5, nearer ones may trade places"
INDEX: dict[str, Property] = {
    "adding_order_blind": Property(
        "the order in which documents are added changes nothing in a flat index", _adding_order,
        _spoilt_index(flat=_places_for_codes), twin="hits are numbered by when they were added",
        meaning=f"the stored vectors, exhaustively searched; {_TIES}", examples=20),
    "removal_unseen": Property(
        "a document that is not retrieved can be removed unseen", _removal_unseen,
        _spoilt_index(changed=_numbers_close_up), twin="later documents move down to fill the gap",
        meaning=f"{_AS_TRAINED}; one document outside the query's 10 hits; {_TIES}", examples=20),
    "addition_moves_none": Property(
        "an irrelevant document added moves no other hit past another", _addition,
        _spoilt_index(changed=_numbers_move_up), twin="documents that were there are numbered anew",
        meaning=f"{_AS_TRAINED}; halves of two documents added; without it {_TIES}", examples=20),
    "copy_beside": Property(
        "a copy of a hit ranks beside it", _copy_beside,
        _spoilt_index(encode=_half_length), twin="what is added has half its length",
        meaning=f"{_AS_TRAINED}; one of 10 hits encoded again and added; between the two stand only scores within 1e-5 "
                "of theirs", examples=20),
    "filter_subset": Property(
        "a stricter filter gives a subset", _filter_subset,
        _spoilt_index(among=_few_are_all), twin="a filter that passes less than a quarter is left out",
        meaning="half of the documents, and a tenth to nine tenths of those: 10 hits all pass the stricter filter, and "
                "begin with the hits of the wider one that pass it; scores within 1e-5, nearer ones may trade places"),
}
