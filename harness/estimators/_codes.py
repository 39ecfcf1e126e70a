"""Labels as small whole numbers: text is compared by a 64-bit product of its bytes, and then itself.

The product only proposes; every row's text is held against that of its code, so that no answer rests on two texts
having different products. Where they have not, a dictionary decides.
"""

from __future__ import annotations

from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from harness.estimators._check import Labels

__all__ = ["coded", "places"]

NARROW = 1 << 16  # whole-number labels that span less than this are counted, not sorted
ODD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio

Words = NDArray[np.uint64]


def coded(names: Labels) -> tuple[Labels, NDArray[np.integer]]:
    """Distinct labels of (n,), n >= 1, ascending, and each row's place among them, in as few bytes as they fit.

    >>> distinct, code = coded(np.array(["io", "fft", "io"]))
    >>> distinct.tolist(), code.tolist()
    (['fft', 'io'], [1, 0, 1])
    """
    if names.dtype.kind == "U":
        distinct, code = _coded_text(names)
    else:
        least = names.min()
        narrow = int(names.max()) - int(least) < NARROW
        distinct = np.flatnonzero(np.bincount(names - least)) + least if narrow else np.unique(names)
        code = places(distinct, names)
    return distinct, code.astype(np.uint16) if len(distinct) <= NARROW else code


def places(known: Labels, wanted: Labels) -> NDArray[np.intp]:
    """(m,) each wanted label's place among the known ones, which are distinct and ascending; -1 where it is not there.

    >>> places(np.array([3, 5, 9]), np.array([9, 4])).tolist()
    [2, -1]
    """
    if known.dtype.kind == "U":
        return _text_places(known, wanted)
    low, span = int(known[0]), int(known[-1]) - int(known[0])
    if span >= NARROW:
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        return np.where(known[place] == wanted, place, -1)
    table = np.full(span + 2, -1, dtype=np.intp)  # its last entry is that of labels outside the span
    table[known - low] = np.arange(len(known))
    outside = (wanted < low) | (wanted > low + span)
    return table[np.where(outside, span + 1, wanted - low)] if outside.any() else table[wanted - low]


def _words(names: Labels, width: int) -> Words:
    """(n, w) the texts' characters, two to a word, with zeros after their end."""
    even = np.ascontiguousarray(names.astype(f"<U{width + width % 2}", copy=False))
    return even.view(np.uint64).reshape(len(names), -1)


def _products(words: Words) -> Words:
    return np.asarray(words @ np.multiply.accumulate(np.full(words.shape[1], ODD)))


def _width(names: Labels) -> int:
    return max(2, names.dtype.itemsize // 4)


def _coded_text(names: Labels) -> tuple[Labels, NDArray[np.intp]]:
    words = _words(names, _width(names))
    products = _products(words)
    keys = np.sort(products)
    keys = keys[np.append(True, keys[1:] != keys[:-1])]
    code, rows = np.searchsorted(keys, products), np.empty(len(keys), dtype=np.intp)
    rows[code] = np.arange(len(names))  # any row of each
    if not (words[rows][code] == words).all():
        distinct = np.array(sorted(set(names.tolist())), dtype=names.dtype)
        return distinct, _looked_up(distinct, names)
    order = np.argsort(names[rows])
    rank = np.empty(len(keys), dtype=np.intp)
    rank[order] = np.arange(len(keys))
    return names[rows[order]], rank[code]


def _text_places(known: Labels, wanted: Labels) -> NDArray[np.intp]:
    width = max(_width(known), _width(wanted))
    words, asked = _words(known, width), _words(wanted, width)
    products = _products(words)
    order = np.argsort(products)
    keys = products[order]
    if (keys[1:] == keys[:-1]).any():
        return _looked_up(known, wanted)
    place = order[np.minimum(np.searchsorted(keys, _products(asked)), len(keys) - 1)]
    same = words[place] == asked
    return place if same.all() else np.where(same.all(axis=1), place, -1)


def _looked_up(known: Labels, wanted: Labels) -> NDArray[np.intp]:
    """`places` by a dictionary."""
    lookup = {name: at for at, name in enumerate(known.tolist())}
    return np.fromiter(map(lookup.get, wanted.tolist(), repeat(-1)), dtype=np.intp, count=len(wanted))
