"""A user's checkout with recorded files, for gates to run in: twelve queries, four hits each, in TREC's formats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
