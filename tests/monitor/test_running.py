"""The monitor's tick: from windows in a store to a pointer that goes back by itself, with a trail that verifies."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from fixtures.rollout import planted
from harness.data.store import sha256_bytes
from harness.errors import EvidenceError, InputError
from harness.monitor.resolutions import resolution_of
from harness.monitor.running import tick
from harness.monitor.terms import guards_of_release
from harness.monitor.windows import Key, Window
from harness.release.policy import Limit
from harness.release.rollout_terms import Criterion, Rollout, Stage
from harness.rollout import tables
from harness.rollout.pointer import compare_with_trail, current, flip, history
from harness.rollout.ramp_store import begin, ramp_of
from harness.rollout.shapes import Guarded
from harness.rollout.trail import entries, verify_trail
from tests.house.source import TOP
from tests.monitor.traffic import at, served

ERRORS = Guarded("errors", "error rate", "all", Limit("at_most", 0.02, "ucb"), 120, "critical", "rollback")
SOUND = (Criterion(measure="error rate", at_most=0.02),)
RAMP = Rollout(stages=tuple(Stage(percent=percent, hold="12m", criteria=SOUND) for percent in (5, 25, 50)))
STABLE, CANDIDATE = (sha256_bytes(name) for name in (b"old", b"new"))


@pytest.fixture
def serving(store):
    """A store in which `old` serves and `new` is admitted."""
    manifest = (TOP / "manifests" / "retriever-v0.yaml").read_bytes()
    with store.writing() as connection:
        planted(connection, "prod", "old", manifest=manifest, at=at(-3000))
        planted(connection, "prod", "new", manifest=manifest, at=at(-3000))
        flip(connection, "prod", stable=STABLE, candidate=None, percent=0, stage=None, who="ada", why="first",
             at=at(-2000))
    return store


def put(store, minute: int, windows: dict[str, Window]) -> None:
    """Write a minute's windows by arm."""
    rows = [(Key("prod", STABLE if arm == "stable" else CANDIDATE, arm, "all", at(minute)), one.raw)
            for arm, one in windows.items()]
    with store.writing() as connection:
        connection.execute(insert(tables.windows), [
            {**key._asdict(), "state": raw, "sha256": sha256_bytes(raw)} for key, raw in rows])


def minute_of_traffic(rng, bad: bool) -> dict[str, Window]:
    """Both arms for a minute: the candidate fails one request in five where it is bad."""
    return {"stable": served(rng.gamma(20.0, 0.2, 50), errors=int(rng.binomial(50, 0.001))),
            "candidate": served(rng.gamma(20.0, 0.2, 300), errors=int(rng.binomial(300, 0.2 if bad else 0.001)))}


def run(store, rng, minutes: int, *, bad_at: float = 101.0, **options):
    """Tick through minutes of a rollout; the candidate turns bad at a percent of traffic. The last tick."""
    last = None
    for minute in range(minutes):
        with store.reading() as connection:
            percent = current(connection, "prod").percent
        put(store, minute, minute_of_traffic(rng, percent >= bad_at))
        last = tick(store, "prod", at(minute + 1), guards=[ERRORS], **options)
    return last


def started(store, rollout: Rollout = RAMP) -> None:
    """Begin a rollout of `new`."""
    begin(store, "prod", "new", rollout, who="ada", why="a new release", now=at(0))


def checked(store):
    """The pointer, with pointer and trail verified against each other."""
    with store.reading() as connection:
        verify_trail(entries(connection))
        compare_with_trail(history(connection), entries(connection))
        return current(connection, "prod")


def test_a_candidate_that_turns_bad_is_rolled_back_by_itself(serving, rng):
    """Sound at 5 %, bad at 25 %: within minutes the stable release has all traffic, and the trail says by which."""
    started(serving)
    last = run(serving, rng, 45, bad_at=25.0)
    pointer = checked(serving)
    assert (pointer.stable, pointer.candidate, pointer.percent) == (STABLE, None, 0.0)
    with serving.reading() as connection:
        ramp = ramp_of(connection, "prod")
        flips = history(connection, "prod")
        told = [(row.guard, row.state) for row in connection.execute(select(tables.alerts))]
    assert ramp.phase == "rolled_back" and "error rate" in ramp.said
    assert timedelta(minutes=2) < flips[0].at - flips[1].at <= timedelta(minutes=15)
    assert ("errors", "critical") in told
    assert last.scene.ramp is None


def test_a_sound_candidate_takes_over(serving, rng):
    """Shown to be sound at every stage, the candidate becomes the stable release."""
    started(serving)
    run(serving, rng, 70)
    pointer = checked(serving)
    assert (pointer.stable, pointer.candidate) == (CANDIDATE, None)


def test_no_channel_stops_a_rollback(serving, rng):
    """What tells people raises at every look: the rollback is the same."""
    def dead(*_: object) -> None:
        raise ConnectionError("no channel")
    started(serving)
    last = run(serving, rng, 30, bad_at=5.0, tell=dead)
    assert checked(serving).candidate is None
    assert last.told.startswith("ConnectionError")


def test_nothing_observed_holds(serving):
    """Without a single window nothing moves, however long it waits, and each guard says that it is missing."""
    started(serving)
    for minute in (1, 30, 300):
        last = tick(serving, "prod", at(minute), guards=[ERRORS])
        assert (last.advanced.decision.action, last.scene.readings[0].state) == ("hold", "missing")
    assert checked(serving).percent == 5.0


def test_the_kill_switch_rolls_back_at_once(serving, rng):
    """Set, it takes the candidate back though everything looks well, and though a window was changed."""
    started(serving)
    run(serving, rng, 3)
    with serving.writing() as connection:
        connection.execute(update(tables.windows).values(state=Window().raw))
    with pytest.raises(EvidenceError, match="a window was changed"):
        tick(serving, "prod", at(3), guards=[ERRORS], killed=True)
    assert checked(serving).candidate is None


def test_a_changed_window_moves_nothing(serving, rng):
    """Evidence that was changed neither proceeds nor rolls back: the look is refused."""
    started(serving)
    run(serving, rng, 11)
    with serving.writing() as connection:
        connection.execute(update(tables.windows).values(state=Window().raw))
    with pytest.raises(EvidenceError, match="a window was changed"):
        tick(serving, "prod", at(60), guards=[ERRORS])
    assert checked(serving).percent == 5.0


def test_a_state_is_written_once_until_it_changes(serving, rng):
    """An alert row for each change of a guard's state, not for each look."""
    for minute in range(12):
        put(serving, minute, minute_of_traffic(rng, bad=minute < 1) | {
            "stable": served([5.0] * 300, errors=60 if minute < 12 else 0)})
        tick(serving, "prod", at(minute + 1), guards=[ERRORS])
    with serving.reading() as connection:
        told = [row.state for row in connection.execute(select(tables.alerts).order_by(tables.alerts.c.seq))]
    assert told == ["warning", "critical"]


def test_a_release_that_serves_alone_is_watched_without_differences(serving, rng):
    """No ramp: the stable release's own guards are read, those on differences wait for a candidate."""
    put(serving, 0, minute_of_traffic(rng, bad=False))
    delta = Guarded("d", "delta nDCG@10", "all", Limit("at_least", 0.0, "lcb"), 0, "critical", "rollback")
    last = tick(serving, "prod", at(1), guards=[ERRORS, delta])
    assert (last.scene.watch.release, last.scene.watch.assignment, last.advanced) == (STABLE, "stable", None)
    assert [one.guard.name for one in last.scene.readings] == ["errors"]


def test_an_environment_where_nothing_serves_shows_nothing(store):
    """Nothing was admitted: there is nobody to watch, and no error."""
    assert tick(store, "prod", at(1)).scene.watch is None


def test_guards_come_from_the_signed_manifest(serving):
    """Without a monitoring configuration beside it, the guards are those of the release's policy."""
    with serving.reading() as connection:
        guards = guards_of_release(connection, STABLE)
        with pytest.raises(InputError, match="not admitted"):
            guards_of_release(connection, "0" * 64)
    assert {one.then for one in guards} >= {"rollback"} and all(isinstance(one, Guarded) for one in guards)


@pytest.mark.parametrize("said", ["0", "-1s", "7s", "1d", "x", "2h", "1.5s"])
def test_a_resolution_that_divides_no_hour_is_refused(said):
    """Windows must add up to hours."""
    with pytest.raises(InputError, match="MONITORING_RESOLUTION"):
        resolution_of({"MONITORING_RESOLUTION": said})


def test_windows_of_a_second_work_alike(serving, rng):
    """With a resolution of one second the same course takes a sixtieth of the time."""
    quick = Rollout(stages=tuple(stage.model_copy(update={"hold": "20s"}) for stage in RAMP.stages))
    started(serving, quick)
    guard = Guarded("errors", "error rate", "all", ERRORS.limit, 2, "critical", "rollback")
    for second in range(50):
        now: datetime = at(0) + timedelta(seconds=second)
        with serving.reading() as connection:
            percent = current(connection, "prod").percent
        rows = [(Key("prod", STABLE if arm == "stable" else CANDIDATE, arm, "all", now), one.raw)
                for arm, one in minute_of_traffic(rng, percent >= 25.0).items()]
        with serving.writing() as connection:
            connection.execute(insert(tables.windows), [
                {**key._asdict(), "state": raw, "sha256": sha256_bytes(raw)} for key, raw in rows])
        tick(serving, "prod", now + timedelta(seconds=1), guards=[guard], resolution_s=1)
    assert checked(serving).candidate is None


def test_a_look_with_a_clock_far_ahead_forgets_nothing(serving, rng):
    """A host that shows 2099 for once must not make every window old."""
    put(serving, 0, minute_of_traffic(rng, bad=False))
    tick(serving, "prod", at(74 * 365 * 1440), guards=(ERRORS,))
    with serving.reading() as connection:
        assert len(connection.execute(select(tables.windows)).all()) == 2


def test_windows_of_seconds_are_read_by_the_minute_where_the_look_is(serving, rng):
    """A service with short windows beside a monitor with long ones: its minutes are the seconds together."""
    for second in range(120):
        put(serving, second / 60, minute_of_traffic(rng, bad=False))
    found = tick(serving, "prod", at(2), guards=(ERRORS,)).scene
    assert {key.minute for key in found.windows} == {at(0), at(1)}
    assert found.readings[0].n == 120 * 50
