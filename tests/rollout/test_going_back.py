"""Rollback: the flip comes first and stands whatever follows; what follows is told, never assumed."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from fixtures.attested import NOW, attested
from fixtures.signed import signed
from harness.errors import InputError
from harness.release.evidence import read_evidence
from harness.release.judge import Finding
from harness.release.recheck import recheck
from harness.rollout.admitting import check_rollback, rollback
from harness.rollout.going_back import Checked, leaves
from harness.rollout.proving import verify_store
from tests.rollout.released import everything, let_in, promoted, served, serving, told

LATER = NOW + timedelta(days=30)


def back(store, **more):
    return rollback(store, "prod", **({"who": "ada", "why": "slow", "now": LATER} | more))


def findings() -> list[Finding]:
    release = attested()
    return list(recheck(read_evidence(release.evidence), loaded=release.loaded, subjects=release.subjects, where="x"))


def test_the_release_before_serves_again(store, tmp_path):
    """One step, then another; each in the trail with its reason, before the flip that it led to."""
    one, two, three = served(store, tmp_path, "one", "two", "three")
    first = back(store)
    assert (first.stable, first.candidate, first.why, first.at) == (two.digest, None, "slow", LATER)
    assert back(store).stable == one.digest == serving(store).stable
    assert [row.kind for row in told(store)][-4:] == ["rollback", "flip", "rollback", "flip"]
    assert told(store, "rollback")[0].body == {"environment": "prod", "stable": three.digest, "candidate": None,
                                              "to": two.digest, "why": "slow"}
    assert verify_store(store).flips == 5


def test_a_candidate_is_taken_back_before_anything_else(store, tmp_path):
    """In the middle of a rollout the stable release stays, and gets all of the traffic."""
    one, two = served(store, tmp_path, "one", "two")
    promoted(store, two.digest, candidate=one.digest, percent=25.0)
    made = back(store)
    assert (made.stable, made.candidate, made.percent, made.stage) == (two.digest, None, 0.0, None)
    assert told(store, "rollback")[0].body["candidate"] == one.digest


def test_any_admitted_release_can_be_named(store, tmp_path):
    """By digest, by its beginning, by name; forward too, since a rollback may have been a mistake."""
    one, _, three = served(store, tmp_path, "one", "two", "three")
    assert back(store, to="one").stable == one.digest
    assert back(store, to=three.digest[:10]).stable == three.digest


def test_of_two_who_take_a_candidate_back_the_second_takes_nothing(store, tmp_path):
    """Both saw the candidate; once it is gone, the sound release beside it stays, and so does every row."""
    one, two, three = served(store, tmp_path, "one", "two", "three")
    promoted(store, two.digest)
    promoted(store, two.digest, candidate=three.digest, percent=25.0)
    seen = leaves(store, "prod")
    assert seen == three.digest and back(store, leaving=seen).stable == two.digest
    before = everything(store)
    with pytest.raises(InputError, match=rf"somebody was faster; expected {three.digest[:12]}.*{two.digest[:12]}"):
        back(store, leaving=seen)
    assert everything(store) == before
    assert back(store).stable == one.digest  # who names nothing goes one step back


def test_what_is_left_is_what_was_meant(store, tmp_path):
    """A candidate that was promoted meanwhile is left; the release beside a new candidate is not, unless `to` says."""
    one, two, three = served(store, tmp_path, "one", "two", "three")
    assert back(store, leaving="three").stable == two.digest
    promoted(store, two.digest, candidate=three.digest, percent=25.0)
    with pytest.raises(InputError, match="somebody was faster"):
        back(store, leaving=two.digest)
    assert back(store, leaving=two.digest, to="one").stable == one.digest
    assert leaves(store, "nowhere") is None


@pytest.mark.parametrize(("asked", "environment", "reason"), [
    ({}, "prod", "nothing to go back to"), ({}, "prdo", "nothing serves there; .*nearest: prod"),
    ({"to": "one"}, "prod", "it serves already"), ({"to": "onne"}, "prod", "not admitted.*nearest: one"),
    ({}, "no such place", "not the name"),
])  # fmt: skip
def test_where_nothing_is_to_go_back_to_nothing_changes(store, tmp_path, asked, environment, reason):
    """The first release, an unknown environment, the one that serves, one that was never admitted."""
    served(store, tmp_path, "one")
    before = everything(store)
    with pytest.raises(InputError, match=reason):
        rollback(store, environment, who="ada", why="", now=LATER, **asked)
    assert everything(store) == before


def test_caches_and_smoke_gates_come_after_the_flip(store, tmp_path):
    """Whoever clears a cache finds the old release serving; what was looked at is in the trail."""
    one, _ = served(store, tmp_path, "one", "two")
    seen = []
    back(store, caches=[lambda: seen.append(serving(store).stable)],
         smoke=lambda release: [Checked("answers", release == one, "3 of 3")])
    assert seen == [one.digest]
    (checked,) = told(store, "checked")
    assert checked.body == {"environment": "prod", "digest": one.digest, "pointer": 3, "good": True, "checks": [
        {"name": "cache 1", "good": True, "told": "cleared"}, {"name": "answers", "good": True, "told": "3 of 3"}]}


def broken(*_):
    raise OSError("no such cache")


@pytest.mark.parametrize(("after", "expected"), [
    ({"caches": [broken, list]}, [("cache 1", False), ("cache 2", True)]), ({"smoke": broken}, [("smoke", False)]),
    ({"smoke": lambda _: []}, [("smoke", False)]),
    ({"smoke": lambda _: [Checked("figures", False, "RR 0.1, recorded 0.6")]}, [("figures", False)]),
])  # fmt: skip
def test_what_fails_after_the_flip_is_told_and_stops_nothing(store, tmp_path, after, expected):
    """A cache hook or a smoke gate that raises, finds fault or finds nothing: the old release serves, and it shows."""
    one, _ = served(store, tmp_path, "one", "two")
    assert back(store, **after).stable == one.digest == serving(store).stable
    (checked,) = told(store, "checked")
    assert [(row["name"], row["good"]) for row in checked.body["checks"]] == expected and not checked.body["good"]


def test_nothing_is_claimed_where_nothing_was_looked_at(store, tmp_path):
    """Without caches and smoke gates the trail has no row that says all is good."""
    served(store, tmp_path, "one", "two")
    back(store)
    assert told(store, "checked") == []


def test_a_released_environment_does_not_move_another(store, tmp_path):
    """Both serve the second release; one goes back, the other stays."""
    served(store, tmp_path, "one", "two")
    staging = let_in(store, signed(tmp_path, "three", days=5), days=5, environment="staging")
    back(store)
    assert serving(store, "staging").stable == staging.digest


def test_figures_are_back_at_the_end_of_their_recorded_interval_and_not_below():
    """At the recorded end: back. A hair worse: not. On the good side: back, whatever the direction."""
    for one in findings():
        up = one.limit.direction == "at_least"
        worst = one.reading.estimate.low if up else one.reading.estimate.high
        for now, good in ((worst, True), (math.nextafter(worst, -math.inf if up else math.inf), False),
                          (one.reading.estimate.value, True), (math.inf if up else -math.inf, True)):
            (found,) = check_rollback([one], {one.check.id: now})
            assert (found.back, found.gate) == (good, one.check.id)


def test_what_was_not_measured_is_not_back():
    """Missing or no number: never assumed to be in order."""
    one = findings()[0]
    for measured in ({}, {one.check.id: math.nan}, {"another": 0.9}):
        (found,) = check_rollback([one], measured)
        assert (found.back, found.now) == (False, None)
    assert check_rollback([], {}) == ()


def test_an_end_that_the_data_did_not_bound_gives_way_to_the_value():
    """An interval open to the worse side would call anything back."""
    one = findings()[0]
    estimate = one.reading.estimate._replace(low=-math.inf)
    opened = replace(one, reading=replace(one.reading, estimate=estimate))
    assert [check_rollback([opened], {one.check.id: now})[0].back for now in (estimate.value, estimate.value - 1e-9)
            ] == [True, False]
