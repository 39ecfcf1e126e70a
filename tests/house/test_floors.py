"""Imports point down the floors of the design; the few neighbours that may lean on each other are named."""

from __future__ import annotations

import ast

import pytest

from tests.house.source import HARNESS, TOP, dotted, imports, imports_of, short, tree

FLOORS = {
    "core": 0,
    "metrics": 1, "estimators": 1,
    "data": 2,
    "retrieval": 3, "reranking": 3, "routing": 3, "gating": 3, "generation": 3, "latency": 3,
    "release": 4,
    "defects": 5, "hunting": 5, "rollout": 5, "monitor": 5, "governance": 5, "triage": 5,
    "report": 6, "cli": 6,
    "gates": 7,
}  # fmt: skip
CORE = {path.stem for path in (TOP / "harness").glob("*.py")} - {"__init__", "__main__"}
NEIGHBOURS = {("gating", "routing"), ("latency", "routing"), ("generation", "retrieval"), ("hunting", "defects"),
              ("monitor", "rollout"), ("governance", "rollout"), ("cli", "report")}  # fmt: skip


def room_of(module: str) -> str | None:
    """The room that a module of ours belongs to; None for other people's modules and for the package itself."""
    top, *rest = module.split(".")
    if top in {"gates", "fixtures", "tests"}:
        return top
    if top != "harness" or not rest or rest[0] == "__version__":
        return None
    if rest[0] == "__main__":
        return "cli"
    return "core" if rest[0] in CORE else rest[0]


def upward(source: ast.Module, module: str) -> list[str]:
    """Imports that a module of the harness must not make."""
    here = room_of(module)
    wrong = []
    for name, line in imports_of(source, module):
        there = room_of(name)
        if there in {None, here} or (here, there) in NEIGHBOURS:
            continue
        if here is None or there not in FLOORS or FLOORS[there] >= FLOORS[here]:
            wrong.append(f"line {line}: {here} imports {name}")
    return wrong


@pytest.mark.parametrize("path", HARNESS, ids=short)
def test_imports_point_downwards(path):
    """A room leans only on lower floors: the neighbours that the design names apart."""
    found = upward(tree(path), dotted(path))
    assert not found


@pytest.mark.parametrize("path", HARNESS, ids=short)
def test_every_module_stands_on_a_known_floor(path):
    """A new room is given a floor before it holds anything."""
    room = room_of(dotted(path))
    assert room is None or room in FLOORS, f"{room} has no floor: add it to DESIGN.md and here"


@pytest.mark.parametrize("module", ["fixtures", "tests"])
def test_nothing_shipped_to_users_leans_on_fixtures_or_tests(module):
    """Neither harness nor gates import the builders of test data."""
    shipped = [*HARNESS, *sorted((TOP / "gates").glob("*.py"))]
    assert [short(path) for path in shipped for name, _ in imports(path) if name.split(".")[0] == module] == []


@pytest.mark.parametrize("source", [
    "from harness.release.judge import judge",
    "import harness.cli.app",
    "from harness import report",
    "def late():\n    from harness.defects.catalogue import owner",
    "def late():\n    import_module('harness.release.judge')",
    "from ..release import judge",
    "from harness.reranking.stage import Stage",
    "from gates.session import Gate",
    "from fixtures import trials",
    "from harness.unheard_of import room",
])  # fmt: skip
def test_an_upward_import_is_caught(source):
    """Each way to write an upward, sideways or unknown import from retrieval is seen, inside functions too."""
    assert upward(ast.parse(source), "harness.retrieval.bm25")


@pytest.mark.parametrize("source", [
    "import numpy as np", "from harness.records import Run", "from harness.data.store import sha256_file",
    "from .hits import Hits", "from harness import __version__",
])  # fmt: skip
def test_a_downward_import_is_let_through(source):
    """The rule does not refuse everything."""
    assert not upward(ast.parse(source), "harness.retrieval.bm25")


def test_the_floors_name_every_room_there_is():
    """Each folder of the harness is on the list, so that no import of it can go unseen."""
    rooms = {path.parent.name for path in (TOP / "harness").glob("*/__init__.py")}
    assert rooms <= set(FLOORS)
