"""What a user meets first: help that comes at once, examples in docstrings that run."""

from __future__ import annotations

import doctest
import importlib
import subprocess
import sys

import pytest

from tests.house.source import HARNESS, dotted, short, tree

HEAVY = ("numpy", "pandas", "scipy", "pyarrow", "sklearn", "lightgbm", "faiss", "matplotlib", "jinja2", "yaml",
         "pydantic", "typer", "rich", "pytest", "hypothesis", "securesystemslib", "cryptography",
         "threadpoolctl")  # fmt: skip
_ASK = """
import sys
from harness.__main__ import main
code = main({words})
print("loaded:", *sorted(name for name in {heavy} if name in sys.modules))
sys.exit(code)
"""


def loaded_by(*words: str) -> tuple[str, list[str]]:
    """What a call prints, and which heavy modules it loads on the way."""
    done = subprocess.run([sys.executable, "-c", _ASK.format(words=list(words), heavy=HEAVY)], capture_output=True,
                          text=True, check=True, timeout=60)
    told, _, names = done.stdout.rpartition("loaded:")
    return told, names.split()


def test_help_loads_nothing_heavy():
    """`signoff --help` answers from the standard library alone."""
    told, heavy = loaded_by("--help")
    assert "Usage: signoff VERB" in told
    assert heavy == []


def test_the_question_sees_what_a_verb_loads():
    """The same question of a verb's help names typer, so an empty answer means something."""
    _, heavy = loaded_by("verify", "--help")
    assert "typer" in heavy


def test_every_verb_of_the_table_can_be_called():
    """A verb that is listed has a module with a `command`."""
    from harness.cli.app import VERBS

    missing = []
    for name, verb in VERBS.items():
        try:
            if not callable(importlib.import_module(verb.module).command):
                missing.append(name)
        except ImportError as error:
            missing.append(f"{name}: {error}")
    assert missing == []


WITH_EXAMPLES = [path for path in HARNESS if ">>>" in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=short)
def test_examples_in_docstrings_run(path):
    """Every `>>>` of the harness gives what it says."""
    module = importlib.import_module(dotted(path))
    told: list[str] = []
    runner, tried = doctest.DocTestRunner(verbose=False), 0
    for test in doctest.DocTestFinder().find(module, dotted(path)):
        tried += runner.run(test, out=told.append).attempted
    assert not runner.failures, "".join(told)
    assert tried, "an example that is never run"


def test_every_public_verb_module_has_examples_or_says_why_not():
    """Examples exist at all: at least one module in each room of the lower floors shows how it is used."""
    rooms = {path.parent.name for path in WITH_EXAMPLES}
    assert {"metrics", "estimators", "data", "release"} <= rooms
    assert all(tree(path).body for path in WITH_EXAMPLES)
