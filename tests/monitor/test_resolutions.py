"""How long windows are is kept in the store: adopted where nothing is said, refused in one line where it differs."""

from __future__ import annotations

import pytest

from harness.cli.app import main
from harness.errors import InputError
from harness.monitor.resolutions import kept_resolution, known_resolution, settled_resolution
from harness.monitor.window_store import store_windows, trim
from tests.monitor.traffic import at, request

SAYS = "MONITORING_RESOLUTION"


def wrote(store, resolution_s):
    """One window of that length."""
    with store.writing() as connection:
        store_windows(connection, "one", [request()], now=at(0), resolution_s=resolution_s)


def kept(store, environment="prod"):
    with store.reading() as connection:
        return kept_resolution(connection, environment)


def test_what_is_said_first_is_kept_and_adopted(store):
    """A second program that is told nothing reads seconds where the first wrote seconds; environments differ."""
    assert settled_resolution(store, "prod", at(0), environ={SAYS: "1s"}) == 1
    assert settled_resolution(store, "prod", at(1), environ={}) == 1
    assert known_resolution(store, "prod", environ={SAYS: " "}) == 1
    assert settled_resolution(store, "staging", at(1), environ={}) == 60
    assert (kept(store), kept(store, "staging")) == (1, 60)


def test_another_length_is_refused_while_there_are_windows(store):
    """One line names the variable, what is kept and what was said; nothing is noted. The same length goes through."""
    settled_resolution(store, "prod", at(0), environ={SAYS: "1s"})
    wrote(store, 1)
    for asked in (settled_resolution, lambda *words, **more: known_resolution(*words[:2], **more)):
        with pytest.raises(InputError, match=r"the windows of prod have another length; expected 1s, .* found '60s'"):
            asked(store, "prod", at(1), environ={SAYS: "60s"})
        assert asked(store, "prod", at(1), environ={SAYS: "1s"}) == 1
    assert kept(store) == 1


def test_without_windows_another_length_may_be_said(store):
    """A length that no window has yet binds nobody: the next that is said is kept; looking alone notes nothing."""
    settled_resolution(store, "prod", at(0), environ={SAYS: "1s"})
    assert known_resolution(store, "prod", environ={SAYS: "5m"}) == 300 and kept(store) == 1
    assert settled_resolution(store, "prod", at(1), environ={SAYS: "5m"}) == 300 and kept(store) == 300
    wrote(store, 300)
    with store.writing() as connection:
        trim(connection, "prod", before=at(100_000))
    assert settled_resolution(store, "prod", at(2), environ={SAYS: "1m"}) == 60 and kept(store) == 60


@pytest.mark.parametrize("words", [("serve", "--env", "prod"), ("monitor", "run", "--once", "--env", "prod"),
                                   ("monitor", "show", "--env", "prod")])
def test_programs_refuse_in_one_line(store, capsys, monkeypatch, words):
    """The service and the monitor, whether it acts or looks: exit code 2, before anything is loaded."""
    settled_resolution(store, "prod", at(0), environ={SAYS: "1s"})
    wrote(store, 1)
    monkeypatch.setenv("SIGNOFF_DB", store.engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv(SAYS, "60s")
    assert main(list(words)) == 2
    told = capsys.readouterr()
    assert f"{SAYS}: the windows of prod have another length" in told.err and told.err.count("\n") == 1
    assert told.out == ""
