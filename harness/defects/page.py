"""The catalogue as a page: `python -m harness.defects.page` prints docs/defects.md, made from the defects."""

from __future__ import annotations

from harness.defects.catalogue import Defect
from harness.defects.live import LIVE
from harness.defects.owners import DEFECTS, owners
from harness.release.measures import EXAMPLES, PROPERTIES, family_of

__all__ = ["page"]

_SHOWN = 4  # names in a cell; what a defect of all rankings is caught by would fill the line
_HEAD = """# Planted defects

A defect is a named, graded way to break a candidate. Severity 0 changes nothing and must pass; at severity 1 all of it
is broken; a larger severity breaks a superset of what a smaller one does. A seed chooses which share. Each gate is
shown its measure's first defect, at the last grade, beside every finding it makes: a gate that does not refuse it
passes nothing ([adr/0002](adr/0002-every-finding-carries-its-planted-defect.md)).

*Caught* means that a gate which owns the defect REFUSES, that its limit is on the side to which the signal goes, that
the reason follows from the numbers, and that the same gate passed the sound candidate. A crash, a doubt, a refusal by
another gate, or of what is refused anyhow, is no catch (`harness.defects.catalogue.caught`).

Defects marked *live* are also done to the parts themselves (`harness.defects.live.plant_live`): the index is built
again, the reranker fitted or loaded again, and the release is observed as any other. The others change records. A
doubled index under a reranker never reaches its gate: the reranker refuses a candidate that comes twice, and the run
ends with one line and exit code 2. NaN in a file, in vectors, in the answers of a system of one's own or in a
reranker's scores ends a run in the same way.

This page is made by `python -m harness.defects.page`.

| defect | what it does | caught by | grades | signal |
|---|---|---|---|---|
"""


def page() -> str:
    """The page's whole text, the same for the same catalogue.

    >>> page().splitlines()[0]
    '# Planted defects'
    """
    return _HEAD + "".join(f"{_row(one)}\n" for one in sorted(DEFECTS.values(), key=lambda one: one.name))


def _row(one: Defect) -> str:
    caught = [name for name in (*EXAMPLES, "R@100", "p50 total_ms")
              if family_of(name) != PROPERTIES and one in owners(name, on="a slice")]
    more = len(caught) - _SHOWN
    names = ", ".join(f"`{name}`" for name in caught[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    names += ", on a slice" if one.on_slices else ""
    grades = ", ".join(f"{grade:g}" for grade in one.grades)
    way = {"up": "↑", "down": "↓"}[one.signal.goes]
    name = f"`{one.name}`{' (live)' if one.name in LIVE else ''}"
    cells = (name, one.does, names, grades, f"{way} {one.signal.what}")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(page(), end="")
