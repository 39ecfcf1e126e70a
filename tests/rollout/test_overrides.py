"""Overrides: nothing happens until as many different people agree as the signed manifest's charter asks for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fixtures.attested import MANIFEST
from fixtures.rollout import NOON, planted
from harness.errors import EvidenceError, InputError
from harness.rollout.overrides import ASKED, Person, Request, override
from harness.rollout.pointer import flip
from harness.rollout.ramp_store import abort, advance, begin
from harness.rollout.store import open_store
from harness.rollout.trail import entries, verify_trail
from tests.rollout.ramps import QUICK, guard, missed

CHARTER = """
contract:
  owners: [search]
  overrides:
    - {who: release managers, may: hold a rollback, needs: 2}
    - {who: release managers, may: advance a ramp, needs: 2}
"""
ADA, BEN = Person("ada", "key-1"), Person("ben", "key-2")
ADVANCE, HOLD = Request("advance"), Request("hold", "quality", "2h")
HOUR = timedelta(hours=1)


def chartered(made, text):
    with made.writing() as connection:
        stable = planted(connection, "prod", "old")
        planted(connection, "prod", "new", manifest=(MANIFEST + text).encode())
        flip(connection, "prod", stable=stable, candidate=None, percent=0, stage=None, who="ada", why="x", at=NOON)
    begin(made, "prod", "new", QUICK, who="ada", why="new", now=NOON)
    return made


@pytest.fixture
def store(store):
    """A ramp under way, whose candidate's charter asks for two people; on both databases."""
    return chartered(store, CHARTER)


def agree(store, person, request=ADVANCE, *, at=NOON, believed=lambda entry, over: True):
    return override(store, "prod", request, person, why="the board met", now=at, believed=believed)


def test_a_stage_is_advanced_when_two_people_agree(store):
    """The first agreement is noted and changes nothing; the second takes effect, and the trail names both."""
    first = agree(store, ADA)
    assert (first.missing, first.advanced.flipped, first.advanced.state.percent) == (1, False, 5)
    second = agree(store, BEN)
    assert (second.missing, second.people, second.advanced.pointer.percent) == (0, ("ada", "ben"), 25)
    with store.reading() as connection:
        rows = entries(connection)
    verify_trail(rows)
    assert rows[-2].body["reason"] == "ada, ben advance a ramp: the board met"


def test_a_held_rollback_holds_for_its_time(store):
    """The guard that people spoke for holds; when the time is over, it rolls back."""
    agree(store, ADA, HOLD)
    agree(store, BEN, HOLD)
    held = advance(store, "prod", [missed(guard())], who="monitor", now=NOON + HOUR)
    assert held.decision.action == "hold" and held.pointer.percent == 5
    assert advance(store, "prod", [missed(guard())], who="monitor", now=NOON + 2 * HOUR).decision.action == "rollback"


@pytest.mark.parametrize("person", [ADA, Person("ada lovelace", "key-1")])
def test_one_key_is_one_person(store, person):
    """The same key under another name is the same person, and nothing moves."""
    agree(store, ADA)
    with pytest.raises(InputError, match="agreed already"):
        agree(store, person)


@pytest.mark.parametrize("other", [HOLD, Request("hold", "latency", "2h"), Request("hold", "quality", "3h")])
def test_agreements_on_different_things_do_not_add_up(store, other):
    """Another action, guard or span is another request."""
    agree(store, ADA, Request("hold", "quality", "1h"))
    assert agree(store, BEN, other).missing == 1


def test_an_agreement_is_good_for_a_day_and_for_one_stage(store):
    """Yesterday's is not counted, nor one that was given on the stage before."""
    agree(store, ADA)
    assert agree(store, BEN, at=NOON + 25 * HOUR).missing == 1
    assert agree(store, ADA, at=NOON + 26 * HOUR).missing == 0
    assert agree(store, ADA, at=NOON + 27 * HOUR).missing == 1


def test_an_agreement_that_is_not_believed_does_not_count(store):
    """Whoever writes a row into the trail by hand has agreed to nothing; one's own must be believed as well."""
    agree(store, Person("mallory", "key-9"))
    known = {"key-1", "key-2"}
    assert agree(store, ADA, believed=lambda entry, over: entry.body["identity"] in known).missing == 1
    with pytest.raises(EvidenceError, match="this agreement would not count"):
        agree(store, Person("eve", "key-8"), believed=lambda entry, over: entry.body["identity"] in known)
    with store.reading() as connection:
        assert [one.who for one in entries(connection, kind=ASKED)] == ["mallory", "ada"]


@pytest.mark.parametrize(("text", "told"), [
    ("", r"lets nobody advance a ramp.*overrides"),
    (CHARTER.replace("advance a ramp", "advance ramps"), "nearest: advance ramps")])
def test_without_a_charter_nobody_may(tmp_path, text, told):
    """Fail closed: a manifest that names nobody lets nobody, and says what is missing."""
    with open_store(f"sqlite:///{tmp_path}/rollout.db") as made, pytest.raises(InputError, match=told):
        agree(chartered(made, text), ADA)


def test_what_is_over_cannot_be_overridden(store):
    """A rollback is final, for people too."""
    abort(store, "prod", who="ada", why="x", now=NOON)
    with pytest.raises(InputError, match="no ramp is under way"):
        agree(store, ADA)


@pytest.mark.parametrize(("action", "name", "span"), [
    ("hold", None, None), ("hold", "quality", None), ("advance", "quality", "1h"), ("advance", None, "1h"),
    ("hold", "quality", "2 hours"), ("hold", "quality", "2d"), ("hold", "quality", "0m")])  # fmt: skip
def test_a_request_says_all_it_needs(action, name, span):
    """A guard and a span of a day at most to hold, neither to advance."""
    with pytest.raises(InputError):
        Request(action, name, span)
