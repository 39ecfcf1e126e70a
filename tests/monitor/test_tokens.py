"""Tokens: shown once, kept as a hash, ordered by role, worthless once revoked."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from harness.errors import InputError, UsageError
from harness.monitor.tokens import (
    ROLES,
    TRUSTED_FOR_S,
    Tokens,
    allows,
    create_token,
    held_tokens,
    revoke_token,
    token_known,
)
from harness.rollout import tables
from harness.rollout.trail import entries
from tests.monitor.serving import DAY


def made(store, name="grafana", role="viewer"):
    return create_token(store, name, role, who="ada", now=DAY)


def test_a_token_opens_its_role_and_another_secret_nothing(store):
    """The name alone, another secret, another form and nothing at all are nobody's."""
    token = made(store)
    assert token_known(store, token) == ("grafana", "viewer")
    for wrong in (token[:-1] + "x", "signoff_grafana_", "signoff_grafana", token.upper(), "", "_", token + "0",
                  "signoff_\0_x", "signoff_%_x"):
        assert token_known(store, wrong) is None


def test_the_store_keeps_no_token(store):
    """Neither the secret nor a hash that another salt would repeat is at rest; the trail has the name alone."""
    secrets = [made(store, name).rpartition("_")[2] for name in ("one", "two")]
    with store.reading() as connection:
        rows = connection.execute(select(tables.tokens)).all()
        trail = [one.body for one in entries(connection, kind="token")]
    raw = b"".join(path.read_bytes() for path in store.home.glob("*.db*")) + repr(rows).encode()
    assert not any(one.encode() in raw or bytes.fromhex(one) in raw for one in secrets)
    assert len({bytes(row.salt) for row in rows}) == 2 and all(len(row.hash) == 32 for row in rows)
    assert trail == [{"name": name, "role": "viewer", "is": "created"} for name in ("one", "two")]


def test_the_same_secret_under_two_names_has_two_hashes(store):
    """Salted: equal secrets do not show as equal."""
    draws = iter([b"1" * 16, b"s" * 32, b"2" * 16, b"s" * 32])
    for name in ("one", "two"):
        create_token(store, name, "viewer", who="ada", now=DAY, draw=lambda _: next(draws))
    with store.reading() as connection:
        assert len({bytes(row.hash) for row in connection.execute(select(tables.tokens))}) == 2


def test_a_revoked_token_opens_nothing_a_second_later(store):
    """At once where it is asked of the store, after `TRUSTED_FOR_S` where it was asked before."""
    clock = [0.0]
    tokens, token = Tokens(store, clock=lambda: clock[0]), made(store)
    assert tokens.known(token) is not None
    revoke_token(store, "grafana", who="ada", now=DAY)
    assert token_known(store, token) is None
    clock[0] = TRUSTED_FOR_S
    assert tokens.known(token) is None


def test_wrong_tokens_fill_no_memory(store):
    """A guesser's guesses are not kept."""
    tokens = Tokens(store)
    for number in range(50):
        assert tokens.known(f"signoff_x_{number}") is None
    assert len(tokens._seen) == 0


def test_roles_are_a_ladder():
    """Each role may do what the ones below it may, and no more."""
    table = [[allows(role, needed) for needed in ROLES] for role in ROLES]
    assert table == [[True, False, False], [True, True, False], [True, True, True]]


@pytest.mark.parametrize(("call", "error", "told"), [
    (lambda store: made(store, role="operater"), UsageError, "no such role 'operater'.*nearest: operator"),
    (lambda store: made(store, "A_b"), InputError, "not the name of a token"),
    (lambda store: (made(store), made(store)), InputError, "there is a token of that name"),
    (lambda store: revoke_token(store, "grafana", who="ada", now=DAY), InputError, "no such token"),
    (lambda store: (made(store), revoke_token(store, "grafna", who="a", now=DAY)), InputError, "nearest: grafana"),
    (lambda store: (made(store), revoke_token(store, "grafana", who="a", now=DAY),
                    revoke_token(store, "grafana", who="a", now=DAY)), InputError, "revoked already")])  # fmt: skip
def test_what_cannot_be_done_is_told(store, call, error, told):
    """One line that names what, and the nearest that is there."""
    with pytest.raises(error, match=told):
        call(store)


def test_a_list_opens_nothing(store):
    """Names, roles and moments."""
    made(store, role="operator")
    assert held_tokens(store) == [("grafana", "operator", DAY, None)]
