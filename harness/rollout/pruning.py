"""Old backups go: by hand, by count, and never one that somebody could still need.

What stays: the newest `keep`; and of every release that serves, is on its way in or could be gone back to, anywhere,
the newest backup that holds it. Nothing goes unless the newest backup is whole, byte by byte, and every other one can
be read: parts that a broken index may name are nobody's to remove, and neither are another store's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from harness.errors import EvidenceError, InputError, UsageError
from harness.rollout import tables
from harness.rollout.backup import verify_backup
from harness.rollout.backup_index import BACKUPS, Index
from harness.rollout.backup_owner import own_backups
from harness.rollout.files import alone
from harness.rollout.objects import Objects
from harness.rollout.pointer import current, good_before, history
from harness.rollout.store import Store
from harness.rollout.trail import append

__all__ = ["Pruned", "prune_backups", "superfluous"]


@dataclass(frozen=True)
class Pruned:
    """Backups that went and that stay, oldest first, and how many parts and bytes nobody names any more."""

    gone: tuple[Index, ...]
    kept: tuple[Index, ...]
    parts: int
    bytes: int


def prune_backups(store: Store, *, keep: int, confirmed: bool, who: str, now: datetime,
                  tell: Callable[[str], None] = lambda _: None) -> Pruned:
    """Remove what nobody needs any more. The trail says so first; a prune that breaks off is called again.

    Args:
        store: Whose backups.
        keep: How many of the newest stay whatever they hold, at least 1.
        confirmed: That the caller means it: what is removed is gone.
        who: Who does it.
        now: The moment.
        tell: Hears of progress.

    Raises: UsageError where it is not confirmed, saying what would go; EvidenceError where the newest backup is not
    whole or any cannot be read; InputError where `keep` is less than 1, or there is no backup. Then nothing is removed.
    """
    if keep < 1:
        raise InputError("no backup would be left", where="keep", expected="at least 1", found=keep)
    with alone(store.home):
        found = _readable(store)
        gone = superfluous(found, keep=keep, needed=_needed(store))
        kept = [one for one in found if one not in gone]
        parts = {digest: size for one in gone for digest, size in one.objects.items()}
        spare = parts.keys() - {digest for one in kept for digest in one.objects}
        done = Pruned(tuple(gone), tuple(kept), len(spare), sum(parts[digest] for digest in spare))
        if not confirmed:
            raise UsageError(f"prune removes {len(gone)} of {len(found)} backups, {done.bytes / 1e6:.1f} MB: say so "
                             "with --confirm")
        verify_backup(store, kept[-1].id, tell=tell)
        with store.writing() as connection:
            append(connection, "prune", {"keep": keep, "gone": [one.id for one in gone],
                                         "kept": [one.id for one in kept]}, who=who, at=now)
        for one in gone:
            (store.home / BACKUPS / f"{one.id}.json").unlink(missing_ok=True)
        _swept(store, [*kept, *own_backups(store)[1]])
        return done


def superfluous(found: Sequence[Index], *, keep: int, needed: set[str]) -> list[Index]:
    """Backups that may go: not among the newest `keep`, nor for any release that is needed the newest to hold it.

    Args:
        found: All of them, oldest first.
        keep: How many of the newest stay.
        needed: Digests of releases that must stay in some backup.
    """
    stays = {one.id for one in found[-keep:]}
    stays |= {holding[-1].id for digest in needed if (holding := [one for one in found if digest in one.releases])}
    return [one for one in found if one.id not in stays]


def _readable(store: Store) -> list[Index]:
    found = own_backups(store)[0]
    for one in found:
        if not isinstance(one, Index):
            raise EvidenceError("cannot be believed, and so it is not known which parts it needs",
                                where=f"backup {one.id}", expected="every index readable before any goes",
                                found=one.reason)
    if not found:
        raise InputError("no backup yet", where=store.home / BACKUPS, expected="signoff backup create")
    return [one for one in found if isinstance(one, Index)]


def _needed(store: Store) -> set[str]:
    """Releases that serve, are on their way in, or could be gone back to, in any environment."""
    with store.reading() as connection:
        places = connection.execute(select(tables.pointer.c.environment).distinct()).scalars().all()
        found: set[str | None] = set()
        for place in places:
            now = current(connection, place)
            assert now is not None
            found |= {now.stable, now.candidate, *good_before(history(connection, place)[::-1])}
    return {one for one in found if one is not None}


def _swept(store: Store, kept: Sequence[Index]) -> None:
    """Remove objects that no backup names: those of the ones that went, and what an interrupted call left."""
    named = {digest for one in kept for digest in one.objects}
    objects = Objects(store.home / BACKUPS / "objects")
    for path in objects.root.glob("??/*"):
        if path.name not in named:
            path.unlink()
