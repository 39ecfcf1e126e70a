"""`signoff backup create|list|verify|restore|prune`: documents, indexes, tables, kept and brought back."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, print_json, tell
from harness.cli.rollout_common import DatabaseOption, WhoOption, caller, pointer_facts, told_pointer
from harness.errors import Exit, UsageError

if TYPE_CHECKING:
    from harness.rollout.backup import Broken, Index, Restored
    from harness.rollout.store import Store

__all__ = ["Action", "command"]


class Action(StrEnum):
    """What is done with backups."""

    CREATE = "create"
    LIST = "list"
    VERIFY = "verify"
    RESTORE = "restore"
    PRUNE = "prune"


def command(
    action: Annotated[Action, typer.Argument(help="What to do.")],
    name: Annotated[str, typer.Argument(help="Which backup: a name, its beginning, or latest.")] = "latest",
    *,
    confirm: Annotated[bool, typer.Option("--confirm", help="restore: yes, what serves may change. "
                                                    "prune: yes, old backups go.")] = False,
    keep: Annotated[int | None, typer.Option(min=1, metavar="N", help="prune: how many of the newest stay.")] = None,
    why: Annotated[str, typer.Option(help="create: the reason.")] = "by hand",
    who: WhoOption = None,
    db: DatabaseOption = None,
    as_json: JsonFlag = False,
) -> int:
    """Keep what serves and bring it back: 12 where a backup is not whole; an interrupted call leaves all as it was."""
    from harness.rollout.store import open_store

    _fitting(action, confirm, keep)
    with open_store(db) as store:
        if action is Action.LIST:
            return _list(store, as_json=as_json)
        if action is Action.RESTORE:
            return _restored(store, name, confirm, caller(who), as_json=as_json)
        if keep is not None:
            return _pruned(store, keep, confirm, caller(who), as_json=as_json)
        found = _created(store, caller(who), why) if action is Action.CREATE else _verified(store, name)
        return _said(action, found, as_json=as_json)


def _fitting(action: Action, confirm: bool, keep: int | None) -> None:
    if confirm and action not in {Action.RESTORE, Action.PRUNE}:
        raise UsageError(f"--confirm goes with restore and prune, not with {action}")
    if (keep is None) is (action is Action.PRUNE):
        raise UsageError("backup prune says how many of the newest stay: --keep N" if keep is None
                         else f"--keep goes with prune, not with {action}")


def _said(action: Action, found: Index, *, as_json: bool) -> int:
    if as_json:
        print_json({"action": str(action), **_facts(found)})
    else:
        done = "made" if action is Action.CREATE else "whole: every part has the digest that it was made with"
        console().print(f"backup {found.id} is {done}\n  {_size(found)}", markup=False, soft_wrap=True)
    return int(Exit.PASSED)


def _created(store: Store, who: str, why: str) -> Index:
    from harness.rollout.backup import create_backup
    from harness.rollout.files import alone

    with alone(store.home):
        found = create_backup(store, who=who, why=why, now=datetime.now(UTC), tell=tell)
    tell("")
    return found


def _verified(store: Store, name: str) -> Index:
    from harness.rollout.backup import verify_backup

    found = verify_backup(store, name, tell=tell)
    tell("")
    return found


def _restored(store: Store, name: str, confirm: bool, who: str, *, as_json: bool) -> int:
    from harness.monitor.tokens import held_tokens
    from harness.rollout.backup import restore_backup

    done = restore_backup(store, name, confirmed=confirm, who=who, now=datetime.now(UTC), tell=tell)
    tell("")
    if as_json:
        print_json({"action": "restore", **_facts(done.index), "rows": done.rows, "files": done.files,
                    "flipped": [pointer_facts(one) for one in done.flipped]})
    else:
        _tell(done)
        if not held_tokens(store):
            console().print("  the service has no tokens, which no backup keeps: signoff serve token create NAME",
                            markup=False, soft_wrap=True)
    return int(Exit.PASSED)


def _pruned(store: Store, keep: int, confirm: bool, who: str, *, as_json: bool) -> int:
    from harness.rollout.pruning import prune_backups

    done = prune_backups(store, keep=keep, confirmed=confirm, who=who, now=datetime.now(UTC), tell=tell)
    tell("")
    if as_json:
        print_json({"action": "prune", "gone": [one.id for one in done.gone], "kept": [one.id for one in done.kept],
                    "parts": done.parts, "bytes": done.bytes})
    else:
        console().print(f"{len(done.gone)} backups are gone, {done.parts} parts, {done.bytes / 1e6:.1f} MB; "
                        f"{len(done.kept)} stay", markup=False, soft_wrap=True)
    return int(Exit.PASSED)


def _tell(done: Restored) -> None:
    out = console()
    out.print(f"backup {done.index.id} is restored: {done.files} files written, {done.rows} rows entered",
              markup=False, soft_wrap=True)
    for one in done.flipped:
        out.print(f"  {told_pointer(one)}", markup=False, soft_wrap=True)
    if not done.flipped:
        out.print("  every environment serves what it did", markup=False, soft_wrap=True)


def _list(store: Store, *, as_json: bool) -> int:
    from harness.rollout.backup import Index, list_backups

    found = list_backups(store)
    if as_json:
        print_json({"backups": [_facts(one) for one in found]})
    else:
        for one in found:
            told = (_size(one), one.why) if isinstance(one, Index) else ("BROKEN", one.reason)
            console().print(f"{one.id}  {told[0]}\n  {told[1]}", markup=False, soft_wrap=True)
        if not found:
            console().print("no backup yet: signoff backup create", markup=False, soft_wrap=True)
    return int(Exit.PASSED if all(isinstance(one, Index) for one in found) else Exit.INVALID)


def _size(one: Index) -> str:
    return f"{len(one.releases)} releases, {len(one.objects)} parts, {one.bytes / 1e6:.1f} MB"


def _facts(one: Index | Broken) -> dict[str, Any]:
    from harness.rollout.backup import Index

    if not isinstance(one, Index):
        return {"id": one.id, "broken": one.reason}
    return {"id": one.id, "at": one.at, "who": one.who, "why": one.why, "bytes": one.bytes, "sha256": one.sha256,
            "parts": len(one.objects), "releases": list(one.releases)}
