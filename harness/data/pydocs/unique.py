"""How often a sentence stands in a corpus, white space aside, for thousands of sentences at once.

Each place of the joined texts is looked up by its next eight bytes in a small table, and only the few that could begin
a sentence are compared in full: one pass over the bytes instead of one search a sentence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["occurrences"]

_HEAD = 8  # bytes in one look-up


def occurrences(needles: Sequence[str], texts: Sequence[str]) -> NDArray[np.int64]:
    """(len(needles),) how often each stands in all texts together; overlaps count, no match spans two texts.

    >>> occurrences(["abcabcabc", "zzzzzzzz"], ["xabcabcabcabc", "abcabcabc"]).tolist()
    [3, 0]
    """
    coded = [needle.encode("utf-8", "surrogatepass") for needle in needles]
    if any(len(needle) < _HEAD for needle in coded):
        raise ValueError(f"needles need at least {_HEAD} bytes")
    joined = b"\x00".join(text.encode("utf-8", "surrogatepass") for text in texts)
    by_head: dict[int, list[int]] = defaultdict(list)
    for row, needle in enumerate(coded):
        by_head[int.from_bytes(needle[:_HEAD], "little")].append(row)
    counts = np.zeros(len(coded), dtype=np.int64)
    for place, head in _places(joined, np.fromiter(by_head, dtype=np.uint64, count=len(by_head))):
        for row in by_head[head]:
            counts[row] += joined.startswith(coded[row], place)
    return counts


def _places(joined: bytes, heads: NDArray[np.uint64]) -> list[tuple[int, int]]:
    """(place, head) wherever the next eight bytes are one of `heads`."""
    found: list[tuple[int, int]] = []
    padded = joined + b"\x00" * (2 * _HEAD)
    table = np.zeros(1 << 16, dtype=np.bool_)
    table[_slot(heads)] = True
    for shift in range(_HEAD):
        window = np.frombuffer(padded, dtype="<u8", offset=shift, count=(len(padded) - shift) // _HEAD)
        likely = np.flatnonzero(table[_slot(window)])
        hits = likely[np.isin(window[likely], heads)]
        found += zip((hits * _HEAD + shift).tolist(), window[hits].tolist(), strict=True)
    return found


def _slot(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return (values * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(48)
