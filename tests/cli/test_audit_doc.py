"""docs/audit.md says what the command says: its commands are run on the real log, its figures are what they print."""

from __future__ import annotations

import re
import shlex

import pytest

from harness.cli.app import main
from tests.house.source import TOP

DOC = (TOP / "docs" / "audit.md").read_text(encoding="utf-8")
RUNS = re.findall(r"^    signoff (audit \w+\.parquet .*?)\n\n```\n(.*?)```", DOC, flags=re.MULTILINE | re.DOTALL)
CODES = {"PASS": 0, "REFUSE": 10, "INCONCLUSIVE": 11}


def shown(text: str) -> str:
    """Output without trailing blanks: what a page keeps of it."""
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip())


@pytest.fixture
def example(shared_data, tmp_path, monkeypatch):
    """The example's own code, run where its files may lie."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNOFF_DATA", str(shared_data))
    monkeypatch.setenv("COLUMNS", "80")
    (code,) = re.findall(r"```python\n(.*?)```", DOC, flags=re.DOTALL)
    exec(compile(code, "docs/audit.md", "exec"), {})


@pytest.mark.usefixtures("example")
def test_every_run_of_the_page_prints_what_the_page_shows(capsys):
    """Each command under `signoff audit` gives the output below it and the exit code of its verdict."""
    assert len(RUNS) == 7
    for command, output in RUNS:
        code = main(shlex.split(command.replace("\\\n", " ")))
        told = capsys.readouterr()
        assert shown(told.out + told.err) == shown(output)
        (verdict,) = re.findall(r"^Verdict: ([A-Z]+)", told.out, flags=re.MULTILINE) or ["error"]
        assert code == CODES.get(verdict, 2)


def test_every_option_and_field_of_the_page_is_there(capsys):
    """Options named on the page are the command's, and every one of the command's is named."""
    assert main(["audit", "--help"]) == 0
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert set(re.findall(r"--[a-z][a-z-]+", DOC)) == known
