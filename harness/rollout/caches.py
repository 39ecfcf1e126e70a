"""What a rollback clears in the store's folder: answers that the release that was left may have put there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.generation.reply_cache import ReplyCache

if TYPE_CHECKING:
    from harness.rollout.going_back import Cache

__all__ = ["REPLIES", "caches_of", "replies_in"]

REPLIES = "replies"


def replies_in(home: Path) -> ReplyCache:
    """Where a service keeps what its models once answered: `replies` in the store's folder."""
    return ReplyCache(home / REPLIES)


def caches_of(home: Path) -> tuple[Cache, ...]:
    """What `rollback(..., caches=)` and `tick(..., caches=)` clear: the models' replies.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as home:
    ...     [clear() for clear in caches_of(Path(home))]
    ['0 kept replies of models cleared']
    """
    def replies() -> str:
        return f"{replies_in(home).clear():,} kept replies of models cleared"

    return (replies,)
