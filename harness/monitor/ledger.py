"""Who was told what, in the store: a restart neither tells again nor forgets, and two monitors tell once.

Each change of a guard's state is a row of `alerts`; the last row of a guard also holds since when it is open and what
every channel was told. A message is claimed in a writing transaction before it is sent, by one program alone, and
marked as heard when it got there. One that never did, because its program died or its channel was dead, is claimed
again after `RETRY`: told twice in the worst case, never not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from harness.monitor.delivery import SEVERITIES, Channel
from harness.rollout import tables
from harness.rollout.shapes import Reading, Severity
from harness.rollout.tables import moment_of, moment_text

__all__ = ["OVER", "RETRY", "Claim", "Open", "Said", "Word", "book_of", "claimed", "forget_alerts", "hear", "keep_told",
           "marked", "stood", "write_states"]

RETRY = timedelta(minutes=5)  # more than every try at a channel takes together
OVER: Literal["over"] = "over"
Word = Severity | Literal["over"]


class Said(NamedTuple):
    """What a channel was told of an alert, when, and whether it got there."""

    word: str
    at: datetime
    heard: bool = False


class Claim(NamedTuple):
    """A message that this program, and no other, is to send."""

    channel: Channel
    word: Word


@dataclass(frozen=True)
class Open:
    """The last that is known of a guard.

    Attributes:
        state: As it was last written.
        since: Since when it has not been `ok`.
        release: Whose guard it was.
        told: By channel's name.
        seq: Number of the row; 0 where there is none.
    """

    state: str
    since: datetime
    release: str = ""
    told: Mapping[str, Said] = field(default_factory=dict)
    seq: int = 0


def claimed(one: Open, severity: Severity | None, channels: Iterable[Channel], now: datetime
            ) -> tuple[list[Claim], Open]:
    """What is to be sent of an alert at a moment, and the alert as it stands once that is claimed. Pure.

    Args:
        one: The alert.
        severity: How grave it is; None where it is over.
        channels: Everyone who could hear it.
        now: The moment.

    >>> day = datetime(2025, 3, 1, tzinfo=UTC)
    >>> claims, after = claimed(Open("critical", day), "critical", [Channel("team", "x://")], day)
    >>> [one.word for one in claims], claimed(after, "critical", [Channel("team", "x://")], day)[0]
    (['critical'], [])
    """
    claims: list[Claim] = []
    told = dict(one.told)
    for channel in {channel.name: channel for channel in channels}.values():
        levels = [level for level in channels if level.name == channel.name]
        word = _due(one, severity, levels, told.get(channel.name), now)
        if word is not None:
            told[channel.name] = Said(word, now)
            claims.append(Claim(channel, word))
    return claims, replace(one, told=told)


def _due(one: Open, severity: Severity | None, levels: Sequence[Channel], said: Said | None, now: datetime
         ) -> Word | None:
    """What a channel is to be told now; None for nothing."""
    lost = said is not None and not said.heard and now - said.at >= RETRY
    if severity is None:
        return OVER if said is not None and (said.word != OVER or lost) else None
    if not any(level.hears(severity, (now - one.since).total_seconds()) for level in levels):
        return None
    if said is None or said.word == OVER or lost:
        return severity
    return severity if SEVERITIES.index(severity) > [*SEVERITIES].index(said.word) else None  # type: ignore[arg-type]


def book_of(connection: Connection, environment: str) -> dict[str, Open]:
    """The last row of each guard of an environment. Raises EvidenceError for a row that nobody wrote so."""
    alerts = tables.alerts.c
    last = select(func.max(alerts.seq)).where(alerts.environment == environment).group_by(alerts.guard)
    return {str(row.guard): _open(row) for row in connection.execute(
        select(tables.alerts).where(alerts.seq.in_(last)))}


def stood(last: Open | None, one: Reading, release: str, now: datetime) -> Open:
    """An alert as a reading leaves it, from how it stood before. Pure.

    What was told goes on while it is open, and where it ends, so that whoever heard of it hears that; another
    release's alert begins anew.
    """
    if last is None or (last.release != release and one.state != "ok"):
        last = Open("ok", now, release)
    began = now if one.since is None else min(one.since, now)
    return replace(last, state=one.state, since=began if last.state == "ok" else last.since, release=release)


def write_states(connection: Connection, environment: str, found: Iterable[Reading], now: datetime, *,
                 release: str = "") -> None:
    """A row for every guard whose state is another than the last that was written of it, or whose release is."""
    book, rows = book_of(connection, environment), []
    for one in found:
        last = book.get(one.guard.name)
        after = stood(last, one, release, now)
        known = ("ok", release) if last is None else (last.state, last.release)
        if after.state != known[0] or (after.state != "ok" and known[1] != release):
            rows.append({"environment": environment, "at": now.astimezone(UTC), "severity": one.guard.severity,
                         "guard": one.guard.name, "state": one.state,
                         "body": {"reason": one.reason, "n": one.n, **_told(after)}})
    if rows:
        connection.execute(insert(tables.alerts), rows)


def keep_told(connection: Connection, one: Open) -> None:
    """Write what was claimed of an alert into its row."""
    alerts = tables.alerts.c
    body = connection.execute(select(alerts.body).where(alerts.seq == one.seq)).scalar_one()
    connection.execute(update(tables.alerts).where(alerts.seq == one.seq).values(body={**body, **_told(one)}))


def marked(one: Open, claim: Claim, *, heard: bool) -> Open:
    """An alert once a claim got there, or did not: a lost one is claimed again when `RETRY` is over. Pure.

    An alert that has gone on to another word meanwhile is left as it is; who heard that it is over is forgotten.
    """
    said = one.told.get(claim.channel.name)
    if said is None or said.word != claim.word or not heard:
        return one
    rest = {name: kept for name, kept in one.told.items() if name != claim.channel.name}
    return replace(one, told=rest if claim.word == OVER else rest | {claim.channel.name: said._replace(heard=True)})


def hear(connection: Connection, environment: str, guard: str, claim: Claim, *, heard: bool) -> None:
    """Write what became of a claim, as `marked` says, into the guard's last row."""
    one = book_of(connection, environment).get(guard)
    after = None if one is None else marked(one, claim, heard=heard)
    if after is not None and after != one:
        keep_told(connection, after)


def forget_alerts(connection: Connection, environment: str, *, before: datetime) -> int:
    """Forget rows older than a moment, save the last of each guard, which says what is open; how many."""
    alerts = tables.alerts.c
    last = select(func.max(alerts.seq)).where(alerts.environment == environment).group_by(alerts.guard)
    gone = connection.execute(delete(tables.alerts).where(
        alerts.environment == environment, alerts.at < before, alerts.seq.not_in(last)))
    return int(gone.rowcount)


def _told(one: Open) -> dict[str, Any]:
    return {"since": moment_text(one.since), "release": one.release,
            "told": {name: [said.word, moment_text(said.at), said.heard] for name, said in one.told.items()}}


def _open(row: Any) -> Open:
    body = row.body
    told = {name: Said(word, moment_of(at), bool(heard)) for name, (word, at, heard) in body.get("told", {}).items()}
    since = moment_of(body["since"]) if "since" in body else row.at
    return Open(str(row.state), since, str(body.get("release", "")), told, int(row.seq))
