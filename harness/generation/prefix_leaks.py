"""Prefix leakage: contextual prefixes belong to vectors and prompts, and no lexical index may hold a word of them.

A prefix (`numpy · mean · Parameters · axis`) repeats a document's name in each of its passages. In a lexical index that
makes every passage of a document answer to its name, and lifts long documents over those that say more. What an index
holds is read back from the index itself, in its own normal form, so that no way of writing a prefix escapes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.data.spelling import NO_COMPOUNDS
from harness.errors import InputError
from harness.generation.shapes import Passage
from harness.retrieval.bm25 import Bm25
from harness.retrieval.files import read_part
from harness.retrieval.texts import words

__all__ = ["Held", "held_words", "leaked_prefixes", "texts_held"]


class Held(NamedTuple):
    """What a lexical index holds: the words of each of its rows, and those that it reads as several."""

    rows: tuple[frozenset[str], ...]
    compounds: Mapping[str, tuple[str, ...]]


def held_words(index: Bm25) -> Held:
    """The words under which each row of an index is found, read back from its postings; pairs of words aside.

    >>> sorted(held_words(Bm25(lead=0, lead_weight=1.0).fit(["sort rows", "numpy mean"])).rows[0])
    ['row', 'sort']
    """
    with tempfile.TemporaryDirectory() as place:
        index.save(Path(place))
        meta, arrays = read_part(Path(place), "bm25")
    named = np.array(meta["words"], dtype=object)
    term = np.repeat(np.arange(len(arrays["starts"]) - 1), np.diff(arrays["starts"]))
    single = term < len(named)
    rows, terms = arrays["postings"][single], term[single]
    order = np.argsort(rows, kind="stable")
    ends = np.searchsorted(rows[order], np.arange(index.size + 1))
    told = named[terms[order]]
    found = tuple(frozenset(told[start:end].tolist()) for start, end in pairwise(ends.tolist()))
    return Held(found, {word: tuple(way) for word, way in meta["compounds"].items()})


def texts_held(texts: Sequence[str]) -> Held:
    """What an index of one's own holds, told as the texts that it was given."""
    return Held(tuple(frozenset(words(text)) for text in texts), NO_COMPOUNDS)


def leaked_prefixes(passages: Sequence[Passage], held: Held) -> tuple[str, ...]:
    """Ids of the passages under which the index holds a word of their prefix that their own text does not say.

    Args:
        passages: In the order of the index's rows.
        held: What the index holds.

    Raises:
        InputError: Not a row for each passage.

    >>> one = Passage("d#0", "d", 0, "parameters", "axis", "numpy · mean · Parameters", "Axis to reduce.", "numpy")
    >>> leaked_prefixes([one], texts_held(["Axis to reduce."])), leaked_prefixes([one], texts_held(["NUMPY: axis"]))
    ((), ('d#0',))
    """
    if len(passages) != len(held.rows):
        raise InputError("the index is of other passages", where="prefix leakage", expected=f"{len(passages)} rows",
                         found=len(held.rows))
    found = []
    for one, row in zip(passages, held.rows, strict=True):
        its = row.intersection(words(one.prefix, compounds=held.compounds))
        if its and not its <= set(words(one.text, compounds=held.compounds)):
            found.append(one.id)
    return tuple(found)
