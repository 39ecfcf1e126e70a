"""A small BEIR collection of real English: numpy's own docstrings, with the See Also of their authors as judgements.

A document is a function's page without its extended summary and notes; those make the queries, so that a query's words
stand in no document by construction. Relevance 2 for the page that the words were taken from, 1 for its See Also.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path

from harness.data.pydocs.sections import Docstring, parse, see_also_names

__all__ = ["write_beir"]

_SHORTEST = 40  # characters: a query says something
_EACH = 6  # sentences asked of each page, at most


def write_beir(folder: Path, *, documents: int = 150, queries: int = 80) -> Path:
    """Write `corpus.jsonl`, `queries.jsonl`, `qrels/test.tsv`, the same bytes for the same numpy; returns the folder.

    Raises ValueError where numpy's pages do not give as much text as was asked for.
    """
    pages = dict(list(_pages())[:documents])
    asked = [(name, text) for place in range(_EACH) for name, page in pages.items()
             for text in _sentences(page)[place : place + 1]][:queries]
    if (len(pages), len(asked)) != (documents, queries):
        raise ValueError(f"numpy gives {len(pages)} documents and {len(asked)} queries")
    (folder / "qrels").mkdir(parents=True)
    _lines(folder / "corpus.jsonl", [{"_id": name, "title": name, "text": f"{page.summary} {_body(page)}"}
                                     for name, page in pages.items()])
    _lines(folder / "queries.jsonl", [{"_id": f"q{place:04d}", "text": text} for place, (_, text) in enumerate(asked)])
    rows = ["query-id\tcorpus-id\tscore"]
    for place, (name, _) in enumerate(asked):
        related = {other.rpartition(".")[2] for other in see_also_names(pages[name].section("see also"))}
        rows += [f"q{place:04d}\t{name}\t2", *(f"q{place:04d}\t{other}\t1" for other in sorted(related & pages.keys())
                                               if other != name)]
    (folder / "qrels" / "test.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder


def _pages() -> Iterator[tuple[str, Docstring]]:
    """Public functions and classes of numpy in the order of the alphabet, each page once."""
    import numpy as np

    seen: set[str] = set()
    for name in sorted(set(np.__all__)):
        doc = inspect.getdoc(getattr(np, name)) if callable(getattr(np, name)) else None
        if doc and doc not in seen and parse(doc).summary:
            seen.add(doc)
            yield name, parse(doc)


def _sentences(page: Docstring) -> list[str]:
    prose = " ".join(f"{page.extended} {page.section('notes')}".split())
    return [sentence.strip() for sentence in prose.split(". ") if len(sentence.strip()) >= _SHORTEST][:_EACH]


def _body(page: Docstring) -> str:
    return " ".join(" ".join(page.section(name).split()) for name in ("parameters", "returns", "raises"))


def _lines(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
