"""A watch of weeks: what a look reads does not grow, reads as all of it would, and keeps one promise over all eras."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from scipy.stats import binom
from sqlalchemy import insert

from fixtures.rollout import planted
from harness.data.store import sha256_bytes
from harness.estimators.weights import TopWeights
from harness.monitor import evidence as proof
from harness.monitor.evidence import evidence_of
from harness.monitor.guards import readings, watching
from harness.monitor.reliability import Reliabilities
from harness.monitor.running import KEEP, tick
from harness.monitor.series import BEFORE, Course, Watch, era_starts, era_weight, spans_of
from harness.monitor.window_store import read_windows
from harness.monitor.windows import Key, Window
from harness.release.policy import Limit
from harness.rollout import tables
from harness.rollout.pointer import flip
from harness.rollout.shapes import Guarded
from tests.monitor.traffic import CANDIDATE, DAY, STABLE, served

HOUR_S, ALPHA = 3600, 0.05
WATCH = Watch(CANDIDATE, "candidate", DAY, STABLE, HOUR_S)
ERRORS = Guarded("errors", "error rate", "all", Limit("at_most", 0.02, "ucb"), 0, "critical", "rollback")
GUARDS = (
    ERRORS, Guarded("day", "error rate", "all", Limit("at_most", 0.02, "ucb"), 86_400, "critical"),
    Guarded("slow", "delta p95 total_ms", "all", Limit("at_most", 1.0, "ucb"), 0, "critical", "rollback"),
    Guarded("rise", "rise level", "all", Limit("at_most", 0.15, "ucb")),
    Guarded("value", "p95 total_ms", "all", Limit("at_most", 6.0, "value")),
    Guarded("ess", "ESS/N", "all", Limit("at_least", 0.2, "lcb")),
    Guarded("aece", "AECE", "all", Limit("at_most", 0.02, "ucb")),
    Guarded("lost", "delta nDCG@10", "all", Limit("at_least", -0.01, "lcb")))


def hour(n: float):
    """A moment, in hours after the watch began."""
    return DAY + timedelta(hours=n)


def window(rng, *, bad: bool) -> Window:
    """An hour of one arm."""
    one = served(rng.gamma(20.0, 0.2 * (1.5 if bad else 1.0), 60), errors=int(rng.binomial(60, 0.2 if bad else 0.01)),
                 level=rng.normal(1.0 + bad, 0.1, 5), **{"delta nDCG@10": rng.normal(-0.2 * bad, 0.2, 9)})
    stated = rng.uniform(0.0, 1.0, 40)
    came = rng.uniform(0.0, 1.0, 40) < (stated**3 if bad else stated)
    return Window(one.requests, one.latency, one.means, {}, TopWeights.of(rng.gamma(2.0, 1.0, 30), keep=100),
                  Reliabilities.of(zip(stated.tolist(), came.astype(int).tolist(), strict=True)))


def traffic(rng, hours: int, *, bad_from: int) -> dict[Key, Window]:
    """Both arms by the hour, with a day of both before; a tenth of the hours shows nothing."""
    found = {}
    for n in range(-24, hours):
        for release, arm in ((STABLE, "stable"), (CANDIDATE if n >= 0 else STABLE, "candidate")):
            if rng.uniform() > 0.1:
                found[Key("prod", release, arm, "all", hour(n))] = window(rng, bad=arm == "candidate" and n >= bad_from)
    return found


def needed(seen, now, watch: Watch = WATCH):
    """The windows that a look asks the store for."""
    spans = spans_of(watch, now)
    return {key: one for key, one in seen.items() if any(since <= key.minute < until for since, until in spans)}


def test_what_is_read_shows_what_all_of_it_would(rng):
    """At any moment of three weeks, the windows a look asks for give the very readings that all windows give."""
    seen = traffic(rng, 500, bad_from=430)
    watch = watching(GUARDS, WATCH)
    states = set()
    for n in (3, 71, 72, 73, 143, 144, 145, 300, 431, 434, 440, 470, 500):
        now = hour(n)
        whole = {key: one for key, one in seen.items() if key.minute < now}
        found = readings(GUARDS, whole, now, watch=WATCH)
        assert found == readings(GUARDS, needed(whole, now, watch), now, watch=WATCH)
        states |= {(one.guard.name, one.state) for one in found}
    assert {("errors", "ok"), ("errors", "emergency"), ("day", "emergency"), ("slow", "emergency")} <= states


def test_less_than_what_is_asked_for_shows_something_else(rng):
    """The broken twin, which leaves out the era before, is seen by the same comparison."""
    seen = traffic(rng, 300, bad_from=1000)
    now = hour(290)
    late = {key: one for key, one in seen.items() if key.minute >= hour(288) or key.minute < DAY}
    assert readings(GUARDS, seen, now, watch=WATCH) != readings(GUARDS, late, now, watch=WATCH)


def test_what_a_look_asks_for_does_not_grow():
    """Whatever the watch's age, two eras and what led up to it, and never less than the longest `for`."""
    for guards in ((ERRORS,), GUARDS, (Guarded("w", "error rate", "all", ERRORS.limit, 7 * 86_400),)):
        watch = watching(guards, WATCH._replace(resolution_s=60))
        for days in (1, 3, 7, 30, 400):
            now = DAY + timedelta(days=days, minutes=17)
            spans = spans_of(watch, now)
            windows = sum((until - since).total_seconds() / 60 for since, until in spans)
            assert windows <= BEFORE + 2 * watch.era
            assert spans[-1][0] == DAY or (now - spans[-1][0]).total_seconds() >= max(one.for_s for one in guards)


def test_all_sequences_that_ever_begin_share_one_miss_rate():
    """The shares of every sequence of a long watch, counted once, come to at most one, and nearly to it."""
    era, shares = 60, {}
    for last in range(60 * 50):
        place = np.arange(last + 1)
        shares |= {(start // era, start): weight for start, weight in proof._starts(place, era)}
    assert 0.9 < sum(shares.values()) <= 1.0
    assert sum(era_weight(number) for number in range(10_000)) == pytest.approx(1.0, abs=1e-4)
    assert era_starts(np.arange(130), era) == [(1, 60), (2, 120)]


def alarms(rng, worlds: int, eras: int, era: int = 60) -> int:
    """Sound watches of several eras, the mean at the limit, in which a rollback is asked for at the end of any era."""
    count = 0
    for _ in range(worlds):
        x = rng.normal(size=eras * era)
        count += any(evidence_of(
            Course(np.arange(end), x[:end], np.full(end, 100.0), None, np.zeros(0), paired=False, era=era),
            Limit("at_most", 0.0, "ucb"), support=None, alpha=ALPHA).harm.any() for end in range(era, len(x) + 1, era))
    return count


@pytest.mark.parametrize("worlds", [60, pytest.param(2_000, marks=pytest.mark.worlds)])
def test_a_sound_watch_of_many_eras_is_left_alone(rng, worlds):
    """At most one sound watch in twenty is ever rolled back, however many eras it has."""
    assert alarms(rng, worlds, 20) <= binom.isf(1e-6, worlds, ALPHA)


@pytest.mark.worlds
def test_eras_that_share_nothing_are_caught(rng, monkeypatch):
    """The broken twin, which gives every era the whole miss rate, takes back too many sound watches."""
    monkeypatch.setattr(proof, "era_weight", lambda _: 1.0)
    assert alarms(rng, 400, 40) > binom.isf(1e-6, 400, ALPHA)


def test_ticks_of_a_month_read_no_more_than_those_of_a_week(store, rng):
    """The store holds, and a tick reads, as many windows on day 30 as on day 9; what led up to the watch stays."""
    with store.writing() as connection:
        planted(connection, "prod", "old", at=hour(-9000))
        planted(connection, "prod", "new", at=hour(-9000))
        flip(connection, "prod", stable=sha256_bytes(b"old"), candidate=None, percent=0, stage=None, who="ada",
             why="first", at=hour(0))
    raw, found = served(rng.gamma(20.0, 0.2, 60)).raw, {}
    for n in range(0, 30 * 24, 8):
        with store.writing() as connection:
            connection.execute(insert(tables.windows), [
                {**Key("prod", sha256_bytes(b"old"), "stable", "all", hour(n + k))._asdict(), "state": raw,
                 "sha256": sha256_bytes(raw)} for k in range(8)])
        last = tick(store, "prod", hour(n + 8), guards=[ERRORS], resolution_s=HOUR_S)
        with store.reading() as connection:
            found[n + 8] = len(last.scene.windows), len(read_windows(connection, "prod", since=hour(-9000)))
    assert found[9 * 24] == found[30 * 24] and found[30 * 24][0] <= 2 * WATCH.era
    assert found[30 * 24][1] <= KEEP.days * 24 + 1  # counted from when the newest begins
