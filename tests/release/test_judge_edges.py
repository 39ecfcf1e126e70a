"""The judge at its edges: each line here is one that a changed operator, end or bound of the judge would cross."""

from __future__ import annotations

import math

import pytest

from harness.release.judge import Control, CrossCheck, Reading, Verdict, judge, verdict_of
from tests.release.test_judge import BROKEN, LCB, MOST, SLOW, UCB, VALUE, check, estimate, judged, other

PASS, INCONCLUSIVE, REFUSE = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.REFUSE


def test_a_finding_keeps_what_it_was_made_of():
    """Check, limit and reading stand in the finding as they were given."""
    asked, reading = check(), Reading(estimate(0.02, 0.01, 0.05), control=BROKEN)
    finding = judge(asked, reading)
    assert finding.check is asked and finding.reading is reading and finding.limit is LCB


def test_one_observation_is_something_measured():
    """One observation, n = 1, is judged by its value; only n = 0 is nothing."""
    assert verdict_of(estimate(0.4, 0.4, 0.4, n=1), VALUE) is PASS
    assert judged(VALUE, (0.4, 0.4, 0.4), n=1).reason == "value 0.4 ≥ 0.3"


@pytest.mark.parametrize(("limit", "numbers", "words"), [
    (UCB, (7.0, 6.0, 7.9), "ucb 7.9 ≤ 8"), (MOST, (0.3, 0.1, 0.5), "value 0.3 ≤ 0.3"),
    (LCB, (0.02, 0.01, 0.05), "lcb 0.01 ≥ 0"), (VALUE, (0.3, 0.1, 0.5), "value 0.3 ≥ 0.3"),
])  # fmt: skip
def test_a_pass_names_its_end_and_the_side_of_its_limit(limit, numbers, words):
    """`at_most` passes below, `at_least` above, and the reason says which."""
    finding = judged(limit, numbers, control=SLOW if limit.direction == "at_most" else BROKEN)
    assert (finding.verdict, finding.reason) == (PASS, words)


# the resampled interval


@pytest.mark.parametrize(("numbers", "cross", "expected"), [
    ((0.5, 0.25, 0.75), CrossCheck(-0.5, 0.75, 0.25, 0.0, "BCa"), PASS),
    ((0.5, 0.25, 0.75), CrossCheck(-0.5, 0.75, 0.2499, 9.0, "BCa"), INCONCLUSIVE),
    ((-0.5, -0.75, -0.25), CrossCheck(-0.75, 0.5, 0.0, 0.25, "BCa"), REFUSE),
    ((-0.5, -0.75, -0.25), CrossCheck(-0.75, 0.5, 9.0, 0.2499, "BCa"), INCONCLUSIVE),
])  # fmt: skip
def test_three_errors_of_the_deciding_end_are_still_chance(numbers, cross, expected):
    """The end that decides has its own Monte-Carlo error: three of it are borne, more or the other end's are not."""
    assert judged(LCB, numbers, cross=cross).verdict is expected


def test_a_doubt_is_not_contradicted():
    """What is open already needs no second interval to say so: its reason stays the bound's own, with its n."""
    finding = judged(LCB, (0.01, -0.03, 0.05), cross=CrossCheck(0.9, 0.95, 0.0, 0.0, "BCa"))
    assert finding.reason == "lcb -0.03 < 0; about n = 6,400 would settle it"


# the planted defect


@pytest.mark.parametrize("broken", [math.nan, 0.9])
def test_the_second_alternative_is_held_to_its_own_control(broken):
    """Where the second alternative speaks, its own control is asked, not the row's and not the first's."""
    row = judged(VALUE, (0.2, 0.1, 0.3), alternatives=(other(0.1), other(0.25, broken=broken)))
    assert row.verdict is INCONCLUSIVE and "was not refused" in row.reason
    assert judged(VALUE, (0.2, 0.1, 0.3), alternatives=(other(0.1), other(0.25))).verdict is PASS


def test_the_first_alternatives_doubtful_control_does_not_speak_for_the_second():
    """A control that was not measured is no refusal, and blocks only the measure that speaks."""
    row = judged(VALUE, (0.2, 0.1, 0.3), alternatives=(other(0.1, broken=math.nan), other(0.25)))
    assert row.verdict is PASS


def test_a_defect_that_slipped_through_is_named_with_its_number():
    """The reason tells which defect, and what the gate measured on it."""
    control = Control("inert", 1.0, 0.4125, 0.35, 0.45, 400)
    assert judged(LCB, (0.02, 0.01, 0.05), control=control).reason == (
        "lcb 0.01 ≥ 0, but the planted defect inert was not refused (measured 0.4125)")


# the n that would settle it


@pytest.mark.parametrize(("limit", "numbers", "n", "needed"), [
    (UCB, (7.0, 6.0, 8.5), 400, 900),  # the limit lies 1 away, not 15
    (LCB, (0.01, -0.03, 0.02), 400, 6400), (LCB, (-0.01, -0.02, 0.03), 400, 6400),  # the end across the limit counts
    (LCB, (0.01, -0.03, 0.05), 2, 32),  # two observations have a spread
    (LCB, (-0.02, -0.05, 0.0), 400, None),  # an end exactly on the limit asks for no more than there are
    (LCB, (1.0, -9999.0, 2.0), 10_000, 10**12), (LCB, (1.0, -9999.0, 2.0), 10_001, None),  # beyond anyone's reach
])  # fmt: skip
def test_the_needed_n_follows_from_gap_and_reach(limit, numbers, n, needed):
    """It is n × (reach / gap)², from the end that lies across the limit; nothing beyond 10¹² rows is promised."""
    finding = judged(limit, numbers, n=n)
    assert (finding.verdict, finding.needed_n) == (INCONCLUSIVE, needed)
    assert ("would settle it" in finding.reason) == (needed is not None)


@pytest.mark.parametrize(("numbers", "n", "min_n", "needed"), [
    ((0.01, -math.inf, math.inf), 50, 200, 200), ((0.0, -0.03, 0.03), 400, 400, None),
    ((0.0, -0.03, 0.03), 399, 400, 400),
])  # fmt: skip
def test_where_no_spread_is_known_only_the_least_n_is_said(numbers, n, min_n, needed):
    """An endless interval, or a value on its limit, tells no n; a least n that is not reached is told."""
    assert judged(LCB, numbers, n=n, min_n=min_n).needed_n == needed


def test_a_refusal_on_few_observations_asks_for_no_more():
    """What is refused is settled, whatever its least n."""
    finding = judged(LCB, (-0.5, -0.6, -0.4), min_n=200, n=30)
    assert (finding.verdict, finding.needed_n, finding.reason) == (REFUSE, None, "ucb -0.4 < 0")


@pytest.mark.parametrize(("numbers", "n", "min_n"), [((0.5, 0.1, 0.9), 400, 0), ((0.5, 0.4, 0.6), 3, 200)])
def test_no_number_of_rows_replaces_a_planted_defect(numbers, n, min_n):
    """A value that lacks its proof is in doubt, and more rows would not end it."""
    finding = judged(VALUE, numbers, n=n, min_n=min_n, control=None)
    assert (finding.verdict, finding.needed_n) == (INCONCLUSIVE, None)
    assert finding.reason.endswith("but no planted defect was shown to this gate")
