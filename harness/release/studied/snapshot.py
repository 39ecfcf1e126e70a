"""The breadth of a snapshot beside an earlier one: whether an ingest quietly left out what was there before.

What a limit, a filter or a crash leaves out is seldom a fair sample: the first so many rows, all but one domain, the
ids up to a letter. So breadth is the least of many shares: documents, passages, domains, each domain's documents, and
each twentieth of the earlier ids in their order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from harness.errors import InputError
from harness.generation.passages import Passages

__all__ = ["BLOCKS", "Breadth", "Snapshot", "breadth", "round_limit", "snapshot_of"]

BLOCKS = 20  # of the earlier ids
_LEAST = 100  # a count below is round by chance


@dataclass(frozen=True)
class Snapshot:
    """What was ingested: document → domain, and how many passages all of them were cut into."""

    documents: Mapping[str, str]
    passages: int


class Breadth(NamedTuple):
    """The least share, what it is of, and the counts behind it."""

    share: float
    where: str
    now: int
    before: int


def snapshot_of(passages: Passages) -> Snapshot:
    """Documents and passages before near-duplicates were taken out, so that a threshold changes no breadth."""
    gone = [one for one, _ in passages.removed]
    return Snapshot({one.doc: one.domain for one in (*passages.all, *gone)}, len(passages.all) + len(gone))


def breadth(now: Snapshot, before: Snapshot) -> Breadth:
    """How stable a snapshot is: the least of all shares, 1 where nothing changed.

    Totals count both ways (a corpus that doubled is no more the same than one that was halved); domains and blocks of
    ids count what is left of them. A total that fell to a round number (two digits and zeros, or a power of two) is a
    limit somewhere, and its share 0.

    Raises:
        InputError: There was nothing before.

    >>> old = Snapshot({f"d{at:03d}": "np" for at in range(200)}, 900)
    >>> new = Snapshot({name: "np" for name in list(old.documents)[:194]}, 873)
    >>> breadth(new, old)
    Breadth(share=0.4, where='ids from d190', now=4, before=10)
    """
    if not before.documents:
        raise InputError("nothing to be as broad as", where="snapshot breadth", expected="documents", found=0)
    shares = [_total(name, *counts) for name, counts in _totals(now, before).items()]
    domains = Counter(before.documents.values()), Counter(now.documents.values())
    shares += [_kept(f"domain {name}", domains[1][name], count) for name, count in sorted(domains[0].items())]
    ids = sorted(before.documents)
    cuts = [len(ids) * block // BLOCKS for block in range(BLOCKS + 1)]
    for start, end in pairwise(cuts):
        if start < end:
            left = sum(name in now.documents for name in ids[start:end])
            shares.append(_kept(f"ids from {ids[start]}", left, end - start))
    return min(shares, key=lambda one: one.share)


def round_limit(count: int) -> bool:
    """Whether a count looks like somebody's limit: at least 100, two digits and zeros, or a power of two.

    >>> round_limit(25_000), round_limit(4096), round_limit(25_100), round_limit(90)
    (True, True, False, False)
    """
    return count >= _LEAST and (count & (count - 1) == 0 or not str(count)[2:].strip("0"))


def _totals(now: Snapshot, before: Snapshot) -> dict[str, tuple[int, int]]:
    return {"documents": (len(now.documents), len(before.documents)), "passages": (now.passages, before.passages),
            "domains": (len(set(now.documents.values())), len(set(before.documents.values())))}


def _total(name: str, now: int, before: int) -> Breadth:
    if now < before and round_limit(now):
        return Breadth(0.0, f"{name} end at a round number", now, before)
    return Breadth(min(now, before) / max(now, before), name, now, before)


def _kept(name: str, now: int, before: int) -> Breadth:
    return Breadth(min(1.0, now / before), name, now, before)
