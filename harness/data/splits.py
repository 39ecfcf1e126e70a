"""Who may be learnt from and who judged, and the slices a policy can name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np

from harness.data.task import FIT, JUDGE, Bools
from harness.records import Qrels

__all__ = ["block_folds", "hard_nl", "keyed", "keyed_fold", "label_slices", "length_slices"]


def keyed(name: str, *, seed: int) -> int:
    """64 bits that depend on name and seed alone, the same on every machine."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8, key=str(seed).encode()).digest(), "big")


def keyed_fold(name: str, *, seed: int) -> str:
    """`fit` or `judge`, each for about half of all names."""
    return JUDGE if keyed(name, seed=seed) & 1 else FIT


def block_folds(sizes: Mapping[str, int], *, seed: int) -> dict[str, str]:
    """Split groups of very unequal size into two folds of like size, most of the groups to judge.

    The largest goes to `fit`: a fold that one group dominates would be judged on that group alone. The others, by size,
    come in threes, of which the seed draws one for `fit` and leaves two for `judge`; a remainder is judged.

    >>> sorted(block_folds({"large": 9, "a": 3, "b": 3, "c": 3}, seed=1).values())
    ['fit', 'fit', 'judge', 'judge']
    """
    order = sorted(sizes, key=lambda name: (-sizes[name], name))
    folds = dict.fromkeys(order, JUDGE) | dict.fromkeys(order[:1], FIT)
    for start in range(1, len(order) - 2, 3):
        folds[min(order[start : start + 3], key=lambda name: keyed(name, seed=seed))] = FIT
    return folds


def length_slices(texts: Sequence[str], *, cuts: tuple[int, int]) -> dict[str, Bools]:
    """`length=short|medium|long` by words between spaces: up to the first cut, up to the second, above.

    >>> {name: mask.tolist() for name, mask in length_slices(["a b", "a b c"], cuts=(2, 3)).items()}
    {'length=short': [True, False], 'length=medium': [False, True], 'length=long': [False, False]}
    """
    count = np.asarray([len(text.split()) for text in texts], dtype=np.int64)
    short, medium = count <= cuts[0], count <= cuts[1]
    return {"length=short": short, "length=medium": medium & ~short, "length=long": ~medium}


def label_slices(column: str, labels: Sequence[str]) -> dict[str, Bools]:
    """One slice a label, `column=label`, in the order of the alphabet."""
    return {f"{column}={label}": np.asarray([one == label for one in labels], dtype=np.bool_)
            for label in sorted(set(labels))}


def hard_nl(
    query_ids: Sequence[str],
    texts: Sequence[str],
    qrels: Qrels,
    *,
    content_words: Callable[[str], Collection[str]],
    name_of: Callable[[str], str],
) -> Bools:
    """(n,) true where no content word of the query stands in a relevant document's name.

    `name_of(doc_id)` gives the name in lower case without separators, so that `log` stands in `logspace`. A query with
    no relevant document is not hard, it is unanswerable.
    """
    names: dict[str, list[str]] = {}
    relevant = qrels.relevance > 0
    for query, doc in zip(qrels.query[relevant].tolist(), qrels.doc[relevant].tolist(), strict=True):
        names.setdefault(qrels.queries[query], []).append(name_of(qrels.docs[doc]))
    hard = np.zeros(len(query_ids), dtype=np.bool_)
    for row, (query_id, text) in enumerate(zip(query_ids, texts, strict=True)):
        found = names.get(query_id, [])
        hard[row] = bool(found) and not any(word in name for word in content_words(text) for name in found)
    return hard
