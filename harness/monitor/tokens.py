"""Bearer tokens: who may ask, look, move a ramp or override it. The store keeps a salted hash, never the token.

A token carries 256 random bits, so that a single SHA-256 over salt and secret keeps it as safe as a slow hash would
keep a password, and costs a request microseconds.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from datetime import datetime
from time import monotonic
from typing import Literal, NamedTuple, get_args

from sqlalchemy import insert, select, update

from harness.errors import InputError, UsageError, nearest
from harness.rollout import tables
from harness.rollout.store import Store
from harness.rollout.trail import append

__all__ = ["ROLES", "TRUSTED_FOR_S", "Held", "Known", "Role", "Tokens", "allows", "create_token", "held_tokens",
           "revoke_token", "token_known"]

Role = Literal["viewer", "operator", "approver"]
ROLES: tuple[Role, ...] = get_args(Role)  # each may do what the ones before it may
TRUSTED_FOR_S = 1.0
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_PREFIX = "signoff"


class Held(NamedTuple):
    """A token as it is listed: nothing in it opens anything."""

    name: str
    role: str
    made_at: datetime
    revoked_at: datetime | None


class Known(NamedTuple):
    """Whose token it is, and what it may do."""

    name: str
    role: Role


def allows(role: str, needed: str) -> bool:
    """Whether `role` may do what `needed` may.

    >>> allows("approver", "viewer"), allows("viewer", "operator")
    (True, False)
    """
    return ROLES.index(role) >= ROLES.index(needed)


def create_token(store: Store, name: str, role: str, *, who: str, now: datetime,
                 draw: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Make a token and enter it in the trail; what is returned is shown once and kept nowhere.

    Raises: UsageError for a role that is none, InputError for a name that is none or taken.
    """
    if role not in ROLES:
        near = nearest(role, ROLES)
        raise UsageError(f"no such role {role!r}; one of {', '.join(ROLES)}" + (f" (nearest: {near})" if near else ""))
    if not _NAME.fullmatch(name):
        raise InputError("not the name of a token", where="token", found=name,
                         expected="small letters, digits and '-', such as grafana-1")
    salt, secret = draw(16), draw(32).hex()
    with store.writing() as connection:
        if connection.execute(select(tables.tokens.c.name).where(tables.tokens.c.name == name)).first() is not None:
            raise InputError("there is a token of that name", where="token", found=name, expected="a new name")
        connection.execute(insert(tables.tokens).values(name=name, role=role, hash=_hash(salt, secret), salt=salt,
                                                        made_at=now, revoked_at=None))
        append(connection, "token", {"name": name, "role": role, "is": "created"}, who=who, at=now)
    return f"{_PREFIX}_{name}_{secret}"


def revoke_token(store: Store, name: str, *, who: str, now: datetime) -> None:
    """Make a token worthless from now on. Raises InputError for a name that is none, or that is revoked already."""
    held = {one.name: one for one in held_tokens(store)}
    if name not in held or held[name].revoked_at is not None:
        live = [one.name for one in held.values() if one.revoked_at is None]
        raise InputError("revoked already" if name in held else "no such token", where="token", found=name,
                         expected="a token that is valid", hint=nearest(name, live))
    with store.writing() as connection:
        connection.execute(update(tables.tokens).where(tables.tokens.c.name == name).values(revoked_at=now))
        append(connection, "token", {"name": name, "role": held[name].role, "is": "revoked"}, who=who, at=now)


def held_tokens(store: Store) -> list[Held]:
    """Every token that was ever made, by name."""
    columns = tables.tokens.c
    asked = select(columns.name, columns.role, columns.made_at, columns.revoked_at).order_by(columns.name)
    with store.reading() as connection:
        return [Held(*row) for row in connection.execute(asked)]


def token_known(store: Store, token: str) -> Known | None:
    """Whose token this is; None where it is nobody's, or was revoked."""
    prefix, _, rest = token.partition("_")
    name, _, secret = rest.partition("_")
    if prefix != _PREFIX or not secret or not _NAME.fullmatch(name):
        return None
    with store.reading() as connection:
        row = connection.execute(select(tables.tokens).where(tables.tokens.c.name == name)).one_or_none()
    if row is None or row.revoked_at is not None or row.role not in ROLES:
        return None
    return Known(name, row.role) if hmac.compare_digest(bytes(row.hash), _hash(bytes(row.salt), secret)) else None


class Tokens:
    """`token_known`, asked of the store once a second for each token: a revoked one opens nothing a second later."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = monotonic, most: int = 10_000) -> None:
        self._store, self._clock, self._most = store, clock, most
        self._seen: dict[bytes, tuple[float, Known]] = {}

    def kept(self, token: str) -> Known | None:
        """Whose token this is, where that was asked within `TRUSTED_FOR_S`: without the store."""
        found = self._seen.get(_mark(token))
        return found[1] if found is not None and self._clock() - found[0] < TRUSTED_FOR_S else None

    def known(self, token: str) -> Known | None:
        """Whose token this is; None where it is nobody's. Wrong ones are never kept: they fill no memory."""
        mark, now = _mark(token), self._clock()
        kept = self.kept(token)
        if kept is not None:
            return kept
        found = token_known(self._store, token)
        if found is None:
            self._seen.pop(mark, None)
            return None
        if len(self._seen) >= self._most:
            self._seen.clear()
        self._seen[mark] = (now, found)
        return found


def _mark(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _hash(salt: bytes, secret: str) -> bytes:
    return hashlib.sha256(salt + secret.encode("utf-8", "surrogatepass")).digest()
