"""Finding ids of one record among those of another: tables of slots, kept with the record since it was read.

An id is held as words of 8 bytes, so that comparing two ids is comparing a few integers. Its hash says which slot of a
table it may stand in; the words say whether it does. Ids that others have pushed out stand in a smaller table below.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["WIDEST", "Names", "match", "words_of"]

Order = NDArray[np.intp]
Words = NDArray[np.uint64]
WIDEST = 64  # bytes of an id that are held, its last: one gigantic id must not make a gigantic table
_LEVELS = 12  # ids that still have no slot after so many tables are looked up as text
_ODD = 0x9E3779B97F4A7C15  # 2^64 over the golden ratio


class Names(NamedTuple):
    """Distinct ids and a way to find them.

    Attributes:
        ids: (n,) distinct ids.
        words: (width, n) their bytes, zero-padded, word by word.
        exact: Whether equal words mean equal ids; not so where ids are cut at WIDEST or hold zero bytes.
        tables: Codes by slot, -1 where no id stands; each table has room for those that the one before pushed out.
        rest: (n_rest,) codes of ids that found no slot.
    """

    ids: NDArray[np.object_]
    words: Words
    exact: bool
    tables: tuple[NDArray[np.int32], ...]
    rest: Order

    @classmethod
    def of(cls, ids: NDArray[np.object_], words: Words | None = None) -> Names:
        """Prepare distinct ids to be found; `words`, where they are known already, hold all of every id."""
        exact = words is not None
        if words is None:
            encoded = [name.encode() for name in ids.tolist()]
            cut = np.array([name[-WIDEST:] for name in encoded], dtype=bytes)
            words = words_of(cut.view(np.uint8).reshape(len(ids), cut.itemsize if len(ids) else 0))
            exact = bool(np.count_nonzero(words.view(np.uint8)) == sum(map(len, encoded)))
        hashes, left = _hash(words), np.arange(len(ids), dtype=np.int32)
        tables: list[NDArray[np.int32]] = []
        while len(left) and len(tables) < _LEVELS:
            table = np.full(_size(len(left)), -1, dtype=np.int32)
            slot = _slot(hashes if len(left) == len(ids) else hashes[left], len(tables), len(table))
            table[slot] = left
            tables.append(table)
            left = left[table[slot] != left]
        return cls(ids, words, exact, tuple(tables), left.astype(np.intp))


def words_of(letters: NDArray[np.uint8]) -> Words:
    """(width, n) words of (n, n_bytes) bytes, zero-padded to whole words."""
    padded = np.zeros((len(letters), -(-letters.shape[1] // 8) * 8), dtype=np.uint8)
    padded[:, : letters.shape[1]] = letters
    return np.ascontiguousarray(padded.view("<u8").T).astype(np.uint64, copy=False)


def match(wanted: Names, known: Names) -> Order:
    """(n_wanted,) code of each wanted id among the known ones, -1 where it is absent.

    Should words not decide, the ids themselves do, in a dictionary.
    """
    if not len(known.ids):
        return np.full(len(wanted.ids), -1, dtype=np.intp)
    if known.rest.size:
        return _as_text(wanted, known)
    found = _in_tables(wanted.words, known)
    if wanted.exact and known.exact:
        return found
    row = np.flatnonzero(found >= 0)
    if (wanted.ids[row] != known.ids[found[row]]).any():
        return _as_text(wanted, known)
    return found


def _in_tables(words: Words, known: Names) -> Order:
    """A slot that is empty says absent at once; one that holds another id says: look in the table below."""
    hashes = _hash(words)
    code = known.tables[0][_slot(hashes, 0, len(known.tables[0]))].astype(np.intp)
    same = _equal(words, known.words, code)
    found = np.where(same, code, -1)
    row = np.flatnonzero(~same & (code >= 0))
    for level, table in enumerate(known.tables[1:], start=1):
        code = table[_slot(hashes[row], level, len(table))].astype(np.intp)
        same = _equal(words[:, row], known.words, code)
        found[row[same]] = code[same]
        row = row[~same & (code >= 0)]
    return found


def _equal(words: Words, known: Words, code: Order) -> NDArray[np.bool_]:
    same = np.ones(len(code), dtype=np.bool_)
    for place in range(max(len(words), len(known))):
        here = words[place] if place < len(words) else np.uint64(0)
        same &= (known[place][code] if place < len(known) else np.uint64(0)) == here
    return same


def _as_text(wanted: Names, known: Names) -> Order:
    code_of = dict(zip(known.ids.tolist(), range(len(known.ids)), strict=True))
    return np.array([code_of.get(name, -1) for name in wanted.ids.tolist()], dtype=np.intp)


def _hash(words: Words) -> Words:
    """(n,) polynomial over an id's words, whatever the width: words of zeros add nothing."""
    hashes, factor = np.zeros(words.shape[1], dtype=np.uint64), _ODD
    for word in words:
        hashes += word * np.uint64(factor)
        factor = factor * _ODD % 2**64
    return hashes


def _slot(hashes: Words, level: int, size: int) -> Order:
    """The first bits of the hash, stirred anew at each level."""
    stirred = hashes * np.uint64(pow(_ODD, level, 2**64)) if level else hashes
    return (stirred >> np.uint64(65 - size.bit_length())).astype(np.intp)


def _size(n: int) -> int:
    """Slots for n ids, a power of two: 4 to 8 times as many, so that few push others out."""
    return int(4 << n.bit_length())
