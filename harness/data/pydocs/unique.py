"""How often a sentence stands in a corpus, for thousands of sentences at once.

Each place of the joined texts is looked up by its next 24 bytes in a small table, and only the few that could begin a
sentence are compared in full: one pass over the bytes instead of one search a sentence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["HEAD_BYTES", "occurrences"]

_WORD, _WORDS = 8, 3
HEAD_BYTES = _WORD * _WORDS
_MIX = np.uint64(0x9E3779B97F4A7C15)  # an odd multiplier with well spread bits: 2**64 over the golden ratio
_TABLE_BITS = 18


def occurrences(needles: Sequence[str], texts: Sequence[str]) -> NDArray[np.int64]:
    """(len(needles),) how often each stands in all texts together; overlaps count, no match spans two texts.

    Needles of fewer than `HEAD_BYTES` bytes are a `ValueError`.

    >>> occurrences(["abcabcabcabcabcabcabcabc", "z" * 24], ["x" + "abc" * 9, "abc" * 8]).tolist()
    [3, 0]
    """
    coded = [needle.encode() for needle in needles]
    if any(len(needle) < HEAD_BYTES for needle in coded):
        raise ValueError(f"needles need at least {HEAD_BYTES} bytes")
    joined = b"\x00".join(text.encode() for text in texts)
    heads = _keys(b"".join(needle[:HEAD_BYTES] for needle in coded), 0)[::_WORDS]
    by_head: dict[int, list[int]] = defaultdict(list)
    for row, head in enumerate(heads.tolist()):
        by_head[head].append(row)
    counts = np.zeros(len(coded), dtype=np.int64)
    for place, head in _places(joined, heads):
        for row in by_head[head]:
            counts[row] += joined.startswith(coded[row], place)
    return counts


def _places(joined: bytes, heads: NDArray[np.uint64]) -> list[tuple[int, int]]:
    """(place, head) wherever the next bytes have one of the `heads`."""
    found: list[tuple[int, int]] = []
    table = np.zeros(1 << _TABLE_BITS, dtype=np.bool_)
    table[_slot(heads)] = True
    for shift in range(_WORD):
        keys = _keys(joined, shift)
        likely = np.flatnonzero(table[_slot(keys)])
        hits = likely[np.isin(keys[likely], heads)]
        found += zip((hits * _WORD + shift).tolist(), keys[hits].tolist(), strict=True)
    return found


def _keys(data: bytes, shift: int) -> NDArray[np.uint64]:
    """One key for each whole head at shift, shift + 8, and so on."""
    count = (len(data) - shift) // _WORD
    if count < _WORDS:
        return np.empty(0, dtype=np.uint64)
    window = np.frombuffer(data, dtype="<u8", offset=shift, count=count)
    keys = np.zeros(count - _WORDS + 1, dtype=np.uint64)
    for step in range(_WORDS):
        keys = (keys + window[step : len(keys) + step]) * _MIX
        keys ^= keys >> np.uint64(29)
    return keys


def _slot(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return keys >> np.uint64(64 - _TABLE_BITS)
