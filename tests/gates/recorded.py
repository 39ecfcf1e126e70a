"""A user's checkout with recorded files, for gates to run in: twelve queries, four hits each, in TREC's formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import gates.session
from harness.release.evidence import Evidence, read_evidence

INI = Path(gates.session.__file__).parent / "gates.ini"
QUERIES = [f"q{number:02d}" for number in range(12)]
PASSING = {"measure": "RR", "at_least": 0.8}
REFUSED = {"measure": "P@1", "at_least": 0.99}
DOUBTFUL = {"measure": "R@1", "by": "lcb", "at_least": 0.8}
EXCUSED = {**DOUBTFUL, "required": False, "why": "twelve queries bound little"}
OWN = {"gate": "no_dead_links"}

OWN_GATE = """
from harness.estimate import Estimate

def test_links(gate):
    gate.own("no_dead_links", Estimate({value}, {value}, {value}, 320, 0.9, "counted"), defect="half_of_them_dead",
             broken=Estimate(0.5, 0.5, 0.5, 320, 0.9, "counted"), at_least=0.99)
"""


def checkout(folder: Path, *policy: dict[str, Any], own: str | None = None, name: str = "mine") -> Path:
    """Write data, runs and manifest; the candidate puts the relevant document second for one query of twelve."""
    lists = {query: [f"{query}-{place}" for place in "abcd"] for query in QUERIES}
    lists["q11"][:2] = reversed(lists["q11"][:2])
    write(folder / "qrels.txt", [f"{query} 0 {query}-a 1" for query in QUERIES])
    write(folder / "new.run", [f"{query} Q0 {doc} {rank} {10 - rank} new" for query, docs in lists.items()
                               for rank, doc in enumerate(docs, start=1)])
    write(folder / "old.run", [f"{query} Q0 {query}-{doc} {rank} {10 - rank} old" for query in QUERIES
                               for rank, doc in enumerate("ba", start=1)])
    if own is not None:
        (folder / "gates").mkdir(exist_ok=True)
        (folder / "gates" / "test_own.py").write_text(own, encoding="utf-8")
    manifest = {"release": name, "seed": 1, "data": {"qrels": {"trec": "qrels.txt"}}, "policy": list(policy),
                "recorded": {"candidate": {"run": {"trec": "new.run"}}, "baseline": {"run": {"trec": "old.run"}}}}
    (folder / f"{name}.yaml").write_text(json.dumps(manifest), encoding="utf-8")
    return folder / f"{name}.yaml"


def write(path: Path, lines: list[str]) -> None:
    """Lines to a file."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


class Bench:
    """A user's checkout in which gates are run in this process."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self._pytester = pytester
        self.folder = pytester.path
        self.file = self.folder / "out" / "evidence.jsonl"

    def run(self, *policy: dict[str, Any], own: str | None = None, words: tuple[str, ...] = (),
            plugin: str | None = None, apart: bool = False) -> pytest.RunResult:
        manifest = checkout(self.folder, *policy, own=own)
        more = [] if own is None else [str(self.folder / "gates")]
        if plugin is not None:
            self._pytester.makepyfile(**{"spoiler": plugin})
            self._pytester.syspathinsert()
            words = ("-p", "spoiler", *words)
        start = self._pytester.runpytest_subprocess if apart else self._pytester.runpytest_inprocess
        return start(
            "--pyargs", "gates", *more, "--manifest", str(manifest), "--evidence", str(self.file), "-c", str(INI),
            "--rootdir", str(self.folder), "-p", "no:cacheprovider", *words)

    @property
    def evidence(self) -> Evidence:
        return read_evidence(self.file.read_bytes())

    def unclean(self) -> dict[str, int]:
        """The closing line's counts of what did not run as asked."""
        names = ("skipped", "deselected", "xfailed", "errors", "failed")
        return {name: self.evidence.closing[name] for name in names if self.evidence.closing[name]}
