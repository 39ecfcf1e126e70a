"""Whose a backup is: several stores may keep theirs in one folder, as a file and a server's database do by default."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from harness.data.canonical import strict_json
from harness.errors import InputError
from harness.rollout import tables
from harness.rollout.backup_index import BACKUPS, Broken, Index, indexes
from harness.rollout.objects import Objects
from harness.rollout.store import Store

__all__ = ["own_backups"]


def own_backups(store: Store) -> tuple[list[Index | Broken], list[Index]]:
    """The backups of a store, and those of others that lie beside them, oldest first.

    A backup is another store's where its trail begins with another row, or not at all, and this store never noted it.
    Of a store without a trail, which is what a lost database is replaced by, every backup is its own; and so is one
    whose parts cannot be read: it is told rather than passed over.

    >>> import tempfile
    >>> from harness.rollout.store import open_store
    >>> with tempfile.TemporaryDirectory() as folder, open_store(f"sqlite:///{folder}/rollout.db") as store:
    ...     own_backups(store)
    ([], [])
    """
    with store.reading() as connection:
        first = connection.execute(select(tables.trail.c.sha256).where(tables.trail.c.seq == 1)).scalar_one_or_none()
        noted = set(connection.execute(select(tables.backups.c.id)).scalars())
    own: list[Index | Broken] = []
    others: list[Index] = []
    for one in indexes(store.home):
        began = _first_row(store, one) if isinstance(one, Index) and one.id not in noted else None
        if isinstance(one, Index) and first is not None and began not in {None, first}:
            others.append(one)
        else:
            own.append(one)
    return own, others


def _first_row(store: Store, index: Index) -> str | None:
    """Digest of the first row of a backup's trail; empty where it has none, None where it cannot be read."""
    if index.head is None:
        return ""
    kept: Sequence[str] = [part.sha256 for name, part in index.tables.items() if name == tables.trail.name]
    try:
        lines = Objects(store.home / BACKUPS / "objects").read(kept[0]).splitlines() if kept else []
        return str(strict_json(lines[0], where="trail")["sha256"]) if lines else None
    except (InputError, KeyError, TypeError):
        return None
