"""`signoff rollout config|propose|approve`: live settings, each changed by two keys that the trust file names."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.cli.common import console, print_json
from harness.cli.rollout_moves import signing
from harness.errors import Exit, UsageError
from harness.rollout.files import environment_named
from harness.rollout.settings import Change, approve, open_proposals, propose
from harness.rollout.switches import APPLIED, settings_of

if TYPE_CHECKING:
    from harness.rollout.shapes import Entry
    from harness.rollout.store import Store

__all__ = ["done"]


def done(store: Store, env: str, action: str, named: str, said: Mapping[str, Any], *, as_json: bool) -> int:
    """Show, propose or approve: 11 where a proposal waits for somebody else. Raises UsageError for no number."""
    if action == "config":
        return _shown(store, env, as_json=as_json)
    now = datetime.now(UTC)
    if action == "propose":
        change = Change.of(named)
        person, believed = signing(said)
        found = propose(store, env, change, person, why=said["why"], now=now, believed=believed)
    else:
        if not named.isascii() or not named.isdigit():
            raise UsageError(f"rollout approve names a proposal by its number; found {named[:40]!r}")
        person, believed = signing(said)
        found = approve(store, env, int(named), person, now=now, believed=believed)
    return _told(env, found, as_json=as_json)


def _told(env: str, found: Entry, *, as_json: bool) -> int:
    applied = found.kind == APPLIED
    if as_json:
        print_json({"environment": env, "applied": applied, **_facts(found)})
    elif applied:
        _say(f"{env}: {_change(found)} applies (row {found.seq} of the trail, by {found.who})")
    else:
        _say(f"{env}: {_change(found)} is proposed by {found.who}: nothing has changed yet",
             f"next, somebody else: signoff rollout approve {found.seq} --env {env}")
    return int(Exit.PASSED if applied else Exit.INCONCLUSIVE)


def _shown(store: Store, env: str, *, as_json: bool) -> int:
    environment_named(env)
    with store.reading() as connection:
        stored, waiting = settings_of(connection, env), open_proposals(connection, env, datetime.now(UTC))
    if as_json:
        print_json({"environment": env, "stored": stored, "waiting": [_facts(one) for one in waiting]})
        return int(Exit.PASSED)
    _say(f"{env}: " + (", ".join(f"{name}={value}" for name, value in sorted(stored.items())) or "nothing is set"))
    for one in waiting:
        _say(f"  {one.seq}: {_change(one)}, by {one.who}: {one.body['why']}",
             f"  next, somebody else: signoff rollout approve {one.seq} --env {env}")
    return int(Exit.PASSED)


def _change(one: Entry) -> str:
    name, value = one.body["name"], one.body["value"]
    return f"{name} unset" if value is None else f"{name}={value}"


def _facts(one: Entry) -> dict[str, Any]:
    return {"number": one.seq, "at": one.at.isoformat(), "who": one.who,
            **{name: one.body[name] for name in ("name", "value", "why")}}


def _say(*lines: str) -> None:
    for line in lines:
        console().print(line, markup=False, soft_wrap=True)
