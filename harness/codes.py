"""Strings become integer codes once, where data enters; everything here works on arrays of codes.

The order of codes is the order of ids by code point (which is strcmp's order of their UTF-8), so that ties can be
broken and pairs be looked up without a string in sight.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.names import Names, match

__all__ = ["Coded", "Names", "PairIndex", "code", "match", "objects", "pair_index", "rank_within", "repeated_pair",
           "trec_order"]

Codes = NDArray[np.int32]
Order = NDArray[np.intp]
_BLOCK = 8192  # keys looked up at a time, so that what a step needs stays near the processor


class Coded(NamedTuple):
    """Distinct ids, ascending, one code per row, and the ids' words (names.words_of) where they were seen as bytes."""

    ids: NDArray[np.object_]
    codes: Codes
    words: NDArray[np.uint64] | None = None


class PairIndex(NamedTuple):
    """(query, document) pairs as sorted int64 keys `query * n_docs + doc`, and the row or rank that each one names."""

    keys: NDArray[np.int64]
    values: Codes

    def repeated(self) -> bool:
        """Whether any pair occurs twice."""
        return bool((self.keys[1:] == self.keys[:-1]).any())

    def find(self, wanted: NDArray[np.int64]) -> Codes:
        """(n_wanted,) the value of each wanted key, -1 where it is absent; ascending keys are found fastest."""
        if not len(self.keys):
            return np.full(len(wanted), -1, dtype=np.int32)
        place = np.searchsorted(self.keys, wanted)
        same = self.keys.take(place, mode="clip") == wanted
        return np.where(same, self.values.take(place, mode="clip"), np.int32(-1))

    def find_within(self, wanted: NDArray[np.int64], start: Order, longest: int) -> Codes:
        """`find`, told where the rows of each key's query start and how many rows a query has at most.

        All keys of a block halve their ranges at once: a few gathers in place of one search after another.
        """
        if not len(self.keys):
            return np.full(len(wanted), -1, dtype=np.int32)
        found = np.empty(len(wanted), dtype=np.int32)
        for first in range(0, len(wanted), _BLOCK):
            block = slice(first, first + _BLOCK)
            key, before = wanted[block], start[block] - 1
            for bit in reversed(range(longest.bit_length())):
                smaller = self.keys.take(before + (1 << bit), mode="clip") < key
                before += smaller.astype(np.intp) << bit
            before += 1
            same = self.keys.take(before, mode="clip") == key
            found[block] = np.where(same, self.values.take(before, mode="clip"), np.int32(-1))
        return found


def code(values: Sequence[str], column: str, source: object) -> Coded:
    """Code a column of non-empty text; anything else is an InputError that names its row (from 1)."""
    rows = values if isinstance(values, list) else np.asarray(values, dtype=object).tolist()
    try:
        distinct = set(rows)
    except TypeError:  # something unhashable, which is no id
        distinct = {None}
    if not all(map(_is_id, distinct)):
        raise _not_an_id(rows, column, source)
    ids = sorted(distinct)
    lookup = dict(zip(ids, range(len(ids)), strict=True))
    codes = np.fromiter(map(lookup.__getitem__, rows), dtype=np.int32, count=len(rows))
    return Coded(objects(ids), codes)


def objects(ids: Iterable[str]) -> NDArray[np.object_]:
    """(n,) object array of ids."""
    return np.array(list(ids), dtype=object)


def pair_index(query: Codes, doc: Codes, n_docs: int, values: Codes) -> PairIndex:
    """Sort pairs by (query, doc); `values` (≥ 0) travel with them.

    Key and value are packed into one word where they fit: sorting words is six times as fast as sorting positions.
    """
    keys = query.astype(np.int64)
    keys *= n_docs
    keys += doc
    bits = int(values.max(initial=0)).bit_length()
    if int(keys.max(initial=0)).bit_length() + bits > 63:
        order = np.argsort(keys, kind="stable")
        return PairIndex(keys[order], values[order])
    keys <<= bits
    keys |= values
    keys.sort()
    values = (keys & ((1 << bits) - 1)).astype(np.int32)
    keys >>= bits
    return PairIndex(keys, values)


def repeated_pair(query: Coded, doc: Coded, source: object) -> InputError:
    """The error that names the first row whose pair was there before."""
    key = query.codes.astype(np.int64) * len(doc.ids) + doc.codes
    order = np.argsort(key, kind="stable")
    row = int(order[1:][key[order][1:] == key[order][:-1]].min())
    return InputError("duplicate (query, document) pair", where=source, row=row + 1, expected="each pair once",
                      found=(str(query.ids[query.codes[row]]), str(doc.ids[doc.codes[row]])))


def trec_order(query: Codes, doc: Codes, score: NDArray[np.float64]) -> Order | None:
    """Order of rows as trec_eval ranks them: query, then score as float32 descending, then document id descending.

    None where the rows stand in that order already, as most written runs do.
    """
    with np.errstate(over="ignore"):  # a score beyond float32 is infinite there, and ties with its like
        single = score.astype(np.float32) + np.float32(0.0)  # -0.0 ties with 0.0
    order = _by_query(query)
    at_query, at_score = (query, single) if order is None else (query[order], single[order])
    same = at_query[1:] == at_query[:-1]
    if (same & (at_score[1:] > at_score[:-1])).any():
        key = (query.astype(np.uint64) << np.uint64(32)) | _descending(single)
        order = np.argsort(key)
        at_score = single[order]
        same = query[order][1:] == query[order][:-1]
    return _break_ties(order, same & (at_score[1:] == at_score[:-1]), doc)


def rank_within(query: NDArray[Any]) -> Codes:
    """Ranks from 1 within runs of equal codes in an ascending array: [0, 0, 1] → [1, 2, 1]."""
    starts = _starts(query)
    if not starts.size:
        return np.empty(0, dtype=np.int32)
    ranks = np.arange(1, len(query) + 1, dtype=np.int32)
    ranks -= np.repeat(starts.astype(np.int32), np.diff(starts, append=len(query)))
    return ranks


def _by_query(query: Codes) -> Order | None:
    starts = _starts(query)
    leaders = query[starts]
    if (leaders[1:] > leaders[:-1]).all():
        return None
    order = np.argsort(leaders, kind="stable")
    if (leaders[order][1:] == leaders[order][:-1]).any():  # a query's rows are scattered
        return np.argsort(query, kind="stable")
    lengths = np.diff(np.append(starts, len(query)))[order]
    shift = np.repeat(starts[order] - (np.cumsum(lengths) - lengths), lengths)
    shift += np.arange(len(query))
    return shift


def _break_ties(order: Order | None, tied: NDArray[np.bool_], doc: Codes) -> Order | None:
    """Among rows that tie with the row before them, put the larger document code first."""
    follower = np.flatnonzero(tied) + 1
    if not follower.size:
        return order
    place = np.union1d(follower - 1, follower)
    group = np.cumsum(~np.isin(place, follower, assume_unique=True))
    row = place if order is None else order[place]
    sorted_row = row[np.lexsort((-doc[row], group))]
    if order is None and np.array_equal(sorted_row, row):
        return None
    order = np.arange(len(doc)) if order is None else order
    order[place] = sorted_row
    return order


def _descending(single: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Unsigned integers whose ascending order is the descending order of finite floats."""
    bits = single.view(np.uint32)
    return np.where(bits >> np.uint32(31), bits, ~bits & np.uint32(0x7FFFFFFF))


def _starts(query: NDArray[Any]) -> Order:
    if not len(query):
        return np.empty(0, dtype=np.intp)
    return np.concatenate(([0], np.flatnonzero(query[1:] != query[:-1]) + 1))


def _is_id(value: object) -> bool:
    """Text that can be written: a lone surrogate, which JSON allows, cannot."""
    if not isinstance(value, str) or not value:
        return False
    return value.isascii() or not any("\ud800" <= letter < "\ue000" for letter in value)


def _not_an_id(rows: Sequence[Any], column: str, source: object) -> InputError:
    row = next(row for row, value in enumerate(rows) if not _is_id(value))
    return InputError("not an id", where=source, row=row + 1, column=column, expected="non-empty text", found=rows[row])
