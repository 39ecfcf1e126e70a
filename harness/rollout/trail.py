"""The audit trail: who did what, when, each row chained by hash to the one before, so that no row can be changed,
left out or moved without showing.

What a chain cannot show is that its end was cut off, or that someone who can write to the database went on with it: for
the first, `verify_trail` takes a row that was noted elsewhere (backups note one), for the second, the database forbids
changes to what is written and the pointer's rows are held against the trail's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from harness.data.store import sha256_bytes
from harness.errors import EvidenceError
from harness.rollout import tables
from harness.rollout.shapes import Entry
from harness.rollout.tables import json_text, moment_text

__all__ = ["append", "chained", "entries", "newest", "row_text", "verify_trail"]


def row_text(row: Entry) -> str:
    """The canonical JSON of a row: what its sha256 is over.

    >>> row_text(Entry(1, datetime(2025, 3, 1, tzinfo=UTC), "ada", "note", {"n": 1.5}, prev="", sha256=""))
    '{"at":"2025-03-01T00:00:00.000000Z","body":{"n":1.5},"kind":"note","prev":"","seq":1,"who":"ada"}'
    """
    return json_text({name: moment_text(row.at) if name == "at" else value for name, value in vars(row).items()
                      if name != "sha256"})


def chained(before: Entry | None, kind: str, body: Mapping[str, Any], *, who: str, at: datetime) -> Entry:
    """The row that follows `before` (None: the first one). Raises InputError for what JSON cannot hold.

    >>> first = chained(None, "note", {}, who="ada", at=datetime(2025, 3, 1, tzinfo=UTC))
    >>> second = chained(first, "note", {}, who="ada", at=datetime(2025, 3, 1, tzinfo=UTC))
    >>> second.seq, second.prev == first.sha256
    (2, True)
    """
    seq, prev = (1, "") if before is None else (before.seq + 1, before.sha256)
    bare = Entry(seq, at, who, kind, body, prev, "")
    return replace(bare, at=at.astimezone(UTC), sha256=_hash(bare))


def append(connection: Connection, kind: str, body: Mapping[str, Any], *, who: str, at: datetime) -> Entry:
    """Add a row within a writing transaction of the store, and return it.

    >>> import tempfile
    >>> from harness.rollout.store import open_store
    >>> with tempfile.TemporaryDirectory() as folder, open_store(f"sqlite:///{folder}/rollout.db") as store:
    ...     with store.writing() as connection:
    ...         made = append(connection, "note", {"n": 1}, who="ada", at=datetime(2025, 3, 1, tzinfo=UTC))
    ...     with store.reading() as connection:
    ...         newest(connection) == made, len(entries(connection, kind="note")), entries(connection, after=1)
    (True, 1, [])
    """
    entry = chained(newest(connection), kind, body, who=who, at=at)
    connection.execute(insert(tables.trail).values(**vars(entry)))
    return entry


def newest(connection: Connection) -> Entry | None:
    """The last row; None where the trail is empty."""
    row = connection.execute(select(tables.trail).order_by(tables.trail.c.seq.desc()).limit(1)).one_or_none()
    return None if row is None else Entry(*row)


def entries(connection: Connection, *, kind: str | None = None, after: int = 0) -> list[Entry]:
    """Rows in order: of one kind, or after one number. Raises EvidenceError where a body is not a document."""
    asked = select(tables.trail).where(tables.trail.c.seq > after).order_by(tables.trail.c.seq)
    if kind is not None:
        asked = asked.where(tables.trail.c.kind == kind)
    return [Entry(*row) for row in connection.execute(asked)]


def verify_trail(rows: Iterable[Entry], *, head: tuple[int, str] | None = None) -> None:
    """Hold each row against its own hash and the row before.

    Args:
        rows: The whole trail, as it stands.
        head: Number and sha256 of a row that was noted earlier: it must be there still.

    Raises: EvidenceError naming the first row that was changed, is missing, was moved or does not follow.

    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> first = chained(None, "note", {"n": 1}, who="ada", at=day)
    >>> second = chained(first, "note", {"n": 2}, who="ada", at=day)
    >>> verify_trail([first, second])
    >>> verify_trail([second])
    Traceback (most recent call last):
    ...
    harness.errors.EvidenceError: trail, row 1: missing; expected row 1, found 'row 2'
    """
    prev, hashes = "", {}
    for place, row in enumerate(rows, start=1):
        if row.seq != place:
            what = "missing" if row.seq > place else "moved or put in"
            raise EvidenceError(what, where="trail", row=place, expected=f"row {place}", found=f"row {row.seq}")
        if row.sha256 != _hash(row):
            raise EvidenceError("changed since it was written", where="trail", row=place, expected=row.sha256,
                                found=f"{row.kind} by {row.who}")
        if row.prev != prev:
            raise EvidenceError("does not follow the row before", where="trail", row=place, expected=prev or "no row",
                                found=row.prev)
        prev = hashes[place] = row.sha256
    if head is not None and hashes.get(head[0]) != head[1]:
        raise EvidenceError("not the row that was noted", where="trail", row=head[0], expected=head[1],
                            found=hashes.get(head[0], f"no such row: the trail ends at {len(hashes)}"))


def _hash(row: Entry) -> str:
    return sha256_bytes(row_text(row).encode())
