"""`signoff serve token create|list|revoke`: who may use the service."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from harness.cli.common import console, print_json
from harness.errors import Exit, UsageError

if TYPE_CHECKING:
    from harness.rollout.store import Store

__all__ = ["tokens"]

_USE = "signoff serve token create NAME --role ROLE, token list, or token revoke NAME"


def tokens(store: Store, words: list[str], *, role: str, who: str, as_json: bool) -> int:
    """Do what `words` say. Raises UsageError where they say nothing that can be done."""
    what = tuple(words[:2])
    if what == ("token", "create") and len(words) == 3:
        told, lines = _create(store, words[2], role, who)
    elif what == ("token", "revoke") and len(words) == 3:
        told, lines = _revoke(store, words[2], who)
    elif words == ["token", "list"]:
        told, lines = _list(store)
    else:
        raise UsageError(f"serve: {' '.join(words)!r} is nothing to do; {_USE}")
    if as_json:
        print_json(told)
    else:
        for line in lines:
            console().print(line, markup=False, soft_wrap=True)
    return int(Exit.PASSED)


def _create(store: Store, name: str, role: str, who: str) -> tuple[dict[str, Any], list[str]]:
    from harness.monitor.tokens import create_token

    token = create_token(store, name, role, who=who, now=datetime.now(UTC))
    return {"name": name, "role": role, "token": token}, [
        token, f"The token of {name}, {role}. It is shown this once: the store keeps a hash of it."]


def _revoke(store: Store, name: str, who: str) -> tuple[dict[str, Any], list[str]]:
    from harness.monitor.tokens import revoke_token

    revoke_token(store, name, who=who, now=datetime.now(UTC))
    return {"name": name, "revoked": True}, [f"{name} is revoked: within a second it opens nothing."]


def _list(store: Store) -> tuple[dict[str, Any], list[str]]:
    from harness.monitor.tokens import held_tokens

    held = held_tokens(store)
    told = [one._asdict() | {"made_at": one.made_at.isoformat(),
                             "revoked_at": one.revoked_at and one.revoked_at.isoformat()} for one in held]
    return {"tokens": told}, [f"{one.name:<24} {one.role:<9} {'revoked' if one.revoked_at else 'valid'}"
                              for one in held] or ["No token was made yet: signoff serve token create NAME"]
