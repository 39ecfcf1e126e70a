"""The child process sees what is public, once, whatever its environment, and fails in one line."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from harness.data.pydocs import build
from harness.data.pydocs.build import harvest_packages
from harness.data.pydocs.library import library_of
from harness.errors import InputError

PACKAGE = {
    "__init__.py": '''
        """The package.

        .. autosummary::

           late
           early - With a description.
           Base
        """
        print("noise on stdout")
        from odd._inner import Base, Heir, early, late, also_late, CONSTANT, foreign
        from odd import _hidden, tests, core
        __all__ = ["Base", "Heir", "early", "late", "also_late", "CONSTANT", "foreign", "_secret", "gone"]
        def _secret():
            """Nobody should read this secret text."""
    ''',
    "_inner.py": '''
        from json import dumps as foreign
        CONSTANT = 3
        def late():
            """Come after the others have come."""
        also_late = late
        def early():
            """Come before the others will come."""
        def _made(name):
            def method(self):
                pass
            method.__doc__ = f"Made in a loop, this one is {name}."
            method.__name__ = name
            return method
        class Base:
            """A base class that has methods."""
            def zeta(self):
                """The first method of the class body."""
            def alpha(self):
                """The second method of the class body."""
            def _private(self):
                """A private method, of no concern."""
        for _name in {"m1", "m2", "m3", "m4", "m5"}:
            setattr(Base, _name, _made(_name))
        for _name in {"p1", "p2", "p3", "p4", "p5"}:
            setattr(Base, _name, property(_made(_name)))
        class Words:
            """What stands behind the attribute of words."""
            def upper(self):
                """Raise all the letters of words."""
        class Accessor:
            def __init__(self, kind):
                self._accessor = kind
            def __get__(self, owner, kind):
                return self._accessor
        Base.words = Accessor(Words)
        class Heir(Base, dict):
            """An heir that writes one method itself."""
            def own(self):
                """The only method of its own here."""
            @property
            def size(self):
                """How large the heir has grown up."""
    ''',
    "_hidden.py": 'def f():\n    """A function in a private module."""',
    "tests/__init__.py": 'def f():\n    """A function among the tests of it."""',
    "core/__init__.py": 'def f():\n    """A function in the core of it."""',
    "needs.py": "import no_such_module_anywhere",
    "open.py": '''
        from odd._inner import late
        def here():
            """A function of a module without a list."""
    ''',
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package `odd`, which has every oddity that the real ones have."""
    root = tmp_path_factory.mktemp("packages")
    for name, text in PACKAGE.items():
        path = root / "odd" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text))
    return root


@pytest.fixture(scope="module")
def found(place: Path) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(place))
        return harvest_packages(["odd"])


def test_only_what_is_public_is_found(found: dict[str, Any]) -> None:
    """No private names or modules, no tests, no core, no foreign objects, constants or names that do not exist."""
    paths = {path for path, *_ in found["paths"]}
    assert {path for path in paths if path.count(".") == 1} == {
        "odd.Base", "odd.Heir", "odd.early", "odd.late", "odd.also_late",
    }
    assert {path for path in paths if path.startswith("odd.open.")} == {"odd.open.here"}
    assert [module for module, _ in found["modules"]] == ["odd", "odd.open"]
    assert not any("_" in path.removesuffix("also_late") for path in paths)
    assert "odd.Heir.keys" not in paths, "what a class inherits from elsewhere is not the package's"


def test_methods_stand_in_the_order_of_the_class_body(found: dict[str, Any]) -> None:
    """Written methods in their order; those made in a loop over a set by name, since the loop has no order."""
    loops = ["m1", "m2", "m3", "m4", "m5", "p1", "p2", "p3", "p4", "p5"]
    assert dict(found["classes"])["odd.Base"] == ["zeta", "alpha", *loops, "words"]
    assert dict(found["classes"])["odd.Heir"] == ["own", "size"]


def test_what_stands_behind_an_accessor_is_public(found: dict[str, Any]) -> None:
    """As pandas.Series.str: a class without a public name of its own, reached through an attribute."""
    assert "odd.Base.words.upper" in {path for path, *_ in found["paths"]}
    assert dict(found["classes"])["odd.Base.words"] == ["upper"]


def test_names_links_and_listings_come_out_right(found: dict[str, Any]) -> None:
    """An alias leads to the own name, an inherited method to its class, and a listing keeps its author's order."""
    library = library_of(found)
    assert "odd.also_late" not in library.articles
    assert "odd.Heir.zeta" not in library.articles
    listings = {listing.name: listing.ids for listing in library.listings}
    assert listings["odd"] == ("odd.late", "odd.early", "odd.Base")
    assert library.articles["odd.Base.zeta"].module == "odd"


def test_the_hash_seed_changes_nothing(place: Path, found: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Under another hash seed the child prints the same names, docs and orders."""
    monkeypatch.syspath_prepend(str(place))
    for seed in ("1", "2"):
        other = harvest_packages(["odd"], hash_seed=seed)
        assert other["classes"] == found["classes"]
        assert sorted(other["docs"]) == sorted(found["docs"])


def test_the_environment_of_the_caller_does_not_reach_the_child(
    place: Path, found: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PYTHONOPTIMIZE, which would strip every docstring, is not handed on."""
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setenv("PYTHONOPTIMIZE", "2")
    assert harvest_packages(["odd"]) == found


def test_stripped_docstrings_are_told(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under -OO there is nothing to read, and the message says what to do."""
    monkeypatch.syspath_prepend(str(place))
    with pytest.raises(InputError, match="run without -OO"):
        harvest_packages(["odd"], flags=["-OO"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("raise SystemExit(3)", "the child process failed"),
        ("import os; os._exit(1)", "the child process failed"),
        ("raise RuntimeError('broken install')", "broken install"),
        ("import no_such_module_anywhere", "cannot import: No module named 'no_such_module_anywhere'"),
    ],
)
def test_a_broken_package_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    """Whatever an import does, the caller sees one line with the reason."""
    (tmp_path / "broken.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(InputError, match=message) as caught:
        harvest_packages(["broken"])
    assert "\n" not in str(caught.value)


def test_an_interpreter_that_cannot_start_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that never runs is an InputError too."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="the child process failed"):
        harvest_packages(["odd"])


def test_versions_need_no_import_and_change_with_the_code() -> None:
    """The cache key names every package and this room's own code."""
    versions = build.pydocs_versions()
    assert set(versions) == {"numpy", "scipy", "pandas", "scikit-learn", "pydocs"}
    assert versions == build.pydocs_versions()


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache key of an incomplete installation is an error that names what lacks."""
    monkeypatch.setitem(build.PACKAGES, "absent", "no-such-distribution-anywhere")
    with pytest.raises(InputError, match="no-such-distribution-anywhere"):
        build.pydocs_versions()
