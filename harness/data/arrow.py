"""Arrow string arrays, looked at as bytes: fast where a Python loop over strings would be the slowest step."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.codes import Coded
from harness.data.radix import Numbers, codes_of, numbers
from harness.names import WIDEST, words_of

__all__ = ["MAX_ID", "Distinct", "as_coded", "ascending", "coded", "distinct", "plain"]

MAX_ID = 65_536  # bytes; a longer id is a sign of a file of another kind


class Distinct(NamedTuple):
    """Distinct ids, ascending, as an Arrow array, and one code per row."""

    ids: Any
    codes: NDArray[np.int32]


def coded(column: Any) -> Coded:
    """Code a column of strings that has at least one row."""
    return as_coded(distinct(column))


def as_coded(found: Distinct) -> Coded:
    """The same with ids as Python's own strings."""
    letters = _letters(found.ids)
    return Coded(found.ids.to_numpy(zero_copy_only=False), found.codes, None if letters is None else words_of(letters))


def distinct(column: Any) -> Distinct:
    """Distinct ids of a column of strings that has a row; as numbers where they are such, else by hashing."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return _from_dictionary(column)
    found = _numbers(column)
    if found is None:
        return _from_dictionary(column.dictionary_encode())
    codes, row = codes_of(found)
    return Distinct(column.take(pa.array(row)).combine_chunks(), codes)


def _numbers(column: Any) -> Numbers | None:
    width = max(int(np.diff(_bytes(chunk)[0]).max(initial=1)) for chunk in column.chunks)
    letters = []
    for chunk in column.chunks:
        some = _letters(chunk, width)
        if some is None:
            return None
        letters.append(some)
    return numbers(letters)


def _from_dictionary(column: Any) -> Distinct:
    ids = column.chunk(0).dictionary  # the same for all chunks
    order = ascending(ids)
    new_code = np.empty(len(order), dtype=np.int32)
    new_code[order] = np.arange(len(order), dtype=np.int32)
    codes = np.empty(len(column), dtype=np.int32)
    stop = 0
    for chunk in column.chunks:
        start, stop = stop, stop + len(chunk)
        np.take(new_code, chunk.indices.to_numpy(), out=codes[start:stop], mode="clip")
    return Distinct(ids.take(order), codes)


def plain(ids: Any) -> bool:
    """Whether every id of an Arrow string array is non-empty, without white space or control characters, no comment."""
    offsets, data = _bytes(ids)
    lengths = np.diff(offsets)
    if not len(ids) or lengths.min() == 0 or lengths.max() > MAX_ID:
        return False
    return bool((data[offsets[0] : offsets[-1]] > ord(" ")).all() and (data[offsets[:-1]] != ord("#")).all())


def ascending(ids: Any) -> NDArray[np.intp]:
    """Positions that put distinct Arrow strings in the order of their UTF-8, which is Python's order.

    What all ids share is left out; the rest is cut into words of 8 bytes, each refining the ranks of those before it.
    """
    letters = _letters(ids)
    if letters is not None:
        return _sorted(letters)
    import pyarrow.compute as pc

    return np.asarray(pc.sort_indices(ids)).astype(np.intp)


def _letters(ids: Any, width: int | None = None) -> NDArray[np.uint8] | None:
    """(n, width) bytes of the ids, zero-padded; None where they are too wide, or hold zeros of their own."""
    import pyarrow.compute as pc

    offsets, data = _bytes(ids)
    data = data[offsets[0] : offsets[-1]]
    width = int(np.diff(offsets).max(initial=1)) if width is None else width
    if width > WIDEST or not data.all():
        return None
    if len(data) == len(ids) * width:  # none is shorter
        return data.reshape(len(ids), width)
    padded = pc.ascii_rpad(ids, width, "\0").buffers()[2]
    return np.frombuffer(padded, dtype=np.uint8, count=len(ids) * width).reshape(len(ids), width)


def _sorted(letters: NDArray[np.uint8]) -> NDArray[np.intp]:
    varying = letters[:, (letters != letters[0]).any(axis=0)]
    words = np.zeros((len(letters), max(-(-varying.shape[1] // 8), 1) * 8), dtype=np.uint8)
    words[:, : varying.shape[1]] = varying
    first, *rest = words.view(">u8").astype(np.uint64).T
    for word in rest:
        first = (_dense(first) << np.uint64(32)) | _dense(word)
    return np.argsort(first)


def _dense(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Rank of each value among the distinct ones, from 0."""
    order = np.argsort(values)
    step = np.zeros(len(values), dtype=np.uint64)
    ordered = values[order]
    step[1:] = ordered[1:] != ordered[:-1]
    rank = np.empty_like(step)
    rank[order] = np.cumsum(step)
    return rank


def _bytes(ids: Any) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    _, offsets, data = ids.buffers()
    spans = np.frombuffer(offsets, dtype=np.int32)[ids.offset : ids.offset + len(ids) + 1]
    return spans, np.frombuffer(data, dtype=np.uint8) if data is not None else np.empty(0, dtype=np.uint8)
