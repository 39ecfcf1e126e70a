"""`signoff serve`: what it needs before it listens, and the tokens that open it."""

from __future__ import annotations

import json
import socket

import pytest

from harness.cli.app import main
from harness.monitor.tokens import token_known
from harness.rollout.store import open_store


@pytest.fixture
def db(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/rollout.db"
    monkeypatch.setenv("SIGNOFF_DB", url)
    monkeypatch.setenv("SIGNOFF_WHO", "ada")
    return url


def said(capsys, *words):
    code = main(["serve", *words])
    return code, capsys.readouterr()


def test_an_environment_without_a_release_is_told_in_one_line(db, capsys):
    """Nothing listens, and the line says what comes first."""
    code, told = said(capsys, "--env", "prod")
    assert code == 2
    assert "prod: nothing serves there; expected an environment that a release was admitted to" in told.err
    assert told.err.count("\n") == 2 and "Traceback" not in told.err


def test_a_token_is_made_listed_and_revoked(db, capsys):
    """Shown once; listed without itself; worthless at the end."""
    code, told = said(capsys, "token", "create", "grafana", "--role", "operator")
    token = told.out.splitlines()[0]
    assert code == 0 and "shown this once" in told.out
    with open_store(db) as store:
        assert token_known(store, token) == ("grafana", "operator")
        code, told = said(capsys, "token", "list")
        assert code == 0 and told.out.split() == ["grafana", "operator", "valid"] and token not in told.out
        assert said(capsys, "token", "revoke", "grafana")[0] == 0
        assert token_known(store, token) is None
    assert "revoked" in said(capsys, "token", "list")[1].out


def test_json_is_one_document(db, capsys):
    """For scripts: the token by its key, the list by its own."""
    _, made = said(capsys, "token", "create", "ci", "--json")
    assert set(json.loads(made.out)) == {"name", "role", "token"} and made.err == ""
    _, listed = said(capsys, "token", "list", "--json")
    (one,) = json.loads(listed.out)["tokens"]
    assert (one["name"], one["role"], one["revoked_at"]) == ("ci", "viewer", None)


@pytest.mark.parametrize(("words", "told"), [
    (["tokens"], "'tokens' is nothing to do; signoff serve token create NAME"),
    (["token"], "'token' is nothing to do"), (["token", "create"], "'token create' is nothing to do"),
    (["token", "list", "x"], "'token list x' is nothing to do"),
    (["token", "create", "x", "--role", "admin"], "no such role 'admin'; one of viewer, operator, approver"),
    (["token", "revoke", "nobody"], "no such token"), (["--port", "99999"], "less than or equal to 65535"),
    (["--host", "nowhere.invalid"], "nowhere.invalid:8080: cannot be listened on"),
    (["--env", "Prod!"], "not the name of an environment")])  # fmt: skip
def test_what_cannot_be_done_is_one_line(db, capsys, words, told):
    """Exit code 2 and what was expected."""
    code, found = said(capsys, *words)
    assert code == 2 and told in found.err and found.out == ""


def test_a_resolution_that_is_none_is_told_before_anything_is_loaded(db, capsys, monkeypatch):
    """`MONITORING_RESOLUTION` is whole seconds that divide an hour."""
    monkeypatch.setenv("MONITORING_RESOLUTION", "7s")
    code, told = said(capsys)
    assert code == 2 and "MONITORING_RESOLUTION: not a resolution" in told.err


def test_a_port_that_is_taken_is_told_in_one_line(db, capsys):
    """Before anything is loaded."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, told = said(capsys, "--port", str(taken.getsockname()[1]))
    assert code == 2 and "cannot be listened on" in told.err and told.err.count("\n") == 1
