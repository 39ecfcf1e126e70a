"""`signoff trail verify|show`: who did what, when; and whether every row of it still stands as it was written."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.common import JsonFlag, console, print_json
from harness.cli.rollout_common import DatabaseOption
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.rollout.proving import Proven
    from harness.rollout.shapes import Entry

__all__ = ["Action", "command"]


_DIGEST = re.compile(r"[0-9a-f]{64}")


class Action(StrEnum):
    """What is done with the trail."""

    VERIFY = "verify"
    SHOW = "show"


def command(
    action: Annotated[Action, typer.Argument(help="verify: hold every row to its hash; show: print rows.")],
    *,
    head: Annotated[str | None, typer.Option(metavar="ROW:SHA256", help="verify: a row that was noted earlier; it must "
                                             "be there still.")] = None,
    last: Annotated[int, typer.Option(min=1, help="show: how many rows, from the end.")] = 20,
    kind: Annotated[str | None, typer.Option(help="show: of one kind, such as flip or rollback.")] = None,
    db: DatabaseOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Verify the trail, or show it: 12 where a row was changed, is missing or was moved."""
    from harness.rollout.proving import verify_store
    from harness.rollout.store import open_store
    from harness.rollout.trail import entries

    with open_store(db) as store:
        if action is Action.VERIFY:
            _proven(verify_store(store, head=_head(head)), as_json=as_json)
            return
        with store.reading() as connection:
            rows = entries(connection, kind=kind)[-last:]
    _show(rows, as_json=as_json)


def _proven(found: Proven, *, as_json: bool) -> None:
    if as_json:
        print_json({"verified": True, **vars(found)})
        return
    out = console()
    beside = [f"  {found.others} backups of other stores lie beside them"] if found.others else []
    for line in (f"{found.rows} rows of the trail stand as they were written", f"  {found.flips} flips of the pointer "
                 f"agree, {found.noted} rows that backups noted are there", *beside, f"  head {found.head}",
                 "  To hold a later trail to it: signoff trail verify --head HEAD"):
        out.print(line, markup=False, soft_wrap=True)


def _head(said: str | None) -> tuple[int, str] | None:
    if said is None:
        return None
    matched = re.fullmatch(r"([1-9]\d{0,17}):([0-9a-f]{64})", said)
    if matched is None:
        raise UsageError(f"--head is no row: expected ROW:SHA256 as signoff trail verify prints it, found {said!r}")
    return int(matched[1]), matched[2]


def _show(rows: Sequence[Entry], *, as_json: bool) -> None:
    from harness.rollout.tables import json_text, moment_text

    if as_json:
        print_json({"rows": [{**vars(row), "at": moment_text(row.at)} for row in rows]})
        return
    out = console()
    for row in rows:
        out.print(f"{row.seq:>5}  {row.at:%Y-%m-%d %H:%M:%S}Z  {row.kind:<10} {row.who}", markup=False, soft_wrap=True)
        told = _DIGEST.sub(lambda found: found[0][:12], json_text(row.body))
        for line in textwrap.wrap(told, max(40, out.width - 7), break_on_hyphens=False):
            out.print(f"       {line}", markup=False, soft_wrap=True, style="dim")
