"""Backups: every admitted release with its documents, indexes and configuration, and the tables that say what serves.

Making one writes objects first and its index last: an interrupted one leaves nothing that looks like a backup.
Bringing one back only adds: files that are missing or damaged, rows that are missing, and at the end, in one
transaction, rows that point each environment to where the backup had it. History is never rewritten.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, insert, select

from harness.data.store import atomic_write_bytes
from harness.errors import EvidenceError, UsageError
from harness.rollout import tables
from harness.rollout.backup_index import BACKUPS, Broken, Index, Kept, index_of, named
from harness.rollout.backup_owner import own_backups
from harness.rollout.dumping import DUMPED, dumped, merge, read_dump
from harness.rollout.files import alone, mend, place, staging
from harness.rollout.frozen import RELEASES, folder_of
from harness.rollout.objects import Objects
from harness.rollout.pointer import DEGRADED, current, flip
from harness.rollout.shapes import Pointer
from harness.rollout.store import Store
from harness.rollout.tables import moment_text
from harness.rollout.trail import append, newest
from harness.rollout.wholeness import hashed

__all__ = ["Broken", "Index", "Restored", "create_backup", "list_backups", "restore_backup", "verify_backup"]

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Restored:
    """What a restore did: rows that were missing, files that were written, environments that were pointed back."""

    index: Index
    rows: int
    files: int
    flipped: tuple[Pointer, ...]


def create_backup(store: Store, *, who: str, why: str, now: datetime, tell: Tell = lambda _: None) -> Index:
    """Keep everything that serves or may serve. The caller holds the store's folder (`files.alone`).

    Raises EvidenceError where a frozen file is not what was admitted: damage is not backed up.

    >>> import tempfile
    >>> from datetime import UTC
    >>> from harness.rollout.store import open_store
    >>> with tempfile.TemporaryDirectory() as folder, open_store(f"sqlite:///{folder}/rollout.db") as store:
    ...     with alone(store.home):
    ...         made = create_backup(store, who="ada", why="", now=datetime(2025, 3, 1, tzinfo=UTC))
    ...     list_backups(store) == [made], verify_backup(store, "latest") == made, len(made.releases)
    (True, True, 0)
    """
    objects = Objects(store.home / BACKUPS / "objects")
    with store.reading() as connection:
        rows = {table.name: dumped(connection, table) for table in DUMPED}
        head = newest(connection)
        files = {str(one.digest): dict(one.files) for one in connection.execute(
            select(tables.releases.c.digest, tables.releases.c.files).order_by(tables.releases.c.digest))}
    kept = {name: {"sha256": objects.add_bytes(raw), "bytes": len(raw)} for name, raw in rows.items()}
    index = index_of({"at": moment_text(now), "who": who, "why": why,
                      "head": None if head is None else [head.seq, head.sha256], "tables": kept,
                      "releases": {digest: _kept(store, objects, digest, inside, tell)
                                   for digest, inside in files.items()}})
    atomic_write_bytes(store.home / BACKUPS / f"{index.id}.json", index.raw)
    with store.writing() as connection:
        if connection.execute(select(tables.backups.c.id).where(tables.backups.c.id == index.id)).first() is None:
            connection.execute(insert(tables.backups).values(
                id=index.id, at=now, who=who, why=why, bytes=index.bytes, sha256=index.sha256))
            append(connection, "backup", {"id": index.id, "sha256": index.sha256, "why": why}, who=who, at=now)
    return index


def list_backups(store: Store) -> list[Index | Broken]:
    """Every backup of the store, oldest first; not those that another store keeps in the same folder."""
    return own_backups(store)[0]


def verify_backup(store: Store, name: str, *, tell: Tell = lambda _: None) -> Index:
    """Hash every object of a backup, and hold its index to what the store noted when it was made.

    Raises InputError where there is none of that name, EvidenceError where it cannot be brought back as it was made.
    """
    index = named(store.home, name, found=own_backups(store)[0] if name == "latest" else None)
    objects = Objects(store.home / BACKUPS / "objects")
    with store.reading() as connection:
        noted = connection.execute(select(tables.backups.c.sha256).where(tables.backups.c.id == index.id)).scalar()
    if noted is not None and noted != index.sha256:
        raise EvidenceError("not the backup that was made", where=index.id, expected=noted, found=index.sha256)
    tell(f"hashing backup {index.id}: {len(index.objects)} parts, {index.bytes / 1e6:.1f} MB")
    for digest in sorted(index.objects):
        if not objects.good(digest):
            objects.read(digest)  # says whether it is missing or damaged
    for table in DUMPED:
        _rows(objects, index, table)
    return index


def restore_backup(store: Store, name: str, *, confirmed: bool, who: str, now: datetime, tell: Tell = lambda _: None
                   ) -> Restored:
    """Bring a backup back: files first, then rows and pointer in one transaction.

    Args:
        store: Where to; one whose database was lost and made anew will do.
        name: The backup: its name, its beginning, or `latest`.
        confirmed: That the caller means it: what serves may change.
        who: Who does it.
        now: The moment.
        tell: Hears of progress.

    Raises: UsageError where it is not confirmed; EvidenceError where the backup is not whole or is of another store.
    Until the last step everything that was whole stays so, and serves.
    """
    if not confirmed:
        raise UsageError("a restore changes what serves: say so with --confirm")
    with alone(store.home):
        index = verify_backup(store, name, tell=tell)
        objects = Objects(store.home / BACKUPS / "objects")
        rows = {table: _rows(objects, index, table) for table in DUMPED}
        _rehearsed(store, rows)
        written = sum(_files(store, objects, digest, files, tell) for digest, files in index.releases.items())
        with store.writing() as connection:
            added = _entered(connection, rows)
            flipped = _pointed(connection, rows[tables.pointer], index, who=who, now=now)
            append(connection, "restore", {"id": index.id, "sha256": index.sha256, "rows": added, "files": written},
                   who=who, at=now)
    return Restored(index, added, written, tuple(flipped))


class _UndoneError(Exception):
    """Ends a rehearsal."""


def _rehearsed(store: Store, rows: dict[Table, Sequence[Any]]) -> None:
    """Enter the rows and undo it: what would be refused is refused before a file is touched."""
    with contextlib.suppress(_UndoneError), store.writing() as connection:
        _entered(connection, rows)
        raise _UndoneError


def _kept(store: Store, objects: Objects, digest: str, files: dict[str, str], tell: Tell) -> dict[str, dict[str, Any]]:
    tell(f"keeping release {digest[:12]}: {len(files)} files")
    folder = folder_of(store.home, digest)
    return {name: {"sha256": one, "bytes": objects.add_file(folder / name, one)} for name, one in files.items()}


def _rows(objects: Objects, index: Index, table: Table) -> Sequence[Any]:
    kept = index.tables.get(table.name)
    if kept is None:
        raise EvidenceError("a table is missing", where=index.id, expected=table.name, found=sorted(index.tables))
    return read_dump(table, objects.read(kept.sha256), where=f"{index.id}, {table.name}")


def _entered(connection: Connection, rows: dict[Table, Sequence[Any]]) -> int:
    return sum(merge(connection, table, rows[table]) for table in DUMPED)


def _files(store: Store, objects: Objects, digest: str, files: dict[str, Kept], tell: Tell) -> int:
    folder, digests = folder_of(store.home, digest), {name: one.sha256 for name, one in files.items()}
    if hashed(store.home, digest, digests):
        return 0
    tell(f"writing release {digest[:12]}: {len(files)} files")
    sources = {name: objects.path(one) for name, one in digests.items()}
    if folder.is_dir():
        return mend(folder, sources, digests)
    with staging(store.home / RELEASES) as stage:
        written = mend(stage, sources, digests)
        place(stage, folder)
    return written


def _pointed(connection: Connection, rows: Sequence[Any], index: Index, *, who: str, now: datetime) -> list[Pointer]:
    """Flip each environment whose pointer is elsewhere than the backup had it; what was degraded is mended."""
    made = []
    for row in {row["environment"]: row for row in rows}.values():
        there = current(connection, row["environment"])
        wanted = {name: row[name] for name in ("stable", "candidate", "percent", "stage")}
        wanted["stage"] = None if wanted["stage"] == DEGRADED else wanted["stage"]
        if there is None or {name: getattr(there, name) for name in wanted} != wanted:
            made.append(flip(connection, row["environment"], **wanted, who=who, why=f"backup {index.id} is restored",
                             at=now))
    return made
