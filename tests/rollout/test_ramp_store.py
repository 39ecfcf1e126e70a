"""The ramp in the store: state, pointer and trail move together, once, and survive whatever breaks off between."""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest
from sqlalchemy import update

from fixtures.rollout import NOON, planted
from harness.errors import EvidenceError, InputError
from harness.rollout import ramp_store, tables
from harness.rollout.going_back import rollback
from harness.rollout.pointer import compare_with_trail, current, flip, history
from harness.rollout.ramp_state import criteria_of
from harness.rollout.ramp_store import abort, advance, begin, ramp_of
from harness.rollout.trail import entries, verify_trail
from tests.rollout.ramps import QUICK, absent, guard, missed, open_, well

MINUTE = timedelta(minutes=1)


@pytest.fixture
def store(store):
    """A release that serves, and one that was admitted; on both databases."""
    with store.writing() as connection:
        stable = planted(connection, "prod", "old")
        planted(connection, "prod", "new")
        flip(connection, "prod", stable=stable, candidate=None, percent=0, stage=None, who="ada", why="first", at=NOON)
    return store


def started(store):
    return begin(store, "prod", "new", QUICK, who="ada", why="a new release", now=NOON)


def look(store, minute, reading=well, *, own=well, one=None, killed=False):
    with store.reading() as connection:
        state = ramp_of(connection, "prod")
    readings = [reading(one or guard()), *(own(other) for other in criteria_of(state))]
    return advance(store, "prod", readings, who="monitor", now=NOON + minute * MINUTE, killed=killed)


def told(store, kind="ramp"):
    with store.reading() as connection:
        verify_trail(entries(connection))
        compare_with_trail(history(connection), entries(connection))
        return [(one.body["action"], one.body["percent"]) for one in entries(connection, kind=kind)]


def pointing(store):
    with store.reading() as connection:
        found = current(connection, "prod")
    return found.percent, found.stage, found.candidate is not None


def test_a_ramp_goes_from_start_to_promotion(store):
    """Each stage flips the pointer, the trail tells each, and at the end the candidate is the stable release."""
    first = started(store)
    assert (first.pointer.percent, first.pointer.stage) == (5, "5 %")
    for minute in range(1, 7):
        last = look(store, minute)
    assert last.state.phase == "promoted"
    assert pointing(store) == (0, None, False) and last.pointer.stable == first.state.candidate
    assert told(store, "ramp begun") == [("proceed", 5)]
    assert [one for one in told(store) if one[0] == "proceed"] == [("proceed", 25), ("proceed", 50), ("proceed", 100)]


def test_the_same_decision_is_told_once(store):
    """Hours of holding for one reason are one row of the trail; its state is kept at each look all the same."""
    started(store)
    for minute in range(1, 9):
        look(store, minute, own=open_)
    assert told(store) == [("hold", 5)]
    with store.reading() as connection:
        assert ramp_of(connection, "prod").seen == NOON + 8 * MINUTE


def test_harm_takes_the_candidate_back_and_says_so(store):
    """One transaction: pointer without candidate, state over, trail with the guard; caches are cleared after it."""
    started(store)
    cleared = []
    done = advance(store, "prod", [missed(guard())], who="monitor", now=NOON + MINUTE,
                   caches=[lambda: cleared.append(1)])
    assert (done.flipped, pointing(store), cleared) == (True, (0, None, False), [1])
    assert told(store) == [("rollback", 0)] and done.pointer.why == "quality is critical"
    again = look(store, 2)
    assert not again.flipped and again.decision.action == "rollback" and told(store) == [("rollback", 0)]


def test_the_kill_switch_rolls_back_through_the_store(store):
    """Everything is well, and the next look ends it."""
    started(store)
    assert look(store, 1, killed=True).pointer.candidate is None


def test_an_abort_may_be_gradual(store):
    """Rung by rung through the pointer, until nothing is left."""
    started(store)
    for minute in (1, 2, 3, 4):
        look(store, minute)
    abort(store, "prod", who="ben", why="complaints", now=NOON + 4 * MINUTE, gradual=True)
    assert pointing(store) == (25, "down to 25 %", True)
    seen = [look(store, minute, absent).pointer.percent for minute in (5, 7, 8, 10, 11)]
    assert seen == [25, 10, 10, 0, 0]


def test_a_rollback_by_hand_ends_the_ramp(store):
    """`signoff rollback` knows nothing of ramps, and the ramp follows it: the next look flips nothing."""
    started(store)
    made = rollback(store, "prod", who="ben", why="by hand", now=NOON)
    after = look(store, 1)
    assert (after.state.phase, after.flipped, after.pointer.seq) == ("rolled_back", False, made.seq)
    begin(store, "prod", "new", QUICK, who="ada", why="once more", now=NOON + 2 * MINUTE)
    assert pointing(store) == (5, "5 %", True)


def test_a_pointer_that_was_lowered_by_hand_stays_low(store):
    """The ramp goes on from the share that the pointer gives, and climbs from there by its criteria."""
    first = started(store)
    for minute in (1, 2, 3, 4):
        look(store, minute)
    with store.writing() as connection:
        flip(connection, "prod", stable=first.state.stable, candidate=first.state.candidate, percent=25, stage="25 %",
             who="ben", why="slower", at=NOON)
    assert [look(store, minute).pointer.percent for minute in (5, 6, 7)] == [25, 25, 50]


PIECES = ("flip", "append", "_kept", "after_rollback")


class DiedError(Exception):
    """A process that ended here."""


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("reading", [well, missed])
def test_a_step_that_breaks_off_anywhere_is_whole_or_undone(store, monkeypatch, piece, reading):
    """Whatever was being written: pointer, state and trail agree, and the next look does what this one would have."""
    started(store)
    look(store, 1)
    with store.reading() as connection:
        before = ramp_of(connection, "prod").percent
    for when in ("before", "after"):
        with monkeypatch.context() as patched, contextlib.suppress(DiedError):
            patched.setattr(ramp_store, piece, dying(getattr(ramp_store, piece), when))
            look(store, 2, reading)
        with store.reading() as connection:
            state, pointer = ramp_of(connection, "prod"), current(connection, "prod")
        assert state.percent == pointer.percent and state.percent in {before, 25, 0}
        assert told(store) == [("hold", 5)] or state.percent != before
    assert look(store, 3, reading).state.percent == (25 if reading is well else 0)


def dying(real, when):
    def call(*given, **options):
        if when == "after":
            real(*given, **options)
        raise DiedError
    return call


def test_a_write_in_two_transactions_would_be_seen(store, monkeypatch):
    """A twin that commits the state before the pointer leaves them apart where it breaks off between."""
    started(store)
    look(store, 1)
    real = ramp_store._kept

    def apart(connection, state, now):
        real(connection, state, now)
        connection.commit()
        raise DiedError

    with monkeypatch.context() as patched, contextlib.suppress(Exception):
        patched.setattr(ramp_store, "_kept", apart)
        look(store, 2)
    with store.reading() as connection:
        assert ramp_of(connection, "prod").percent != current(connection, "prod").percent
    assert look(store, 3).pointer.percent == 5  # and of the two, the lower one was right


def test_what_cannot_begin_is_one_line(store):
    """No release there, not admitted, serving already, a second candidate, an environment without a ramp."""
    with pytest.raises(InputError, match="nothing serves there"):
        begin(store, "staging", "new", QUICK, who="ada", why="x", now=NOON)
    with pytest.raises(InputError, match=r"not admitted.*nearest: new"):
        begin(store, "prod", "newer", QUICK, who="ada", why="x", now=NOON)
    with pytest.raises(InputError, match="no candidate for itself"):
        begin(store, "prod", "old", QUICK, who="ada", why="x", now=NOON)
    with pytest.raises(InputError, match="no ramp was begun there"):
        advance(store, "prod", [], who="x", now=NOON)
    started(store)
    with pytest.raises(InputError, match="a rollout is under way"):
        started(store)
    with pytest.raises(InputError, match="nearest: prod"):
        abort(store, "prd", who="x", why="y", now=NOON)


def test_a_state_that_was_edited_by_hand_is_refused(store):
    """It is read strictly, and nothing moves by it."""
    started(store)
    with store.writing() as connection:
        connection.execute(update(tables.ramp).values(state={"phase": "up"}))
    with store.reading() as connection, pytest.raises(EvidenceError, match="ramp of prod: not the state of a ramp"):
        ramp_of(connection, "prod")
