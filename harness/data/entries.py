"""The entries of a numpydoc section: names, type, and the description that the authors wrote under them.

Written against the numpydoc format guide (https://numpydoc.readthedocs.io/en/latest/format.html): an entry's head
stands at the margin, its description is indented below it. Sections that hold prose instead give no entry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Entry", "cleaned", "entries"]

_HEAD = re.compile(r"^(?P<names>[^:]*?)\s*(?::\s(?P<kind>.*))?$")
_DIRECTIVE = re.compile(r"^\s*\.\. +[\w-]+:: *")
_TABLE = re.compile(r"^\s*(?:[=-]{3,}(?:\s+[=-]{3,})+|\+[-=+]{3,})\s*$", re.MULTILINE)
_BANNER = re.compile(r"^\s*\*\*[^*]+\*\*\s*$")
_VERSION = re.compile(r"^\s*\.\. +(?:version(?:added|changed)|deprecated|seealso|plot|math|ipython)::")
_ROLE = re.compile(r":(?:[\w-]+:)?[\w-]+:`([^`<]*?)(?:\s*<[^`>]*>)?`")
_REFERENCE = re.compile(r"\s*\[\w+\]_")
_TICKS = re.compile(r"`+([^`]*)`+_?_?")


@dataclass(frozen=True)
class Entry:
    """One entry: `names` as written, each; `kind` the type as written ("" where none); `text` cleaned prose."""

    names: tuple[str, ...]
    kind: str
    text: str


def entries(section: str) -> tuple[Entry, ...]:
    r"""The entries of a section's body, in order; those without a description have an empty `text`.

    >>> entries("axis, out : int\n    Where to `go`.\n\n    Or not.\nValueError\n    When lost.")[0]
    Entry(names=('axis', 'out'), kind='int', text='Where to go. Or not.')
    """
    lines = section.expandtabs().splitlines()
    filled = [line for line in lines if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in filled), default=0)
    heads = [row for row, line in enumerate(lines) if line[margin:].strip() and not line[margin].isspace()]
    found = []
    for start, stop in pairwise([*heads, len(lines)]):
        matched = _HEAD.match(lines[start].strip())
        described = any(line.strip() for line in lines[start + 1 : stop])
        if matched and (described or matched["kind"]) and not _DIRECTIVE.match(lines[start]):
            names = tuple(name.strip("`* ") for name in matched["names"].split(",") if name.strip("`* "))
            found.append(Entry(names, (matched["kind"] or "").strip(), cleaned("\n".join(lines[start + 1 : stop]))))
    return tuple(found)


def cleaned(text: str) -> str:
    r"""Prose on one line: no code, tables, headings in bold, directives of versions, formulas, marks of any kind.

    >>> cleaned("Sum of :func:`~numpy.add` [1]_.\n\n.. versionadded:: 1.2\n    Said\n\n>>> 1\n1\n\n.. note:: `x` wins.")
    'Sum of numpy.add. x wins.'
    """
    kept = []
    for block in re.split(r"\n[ \t]*\n", text):
        if not (block.lstrip().startswith(">>>") or any(sign.search(block) for sign in (_TABLE, _BANNER))):
            kept += _lines_of(block)
    flat = " ".join(" ".join(kept).split())
    return _REFERENCE.sub("", _TICKS.sub(r"\1", _ROLE.sub(lambda found: found[1].lstrip("~."), flat))).strip()


def _lines_of(block: str) -> list[str]:
    """Lines up to the first directive of a version, which ends the prose of its block; other directives open theirs."""
    kept = []
    for line in block.splitlines():
        if _VERSION.match(line):
            break
        kept.append(_DIRECTIVE.sub("", line))
    return kept
