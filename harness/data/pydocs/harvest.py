"""The child process: import packages, walk what is public, print every docstring with the paths that lead to it.

Imports have side effects and heed the environment, so this file runs alone, by path, in an interpreter of its own. It
imports nothing of the harness and judges nothing: what a path is worth is decided by the parent.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import sys
import types
from collections.abc import Iterator
from typing import Any

__all__ = ["SKIPPED", "Walk", "harvest", "is_public", "main"]

SKIPPED = frozenset({
    "compat", "conftest", "core", "cython_special", "distutils", "estimator_checks", "experimental", "externals",
    "f2py", "lapack_lite", "matlib", "mypy_plugin", "test", "testing", "tests", "testutils",
    # pandas' file formats have no `__all__`: what of them is meant for users is also at `pandas` or `pandas.io.api`
    "pandas.io.clipboard", "pandas.io.clipboards", "pandas.io.common", "pandas.io.feather_format", "pandas.io.html",
    "pandas.io.iceberg", "pandas.io.orc", "pandas.io.parquet", "pandas.io.parsers", "pandas.io.pytables",
    "pandas.io.sas", "pandas.io.sql", "pandas.io.xml", "pandas.io.formats.console", "pandas.io.formats.css",
    "pandas.io.formats.csvs", "pandas.io.formats.excel", "pandas.io.formats.format", "pandas.io.formats.html",
    "pandas.io.formats.info", "pandas.io.formats.printing", "pandas.io.formats.string",
    "pandas.io.formats.style_render", "pandas.io.formats.xml",
})


def is_public(module: str) -> bool:
    """Neither private nor a place of tests, experiments or internals.

    >>> is_public("numpy.linalg"), is_public("numpy._core"), is_public("pandas.core"), is_public("pandas.io.sql")
    (True, False, False, False)
    """
    last = module.rpartition(".")[2]
    return not last.startswith("_") and last not in SKIPPED and module not in SKIPPED


class Walk:
    """One pass over the packages. Objects are numbered as met; `paths`: (path, object, own name, defined there)."""

    def __init__(self) -> None:
        self.docs: list[str] = []
        self.paths: list[tuple[str, int, str, bool]] = []
        self.classes: list[tuple[str, list[str]]] = []
        self.modules: list[tuple[str, str]] = []
        self._number: dict[int, int] = {}
        self._held: list[object] = []  # keeps ids from being used again
        self._public: dict[int, str] = {}
        self._waiting: list[tuple[str, type]] = []

    def package(self, name: str) -> None:
        """Walk a package with its public submodules, then the classes that were met."""
        for module in _modules(name):
            self._module(module, name)
        for path, kind in self._waiting:  # grows while walked: an accessor is a class behind an attribute
            self._class(path, kind)
        self._waiting.clear()

    def _module(self, module: types.ModuleType, root: str) -> None:
        self.modules.append((module.__name__, module.__doc__ or ""))
        for name, value in _members(module, root):
            path = f"{module.__name__}.{name}"
            if isinstance(value, type):
                self._public.setdefault(id(value), path)
                self._waiting.append((path, value))
            self._add(path, value, _own_doc(value), defined=True)

    def _class(self, path: str, kind: type) -> None:
        order: dict[str, object] = {}
        for base in kind.__mro__:
            here = base is kind or id(base) not in self._public
            for name, raw in vars(base).items() if _made_in(base, path.partition(".")[0]) else ():
                if name.startswith("_") or name in order:
                    continue
                if here:
                    order[name] = raw
                accessor = getattr(raw, "_accessor", None)  # pandas: Series.str, Series.dt
                if isinstance(accessor, type):
                    self._waiting.append((f"{path}.{name}", accessor))
                self._add(f"{path}.{name}", raw, _method_doc(kind, name, raw), defined=here, label=name)
        self.classes.append((path, _steady(order)))

    def _add(self, path: str, value: object, doc: str | None, *, defined: bool, label: str | None = None) -> None:
        if doc is None:
            return
        number = self._number.get(id(value))
        if number is None:
            number = self._number[id(value)] = len(self.docs)
            self._held.append(value)
            self.docs.append(inspect.cleandoc(doc))
        own = label or getattr(value, "__name__", None) or path.rpartition(".")[2]
        self.paths.append((path, number, str(own), defined))


def _steady(entries: dict[str, object]) -> list[str]:
    """Names in the order of the class body; those that one factory made in a loop share code, and stand by name.

    The loop may run over a set, whose order depends on where the objects lie in memory.
    """
    made: dict[int, list[str]] = {}
    for name, value in entries.items():
        function = getattr(value, "fget", value)  # behind a property
        made.setdefault(id(getattr(function, "__code__", value)), []).append(name)
    slots = {name: alike for names in made.values() for name, alike in zip(names, sorted(names), strict=True)}
    return [slots[name] for name in entries]


def _modules(root: str) -> Iterator[types.ModuleType]:
    """The package and its public submodules, parents first; what cannot be imported here (an extra) is left out."""
    module = importlib.import_module(root)
    yield module
    for info in sorted(pkgutil.iter_modules(getattr(module, "__path__", ())), key=lambda info: info.name):
        if not is_public(f"{root}.{info.name}"):
            continue
        try:
            yield from _modules(f"{root}.{info.name}")
        except ImportError:
            continue


def _members(module: types.ModuleType, root: str) -> list[tuple[str, Any]]:
    """Public (name, object) pairs by name, of this package's own making; names served by `__getattr__` are old ones."""
    own, listed = vars(module), getattr(module, "__all__", None)
    names = sorted(set(own if listed is None else listed))
    found = [(name, own[name]) for name in names if name in own and not name.startswith("_")]
    home = module.__name__ if listed is None else root
    return [(name, value) for name, value in found if not isinstance(value, types.ModuleType) and _made_in(value, home)]


def _made_in(value: object, home: str) -> bool:
    origin = getattr(value, "__module__", None)
    if origin is None:  # compiled: universal functions do not know their module, what numpy made was met before
        return type(value).__name__ == "ufunc"
    return isinstance(origin, str) and (origin == home or origin.startswith(f"{home}."))


def _own_doc(value: object) -> str | None:
    doc = getattr(value, "__doc__", None)
    if not isinstance(value, type) and doc is getattr(type(value), "__doc__", None):
        return None
    return doc if isinstance(doc, str) and doc.strip() else None


def _method_doc(kind: type, name: str, raw: object) -> str | None:
    """The docstring of a class's entry; some descriptors write it only when asked through the class."""
    doc = _own_doc(raw)
    if doc is None and hasattr(raw, "__get__") and not isinstance(raw, property):
        try:
            doc = _own_doc(getattr(kind, name))
        except Exception:  # a descriptor may refuse in any way it likes: then there is no text
            return None
    return doc


def harvest(packages: list[str]) -> dict[str, Any]:
    """What is public in `packages`: docs, paths, classes with their method order, module docstrings."""
    if sys.flags.optimize >= 2:
        return {"error": "python -OO strips docstrings: run without -OO and without PYTHONOPTIMIZE"}
    walk = Walk()
    for package in packages:
        walk.package(package)
    return {"docs": walk.docs, "paths": walk.paths, "classes": walk.classes, "modules": walk.modules}


def main() -> None:
    """Print the harvest of the packages named on the command line, as one JSON document."""
    out, sys.stdout = sys.stdout, sys.stderr  # what an import prints must not mix with the document
    try:
        found = harvest(sys.argv[1:])
    except ImportError as error:
        found = {"error": f"cannot import: {error}"}
    json.dump(found, out)


if __name__ == "__main__":
    main()
