"""Mutation testing of what decides: the judge, the verifier and the gates, each mutant named, killed or explained.

    tox -e mutation [-- --only decide believe gates] [--jobs N] [--again]

Two tools, one table. *mutmut* changes operators, arguments, constants and texts inside functions, thousands of ways.
It leaves out decorated functions (properties, hooks, fixtures, the gates themselves) and constants of modules, and
never empties a body; *mutants_ast* does these three. Work is done in copies under `build/mutation`. Survivors need
reasons in `docs/mutation-survivors.yaml`; one without, a reason without a survivor, or fewer than 95 % killed
is an error. Figures and survivors are written into `docs/mutation-testing.md`.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import SimpleQueue

import yaml
from mutants_ast import mutants_of

ROOT = Path(__file__).resolve().parents[1]
WORK, DOCS = ROOT / "build" / "mutation", ROOT / "docs"
SOURCES = ("harness", "gates", "fixtures")
GOAL = 0.95
KILLED, SURVIVED, TIMEOUT, UNTRIED = "killed", "survived", "timeout", "untried"
# what mutmut notes of a run; any other number is that of a pytest that failed, crashed or was ended by pytest.exit
ENDS = {0: SURVIVED, None: UNTRIED, 5: UNTRIED, 33: UNTRIED, 34: UNTRIED, 36: TIMEOUT, 24: TIMEOUT, -24: TIMEOUT,
        152: TIMEOUT, 255: TIMEOUT, -9: TIMEOUT}
# pytest escapes an id again each time it collects in one process, and mutmut collects three times in one
PLAIN_IDS = "disable_test_id_escaping_and_forfeit_all_rights_to_community_support=true"


@dataclass(frozen=True)
class Group:
    """Modules that are mutated together, and the tests that must notice: the quick ones, by pattern."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]


GROUPS = {
    "decide": Group(("harness/release/judge.py",), ("tests/release/test_judge*.py",)),
    "believe": Group(("harness/release/verify.py", "harness/release/recheck.py", "harness/release/findings.py"),
                     ("tests/release/test_verify_*.py", "tests/release/test_attest.py")),
    "gates": Group(("gates/*.py",), ("tests/gates/test_session.py", "tests/gates/test_usage.py",
                                     "tests/gates/test_emptied.py", "tests/gates/test_plugin.py")),
}


@dataclass(frozen=True)
class Mutant:
    """One change, what became of it, and how to find it again: numbers move, the changed lines stay."""

    module: str
    function: str
    before: str
    after: str
    status: str
    tool: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.module, self.function, self.before, self.after


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--again", action="store_true", help="keep what was killed, try survivors anew")
    asked = parser.parse_args()
    for name in asked.only:
        started = time.monotonic()
        mutants = by_mutmut(name, GROUPS[name], asked.jobs, again=asked.again)
        mutants += by_hand(name, GROUPS[name], asked.jobs, again=asked.again)
        told = {"minutes": (time.monotonic() - started) / 60, "mutants": [asdict(one) for one in mutants]}
        (WORK / f"{name}.json").write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")
    return report()


def copied(folder: Path) -> Path:
    """A copy of what tests need, over an older one if that is still there."""
    for name in (*SOURCES, "tests", "manifests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "signed"),
                        dirs_exist_ok=True)
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def found(patterns: tuple[str, ...], folder: Path = ROOT) -> list[str]:
    """Files that match, by name."""
    return sorted(str(path.relative_to(folder)) for pattern in patterns for path in folder.glob(pattern))


def by_mutmut(name: str, group: Group, jobs: int, *, again: bool) -> list[Mutant]:
    """What mutmut makes of a group, from its own result files."""
    folder = WORK / f"{name}-mutmut"
    if not again:
        shutil.rmtree(folder, ignore_errors=True)
    copied(folder)
    settings = {
        "source_paths": list(SOURCES), "only_mutate": list(group.modules), "also_copy": ["manifests"],
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "-m", "not worlds and not slow", "-o", PLAIN_IDS],
        "pytest_add_cli_args_test_selection": found(group.tests),
    }
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as config:
        config.write("\n[tool.mutmut]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items()))
    (folder / "mutants").mkdir(exist_ok=True)  # before Python looks for it, or it would not look again
    for meta in (folder / "mutants").glob("**/*.meta"):
        told = json.loads(meta.read_text(encoding="utf-8"))
        codes = told["exit_code_by_key"].items()
        told["exit_code_by_key"] = {name: code if ENDS.get(code, KILLED) == KILLED else None for name, code in codes}
        meta.write_text(json.dumps(told), encoding="utf-8")
    with (WORK / f"{name}-mutmut.log").open("w", encoding="utf-8") as log:
        done = subprocess.run(["mutmut", "run", "--max-children", str(jobs)], cwd=folder, stdout=log, stderr=log,
                              env=surroundings(folder / "mutants"), check=False)
    if done.returncode:
        raise SystemExit(f"mutmut ended with {done.returncode}: see {log.name}")
    return [mutant for module in found(group.modules, folder) for mutant in results(folder, module)]


def surroundings(place: Path) -> dict[str, str]:
    """The environment of a run: mutated code first, in child processes too."""
    return os.environ | {"PYTHONPATH": str(place), "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}


def results(folder: Path, module: str) -> list[Mutant]:
    """Status and changed lines of every mutant of a module: the mutated file holds all of them beside the original."""
    text = (folder / "mutants" / module).read_text(encoding="utf-8")
    functions = {node.name: [line.strip() for line in ast.unparse(node).splitlines()]
                 for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
    meta = json.loads((folder / "mutants" / f"{module}.meta").read_text(encoding="utf-8"))
    mutants = []
    for name, code in meta["exit_code_by_key"].items():
        place, _, number = name.rpartition(".")[2].rpartition("__mutmut_")
        before, after = changed(functions[f"{place}__mutmut_orig"][1:], functions[f"{place}__mutmut_{number}"][1:])
        function = place[2:] if place.startswith("x_") else ".".join(place.split("ǁ")[1:])
        mutants.append(Mutant(module, function, before, after, ENDS.get(code, KILLED), "mutmut"))
    return mutants


def changed(before: list[str], after: list[str]) -> tuple[str, str]:
    """The lines that a mutant takes away and those that it puts there."""
    lines = list(difflib.unified_diff(before, after, lineterm="", n=0))[2:]
    return tuple(" ".join(line[1:] for line in lines if line[0] == sign) for sign in "-+")


def by_hand(name: str, group: Group, jobs: int, *, again: bool) -> list[Mutant]:
    """Emptied bodies, decorated functions and constants, each in a process of its own."""
    old = read(name) if again and (WORK / f"{name}.json").exists() else []
    dead = {one.key: one for one in old if one.tool == "mutants_ast" and one.status == KILLED}
    folders: SimpleQueue[Path] = SimpleQueue()
    for number in range(jobs):
        folders.put(copied(WORK / f"{name}-{number}"))
    tests = found(group.tests)

    def tried(made: tuple[str, str, str, str, str]) -> Mutant:
        *key, text = made
        if tuple(key) in dead:
            return dead[tuple(key)]
        folder, module = folders.get(), key[0]
        honest = (folder / module).read_text(encoding="utf-8")
        try:
            (folder / module).write_text(text, encoding="utf-8")
            return Mutant(*key, verdict(folder, tests), "mutants_ast")
        finally:
            (folder / module).write_text(honest, encoding="utf-8")
            folders.put(folder)

    made = [(module, *one) for module in found(group.modules) for one in mutants_of((ROOT / module).read_text("utf-8"))]
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(tried, made))


def verdict(folder: Path, tests: list[str]) -> str:
    """What the tests say: no failure is a survivor; a failure, or code that cannot even be loaded, is a kill."""
    called = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not worlds", *tests]
    try:
        code = subprocess.run(called, cwd=folder, env=surroundings(folder), capture_output=True, check=False,
                              timeout=900).returncode
    except subprocess.TimeoutExpired:
        return TIMEOUT
    return SURVIVED if code == 0 else KILLED


def read(name: str) -> list[Mutant]:
    """What an earlier run of a group left."""
    return [Mutant(**one) for one in json.loads((WORK / f"{name}.json").read_text(encoding="utf-8"))["mutants"]]


def report() -> int:
    """Table and survivors into the document; what is not explained, or no longer true, onto stderr."""
    told = [name for name in GROUPS if (WORK / f"{name}.json").exists()]
    mutants = [one for name in told for one in read(name)]
    reasons = {(one["module"], one["function"], one["before"], one["after"]): one["reason"]
               for one in yaml.safe_load((DOCS / "mutation-survivors.yaml").read_text("utf-8")) or []}
    alive = sorted({one.key for one in mutants if one.status not in {KILLED, TIMEOUT}})
    wrong = [f"unexplained: {' | '.join(key)}" for key in alive if key not in reasons]
    if told == list(GROUPS):
        wrong += [f"explained, and dead: {' | '.join(key)}" for key in reasons if key not in alive]
    share = sum(one.status in {KILLED, TIMEOUT} for one in mutants) / len(mutants)
    wrong += [f"{share:.1%} killed, and {GOAL:.0%} are asked for"] if share < GOAL else []
    lines = [*table(mutants), "", *(listed(key, reasons.get(key, "unexplained")) for key in alive)]
    page = DOCS / "mutation-testing.md"
    if page.exists():
        head, _, rest = page.read_text("utf-8").partition("<!-- figures -->\n")
        tail = rest.partition("<!-- end -->")[2]
        page.write_text(head + "<!-- figures -->\n" + "\n".join(lines) + "\n<!-- end -->" + tail, encoding="utf-8")
    print("\n".join([*table(mutants), *wrong]), file=sys.stderr)
    return 1 if wrong else 0


def table(mutants: list[Mutant]) -> list[str]:
    """One row a module and tool, and their sum."""
    rows = ["| module | tool | mutants | killed | survived | timeout | share killed |", "|---|---|--:|--:|--:|--:|--:|"]
    places = sorted({(one.module, one.tool) for one in mutants})
    for module, tool in [*places, ("all", "both")]:
        counts = Counter(one.status for one in mutants if (one.module, one.tool) == (module, tool) or module == "all")
        total, dead = counts.total(), counts[KILLED] + counts[TIMEOUT]
        alive = total - dead
        rows.append(f"| {module} | {tool} | {total} | {counts[KILLED]} | {alive} | {counts[TIMEOUT]} | "
                    f"{dead / total:.1%} |")
    return rows


def listed(key: tuple[str, str, str, str], reason: str) -> str:
    module, function, before, after = (text.replace("\n", " ⏎ ") for text in key)
    return f"- `{module}`, `{function}`: `{before}` → `{after}`. {reason}"


if __name__ == "__main__":
    sys.exit(main())
