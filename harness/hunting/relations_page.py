"""The page of relations, written from the properties themselves: `python -m harness.hunting.relations_page`."""

from __future__ import annotations

from harness.hunting.properties import EXAMPLES, PROPERTIES

__all__ = ["page"]

_HEAD = """# Relations: what must hold for every query

Each relation is a measure, `violations of NAME`, for any live policy: 1 where hypothesis found a counterexample among
the examples it drew, else 0. The release's spoilt twin is searched beside it and must be found out: that is the gate's
planted defect. Examples are the same every time; a counterexample is told shrunk, with the numbers that draw it.

    - {measure: violations of case_blind, at_most: 0}

No counterexample among so many examples is what was seen; it is no proof that there is none. The relations of the index
need a dense retriever, `reranker_order_blind` a second stage: without it the run stops with one line.

| relation | claim | what is compared, exactly | twin | examples |
|---|---|---|---|---|
"""
_TAIL = """
Two scores nearer than 1e-5 count as tied: a product of float32 vectors moves by about 2e-7 with the size of its batch.
Equal scores at the cut may go either way.

This page is written by `python -m harness.hunting.relations_page > docs/relations.md`; a test holds it to the code.
"""


def page() -> str:
    """The page in Markdown: a row for each property, in the order of PROPERTIES.

    >>> page().splitlines()[0]
    '# Relations: what must hold for every query'
    """
    rows = [f"| `{name}` | {one.claim} | {one.meaning} | {one.twin} | {one.examples or EXAMPLES} |"
            for name, one in PROPERTIES.items()]
    return _HEAD + "\n".join(rows) + "\n" + _TAIL


if __name__ == "__main__":
    print(page(), end="")
