"""The command: verbs found without importing them, every failure one line."""

from __future__ import annotations

import re
import subprocess
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from harness.cli import app
from harness.cli.app import VERBS, Verb, main
from harness.errors import EvidenceError, InputError
from tests.house.source import TOP


@pytest.fixture
def verb(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Any]], None]:
    """Puts a function behind the verb `try`."""

    def install(command: Callable[..., Any]) -> None:
        module = types.ModuleType("tests.cli.tried")
        module.command = command  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "tests.cli.tried", module)
        monkeypatch.setattr(app, "VERBS", {**VERBS, "try": Verb("tests.cli.tried", "Begin", "tried")})

    return install


def test_help_imports_nothing_heavy() -> None:
    """`signoff --help` lists every verb and touches no library beyond the standard one."""
    code = ("import sys; from harness.cli.app import main; main(['--help']); "
            "sys.exit(', '.join({'typer', 'rich', 'numpy', 'pydantic', 'yaml'} & set(sys.modules)) or 0)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"  {name} " in done.stdout for name in VERBS)
    assert max(map(len, done.stdout.splitlines())) <= 80


@pytest.mark.parametrize("name", VERBS)
def test_every_listed_verb_is_there(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What the help lists can be called, and tells its options."""
    assert main([name, "--help"]) == 0
    assert f"Usage: signoff {name}" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "part"), [
    (["metrcs"], "unknown verb 'metrcs' (nearest: metrics)"), (["--verbose"], "unknown option '--verbose'"),
    (["metrics"], "Missing argument"), (["metrics", "a", "b", "--no-such"], "No such option"),
    (["metrics", "a", "b", "--depth", "0"], "--depth"),
])
def test_a_wrong_call_is_one_line_and_code_2(words: list[str], part: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Usage errors say what is wrong on one line of stderr and leave stdout empty."""
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("signoff: ")
    assert err.count("\n") == 1
    assert part in err


def test_no_verb_shows_the_help_and_is_no_success(capsys: pytest.CaptureFixture[str]) -> None:
    """A call without a verb did nothing, so it does not exit 0."""
    assert main([]) == 2
    assert "Usage: signoff VERB" in capsys.readouterr().out


@pytest.mark.parametrize(("error", "code"), [
    (InputError("bad", where="x.run", row=3), 2), (EvidenceError("forged"), 12), (KeyboardInterrupt(), 130),
    (ZeroDivisionError("a\nb"), 1), (BrokenPipeError(), 1),
])
def test_every_failure_has_its_code(error: BaseException, code: int, verb: Callable[[Callable[..., Any]], None],
                                    capfd: pytest.CaptureFixture[str]) -> None:
    """Errors keep their exit codes, and none prints a traceback."""
    def command() -> None:
        raise error

    verb(command)
    assert main(["try"]) == code
    err = capfd.readouterr().err
    assert err.count("\n") == (0 if isinstance(error, BrokenPipeError) else 1)
    assert "Traceback" not in err


def test_debug_shows_the_traceback(verb: Callable[[Callable[..., Any]], None]) -> None:
    """`--debug`, anywhere, lets an unforeseen error through."""
    def command() -> None:
        raise ZeroDivisionError

    verb(command)
    with pytest.raises(ZeroDivisionError):
        main(["try", "--debug"])


@pytest.mark.parametrize("code", [0, 10, 11, 12])
def test_a_verbs_verdict_is_the_exit_code(code: int, verb: Callable[[Callable[..., Any]], None]) -> None:
    """What a verb returns reaches the shell, whether returned or raised."""
    import typer

    def command(raised: bool = False) -> int:
        if raised:
            raise typer.Exit(code)
        return code

    verb(command)
    assert main(["try"]) == main(["try", "--raised"]) == code


def test_a_reader_that_leaves_is_met_in_silence() -> None:
    """`signoff … | head` prints no traceback, and a verdict nobody could read is not a pass."""
    code = ("import sys; from harness.cli import app\n"
            "app._run = lambda words: [print('x' * 100) for _ in range(10**5)] and 0\n"
            "sys.exit(app.main(['any']))")
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.readline()
    child.stdout.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait() == 1


def test_the_manifest_page_names_what_watches_a_guard() -> None:
    """The row of `guard` names commands, each of which there is; among them the service and the monitor."""
    (row,) = [line for line in (TOP / "docs" / "manifest.md").read_text(encoding="utf-8").splitlines()
              if line.startswith("| `guard` |")]
    named = re.findall(r"`signoff (\w+)", row)
    assert {"serve", "monitor", "export"} == set(named) <= VERBS.keys()
