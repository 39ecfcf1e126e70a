"""Ids as numbers of mixed radix, whose order is the order of the ids: most ids are counters in disguise.

Each place of the id is a digit between the smallest and the largest byte that stands there; a place where all ids agree
is no digit at all. `doc0000001` to `doc0099999` take five digits of ten values each. Where the numbers are few, a table
of them finds the distinct ids without comparing two; where they fit a word, sorting words does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Numbers", "codes_of", "numbers"]

Bytes = NDArray[np.uint8]
_TABLE = 1 << 24  # numbers below this may have a table of 64 MB
_ROWS = 64  # rows side by side, so that extremes are taken of long stretches


class Numbers(NamedTuple):
    """(n,) numbers from 0, all below `size`."""

    values: NDArray[Any]
    size: int


def numbers(chunks: Sequence[Bytes]) -> Numbers | None:
    """Read chunks of (any, width) bytes, zero-padded ids, at least one; None where no word holds a number and a row."""
    chunks = [chunk for chunk in chunks if len(chunk)]
    floor, top = _digits(chunks)
    n, size = sum(map(len, chunks)), 1
    radix = [int(high) - int(low) + 1 for low, high in zip(floor, top, strict=True)]
    for base in radix:
        size *= base
    if size << n.bit_length() >= 1 << 63:
        return None
    values = np.empty(n, dtype=np.int32 if size < 1 << 31 else np.int64)
    stop = 0
    for chunk in chunks:
        start, stop = stop, stop + len(chunk)
        _horner(chunk, floor, radix, values[start:stop])
    return Numbers(values, size)


def codes_of(found: Numbers) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """A code for each number, in ascending order, and for each code a row that has it."""
    return (_by_table if found.size <= min(_TABLE, 16 * len(found.values)) else _by_sorting)(found)


def _by_table(found: Numbers) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    table = np.full(found.size, -1, dtype=np.int32)
    table[found.values] = np.arange(len(found.values), dtype=np.int32)
    used = np.flatnonzero(table >= 0)
    row = table[used]
    table[used] = np.arange(len(used), dtype=np.int32)
    return table.take(found.values, mode="clip"), row


def _by_sorting(found: Numbers) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    n = len(found.values)
    bits = n.bit_length()
    packed = found.values.astype(np.int64) << bits
    packed |= np.arange(n)
    packed.sort()
    row = (packed & ((1 << bits) - 1)).astype(np.int32)
    packed >>= bits
    new = np.ones(n, dtype=np.bool_)
    np.not_equal(packed[1:], packed[:-1], out=new[1:])
    codes = np.empty(n, dtype=np.int32)
    codes[row] = np.cumsum(new, dtype=np.int32) - np.int32(1)
    return codes, row[new]


def _digits(chunks: Sequence[Bytes]) -> tuple[Bytes, Bytes]:
    """(width,) the byte that is 0 as a digit, and the largest, at each place; padding is a digit below all letters."""
    least, floor, top = (np.array([_extreme(chunk, fold, shift) for chunk in chunks]) for fold, shift in
                         ((np.minimum, 0), (np.minimum, 1), (np.maximum, 0)))
    letters = floor.min(axis=0)  # the smallest byte but zero, less one: zeros wrapped around
    least, top = least.min(axis=0), top.max(axis=0)
    return np.where(least == 0, np.minimum(letters, top), least), top


def _extreme(chunk: Bytes, fold: np.ufunc, shift: int) -> Bytes:
    chunk = chunk - np.uint8(shift) if shift else chunk
    whole = len(chunk) // _ROWS * _ROWS
    sides = fold.reduce(chunk[:whole].reshape(-1, _ROWS * chunk.shape[1]), axis=0) if whole else chunk[:1]
    found: Bytes = fold.reduce(np.concatenate([sides.reshape(-1, chunk.shape[1]), chunk[whole:]]), axis=0)
    return found


def _horner(chunk: Bytes, floor: Bytes, radix: list[int], values: NDArray[Any]) -> None:
    values.fill(0)
    for place, base in enumerate(radix):
        if base > 1:
            values *= base
            values += np.maximum(chunk[:, place], floor[place]) - floor[place]
