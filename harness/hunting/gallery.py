"""The regression gallery: the largest losses and the largest gains side by side, with the hits that made them.

A mean hides both. Whoever reads the gallery sees which queries a release pays for its average with, and which it
bought.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from harness.errors import InputError
from harness.records import Qrels, Run
from harness.release.measures.quality import values_of
from harness.release.measures.regressions import MEASURE
from harness.release.observed import Trial

__all__ = ["HITS", "Chapter", "Exhibit", "Hit", "exhibits_of", "gallery", "hits_of", "largest", "visible"]

HITS = 3
_TITLE = 80  # letters of a title: a table is read side by side
Title = Callable[[str], str]


class Hit(NamedTuple):
    """A ranked document as it is shown: its id, its title where one is known, its grade or None where unjudged."""

    doc_id: str
    title: str
    grade: int | None


class Exhibit(NamedTuple):
    """One query, before and after. `text` is None where queries have no texts that may be shown.

    `change` says what was done to the query (empty for a plain one), `asked` the text that it became.
    """

    query_id: str
    text: str | None
    change: str
    asked: str | None
    before: float
    after: float
    hits_before: tuple[Hit, ...]
    hits_after: tuple[Hit, ...]

    @property
    def gain(self) -> float:
        """nDCG@10 after less before: negative where it lost."""
        return self.after - self.before


class Chapter(NamedTuple):
    """A comparison: its heading, the names of its two sides, how many were compared, and what is shown of them."""

    heading: str
    before: str
    after: str
    compared: int
    exhibits: tuple[Exhibit, ...]


def gallery(release: str, chapters: Sequence[Chapter], *, most: int = 5) -> str:
    """The gallery as Markdown: in each chapter the `most` largest losses, then as many gains. Ends in a line break.

    >>> print(gallery("r", [Chapter("Plain queries", "old", "new", 0, ())]).splitlines()[0])
    # Regression gallery of r
    """
    parts = [f"# Regression gallery of {_safe(release)}",
             f"The largest losses and the largest gains in {MEASURE}. ● relevant, ○ judged not relevant, · not judged."]
    for chapter in chapters:
        parts.append(f"## {_safe(chapter.heading)}")
        parts.append(f"{chapter.compared:,} compared: {_safe(chapter.before)} (before) beside {_safe(chapter.after)} "
                     f"(after).")
        for name, shown in zip(("losses", "gains"), largest(chapter.exhibits, most=most), strict=True):
            parts.append(f"### Largest {name}")
            parts += [_exhibit(one, chapter) for one in shown] or [f"No {name} among what was compared."]
    return "\n\n".join(parts) + "\n"


def largest(exhibits: Iterable[Exhibit], *, most: int) -> tuple[list[Exhibit], list[Exhibit]]:
    """(losses, gains), each the `most` largest, largest first; equal ones in the order of query ids."""
    ordered = sorted(exhibits, key=lambda one: (one.gain, one.query_id, one.asked or ""))
    losses = [one for one in ordered if one.gain < 0][:most]
    gains = sorted((one for one in ordered if one.gain > 0), key=lambda one: (-one.gain, one.query_id))[:most]
    return losses, gains


def exhibits_of(trial: Trial, task: str | None, *, texts: Mapping[str, str] | None = None,
                title: Title = lambda _: "") -> tuple[Exhibit, ...]:
    """Every judged query of a task on which candidate and baseline differ: baseline before, candidate after.

    `texts`: query id → text, where they may be shown. Raises InputError without a baseline.
    """
    if trial.baseline is None:
        raise InputError("a gallery needs two releases", where=trial.candidate.release, expected="a baseline")
    one, other = trial.candidate.task(task), trial.baseline.task(task)
    change = values_of(trial, f"delta {MEASURE}", task)
    after = values_of(trial, MEASURE, task)
    sides = [_by_query(side.run, one.qrels, title) for side in (other, one)]
    return tuple(
        Exhibit(query, None if texts is None else texts.get(query), "", None, float(after[row] - change[row]),
                float(after[row]), sides[0](query), sides[1](query))
        for row, query in enumerate(one.qrels.queries.tolist()) if change[row] != 0.0)


def hits_of(docs: Sequence[str], grades: Mapping[str, int], title: Title = lambda _: "") -> tuple[Hit, ...]:
    """The first hits of a ranking as they are shown.

    >>> hits_of(["a", "b"], {"b": 2})
    (Hit(doc_id='a', title='', grade=None), Hit(doc_id='b', title='', grade=2))
    """
    return tuple(Hit(doc, title(doc), grades.get(doc)) for doc in docs[:HITS])


def visible(text: str, *, beside: str = "") -> str:
    r"""Text on one line in which a reader sees every sign: those that `beside` lacks and ASCII too are spelt out.

    >>> visible("М\task", beside="Mask")
    '‹U+041C›‹U+0009›ask'
    """
    return "".join(sign if sign.isprintable() and (sign.isascii() or sign in beside) else f"‹U+{ord(sign):04X}›"
                   for sign in text)


def _by_query(run: Run, qrels: Qrels, title: Title) -> Callable[[str], tuple[Hit, ...]]:
    row_of = {str(query): row for row, query in enumerate(run.queries)}
    judged = {str(query): row for row, query in enumerate(qrels.queries)}

    def hits(query: str) -> tuple[Hit, ...]:
        mine = qrels.query == judged[query]
        grades = dict(zip(qrels.docs[qrels.doc[mine]].tolist(), qrels.relevance[mine].tolist(), strict=True))
        if query not in row_of:
            return ()
        start = int(run.starts[row_of[query]])
        rows = slice(start, start + min(HITS, int(run.hits[row_of[query]])))
        return hits_of(run.docs[run.doc[rows]].tolist(), grades, title)

    return hits


def _exhibit(one: Exhibit, chapter: Chapter) -> str:
    asked = "" if one.text is None else f": {_quoted(one.text, one.text)}"
    lines = [f"**{one.gain:+.3f}** ({one.before:.3f} → {one.after:.3f}) {_safe(one.query_id)}{asked}"]
    if one.change:
        lines.append(f"{_safe(one.change)}" + ("" if one.asked is None else f": {_quoted(one.asked, one.text or '')}"))
    rows = list(itertools.zip_longest(one.hits_before, one.hits_after))
    table = [f"| rank | {_safe(chapter.before)} | {_safe(chapter.after)} |", "| --: | :-- | :-- |"]
    table += [f"| {place} | {_cell(before)} | {_cell(after)} |" for place, (before, after) in enumerate(rows, start=1)]
    return "  \n".join(lines) + "\n\n" + ("\n".join(table) if rows else "No hits on either side.")


def _cell(hit: Hit | None) -> str:
    if hit is None:
        return "–"
    mark = "·" if hit.grade is None else "●" if hit.grade > 0 else "○"
    title = hit.title if len(hit.title) <= _TITLE else f"{hit.title[:_TITLE - 1]}…"
    return f"{mark} {_safe(hit.doc_id)}" + (f": {_safe(title)}" if title else "")


def _quoted(text: str, beside: str = "") -> str:
    return f"“{_safe(visible(text, beside=beside))}”" if text else "“” (nothing left)"


def _safe(text: str) -> str:
    """Text that cannot end a cell, open a tag, a link or a mark-up run."""
    for sign, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, safe)
    return " ".join(re.sub(r"([\\|`*_\[\]!#~])", r"\\\1", text).split())
