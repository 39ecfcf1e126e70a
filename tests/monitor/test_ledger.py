"""Who was told what: a restart neither tells again nor forgets, and two monitors over one store act and tell once."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select

from fixtures.rollout import planted
from harness.monitor import running
from harness.monitor.alerts import ROLLBACK, Alerts
from harness.monitor.delivery import Channel, Message
from harness.monitor.ledger import OVER, RETRY, Open, Said, book_of, claimed, forget_alerts, stood
from harness.monitor.running import tick
from harness.monitor.terms import escalation_of_release
from harness.rollout import tables
from harness.rollout.pointer import flip, history
from harness.rollout.ramp_store import abort, begin, ramp_of
from harness.rollout.store import open_store
from tests.house.source import TOP
from tests.monitor.test_alerts import GUARD, Heard, reading
from tests.monitor.test_running import CANDIDATE, ERRORS, RAMP, STABLE, minute_of_traffic, put, started
from tests.monitor.traffic import at

TEAM, PAGER = Channel("team", "x://", "warning"), Channel("pager", "x://", "critical", 1200)
MANIFEST = (TOP / "manifests" / "retriever-v0.yaml").read_bytes()
CHARTER = b"\ncontract:\n  owners: [search]\n  escalation: [{severity: critical, after: 10m, to: oncall}]\n"


@pytest.fixture
def serving(store):
    """A store in which `old` serves and `new`, whose charter calls somebody, is admitted."""
    with store.writing() as connection:
        planted(connection, "prod", "old", manifest=MANIFEST, at=at(-3000))
        planted(connection, "prod", "new", manifest=MANIFEST + CHARTER, at=at(-3000))
        flip(connection, "prod", stable=STABLE, candidate=None, percent=0, stage=None, who="ada", why="first",
             at=at(-2000))
    return store


class Course:
    """One monitor after another over the same store: each look is by a program that has just begun."""

    def __init__(self, store, *channels: Channel, **options) -> None:
        self.store, self.channels, self.options, self.heard = store, channels, options, Heard()

    def look(self, minute: float, tell=None) -> list[str]:
        """What a fresh program tells at a minute."""
        self.heard.got.clear()
        alerts = Alerts(self.channels, store=self.store, tell=tell or self.heard, **self.options)
        tick(self.store, "prod", at(minute), guards=[ERRORS], tell=alerts)
        assert alerts.flush()
        return sorted(f"{name}: {title.split(': ')[1]}" for name, title in self.heard.got)


def bad(store, rng, minutes: range) -> None:
    """Minutes in which the stable release, serving alone, fails far too often."""
    for minute in minutes:
        put(store, minute, {"stable": minute_of_traffic(rng, bad=True)["candidate"]})


def good(store, rng, minutes: range) -> None:
    """Minutes in which nothing fails."""
    for minute in minutes:
        put(store, minute, {"stable": minute_of_traffic(rng, bad=False)["candidate"]})


def test_a_restart_neither_tells_again_nor_forgets_an_escalation(serving, rng):
    """Each look is by another program: the team hears once, the pager when its delay is over, both that it is over."""
    course = Course(serving, TEAM, PAGER)
    bad(serving, rng, range(30))
    assert course.look(20) == ["team: CRITICAL"]
    assert course.look(21) == []
    assert course.look(29) == ["pager: CRITICAL"]
    assert course.look(30) == []
    with serving.writing() as connection:  # all is well from here on
        connection.execute(tables.windows.delete())
    good(serving, rng, range(25, 40))
    assert course.look(39) == ["pager: over", "team: over"]
    assert course.look(40) == []


def test_a_book_in_memory_tells_again(serving, rng):
    """The broken twin, which keeps the book in its head, tells at every restart: what the store is for."""
    bad(serving, rng, range(20))
    told = []
    for minute in (20, 21):
        heard = Heard()
        alerts = Alerts([TEAM], tell=heard)
        tick(serving, "prod", at(minute), guards=[ERRORS], tell=alerts)
        assert alerts.flush()
        told += heard.got
    assert len(told) == 2


def test_a_message_that_never_got_there_is_told_again(serving, rng):
    """A program that dies between claim and delivery, or a dead channel, loses no alert: it is claimed anew."""
    course = Course(serving, TEAM)
    bad(serving, rng, range(40))

    def dies(channel: Channel, message: Message) -> int:
        raise SystemError(channel.name, message.title)
    assert course.look(20, tell=dies) == []
    assert course.look(21) == []  # it may still be on its way
    later = 20 + RETRY.total_seconds() / 60
    assert course.look(later, tell=lambda *_: 0) == []  # given up by its channel
    assert course.look(2 * later - 20) == ["team: CRITICAL"]
    assert course.look(3 * later - 40) == []


def test_what_is_claimed_is_pure_and_goes_by_severity():
    """Graver is told, milder is not, a lost word is told anew, and an end is told to whoever heard of it."""
    fresh = stood(None, reading("critical"), "r", at(0))
    claims, kept = claimed(fresh, "critical", [TEAM, PAGER], at(0))
    assert [(one.channel.name, one.word) for one in claims] == [("team", "critical")]
    assert claimed(kept, "warning", [TEAM], at(1))[0] == []
    assert [one.word for one in claimed(kept, "emergency", [TEAM], at(1))[0]] == ["emergency"]
    assert [one.word for one in claimed(kept, "critical", [TEAM], at(0) + RETRY)[0]] == ["critical"]
    assert [one.word for one in claimed(kept, None, [TEAM, PAGER], at(1))[0]] == [OVER]
    over = Open("ok", at(0), told={"team": Said(OVER, at(1))})
    assert claimed(over, None, [TEAM], at(2))[0] == []
    assert [one.word for one in claimed(over, "critical", [TEAM], at(2))[0]] == ["critical"]


def test_another_releases_alert_begins_anew():
    """What was told of the last candidate says nothing of the next; where it is well, whoever heard hears that."""
    told = {"team": Said("critical", at(0), heard=True)}
    before = Open("critical", at(0), "one", told, 7)
    assert stood(before, reading("critical"), "two", at(9)) == Open("critical", at(9), "two")
    assert stood(before, reading("critical"), "one", at(9)) == before
    assert stood(before, reading("ok"), "two", at(9)).told == told


def test_whom_the_charter_calls_is_called(serving, rng, caplog):
    """The escalation of the watched release's own manifest reaches its channel; a name nobody reaches is said."""
    started(serving)
    with serving.reading() as connection:
        assert [one.to for one in escalation_of_release(connection, CANDIDATE)] == ["oncall"]
        assert escalation_of_release(connection, STABLE) == ()
    watched = tables.windows.c.assignment
    for minute in range(40):
        put(serving, minute, minute_of_traffic(rng, bad=True))
    alert = ERRORS.__class__("errors", "error rate", "all", ERRORS.limit, 0, "critical", "alert")
    heard = Heard()
    with serving.reading() as connection:
        assert connection.execute(select(watched).where(watched == "candidate")).first() is not None
    for minute, names in ((15, {}), (16, {"oncall": "x://"}), (39, {"oncall": "x://"})):
        alerts = Alerts([], names=names, store=serving, tell=heard)
        tick(serving, "prod", at(minute), guards=[alert], tell=alerts)
        assert alerts.flush()
        assert alerts.unreached == (() if names else ("oncall",))
    assert [name for name, _ in heard.got] == ["oncall"]
    assert "the charter calls oncall" in caplog.text


def both(url, home, minute: float, tellers: list[Heard]) -> None:
    """Two monitors, each with its own connection, look at the same minute at once."""
    gate, failed = threading.Barrier(len(tellers)), []

    def one(heard: Heard) -> None:
        try:
            with open_store(url, home=home) as store:
                alerts = Alerts([TEAM, PAGER], store=store, tell=heard)
                gate.wait(30.0)
                tick(store, "prod", at(minute), guards=[ERRORS], tell=alerts)
                assert alerts.flush()
        except BaseException as error:
            failed.append(error)
    threads = [threading.Thread(target=one, args=(heard,)) for heard in tellers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed


def test_two_monitors_over_one_store_act_and_tell_once(serving, rng):
    """Both look at every minute at once: one rollback, one step at a time, one message for each channel and word."""
    started(serving)
    url = serving.engine.url.render_as_string(hide_password=False)
    tellers = [Heard(), Heard()]
    for minute in range(20):
        put(serving, minute, minute_of_traffic(rng, bad=minute >= 3))
        both(url, serving.home, minute + 1, tellers)
    with serving.reading() as connection:
        flips, ramp = history(connection, "prod"), ramp_of(connection, "prod")
        rows = [(row.guard, row.state) for row in connection.execute(
            select(tables.alerts).where(tables.alerts.c.guard.in_(["errors", ROLLBACK])).order_by(tables.alerts.c.seq))]
    assert ramp.phase == "rolled_back" and len(flips) == 3  # first, begun, rolled back
    assert all(one != after for one, after in pairwise(rows))
    told = sorted(got for heard in tellers for got in heard.got)
    assert len(told) == len(set(told))
    assert sum("rolled back to 0 %" in title for _, title in told) == 1


def test_readings_of_a_ramp_that_another_monitor_moved_decide_nothing(serving, rng, monkeypatch):
    """Between a look and its step the ramp is ended and another begun: the old evidence touches the new one not."""
    started(serving)
    for minute in range(20):
        put(serving, minute, minute_of_traffic(rng, bad=True))
    seen, looks = running.scene_of, []

    def overtaken(connection, environment: str, now: datetime, **options):
        found = seen(connection, environment, now, **options)
        looks.append(found)
        if len(looks) == 1:
            connection.commit()
            abort(serving, "prod", who="ada", why="another", now=at(19))
            begin(serving, "prod", "new", RAMP, who="ada", why="again", now=at(19.5))
        return found
    monkeypatch.setattr(running, "scene_of", overtaken)
    last = tick(serving, "prod", at(20), guards=[ERRORS])
    assert len(looks) == 2 and looks[0].readings[0].state == "critical"
    assert last.advanced.decision.action == "hold"
    with serving.reading() as connection:
        assert ramp_of(connection, "prod").phase == "up"


def test_a_rollback_is_told_by_whoever_comes_after(serving, rng):
    """The program that rolled back died before it told: the next one tells it, once; a day later nobody does."""
    started(serving)
    for minute in range(20):
        put(serving, minute, minute_of_traffic(rng, bad=True))
    tick(serving, "prod", at(20), guards=[ERRORS])
    course = Course(serving, TEAM)
    assert any("rolled back to 0 %" in line for line in course.look(21))
    assert not any("rolled back" in line for line in course.look(22))
    with serving.writing() as connection:
        connection.execute(tables.alerts.delete())
    assert not any("rolled back" in line for line in course.look(21 + 1440))


def test_old_rows_are_forgotten_and_what_is_open_is_not(serving, rng):
    """The last row of each guard stays, however old; the others go."""
    course = Course(serving, TEAM)
    bad(serving, rng, range(30))
    course.look(8)
    course.look(20)
    with serving.writing() as connection:
        rows = len(connection.execute(select(tables.alerts)).all())
        before = book_of(connection, "prod")
        gone = forget_alerts(connection, "prod", before=at(20) + timedelta(days=400))
        assert gone == rows - len(before) and book_of(connection, "prod") == before
    assert GUARD.name in before


def test_a_look_forgets_alerts_with_the_windows_of_their_time(serving, rng):
    """Alerts of nine days ago go with their windows, but for each guard's last row; those of this week stay."""
    course, week = Course(serving, TEAM), 7 * 1440
    bad(serving, rng, range(30))
    course.look(8)
    course.look(20)
    with serving.reading() as connection:
        first = len(connection.execute(select(tables.alerts)).all())
        open_still = len(book_of(connection, "prod"))
    assert first > open_still > 0
    good(serving, rng, range(week, week + 2))
    tick(serving, "prod", at(week + 2), guards=())
    with serving.reading() as connection:
        assert len(connection.execute(select(tables.alerts)).all()) == first
    good(serving, rng, range(week + 2880, week + 2882))
    tick(serving, "prod", at(week + 2882), guards=())
    with serving.reading() as connection:
        assert len(connection.execute(select(tables.alerts)).all()) == open_still


def test_a_clock_far_ahead_makes_no_alert_old(serving, rng):
    """Without a window, or with those of today alone, a host that shows 2099 for once forgets nothing."""
    course = Course(serving, TEAM)
    bad(serving, rng, range(30))
    course.look(8)
    course.look(20)
    with serving.reading() as connection:
        rows = len(connection.execute(select(tables.alerts)).all())
    tick(serving, "prod", at(74 * 365 * 1440), guards=())
    with serving.writing() as connection:
        connection.execute(tables.windows.delete())
    tick(serving, "prod", at(74 * 365 * 1440), guards=())
    with serving.reading() as connection:
        assert len(connection.execute(select(tables.alerts)).all()) == rows
