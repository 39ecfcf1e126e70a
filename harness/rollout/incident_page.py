"""The Markdown of an incident: one page that is read at night, the verdict first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["page"]


def page(document: Mapping[str, Any]) -> str:
    r"""The page of `incidents.incident_of`'s document; what is missing is said to be.

    >>> text = page({"incident": "20250301T000000-prod-two", "left": {"release": "two"}, "serves": {"release": "one"},
    ...              "environment": "prod", "at": "2025-03-01T00:00:00Z", "who": "ada", "tripped": {"reason": "slow"}})
    >>> text.splitlines()[2]
    'two was taken back from prod at 2025-03-01T00:00:00Z by ada; one serves.'
    """
    tripped = document["tripped"]
    lines = [f"# Incident {document['incident']}", "",
             f"{document['left']['release']} was taken back from {document['environment']} at {document['at']} "
             f"by {document['who']}; {document['serves']['release']} serves.", "", "## What tripped", "",
             f"- Guard: {tripped.get('guard') or 'none: by hand, or by the kill switch'}",
             *([f"- Number: {_number(tripped.get('value'))} [{_number(tripped.get('low'))}, "
                f"{_number(tripped.get('high'))}], n {tripped['n']:,}, limit {tripped['limit']}"]
               if "limit" in tripped else []),
             f"- Since: {tripped.get('since') or 'not told'}", f"- Reason: {tripped['reason']}", "",
             "## What was done", "", *_pointers(document.get("pointer") or {}),
             *_checks("Cleared", document.get("cleared", ())), *_checks("Smoke", document.get("smoke", ())),
             f"- Answering, caches and smoke gates through: {_after(document.get('answering_after_s'))}",
             f"- Trail: {_head(document.get('trail'))}", "", "## What to do next", "",
             *(f"{place}. {one}" for place, one in enumerate(document.get("next", ()), start=1)), ""]
    return "\n".join([*lines, *_timeline(document.get("timeline", ())), *_windows(document.get("windows", ()))]) + "\n"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.6g}"


def _after(seconds: float | None) -> str:
    return "not looked at yet" if seconds is None else f"{seconds:.1f} s after the flip"


def _head(head: Mapping[str, Any] | None) -> str:
    return "none" if not head else f"row {head['row']}, head {head['row']}:{head['sha256']}"


def _pointers(both: Mapping[str, Any]) -> list[str]:
    return [f"- Pointer {name}: {_pointer(both.get(name))}" for name in ("before", "after")]


def _pointer(row: Mapping[str, Any] | None) -> str:
    if not row:
        return "nothing served"
    beside = f", {row['candidate'][:12]} at {row['percent']:g} %" if row.get("candidate") else ""
    return f"{(row.get('stable') or 'nothing')[:12]}{beside}"


def _checks(title: str, checks: Sequence[Mapping[str, Any]]) -> list[str]:
    if not checks:
        return [f"- {title}: nothing"]
    return [f"- {title}: {'ok' if one['good'] else 'FAIL'} {one['name']}: {one['told']}" for one in checks]


def _timeline(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    if not rows:
        return []
    return ["## Timeline", "", "| at | what | by | |", "|---|---|---|---|",
            *(f"| {one['at']} | {one['what']} | {_cell(one['who'])} | {_cell(one['told'])} |" for one in rows), ""]


def _windows(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """One table of all windows: a column a figure that any of them has."""
    if not rows:
        return []
    fixed = ["at", "as", "requests"]
    names = sorted({name for one in rows for name in one} - set(fixed))
    cells = [[str(one[name]) for name in fixed] + [_number(one.get(name)) for name in names] for one in rows]
    return ["## Windows of both arms", "", f"| {' | '.join(fixed + names)} |", f"|{'---|' * len(fixed + names)}",
            *(f"| {' | '.join(row)} |" for row in cells), ""]


def _cell(text: Any) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")
