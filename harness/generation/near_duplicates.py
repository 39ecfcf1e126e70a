"""Near-duplicates among passages: the same words said by two documents are shown, stored and searched once.

Two passages are near-duplicates where the sets of their word shingles (three words in a row, folded) have a Jaccard
similarity of at least a threshold that the manifest fixes before anything is measured. MinHash and banding (datasketch;
Broder 1997, Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, ch. 3) only propose pairs; each is then counted
exactly, so that no passage is removed below the threshold. What banding overlooks stays: of pairs at the threshold
itself at most one in a hundred by the chances of banding (for thresholds from 0.04), above it fewer.

Many passages that are alike just below the threshold do not cost their square: of what is proposed for one the 64
likest by signature are counted, and a passage that a thousand are proposed for proposes itself to nobody.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from harness.data.spelling import folded
from harness.errors import InputError
from harness.generation.passages import Passages
from harness.generation.shapes import Passage

__all__ = ["PERMUTATIONS", "SHINGLE", "Duplicate", "Shingles", "jaccard", "near_duplicates", "shingles",
           "without_near_duplicates"]

SHINGLE = 3  # words
PERMUTATIONS = 128
_SEED = 42  # of the permutations: which pairs are proposed, never whether one is removed
_MISSED = 0.01  # of pairs at the threshold; false proposals only cost time
_COUNTED = 64  # of what is proposed for a passage, the likest by signature
_CROWD = 1000  # proposals from which a passage joins no band: texts of one mould, of which enough are there
_WORD = re.compile(r"\w+")
Shingles = frozenset[tuple[str, ...]]


class Duplicate(NamedTuple):
    """A passage that was taken out, the one that was kept for it, and how much alike they are."""

    removed: str
    kept: str
    jaccard: float


def shingles(text: str) -> Shingles:
    """The set of three words in a row, case and Unicode form folded; a shorter text has none.

    >>> sorted(shingles("Axis to sort along.")), len(shingles("Sample weights."))
    ([('axis', 'to', 'sort'), ('to', 'sort', 'along')], 0)
    """
    found = _WORD.findall(folded(text))
    return frozenset(zip(found, found[1:], found[2:], strict=False))


def jaccard(one: Shingles, two: Shingles) -> float:
    """What two sets share of what either has, in [0, 1]; 0 where both are empty: nothing was compared.

    >>> jaccard(shingles("a b c d"), shingles("a b c e"))
    0.3333333333333333
    """
    return len(one & two) / max(len(one | two), 1)


def near_duplicates(passages: Sequence[Passage], *, threshold: float) -> tuple[Duplicate, ...]:
    """Who is removed, and for whom, by ascending id of the removed; the order of `passages` makes no difference.

    A passage of one or two words (`Sample weights.`, `bool`) is nobody's near-duplicate: that two say it is chance, and
    what it means is its field's. The others are gone through by ascending id. One that is like a kept one is removed
    for it: for the likest, of equals for the least id. So nobody is kept for by one that was itself removed, and the
    least id of a group always stays.

    Args:
        passages: With distinct ids.
        threshold: Jaccard similarity in (0, 1] from which a passage is removed.

    Raises:
        InputError: A threshold outside (0, 1].

    >>> texts = {"a": "Axis to sort along now.", "b": "axis to sort along, now", "c": "Any other words."}
    >>> near_duplicates([Passage(id, id, 0, "", "", "", text, "") for id, text in texts.items()], threshold=0.8)
    (Duplicate(removed='b', kept='a', jaccard=1.0),)
    """
    if not 0.0 < threshold <= 1.0:
        raise InputError("option out of range", where="near duplicates", column="threshold",
                         expected="above 0, at most 1", found=threshold)
    known = _Known(len(passages), threshold)
    first: dict[Shingles, str] = {}  # equal sets need no signature
    removed = []
    for one in sorted(passages, key=lambda passage: passage.id):
        if not (held := shingles(one.text)):
            continue
        if held in first:
            removed.append(Duplicate(one.id, first[held], 1.0))
            continue
        best = known.likest(one.id, held)
        if best is not None and best.jaccard >= threshold:
            removed.append(best)
        else:
            known.keep()
            first[held] = one.id
    return tuple(removed)


class _Known:
    """What is kept so far, by rows in order of id; the last that was asked for is the one that may be kept."""

    def __init__(self, size: int, threshold: float) -> None:
        self._proposals, self._bare = _proposing(threshold)
        self._signatures = np.empty((size, PERMUTATIONS), dtype=np.uint64)
        self._kept: list[tuple[str, Shingles]] = []
        self._asked: tuple[str, Shingles, Any, int] | None = None

    def likest(self, name: str, held: Shingles) -> Duplicate | None:
        """The likest of those that are counted, of equals the least id; None where none is proposed."""
        signature = self._bare.copy()
        signature.update_batch([" ".join(words).encode() for words in held])
        rows = np.sort(np.array(self._proposals.query(signature), dtype=np.int64))
        self._asked = name, held, signature, len(rows)
        if len(rows) > _COUNTED:
            alike = (self._signatures[rows] == signature.hashvalues).sum(axis=1)
            rows = rows[np.argsort(-alike, kind="stable")[:_COUNTED]]  # ties by ascending id
        pairs = (Duplicate(name, other, jaccard(held, words)) for other, words in map(self._kept.__getitem__, rows))
        return min(pairs, key=lambda pair: (-pair.jaccard, pair.kept), default=None)

    def keep(self) -> None:
        """Keep the one that was asked for last."""
        if self._asked is not None:
            name, held, signature, proposed = self._asked
            row = len(self._kept)
            self._signatures[row] = signature.hashvalues
            self._kept.append((name, held))
            if proposed < _CROWD:
                self._proposals.insert(row, signature)


def without_near_duplicates(passages: Passages, *, threshold: float) -> Passages:
    """Passages without their near-duplicates; documents still offer what was removed, in the words that were kept.

    Raises:
        InputError: As `near_duplicates`.

    >>> same = [Passage(id, id, place, "", "", "", "Axis to sort along.", "") for place, id in enumerate("ab")]
    >>> thinned = without_near_duplicates(Passages(tuple(same)), threshold=0.8)
    >>> len(thinned), sorted(thinned.documents("a"))
    (1, ['a', 'b'])
    """
    return passages.without({one.removed: one.kept for one in near_duplicates(passages.all, threshold=threshold)})


def _proposing(threshold: float) -> tuple[Any, Any]:
    """An empty table of bands, and a signature of nothing to begin each from."""
    from datasketch import MinHash, MinHashLSH

    return (MinHashLSH(num_perm=PERMUTATIONS, params=_bands(threshold)), MinHash(num_perm=PERMUTATIONS, seed=_SEED))


def _bands(threshold: float) -> tuple[int, int]:
    """(bands, rows a band): as many rows as leave at most `_MISSED` of the pairs at the threshold unproposed."""
    for rows in range(PERMUTATIONS // 2, 1, -1):
        if (1.0 - threshold**rows) ** (PERMUTATIONS // rows) <= _MISSED:
            return PERMUTATIONS // rows, rows
    return PERMUTATIONS, 1
