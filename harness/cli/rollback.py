"""`signoff rollback --env NAME`: the release that served before serves again, at once; then all is looked at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.common import JsonFlag, console, own_code, print_json, tell
from harness.cli.rollout_common import (
    DatabaseOption,
    EnvironmentOption,
    WhoOption,
    caller,
    pointer_facts,
    short,
    told_pointer,
)
from harness.errors import Exit
from harness.rollout.incidents import INCIDENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from harness.rollout.going_back import Checked
    from harness.rollout.incidents import Seen
    from harness.rollout.shapes import Pointer
    from harness.rollout.store import Store

__all__ = ["command", "tell_checks"]


_To = Annotated[str | None, typer.Option(
    metavar="DIGEST", help="Which release: digest, its first 8 letters or more, or name. Default: the one before.")]
_Leaving = Annotated[str | None, typer.Option(
    metavar="DIGEST", help="Which release is to be left: where it is left already, nothing is done. Default: what is "
    "on its way, else what serves.")]


def command(
    *,
    env: EnvironmentOption,
    to: _To = None,
    leaving: _Leaving = None,
    why: Annotated[str, typer.Option(help="The reason, for the trail.")] = "by hand",
    smoke: Annotated[bool, typer.Option(help="Look at the release that serves again.")] = True,
    who: WhoOption = None,
    db: DatabaseOption = None,
    as_json: JsonFlag = False,
) -> int:
    """Flip back at once, then run the smoke gates: 10 where one fails; the old release serves all the same."""
    from harness.rollout.store import open_store

    with open_store(db) as store:
        made = _gone_back(store, env, {"to": to, "leaving": leaving, "who": caller(who), "why": why})
        if not as_json:
            console().print(told_pointer(made), markup=False, soft_wrap=True)
        checks = _looked_at(store, made) if smoke else ()
    good = all(one.good for one in checks)
    if as_json:
        print_json(_facts(made, checks))
    else:
        tell_checks(f"{short(made.stable)} after the flip", checks)
    return int(Exit.PASSED if good else Exit.REFUSED)


def _gone_back(store: Store, env: str, said: dict[str, Any]) -> Pointer:
    from harness.rollout.caches import caches_of
    from harness.rollout.going_back import leaves, rollback

    said["leaving"] = said["leaving"] or leaves(store, env)
    return rollback(store, env, **said, now=datetime.now(UTC), caches=caches_of(store.home), seen=_seen(store, env))


def _facts(made: Pointer, checks: Sequence[Checked]) -> dict[str, Any]:
    return {"rolled_back": True, "pointer": pointer_facts(made), "good": all(one.good for one in checks),
            "checks": [vars(one) for one in checks]}


def _looked_at(store: Store, made: Pointer) -> tuple[Checked, ...]:
    from harness.rollout.going_back import after_rollback
    from harness.rollout.smoke import smoke_of  # loads indexes and models: not before the flip

    own_code()
    found = after_rollback(store, made, who=made.who, now=datetime.now(UTC), smoke=smoke_of(store, tell=tell),
                           seen=_seen(store, made.environment))
    tell("")
    return found


def _seen(store: Store, env: str) -> Seen:
    """The windows before the flip, for the incident file: read after it."""
    def seen() -> Mapping[str, Any]:
        from harness.monitor.incidents import seen_before

        return seen_before(store, env)()
    return seen


def tell_checks(what: str, checks: Sequence[Checked]) -> None:
    """What was looked at, a line each, the verdict first."""
    out = console()
    gates = [one for one in checks if one.name != INCIDENT]
    passed = sum(one.good for one in gates)
    verdict = f"{passed} of {len(gates)} smoke gates passed" if gates else "not looked at"
    out.print(f"  {what}: {verdict}", markup=False, soft_wrap=True)
    for one in checks:
        out.print(f"    {'ok  ' if one.good else 'FAIL'} {one.name}: {one.told}", markup=False, soft_wrap=True)
