"""Every public estimator says what it refuses, shows an example, and stands on the page of measured promises."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

import harness.estimators
from tests.house.source import TOP

NAMES = [one.name for one in pkgutil.iter_modules(harness.estimators.__path__) if not one.name.startswith("_")]
ROOM = [*(f"harness.estimators.{name}" for name in NAMES), "harness.metrics.calibration"]
METRICS = [f"harness.metrics.{name}" for name in ("agreement", "evaluate", "ranking", "spec", "summary")]
SOURCE = re.compile(r"\b(?:18|19|20)\d\d\b|without source")  # the year of what is cited, or that nothing is
SHAPE = re.compile(r"\([\w ]+(?:\+ 1)?,(?: [\w.]+)*\)")
PAGE = (TOP / "docs" / "estimators.md").read_text(encoding="utf-8")


def public(modules: list[str]) -> list[tuple[str, Any]]:
    """Functions and classes in `__all__` of the modules that define them, aliases of types apart."""
    found = []
    for path in modules:
        module: ModuleType = importlib.import_module(path)
        for name in module.__all__:
            one = getattr(module, name)
            if (inspect.isfunction(one) or inspect.isclass(one)) and one.__module__ == path:
                found.append((f"{path.removeprefix('harness.')}.{name}", one))
    return found


def methods(kind: type) -> dict[str, str]:
    """Docstrings of the public methods and properties that a class defines itself."""
    own = {name: value for name, value in vars(kind).items() if not name.startswith("_")}
    return {name: inspect.getdoc(getattr(kind, name)) or "" for name, value in own.items()
            if inspect.isfunction(value) or isinstance(value, classmethod | staticmethod | property)}


def wanting(one: Any) -> list[str]:
    """What the docstrings of a function, an accumulator or a record still lack.

    A record that only holds needs no example of its own, and what it holds was checked where it was made.
    """
    told = methods(one) if inspect.isclass(one) and not getattr(one, "_is_protocol", False) else {}
    text = "\n".join([inspect.getdoc(one) or "", *told.values()])
    acts = inspect.isfunction(one) or bool(told)
    checks = inspect.isfunction(one) or "of" in told
    return [what for what, missing in (("an example", acts and ">>>" not in text),
                                       ("what it raises", checks and "Raises" not in text)) if missing]  # fmt: skip


def untold(one: Any) -> list[str]:
    """What a function or an accumulator leaves unsaid of its arrays' shapes and of where its formula comes from."""
    if not (inspect.isfunction(one) or "of" in vars(one)):
        return []
    text = "\n".join([inspect.getdoc(one) or "", *(methods(one).values() if inspect.isclass(one) else ())])
    unseen = takes_arrays(one) and not SHAPE.search(text)
    return [what for what, missing in (("a source", not SOURCE.search(text)), ("the shape", unseen)) if missing]


def takes_arrays(one: Any) -> bool:
    """Whether a function, or what makes an accumulator, is given or gives an array."""
    called = one if inspect.isfunction(one) else one.of
    return bool(re.search(r"ArrayLike|Floats|NDArray", str(inspect.signature(called))))


@pytest.mark.parametrize("path", [*ROOM, *METRICS], ids=lambda path: path.removeprefix("harness."))
def test_a_public_estimator_shows_an_example_and_says_what_it_raises(path):
    """Whoever calls it sees a run and knows what is refused; `test_entry` runs the examples."""
    assert {name: wanting(one) for name, one in public([path]) if wanting(one)} == {}


@pytest.mark.parametrize("path", ROOM, ids=lambda path: path.removeprefix("harness."))
def test_a_public_estimator_tells_shape_and_source(path):
    """The year of what its formula is cited from, or that it is without source; and how large its arrays are."""
    assert {name: untold(one) for name, one in public([path]) if untold(one)} == {}


def named(page: str) -> set[str]:
    """Words between backticks at the head of the page's rows."""
    heads = (row.split("`")[1] for row in page.splitlines() if row.startswith("| `"))
    return {word for head in heads for word in re.findall(r"\w+", head)}


def test_every_public_estimator_stands_on_the_page():
    """A promise that nobody measures is none: each function, accumulator and record has a row."""
    assert [name for name, _ in public(ROOM) if name.rsplit(".", 1)[1] not in named(PAGE)] == []


def bare(x: int) -> int:
    """Say nothing of errors (2020) and show nothing."""
    return x


def full(x: int) -> int:
    """Be complete, as Euler was (1848).

    Raises nothing.

    >>> full(1)
    1
    """
    return x


def shapeless(x: ArrayLike) -> float:
    """Say neither whence nor how much.

    Raises nothing.

    >>> shapeless(0.0)
    0.0
    """
    return float(np.sum(x))


def test_each_rule_sees_its_fault():
    """A function without example and errors is seen, a complete one passes, and a name off the page is missed."""
    assert wanting(bare) == ["an example", "what it raises"]
    assert wanting(full) == []
    assert untold(shapeless) == ["a source", "the shape"] and untold(full) == untold(bare) == []
    assert named("| `mean (closed)` | x |\n| `a, b` | `c` |") == {"mean", "closed", "a", "b"}
    assert len(public(ROOM)) > 100
