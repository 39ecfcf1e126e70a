"""Windows in the store: a batch of observations counts once, whole, or not at all, and late ones up to a stated limit.

A batch carries an id. What is acknowledged is committed, and what is committed is known by its id: a sender that heard
nothing sends it again, and it counts once. Each window lies beside the digest of its bytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from weakref import WeakValueDictionary

from sqlalchemy import Connection, delete, func, insert, or_, select, tuple_

from harness.data.store import sha256_bytes
from harness.errors import EvidenceError, InputError
from harness.monitor.series import Span
from harness.monitor.windows import RESOLUTION_S, Key, Window, minute_of, windows_of
from harness.rollout import tables
from harness.rollout.shapes import Observation

__all__ = ["AHEAD", "LATE", "Stored", "newest", "read_windows", "rolled_up", "store_windows", "trim"]

LATE = timedelta(hours=1)  # observations older than this are not counted any more: their minutes have decided
AHEAD = timedelta(minutes=5)  # clocks of two machines may differ by so much
_LONGEST_ID = 200
_CHUNK = 100
_PARSED: WeakValueDictionary[str, Window] = WeakValueDictionary()  # by digest: what a last look still holds


class Stored(NamedTuple):
    """What came of a batch.

    Attributes:
        counted: Observations that count from now on; 0 where the batch was known.
        late: Those left out because they were older than `LATE`, or further in the future than `AHEAD`.
        known: Whether this batch was acknowledged before.
    """

    counted: int
    late: int
    known: bool


def store_windows(connection: Connection, batch_id: str, observations: Iterable[Observation], *, now: datetime,
                  resolution_s: int = RESOLUTION_S, late: timedelta = LATE, sha256: str | None = None) -> Stored:
    """Count a batch, within a writing transaction of the store; the same id counts once.

    Args:
        connection: Of `Store.writing`: what it commits is acknowledged, what it does not was never there.
        batch_id: Chosen by the sender, for this batch alone.
        observations: In any order.
        now: The moment, with its offset.
        resolution_s: Seconds of a window.
        late: Age from which an observation no longer counts.
        sha256: Of what the sender said: the same id with another one is another batch.

    Raises: InputError for an id that is empty, too long or another batch's, a moment without an offset, or an
        observation that no window takes: then nothing of the batch counts. EvidenceError where a stored window was
        changed.
    """
    if not 0 < len(batch_id) <= _LONGEST_ID:
        raise InputError("not the id of a batch", where="batch_id", expected=f"1 to {_LONGEST_ID} characters",
                         found=batch_id)
    if _known(connection, batch_id, sha256):
        return Stored(0, 0, known=True)
    batch = list(observations)
    minute_of(now)
    timely = [one for one in batch if now - late <= one.at <= now + AHEAD]
    _add(connection, windows_of(timely, resolution_s=resolution_s))
    connection.execute(insert(tables.acknowledged).values(id=batch_id, at=now, rows=len(batch), sha256=sha256))
    return Stored(len(timely), len(batch) - len(timely), known=False)


def _known(connection: Connection, batch_id: str, sha256: str | None) -> bool:
    found = connection.execute(select(tables.acknowledged.c.sha256).where(tables.acknowledged.c.id == batch_id)).first()
    if found is not None and None not in {found.sha256, sha256} and found.sha256 != sha256:
        raise InputError("another batch was counted under this id", where="batch", found=sha256,
                         expected=f"an id of its own, or what was sent then ({found.sha256[:12]})")
    return found is not None


def read_windows(connection: Connection, environment: str, *, since: datetime, until: datetime | None = None
                 ) -> dict[Key, Window]:
    """Windows of an environment that begin in [since, until), each held to its digest.

    Raises: EvidenceError naming the first window whose bytes are not those that were written.
    """
    windows = tables.windows.c
    asked = select(tables.windows).where(windows.environment == environment, windows.minute >= since)
    if until is not None:
        asked = asked.where(windows.minute < until)
    return {key: _checked(key, row.state, row.sha256)
            for row in connection.execute(asked.order_by(windows.minute)) for key in [Key(*row[:5])]}


def rolled_up(windows: Mapping[Key, Window], *, seconds: int) -> dict[Key, Window]:
    """The same as windows of `seconds`: an hour is its minutes merged, a day its hours.

    >>> from datetime import UTC
    >>> start = datetime(2025, 3, 1, tzinfo=UTC)
    >>> seen = {Key("prod", "ab", "stable", "all", start + timedelta(minutes=n)): Window() for n in range(90)}
    >>> [key.minute.hour for key in rolled_up(seen, seconds=3600)]
    [0, 1]
    """
    whole: dict[Key, Window] = defaultdict(Window)
    for key, one in windows.items():
        at = key._replace(minute=minute_of(key.minute, resolution_s=seconds))
        whole[at] = whole[at].merge(one)
    return dict(whole)


def newest(connection: Connection, environment: str) -> datetime | None:
    """When an environment's last window begins; None without any. A clock far ahead must not make the rest old."""
    asked = select(func.max(tables.windows.c.minute)).where(tables.windows.c.environment == environment)
    found: datetime | None = connection.execute(asked).scalar_one()
    return found


def trim(connection: Connection, environment: str, *, before: datetime, keep: Sequence[Span] = ()) -> int:
    """Forget an environment's windows that begin before a moment; how many. Batch ids are forgotten with them.

    A batch from before then is late, so that it does not count again either. Windows within the spans of `keep` stay.
    """
    windows = tables.windows.c
    kept = [or_(windows.minute < since, windows.minute >= until) for since, until in keep]
    gone = connection.execute(delete(tables.windows).where(
        windows.environment == environment, windows.minute < before, *kept))
    connection.execute(delete(tables.acknowledged).where(tables.acknowledged.c.at < before - LATE - AHEAD))
    return int(gone.rowcount)


def _add(connection: Connection, fresh: Mapping[Key, Window]) -> None:
    """Merge windows into those that are stored."""
    named = [tables.windows.c[name] for name in Key._fields]
    keys = list(fresh)
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start:start + _CHUNK]
        here = tuple_(*named).in_([tuple(key) for key in chunk])
        asked = select(tables.windows).where(here)
        there = {Key(*row[:5]): (row.state, row.sha256) for row in connection.execute(asked)}
        if there:
            connection.execute(delete(tables.windows).where(here))
        rows = [(key, (_checked(key, *there[key]).merge(fresh[key]) if key in there else fresh[key]).raw)
                for key in chunk]
        connection.execute(insert(tables.windows), [
            {**key._asdict(), "state": raw, "sha256": sha256_bytes(raw)} for key, raw in rows])


def _checked(key: Key, raw: bytes, digest: str) -> Window:
    if sha256_bytes(raw) != digest:
        raise EvidenceError("a window was changed since it was written", where="windows", expected=digest,
                            found=f"{key.environment} {key.assignment} {key.slice} {key.minute.isoformat()}")
    found = _PARSED.get(digest)
    if found is None:
        found = _PARSED[digest] = Window.read(raw)
    return found
