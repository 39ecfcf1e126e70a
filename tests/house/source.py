"""The project's own source as the house tests see it: files, trees, rooms."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
HARNESS = sorted((TOP / "harness").rglob("*.py"))
GATES = sorted((TOP / "gates").rglob("*.py"))
FIXTURES = sorted((TOP / "fixtures").rglob("*.py"))
OURS = [*HARNESS, *GATES, *FIXTURES]


def short(path: Path) -> str:
    """A file's name as pytest shows it."""
    return path.relative_to(TOP).as_posix()


def dotted(path: Path) -> str:
    """A file's name as Python imports it."""
    parts = path.relative_to(TOP).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    """A file, parsed once."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def imports(path: Path) -> tuple[tuple[str, int], ...]:
    """Every module that a file imports, wherever in the file, as (dotted name, line); looked for once."""
    return tuple(imports_of(tree(path), dotted(path), is_package=path.name == "__init__.py"))


def called(node: ast.Call) -> str:
    """The last word of what is called, `a.b.c()` by `c`; empty where it has no name."""
    return getattr(node.func, "attr", "") or getattr(node.func, "id", "")


def imports_of(source: ast.AST, module: str, *, is_package: bool = False) -> Iterator[tuple[str, int]]:
    """The same of a tree: plain, from, relative, and by name through importlib."""
    for node in ast.walk(source):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -(node.level - is_package) or None] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and called(node).endswith("import_module"):
            yield from ((str(arg.value), node.lineno) for arg in node.args[:1] if isinstance(arg, ast.Constant))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function and method of a file."""
    yield from (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def tracked() -> list[Path]:
    """Files under version control; a source archive has none, and these rules were held before it was made."""
    done = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a git checkout")
    return [TOP / name for name in done.stdout.split("\0") if name and (TOP / name).is_file()]
