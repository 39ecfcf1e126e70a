"""The pointer: which release serves an environment. A flip is a new row, never a changed one, and is in the trail."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection, func, insert, select

from harness.errors import EvidenceError, InputError, nearest
from harness.rollout import tables
from harness.rollout.shapes import Entry, Pointer
from harness.rollout.tables import moment_text
from harness.rollout.trail import append

__all__ = ["DEGRADED", "FLIP", "admitted_in", "compare_with_trail", "current", "flip", "good_before", "history",
           "last_good"]

FLIP = "flip"
DEGRADED = "degraded"  # a stage: nothing whole to go back to, so nothing new may start


def current(connection: Connection, environment: str) -> Pointer | None:
    """What serves an environment now; None where nothing was ever admitted to it."""
    found = history(connection, environment, limit=1)
    return found[0] if found else None


def history(connection: Connection, environment: str | None = None, *, limit: int | None = None) -> list[Pointer]:
    """The pointer's rows, newest first: of one environment, or of all."""
    asked = select(tables.pointer).order_by(tables.pointer.c.seq.desc()).limit(limit)
    if environment is not None:
        asked = asked.where(tables.pointer.c.environment == environment)
    return [Pointer(*row) for row in connection.execute(asked)]


def flip(connection: Connection, environment: str, *, stable: str | None, candidate: str | None, percent: float,
         stage: str | None, who: str, why: str, at: datetime) -> Pointer:
    """Point an environment elsewhere, and say so in the trail, within a writing transaction of the store.

    Args:
        connection: Of `Store.writing`.
        environment: Which one.
        stable: Digest of the release that serves; None for nothing.
        candidate: Digest of the release on its way in, or None.
        percent: The candidate's share, in [0, 100]; 0 without a candidate.
        stage: The ramp's stage, or None.
        who: Who or what does it.
        why: For what reason.
        at: When.

    Raises: InputError where a release was not admitted to the environment, or the share is none.
    """
    _consistent(stable, candidate, percent)
    admitted = admitted_in(connection, environment)
    for name, digest in (("stable", stable), ("candidate", candidate)):
        if digest is not None and digest not in admitted:
            raise InputError("not admitted", where=environment, column=name, found=digest,
                             expected="the digest of a release that was admitted here",
                             hint=nearest(digest, admitted))
    seq = int(connection.execute(select(func.coalesce(func.max(tables.pointer.c.seq), 0))).scalar_one()) + 1
    made = Pointer(seq, environment, stable, candidate, float(percent), stage, who, why, at.astimezone(UTC))
    connection.execute(insert(tables.pointer).values(**vars(made)))
    append(connection, FLIP, _told(made), who=who, at=at)
    return made


def admitted_in(connection: Connection, environment: str) -> list[str]:
    """Digests of the releases that may serve an environment, oldest admission first."""
    asked = select(tables.admissions.c.digest).where(tables.admissions.c.environment == environment)
    return [str(row.digest) for row in connection.execute(asked.order_by(tables.admissions.c.at))]


def last_good(rows: Iterable[Pointer]) -> str | None:
    """The release that served before the present one and was not itself taken back; None where there is none.

    Args:
        rows: One environment's rows, oldest first.

    A release that was left for an older one is forgotten: going back twice goes back two steps, not to and fro.

    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> rows = [Pointer(n, "prod", one, None, 0.0, None, "ada", "", day) for n, one in enumerate("abcb", start=1)]
    >>> last_good(rows[:3]), last_good(rows)
    ('b', 'a')
    """
    return next(iter(good_before(rows)), None)


def good_before(rows: Iterable[Pointer]) -> list[str]:
    """Every release that could be gone back to, the last good one first: where it is damaged, the one before it.

    Args:
        rows: One environment's rows, oldest first.

    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> good_before(Pointer(n, "prod", one, None, 0.0, None, "ada", "", day) for n, one in enumerate("abc", start=1))
    ['b', 'a']
    """
    steps: list[str] = []
    for row in rows:
        if row.stable is None:
            continue
        if row.stable in steps:
            del steps[steps.index(row.stable) + 1:]
        else:
            steps.append(row.stable)
    return steps[-2::-1]


def compare_with_trail(rows: Iterable[Pointer], entries: Iterable[Entry]) -> None:
    """Every row of the pointer stands in the trail as it is, and every flip of the trail in the pointer.

    Raises: EvidenceError naming the first flip that only one of the two tells.
    """
    told = {_row(one.body): (one.body, one.who, moment_text(one.at)) for one in entries if one.kind == FLIP}
    there = {one.seq: (_told(one), one.who, moment_text(one.at)) for one in rows}
    for seq in sorted(told.keys() | there.keys()):
        if told.get(seq) != there.get(seq):
            raise EvidenceError("not what the trail says", where="pointer", row=seq, expected=repr(told.get(seq))[:120],
                                found=there.get(seq))


def _row(body: Mapping[str, object]) -> int:
    seq = body.get("seq")
    return seq if isinstance(seq, int) else 0  # no row has this number: a flip of none is told as such


def _told(made: Pointer) -> dict[str, object]:
    return {"seq": made.seq, "environment": made.environment, "stable": made.stable, "candidate": made.candidate,
            "percent": made.percent, "stage": made.stage, "why": made.why}


def _consistent(stable: str | None, candidate: str | None, percent: float) -> None:
    if not math.isfinite(percent) or not 0.0 <= percent <= 100.0:
        raise InputError("not a share", where="percent", expected="in [0, 100]", found=percent)
    if candidate is None and percent:
        raise InputError("a share of nothing", where="percent", expected="0 without a candidate", found=percent)
    if candidate is not None and (stable is None or candidate == stable):
        raise InputError("a candidate needs another release to fall back to", where="candidate",
                         expected="a stable release beside it", found=candidate)
