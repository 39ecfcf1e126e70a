"""Live settings: none without a proposal and somebody else's approval, each of them a row of the trail."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fixtures.rollout import NOON, planted
from harness.errors import EvidenceError, InputError
from harness.rollout.flags import killed, most_percent
from harness.rollout.overrides import Person
from harness.rollout.pointer import flip
from harness.rollout.ramp_store import advance, begin
from harness.rollout.settings import Change, approve, open_proposals, propose
from harness.rollout.switches import Switches, kept_off, settings_of
from harness.rollout.trail import entries, verify_trail
from tests.rollout.ramps import QUICK

ADA, BEN = Person("ada", "key-1"), Person("ben", "key-2")
CAP, KILL, FREE = Change("CANARY_PERCENT", "10"), Change("SIGNOFF_KILL", "1"), Change("SIGNOFF_KILL", "0")
HOUR = timedelta(hours=1)


@pytest.fixture
def store(store):
    """A release serves, another one waits; on both databases."""
    with store.writing() as connection:
        stable = planted(connection, "prod", "old")
        planted(connection, "prod", "new")
        flip(connection, "prod", stable=stable, candidate=None, percent=0, stage=None, who="ada", why="x", at=NOON)
    return store


def ask(store, change=CAP, person=ADA, *, at=NOON, believed=lambda entry, over: True, environment="prod"):
    return propose(store, environment, change, person, why="a busy day", now=at, believed=believed)


def agree(store, number, person=BEN, *, at=NOON, believed=lambda entry, over: True):
    return approve(store, "prod", number, person, now=at, believed=believed)


def state(store):
    with store.reading() as connection:
        return settings_of(connection, "prod"), [one.seq for one in open_proposals(connection, "prod", NOON)]


def test_a_change_applies_with_the_approval_of_somebody_else(store):
    """Not before; the approval names the proposal by number and hash, and the trail verifies."""
    asked = ask(store)
    assert state(store) == ({}, [asked.seq])
    done = agree(store, asked.seq)
    assert state(store) == ({"CANARY_PERCENT": "10"}, [])
    assert (done.body["proposal_sha256"], done.body["proposed_by"]) == (asked.sha256, "ada")
    with store.reading() as connection:
        verify_trail(entries(connection))
    unset = ask(store, Change.of("CANARY_PERCENT="))
    agree(store, unset.seq)
    assert state(store) == ({}, [])


@pytest.mark.parametrize(("person", "at", "shift", "reason"), [
    (ADA, NOON, 0, "the same person"), (Person("ada", "key-9"), NOON, 0, "the same person"),
    (Person("eve", "key-1"), NOON, 0, "the same person"), (BEN, NOON + 25 * HOUR, 0, "no open proposal"),
    (BEN, NOON, 1, "no open proposal"),
])  # fmt: skip
def test_an_approval_that_is_none_changes_nothing(store, person, at, shift, reason):
    """One's own by key or by name, one a day too late, one of a number that nobody proposed."""
    asked = ask(store)
    with pytest.raises(InputError, match=reason):
        agree(store, asked.seq + shift, person, at=at)
    assert state(store)[0] == {}


def test_a_proposal_is_good_once(store):
    """What was applied, or overtaken by another change of the same setting, cannot be approved again."""
    first, second = ask(store), ask(store, Change("CANARY_PERCENT", "5"))
    agree(store, second.seq)
    for number in (first.seq, second.seq):
        with pytest.raises(InputError, match="no open proposal"):
            agree(store, number)
    assert state(store) == ({"CANARY_PERCENT": "5"}, [])


def test_nobody_is_believed_without_proof(store):
    """A proposer or an approver whose key or token does not count: refused, and no row is kept."""
    with store.reading() as connection:
        before = len(entries(connection))
    with pytest.raises(EvidenceError, match="would not count"):
        ask(store, believed=lambda entry, over: False)
    asked = ask(store)
    for doubted in ("ada", "ben"):
        with pytest.raises(EvidenceError, match="not count"):
            agree(store, asked.seq, believed=lambda entry, over, who=doubted: entry.who != who)
    with store.reading() as connection:
        assert len(entries(connection)) == before + 1
    assert state(store)[0] == {}


def test_the_kill_switch_of_the_store_rolls_back_and_lets_nothing_begin(store):
    """One person sets it, and the next look takes the candidate back; two release it."""
    begin(store, "prod", "new", QUICK, who="ada", why="new", now=NOON)
    ask(store, KILL)
    found = advance(store, "prod", (), who="monitor", now=NOON + HOUR)
    assert (found.decision.action, found.pointer.candidate) == ("rollback", None)
    with pytest.raises(InputError, match="the kill switch is set"):
        begin(store, "prod", "new", QUICK, who="ada", why="again", now=NOON + HOUR)
    asked = ask(store, FREE)
    with store.reading() as connection:
        assert kept_off(connection, "prod")
    agree(store, asked.seq)
    assert begin(store, "prod", "new", QUICK, who="ada", why="again", now=NOON + HOUR).flipped


def test_a_release_of_the_switch_that_was_proposed_before_it_was_set_is_void(store):
    """Yesterday's proposal does not undo today's emergency."""
    ask(store, KILL)
    early = ask(store, FREE)
    agree(store, early.seq)
    ask(store, KILL)
    with pytest.raises(InputError, match="no open proposal"):
        agree(store, early.seq)


@pytest.mark.parametrize(("environ", "stored", "share", "kill"), [
    ({}, {}, 100.0, False), ({"CANARY_PERCENT": "30"}, {"CANARY_PERCENT": "10"}, 10.0, False),
    ({"CANARY_PERCENT": "5"}, {"CANARY_PERCENT": "10"}, 5.0, False),
    ({"CANARY_PERCENT": "ten"}, {"CANARY_PERCENT": "10"}, 0.0, False),
    ({"SIGNOFF_KILL": "0"}, {"SIGNOFF_KILL": "1"}, 0.0, True),
    ({"SIGNOFF_KILL": "1"}, {"SIGNOFF_KILL": "0"}, 0.0, True),
])  # fmt: skip
def test_the_stricter_of_environment_and_store_counts(environ, stored, share, kill):
    """Neither can give back what the other takes away."""
    both = Switches(environ, stored)
    assert (most_percent(both), killed(both)) == (share, kill)


def test_switches_follow_the_store_of_one_environment(store):
    """What is applied elsewhere is not heard; what is applied here is, at the next look."""
    switches = Switches({"RERANKER": "off"})
    ask(store, KILL)
    with store.writing() as connection:
        planted(connection, "staging", "third")
        flip(connection, "staging", stable=planted(connection, "staging", "fourth"), candidate=None, percent=0,
             stage=None, who="ada", why="x", at=NOON)
    for environment, seen in (("staging", False), ("prod", True)):
        both = Switches({})
        with store.reading() as connection:
            both.follow(connection, environment)
        assert killed(both) is seen
    with store.reading() as connection:
        switches.follow(connection, "prod")
    agree(store, ask(store, FREE).seq)
    assert killed(switches)
    with store.reading() as connection:
        switches.follow(connection, "prod")
    assert not killed(switches) and switches["RERANKER"] == "off" and set(switches) == {"RERANKER", "SIGNOFF_KILL"}


@pytest.mark.parametrize("said", ["CANARY_PERCENT", "CANARY_PERCENT=101", "CANARY_PERCENT=nan", "RERANKER=maybe",
                                  "RETRIEVER_IMPL=amn_v9", "SIGNOFF_KILL=yes", "PATH=/", "CANARY_PERCENT=1\x00"])
def test_what_is_no_change_is_refused(said):
    """An unknown name, a value out of range, no value sign."""
    with pytest.raises(InputError):
        Change.of(said)
