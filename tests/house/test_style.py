"""The house rules that a reader would otherwise have to watch: sizes, names, docstrings, and what is never done."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.house.source import FIXTURES, HARNESS, OURS, TOP, dotted, functions, imports, short, tracked, tree

MOST_LINES = 250
MOST_BODY = 25
LIBRARY = [path for path in OURS if not path.name.startswith("test_")]


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    doc = ast.get_docstring(node, clean=False)
    return (node.end_lineno or node.lineno) - node.lineno + 1 - (doc.count("\n") + 1 if doc else 0)


def top_level(source: ast.Module) -> tuple[set[str], set[str]]:
    """Names that a module's top level defines: functions and classes, and values (constants, kinds of a type)."""
    made, values = set(), set()
    for node in source.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            made.add(node.name)
        elif isinstance(node, ast.Assign):
            values |= {one.id for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            values.add(node.target.id)
    return made, values


def stated(source: ast.Module) -> list[str]:
    """What `__all__` holds; empty where there is none."""
    for node in source.body:
        if isinstance(node, ast.Assign) and any(isinstance(one, ast.Name) and one.id == "__all__"
                                                for one in node.targets):
            return list(ast.literal_eval(node.value))
    return []


def borrowed(source: ast.Module) -> set[str]:
    """Names that a module's top level imports: it may hand them on through `__all__`."""
    nodes = [node for node in ast.walk(source) if isinstance(node, ast.Import | ast.ImportFrom)]
    return {alias.asname or alias.name for node in nodes for alias in node.names}


def called_by_pytest(source: ast.Module) -> set[str]:
    """Hooks and fixtures: pytest finds them by name, nobody imports them."""
    return {node.name for node in source.body if isinstance(node, ast.FunctionDef)
            and (node.name.startswith("pytest_") or any("fixture" in ast.unparse(one) for one in node.decorator_list))}


@pytest.mark.parametrize("path", LIBRARY, ids=short)
def test_what_is_public_is_in_all_and_nothing_else_is(path):
    """`__all__` holds every public function and class that a module defines, and no name that is not there."""
    source = tree(path)
    (made, values), named = top_level(source), stated(source)
    public = {name for name in made if not name.startswith("_")} - called_by_pytest(source)
    assert len(set(named)) == len(named)
    assert sorted(public - set(named)) == [], "public, but not in __all__"
    assert sorted(set(named) - made - values - borrowed(source)) == [], "in __all__, but not there"


def test_what_one_module_takes_from_another_is_public_there():
    """A name that crosses between modules stands in `__all__` of the one that owns it."""
    by_name = {dotted(path): path for path in OURS}
    wrong = []
    for path in LIBRARY:
        for name, line in imports(path):
            module, _, taken = name.rpartition(".")
            if module in by_name and name not in by_name and taken not in stated(tree(by_name[module])):
                wrong.append(f"{short(path)}:{line} takes {taken} from {module}")
    assert wrong == []


@pytest.mark.parametrize("path", OURS, ids=short)
def test_a_module_is_one_idea(path):
    """No module is longer than 250 lines."""
    assert path.read_text(encoding="utf-8").count("\n") <= MOST_LINES


@pytest.mark.parametrize("path", OURS, ids=short)
def test_a_function_fits_a_glance(path):
    """No function body is longer than 25 lines, its docstring apart."""
    assert [f"{node.lineno} {node.name}: {body_lines(node)}" for node in functions(path)
            if body_lines(node) > MOST_BODY] == []


@pytest.mark.parametrize("path", OURS, ids=short)
def test_what_is_public_says_what_it_does(path):
    """Modules, public functions and public classes carry docstrings (setters share their property's)."""
    assert ast.get_docstring(tree(path))
    nested = {inner for node in functions(path) for inner in ast.walk(node) if inner is not node}
    private = {inner for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef) and node.name.startswith("_")
               for inner in ast.walk(node)}
    bare = [f"{node.lineno} {node.name}" for node in ast.walk(tree(path))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node not in nested | private
            and not node.name.startswith("_") and not ast.get_docstring(node)
            and not any(ast.unparse(one).endswith(".setter") for one in getattr(node, "decorator_list", []))]
    assert bare == []


def prints(source: ast.Module) -> list[int]:
    """Lines that print, other than a process's own entry under `if __name__ == "__main__"`."""
    entry = {inner for node in source.body if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)
             for inner in ast.walk(node)}
    return [node.lineno for node in ast.walk(source) if isinstance(node, ast.Call) and node not in entry
            and isinstance(node.func, ast.Name) and node.func.id == "print"]


@pytest.mark.parametrize("path", [path for path in [*HARNESS, *FIXTURES] if "cli" not in path.parts], ids=short)
def test_only_the_command_line_prints(path):
    """A library that prints speaks over its caller."""
    assert prints(tree(path)) == []


_FREE = {"default_rng", "Generator", "SeedSequence", "BitGenerator", "PCG64", "Philox"}


def shared_randomness(source: ast.Module) -> list[str]:
    """Uses of a random state that all callers share: numpy's legacy functions, and the module `random`."""
    found = [f"{node.lineno} {ast.unparse(node)}" for node in ast.walk(source) if isinstance(node, ast.Attribute)
             and node.attr not in _FREE and isinstance(node.value, ast.Attribute) and node.value.attr == "random"
             and ast.unparse(node.value) in {"np.random", "numpy.random"}]
    for node in ast.walk(source):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} if isinstance(node, ast.Import) else {node.module or ""}
            if "random" in names or (isinstance(node, ast.ImportFrom) and node.module == "numpy.random"
                                     and any(alias.name not in _FREE for alias in node.names)):
                found.append(f"{node.lineno} {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("path", OURS, ids=short)
def test_randomness_is_lent_by_the_caller(path):
    """No module touches a global random state."""
    assert shared_randomness(tree(path)) == []


_PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
_RUNS_WHAT_IT_READS = {"read_pickle", "to_pickle", "unsafe_load", "UnsafeLoader"}


def unsafe_loading(source: ast.Module) -> list[str]:
    """Readers that run what they read."""
    found = []
    for node in ast.walk(source):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [f"{node.lineno} {name}" for name in names if name.split(".")[0] in _PICKLES]
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            found += [] if isinstance(node.value, ast.Constant) and node.value.value is False else [f"{node.lineno}"]
        elif isinstance(node, ast.Attribute) and node.attr in _RUNS_WHAT_IT_READS:
            found.append(f"{node.lineno} {node.attr}")
    return found


@pytest.mark.parametrize("path", OURS, ids=short)
def test_nothing_is_read_that_could_run(path):
    """No pickle, by any name: an artifact is data."""
    assert unsafe_loading(tree(path)) == []


@pytest.mark.parametrize(("rule", "source"), [
    (prints, "print(1)"), (prints, "def f():\n    print(1)"),
    (shared_randomness, "np.random.seed(0)"), (shared_randomness, "x = np.random.rand(3)"),
    (shared_randomness, "import random"), (shared_randomness, "from random import shuffle"),
    (shared_randomness, "from numpy.random import rand"),
    (unsafe_loading, "import pickle"), (unsafe_loading, "from joblib import load"),
    (unsafe_loading, "np.load(f, allow_pickle=True)"), (unsafe_loading, "pd.read_pickle(f)"),
])  # fmt: skip
def test_each_rule_sees_its_fault(rule, source):
    """A rule that cannot fail holds nothing."""
    assert rule(ast.parse(source))


@pytest.mark.parametrize(("rule", "source"), [
    (prints, "if __name__ == '__main__':\n    print(1)"), (shared_randomness, "np.random.default_rng(3)"),
    (unsafe_loading, "np.load(f, allow_pickle=False)"),
])  # fmt: skip
def test_each_rule_lets_its_like_through(rule, source):
    """A rule that always fails holds nothing either."""
    assert not rule(ast.parse(source))


def test_sizes_are_counted_without_docstrings():
    """The counting itself: 26 lines of which 2 are docstring make 24."""
    text = 'def f():\n    """One\n    two."""\n' + "    x = 1\n" * 23
    assert body_lines(ast.parse(text).body[0]) == 24
    made, values = top_level(ast.parse("A = 1\n_b = 2\ndef c(): ...\nclass D: ...\nimport e\nF: int = 3\nG, _h = 1, 2"))
    assert made == {"c", "D"} and values == {"A", "_b", "F", "G", "_h"}


# Written in pieces, so that this file does not break its own rule.
_PLACES = re.compile("|".join([
    r"(?<![\w.])/" + r"(?:work|root|home/\w+|Users/\w+|tmp/w)/", r"[A-Z]:\\" + "Users", r"--(?:extra-)?index" + "-url",
    r"index" + "_url", r"py" + r"pi\.org", "python" + r"hosted\.org", "(?<=/)simple" + "/", "/arti" + "factory/",
]))  # fmt: skip


def test_no_file_knows_the_machine_it_was_written_on():
    """Tracked text holds no absolute path of a person's machine and no package registry's host."""
    wrong = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        wrong += [f"{short(path)}: {match[0]}" for match in _PLACES.finditer(text)]
    assert wrong == []


@pytest.mark.parametrize("text", ["see /ro" + "ot/x", "/wo" + "rk/main/a.py", "pip install --index" + "-url x",
                                  "https://py" + "pi.org/p"])
def test_a_path_or_host_would_be_seen(text):
    """The pattern matches what it is there for."""
    assert _PLACES.search(text)


def test_the_suite_never_runs_the_gates():
    """Plain `pytest` collects tests alone: gates need a manifest, and say so."""
    import tomllib

    options = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    assert options["testpaths"] == ["tests"]
    assert options["filterwarnings"] == ["error"] and options["xfail_strict"] is True


def test_module_names_are_those_python_imports():
    """The helper that turns files into module names, at its two shapes."""
    assert dotted(TOP / "harness" / "release" / "__init__.py") == "harness.release"
    assert dotted(Path(TOP / "harness" / "errors.py")) == "harness.errors"


def unsaid(source: ast.Module) -> list[str]:
    """Tests that do not say what they claim, and tests that check nothing in their own words."""
    found = []
    for node in ast.walk(source):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            checks = [one for one in ast.walk(node) if isinstance(one, ast.Assert | ast.Call)]
            found += [] if ast.get_docstring(node) and checks else [f"{node.lineno} {node.name}"]
    return found


@pytest.mark.parametrize("path", sorted((TOP / "tests").rglob("test_*.py")), ids=short)
def test_a_test_says_what_it_claims(path):
    """The first line of each test is its claim, and its body does something about it."""
    assert unsaid(tree(path)) == []


@pytest.mark.parametrize("text", ["def test_a():\n    assert f()", 'def test_a():\n    """A claim."""'])
def test_a_test_without_a_claim_or_a_check_is_seen(text):
    """The rule fails on a test that says nothing and on one that does nothing."""
    assert unsaid(ast.parse(text))
