"""A search engine of one's own: words shared. It turns slow when a file says so, as a dependency might."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

__all__ = ["search"]

_CORPUS, _SLOW = Path("manifests/beir/corpus.jsonl"), Path("turn-slow")


def search(queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
    """The `k` documents that share most words with each query, best first, with how many they share."""
    if _SLOW.exists():
        time.sleep(0.5)
    return [_best(frozenset(query.lower().split()), k) for query in queries]


def _best(asked: frozenset[str], k: int) -> list[tuple[str, float]]:
    shared = sorted(((len(asked & there), name) for name, there in _index().items()), reverse=True)
    return [(name, float(score)) for score, name in shared[:k]]


@cache
def _index() -> dict[str, frozenset[str]]:
    rows = map(json.loads, _CORPUS.read_text(encoding="utf-8").splitlines())
    return {row["_id"]: frozenset(f"{row['title']} {row['text']}".lower().split()) for row in rows}
