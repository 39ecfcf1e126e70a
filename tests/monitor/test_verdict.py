"""The verdict in one word: fail is proof of harm, pass is proof of none, all else is inconclusive."""

from __future__ import annotations

import math

import pytest

from harness.monitor.running import Scene
from harness.monitor.series import Watch
from harness.monitor.verdict import verdict_of
from harness.monitor.watching import Look
from harness.rollout.shapes import Reading
from tests.monitor.serving import CANDIDATE, DAY, STABLE
from tests.rollout.ramps import absent, guard, missed, open_, well

BACK, HOLD, TELL = guard(), guard("hold", then="hold"), guard("tell", then="alert")


def looked(*readings: Reading) -> Look:
    return Look(DAY, Scene(None, None, Watch(CANDIDATE, "candidate", DAY, STABLE), {}, readings))


@pytest.mark.parametrize(("readings", "word"), [
    ((well(BACK), well(HOLD)), "pass"), ((well(BACK), missed(TELL)), "pass"),
    ((well(BACK), open_(HOLD)), "inconclusive"), ((well(BACK), absent(HOLD)), "inconclusive"),
    ((well(TELL),), "inconclusive"), ((), "inconclusive"), ((well(BACK), missed(HOLD)), "inconclusive"),
    ((well(HOLD), missed(BACK)), "fail"), ((absent(HOLD), missed(BACK)), "fail")])  # fmt: skip
def test_the_word_follows_from_the_readings(readings, word):
    """Harm that rolls back fails whatever else is missing; anything unproven keeps from a pass."""
    assert verdict_of(looked(*readings), CANDIDATE)["verdict"] == word


@pytest.mark.parametrize("release", ["", CANDIDATE, CANDIDATE[:8]])
def test_a_release_is_named_by_its_digest_or_its_first_letters(release):
    """Without a name, the one that is watched."""
    assert verdict_of(looked(well(BACK)), release)["release"] == CANDIDATE


@pytest.mark.parametrize("release", [STABLE, "nobody", CANDIDATE[:7], "x" * 64])
def test_a_release_that_nobody_watches_never_passes(release):
    """Whatever is asked of another release, nothing is known."""
    told = verdict_of(looked(well(BACK)), release)
    assert told["verdict"] == "inconclusive" and told["guards"] == []


def test_no_look_is_inconclusive():
    """Nothing looked, nothing shown."""
    assert verdict_of(None, CANDIDATE)["verdict"] == "inconclusive"


def test_bounds_are_numbers_or_null():
    """A bound that is none is null: strict JSON has no infinity."""
    one = well(BACK)
    open_end = Reading(one.guard, one.state, one.value, -math.inf, one.high, one.n, None, "")
    (told,) = verdict_of(looked(open_end), "")["guards"]
    assert (told["low"], told["high"], told["limit"], told["shown"]) == (None, 0.03, "lcb ≥ 0", "inconclusive")
