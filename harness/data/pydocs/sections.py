"""Docstrings in the numpydoc form, taken apart: signature, summary, extended summary, sections, See Also entries.

Written against the numpydoc format guide (https://numpydoc.readthedocs.io/en/latest/format.html); prose that stands in
a See Also section is not an entry, and text that is no numpydoc at all has a summary and a body.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Docstring", "parse", "see_also_names"]

_UNDERLINE = re.compile(r"\s*([-=~])\1{2,}\s*$")
_KNOWN = frozenset({
    "attributes", "examples", "keyword arguments", "methods", "notes", "other parameters", "parameters", "raises",
    "receives", "references", "returns", "see also", "warnings", "warns", "yields",
})
_SIGNATURE = re.compile(r"^\s*(?:[\w.]+\s*=\s*)?[\w.]+\(.*\)\s*(?:->.*)?$", re.DOTALL)
_DIRECTIVE = re.compile(r"^\s*\.\. ")
_ROLE = re.compile(r":(?:py:)?[a-z]+:`~?\.?([\w.]+)`")
_NAME = r"[A-Za-z_][\w.]*"
_ENTRY = re.compile(rf"^({_NAME}(?:\(\))?(?:\s*,\s*{_NAME}(?:\(\))?)*)\s*,?\s*(?:\.?$|\s*:(?:\s.*)?$|\s--?\s.*$)")


@dataclass(frozen=True)
class Docstring:
    """One docstring: the summary as one line, the rest as raw lines; section names are lower case, in order."""

    summary: str
    extended: str
    sections: tuple[tuple[str, str], ...]

    def section(self, name: str) -> str:
        """All text under that heading, "" where there is none."""
        return "\n".join(body for heading, body in self.sections if heading == name)


def parse(doc: str) -> Docstring:
    r"""Take a cleaned docstring apart.

    >>> found = parse("f(x)\n\nAdd one.\n\nMore.\n\nSee Also\n--------\ng : Subtract.")
    >>> found.summary, found.extended, found.sections
    ('Add one.', 'More.', (('see also', 'g : Subtract.'),))
    """
    lines = doc.splitlines()
    heads = [row for row in range(len(lines)) if _is_heading(lines, row)]
    bounds = [*heads, len(lines)]
    sections = tuple(
        (lines[start].strip().rstrip(":").lower(), "\n".join(lines[start + 2 : stop]).strip("\n"))
        for start, stop in pairwise(bounds)
    )
    summary, extended = _lead("\n".join(lines[: bounds[0]]))
    return Docstring(summary, extended, sections)


def _is_heading(lines: list[str], row: int) -> bool:
    """A line over an underline of like length; an unknown title counts only at the left margin, after a blank line."""
    if row + 1 >= len(lines) or not _UNDERLINE.match(lines[row + 1]):
        return False
    title, rule = lines[row].strip().rstrip(":"), lines[row + 1].strip()
    if title.lower() in _KNOWN:
        return True
    plain = bool(title) and not _UNDERLINE.match(lines[row]) and not lines[row][:1].isspace()
    return plain and abs(len(rule) - len(title)) <= 2 and (row == 0 or not lines[row - 1].strip())


def _lead(text: str) -> tuple[str, str]:
    text = "\n".join(line for line in text.splitlines() if line.strip() != "--")  # ends a compiled signature
    paragraphs = [part.strip("\n") for part in re.split(r"\n[ \t]*\n", text) if part.strip()]
    while paragraphs and (_SIGNATURE.match(paragraphs[0]) or _DIRECTIVE.match(paragraphs[0])):
        paragraphs.pop(0)
    if not paragraphs:
        return "", ""
    head = paragraphs[0].splitlines()
    if _SIGNATURE.match(head[0]) and len(head) > 1:
        head = head[1:]
    return " ".join(" ".join(head).split()), "\n\n".join(paragraphs[1:])


def see_also_names(body: str) -> tuple[str, ...]:
    r"""Names that a See Also body links to, in order, each once; descriptions and prose give none.

    >>> see_also_names("sin, cos : Circular.\n    See tan there.\nFor more see the guide.\n:func:`~numpy.tan`")
    ('sin', 'cos', 'numpy.tan')
    """
    filled = [line for line in body.splitlines() if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in filled), default=0)
    names: dict[str, None] = {}
    for line in filled:
        entry = _ROLE.sub(r"\1", line[margin:].rstrip()).replace("`", "").removeprefix(".")
        matched = _ENTRY.match(entry)  # at the margin: what is indented describes
        if matched:
            names.update(dict.fromkeys(part.strip().removesuffix("()").strip(".") for part in matched[1].split(",")))
    return tuple(name for name in names if name)
