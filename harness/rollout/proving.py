"""Whether the store still says what happened: the trail row by row, and everything else that it can be held against."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from harness.errors import EvidenceError
from harness.rollout import tables
from harness.rollout.backup_index import Index
from harness.rollout.backup_owner import own_backups
from harness.rollout.migrations.append_only import KEPT, changeable
from harness.rollout.pointer import compare_with_trail, history
from harness.rollout.store import Store
from harness.rollout.trail import entries, verify_trail

__all__ = ["Proven", "verify_store"]


@dataclass(frozen=True)
class Proven:
    """What was held: rows of the trail, flips, rows noted by backups; `head` is the last row, as ROW:SHA256.

    `others` are backups of other stores in the same folder, which say nothing of this one.
    """

    rows: int
    flips: int
    noted: int
    head: str
    others: int = 0


def verify_store(store: Store, *, head: tuple[int, str] | None = None) -> Proven:
    """Verify the trail's chain, the pointer and the admissions against it, and the rows that backups noted.

    A trail whose end was cut off, or that was written anew from some row on, shows in a backup's note or in `head`; a
    database that would now let rows be changed is told even where none was.

    Raises: EvidenceError naming the first row that does not stand.
    """
    with store.reading() as connection:
        rows, flips = entries(connection), history(connection)
        admitted = {(str(one.environment), str(one.digest)) for one in connection.execute(
            select(tables.admissions.c.environment, tables.admissions.c.digest))}
        lifted = changeable(connection, KEPT)
    verify_trail(rows, head=head)
    compare_with_trail(flips, rows)
    told = {(str(one.body.get("environment")), str(one.body.get("digest"))) for one in rows if one.kind == "admit"}
    if told != admitted:
        environment, digest = min(told ^ admitted)
        raise EvidenceError("not what the trail says", where=f"admissions to {environment}",
                            expected="a row that the trail tells, and each of them", found=digest)
    kept, others = own_backups(store)
    noted = [one.head for one in kept if isinstance(one, Index) and one.head is not None]
    hashes = {one.seq: one.sha256 for one in rows}
    for seq, sha256 in noted:
        if hashes.get(seq) != sha256:
            raise EvidenceError("not the row that a backup noted", where="trail", row=seq, expected=sha256,
                                found=hashes.get(seq, f"no such row: the trail ends at {len(rows)}"))
    if lifted:
        raise EvidenceError("its rows stand, but the rule that keeps them was lifted", where=", ".join(lifted),
                            expected="a database that refuses to change them", found="no such rule")
    return Proven(len(rows), len(flips), len(noted), f"{rows[-1].seq}:{rows[-1].sha256}" if rows else "none",
                  len(others))
