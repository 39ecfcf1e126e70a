"""Incident files: what a rollback leaves for the people who come after it, `incidents/` beside the store.

One pair of files an incident, JSON and Markdown, named by moment, environment and the release that was left. They are
made of what the trail says, and of the numbers that whoever watched hands over: which guard tripped and by how much,
the course of windows on both arms, the pointer before and after, what was cleared, what the smoke gates found, and
what to do next. No query text, no unit and no question: numbers, digests, names of guards.

Written after the flip, and once more when the smoke gates are through; a failure to write is told and stops nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from harness.data.store import atomic_write_text
from harness.rollout.incident_page import page
from harness.rollout.pointer import DEGRADED, history
from harness.rollout.released import admitted_of
from harness.rollout.shapes import Entry, Pointer, Reading
from harness.rollout.store import Store
from harness.rollout.tables import moment_text
from harness.rollout.trail import entries, newest

__all__ = ["FOLDER", "INCIDENT", "Seen", "facts_of", "incident_of", "next_steps", "written", "written_to"]

FOLDER = "incidents"
INCIDENT = "incident file"  # what is told of it among the things that were looked at
_ROWS, _SHOWN = 1000, 40  # rows of the trail that are looked through, and that are told
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MOVES = {"ramp begun", "ramp"}
_CACHE = "cache "

Seen = Callable[[], Mapping[str, Any]]


def written(store: Store, made: Pointer, *, seen: Seen | None = None, took_s: float | None = None) -> Path:
    """Write the incident of a flip that took a release back; the Markdown file's place.

    Args:
        store: Where pointer and trail are; the files go to `incidents` in its folder.
        made: The pointer's row after the flip.
        seen: Called for `readings` and `windows`, where somebody watched; what it raises is told in the file.
        took_s: Seconds from the flip until caches were cleared and the smoke gates had their answer; None before.

    Raises whatever reading the store or writing the files raises: the caller's flip stands.
    """
    with store.reading() as connection:
        document = incident_of(connection, made, took_s=took_s)
    return written_to(store.home / FOLDER, {**document, **_looked(seen, document["tripped"])})


def written_to(folder: Path, document: Mapping[str, Any]) -> Path:
    """Write one incident's two files, each whole or not at all; the Markdown file's place."""
    folder.mkdir(parents=True, exist_ok=True)
    name = str(document["incident"])
    atomic_write_text(folder / f"{name}.json",
                      json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")
    atomic_write_text(folder / f"{name}.md", page(document))
    return folder / f"{name}.md"


def incident_of(connection: Connection, made: Pointer, *, took_s: float | None = None) -> dict[str, Any]:
    """What the store alone tells of a flip that took a release back."""
    rows = history(connection, made.environment)
    before = next((row for row in rows if row.seq < made.seq), None)
    left, head = _left(before, made), newest(connection)
    trail = [one for one in entries(connection, after=max(0, (head.seq if head else 0) - _ROWS))
             if one.body.get("environment") == made.environment]
    checks = [one for row in trail if row.kind == "checked" and row.body.get("pointer") == made.seq
              for one in row.body["checks"]]
    smoke = [one for one in checks if not one["name"].startswith(_CACHE)]
    name = _named(connection, left)
    return {
        "incident": f"{made.at:%Y%m%dT%H%M%S}-{made.environment}-{_UNSAFE.sub('-', name or 'nothing')}",
        "environment": made.environment, "at": moment_text(made.at), "who": made.who, "why": made.why,
        "left": {"digest": left, "release": name},
        "serves": {"digest": made.stable, "release": _named(connection, made.stable)},
        "tripped": _tripped(trail, left, made), "pointer": {"before": before and _facts(before), "after": _facts(made)},
        "cleared": [one for one in checks if one["name"].startswith(_CACHE)], "smoke": smoke,
        "answering_after_s": took_s, "timeline": [_line(one) for one in trail[-_SHOWN:]], "windows": [],
        "trail": head and {"row": head.seq, "sha256": head.sha256},
        "next": next_steps(made.environment, smoke, head=f"{head.seq}:{head.sha256}" if head else None,
                           degraded=made.stage == DEGRADED)}


def facts_of(reading: Reading) -> dict[str, Any]:
    """A reading's numbers for an incident; what is not finite is None."""
    guard = reading.guard
    numbers = {name: value if value is not None and math.isfinite(value) else None
               for name, value in (("value", reading.value), ("low", reading.low), ("high", reading.high))}
    return {"guard": guard.name, "measure": guard.measure, "slice": guard.slice, "limit": str(guard.limit),
            "for_s": guard.for_s, "then": guard.then, "state": reading.state, "n": reading.n,
            "since": reading.since and moment_text(reading.since), "reason": reading.reason, **numbers}


def next_steps(environment: str, smoke: Sequence[Mapping[str, Any]], *, head: str | None, degraded: bool = False
               ) -> list[str]:
    """The card: what whoever is on duty does next, in order.

    >>> next_steps("prod", [], head=None)[0]
    'Smoke gates: not run yet. signoff smoke --env prod before anything else.'
    """
    bad = [one["name"] for one in smoke if not one["good"]]
    first = "all passed; the release that serves is as it was recorded."
    if not smoke:
        first = f"not run yet. signoff smoke --env {environment} before anything else."
    elif bad:
        first = (f"{', '.join(bad)} failed. signoff backup restore latest --confirm mends files; where figures are "
                 f"lost, signoff rollback --env {environment} --to an older release.")
    if degraded:
        first = "nothing whole to go back to. signoff backup restore latest --confirm, then roll back again."
    return [f"Smoke gates: {first}",
            *([f"Trail: signoff trail verify --head {head}"] if head else []),
            "Look: the guard that tripped and the windows below it; then the slice and the stage that moved.",
            f"Tell: whoever owns the release that was left; signoff monitor show --env {environment} until quiet.",
            "Do not start the release that was left again: mend it, freeze, run the gates, sign and admit a new one.",
            "Stop: a second rollback within a day, or smoke gates that fail: nothing new starts before that is known."]


def _looked(seen: Seen | None, tripped: Mapping[str, Any]) -> dict[str, Any]:
    """What whoever watched adds: the numbers behind the guard that tripped, and the windows."""
    if seen is None:
        return {}
    try:
        found = seen()
    except Exception as error:  # a window that was changed, a store that is away: the rest is told all the same
        return {"not_read": type(error).__name__}
    readings: Sequence[Mapping[str, Any]] = found.get("readings", ())
    mine = next((one for one in readings if one["guard"] == tripped["guard"]), {})
    return {**found, "tripped": {**tripped, **mine}}


def _left(before: Pointer | None, made: Pointer) -> str | None:
    """The release that has no traffic any more: the candidate that was taken back, or what served before."""
    if before is None:
        return None
    return before.candidate if before.candidate is not None and before.stable == made.stable else before.stable


def _named(connection: Connection, digest: str | None) -> str | None:
    found = None if digest is None else admitted_of(connection, digest)
    return found.release if found is not None else digest and digest[:12]


def _tripped(trail: Sequence[Entry], left: str | None, made: Pointer) -> dict[str, Any]:
    """Which guard began the way back; where a person or the kill switch did, their words."""
    way: list[Entry] = []
    for row in trail:
        if row.kind in _MOVES and row.body.get("candidate") == left:
            way = [*way, row] if row.body.get("action") == "rollback" else []
    first = next((row for row in way if row.body.get("guard")), None)
    if first is None:
        return {"guard": None, "reason": made.why, "since": None, "at": moment_text(made.at)}
    return {"guard": first.body["guard"], "reason": first.body["reason"], "since": None, "at": moment_text(first.at)}


def _line(row: Entry) -> dict[str, Any]:
    body = row.body
    words = [str(body[name]) for name in ("action", "stage") if body.get(name)]
    words += [f"{body['percent']:g} %"] if isinstance(body.get("percent"), int | float) else []
    told = body.get("reason") or body.get("why")
    if row.kind == "checked":
        told = "all good" if body.get("good") else "not good"
    return {"row": row.seq, "at": moment_text(row.at), "what": row.kind, "who": row.who,
            "told": ", ".join([*words, *([str(told)] if told else [])])}


def _facts(row: Pointer) -> dict[str, Any]:
    return {"row": row.seq, "stable": row.stable, "candidate": row.candidate, "percent": row.percent,
            "stage": row.stage, "who": row.who, "at": moment_text(row.at)}
