"""The decision by example: each branch of `judge` and `decide`, at its edge and on both sides of it."""

from __future__ import annotations

import math

import pytest

from harness.estimate import Estimate
from harness.release.judge import Alternative, Control, CrossCheck, Finding, Reading, Verdict, decide, judge, verdict_of
from harness.release.policy import Check, Limit

PASS, INCONCLUSIVE, REFUSE = Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.REFUSE
LCB, UCB = Limit("at_least", 0.0, "lcb"), Limit("at_most", 8.0, "ucb")
VALUE, MOST = Limit("at_least", 0.3, "value"), Limit("at_most", 0.3, "value")
BROKEN = Control("shuffled", 1.0, -0.9, -0.95, -0.85, 400)
SLOW = Control("slow_tail", 1.0, 90.0, 80.0, 99.0, 400)


def estimate(value: float, low: float, high: float, n: int = 400) -> Estimate:
    return Estimate(value, low, high, n, 0.9, "t")


def check(limit: Limit | None = LCB, *, required: bool = True) -> Check:
    return Check("all-m-lcb", "m", None, "all", limit, required=required, why=None if required else "few queries")


def judged(limit: Limit, numbers: tuple[float, float, float], *, control: Control | None = BROKEN, **rest) -> Finding:
    n = rest.pop("n", 400)
    return judge(check(limit), Reading(estimate(*numbers, n), control=control, **rest))


@pytest.mark.parametrize(("limit", "numbers", "expected"), [
    (VALUE, (0.3, 0.1, 0.5), PASS), (VALUE, (0.2999, 0.1, 0.5), REFUSE),
    (MOST, (0.3, 0.1, 0.5), PASS), (MOST, (0.3001, 0.1, 0.5), REFUSE),
    (LCB, (0.02, 0.0, 0.05), PASS), (LCB, (0.02, -1e-9, 0.05), INCONCLUSIVE),
    (LCB, (-0.02, -0.05, 0.0), INCONCLUSIVE), (LCB, (-0.02, -0.05, -1e-9), REFUSE),
    (UCB, (7.0, 6.0, 8.0), PASS), (UCB, (7.0, 6.0, 8.0001), INCONCLUSIVE),
    (UCB, (9.0, 8.0, 10.0), INCONCLUSIVE), (UCB, (9.0, 8.0001, 10.0), REFUSE),
    (LCB, (0.02, -math.inf, math.inf), INCONCLUSIVE), (UCB, (7.0, 6.0, math.inf), INCONCLUSIVE),
    (UCB, (9.0, 8.5, math.inf), REFUSE), (LCB, (-0.02, -math.inf, -0.01), REFUSE),
])  # fmt: skip
def test_the_stated_end_decides(limit, numbers, expected):
    """Value, lcb and ucb each pass at the limit, refuse beyond it, and doubt only between the two ends."""
    assert verdict_of(estimate(*numbers), limit) is expected


@pytest.mark.parametrize("limit", [VALUE, MOST, LCB, UCB], ids=str)
@pytest.mark.parametrize("numbers", [
    estimate(math.nan, math.nan, math.nan), estimate(math.nan, -math.inf, math.inf), estimate(math.nan, 1.0, 1.0),
    estimate(0.3, 0.3, 0.3, n=0), estimate(0.3, 0.3, 0.3, n=-1),
])  # fmt: skip
def test_nothing_measured_is_no_verdict(limit, numbers):
    """NaN and n = 0 neither pass nor refuse, whatever the limit, even where an end alone would clear it."""
    assert verdict_of(numbers, limit) is INCONCLUSIVE
    finding = judge(check(limit), Reading(numbers, control=BROKEN))
    assert finding.verdict is INCONCLUSIVE
    assert finding.reason.startswith("nothing was measured")


@pytest.mark.parametrize("numbers", [(0.02, math.nan, 0.05), (0.02, 0.01, math.nan)])
@pytest.mark.parametrize("limit", [LCB, UCB], ids=str)
def test_an_end_that_is_not_a_number_decides_nothing(limit, numbers):
    """A bound that could not be computed is doubt."""
    assert verdict_of(estimate(*numbers), limit) is INCONCLUSIVE


def test_a_sound_reading_passes_and_says_by_what():
    """A PASS names the end, its number and the limit."""
    finding = judged(LCB, (0.02, 0.0123456, 0.05))
    assert (finding.verdict, finding.reason) == (PASS, "lcb 0.0123456 ≥ 0")
    assert finding.needed_n is None


@pytest.mark.parametrize(("limit", "numbers", "words"), [
    (LCB, (-0.02, -0.05, -0.01), "ucb -0.01 < 0"), (LCB, (0.02, -0.01, 0.05), "lcb -0.01 < 0"),
    (UCB, (9.0, 8.5, 10.0), "lcb 8.5 > 8"), (UCB, (7.0, 6.0, 8.5), "ucb 8.5 > 8"),
    (VALUE, (0.2, 0.1, 0.25), "value 0.2 < 0.3"), (MOST, (0.4, 0.35, 0.45), "value 0.4 > 0.3"),
])  # fmt: skip
def test_a_reason_shows_the_number_that_decided(limit, numbers, words):
    """A refusal shows the end that lies beyond the limit, a doubt the end that does not clear it."""
    assert judged(limit, numbers).reason.startswith(words)


# 4. too few observations


@pytest.mark.parametrize(("n", "expected"), [(199, INCONCLUSIVE), (200, PASS)])
def test_a_bound_needs_its_least_n(n, expected):
    """A lower bound on fewer observations than its measure needs passes nothing."""
    finding = judged(LCB, (0.02, 0.01, 0.05), min_n=200, n=n)
    assert finding.verdict is expected
    assert ("needs n ≥ 200" in finding.reason) == (expected is INCONCLUSIVE)


def test_too_few_to_pass_can_still_refuse():
    """The least n guards a PASS; a refusal on few observations stands."""
    assert judged(LCB, (-0.5, -0.6, -0.4), min_n=200, n=30).verdict is REFUSE


def test_a_value_has_no_least_n():
    """Only bounds are too high on small samples; a value is judged as it is."""
    assert judged(VALUE, (0.5, 0.1, 0.9), min_n=200, n=3).verdict is PASS


# 5. the resampled interval


@pytest.mark.parametrize(("limit", "numbers", "cross", "expected"), [
    (LCB, (0.02, 0.001, 0.05), CrossCheck(0.0005, 0.05, 1e-4, 1e-4, "BCa"), PASS),  # both clear
    (LCB, (0.02, 0.001, 0.05), CrossCheck(-0.001, 0.05, 1e-3, 1e-3, "BCa"), PASS),  # 2 standard errors apart: chance
    (LCB, (0.02, 0.001, 0.05), CrossCheck(-0.003, 0.05, 1e-3, 1e-3, "BCa"), INCONCLUSIVE),  # 4 apart
    (LCB, (-0.02, -0.05, -0.001), CrossCheck(-0.05, 0.001, 1e-3, 1e-3, "BCa"), REFUSE),
    (LCB, (-0.02, -0.05, -0.001), CrossCheck(-0.05, 0.003, 1e-3, 1e-3, "BCa"), INCONCLUSIVE),
    (UCB, (7.0, 6.0, 7.9), CrossCheck(6.0, 8.1, 0.1, 0.1, "BCa"), PASS),
    (UCB, (7.0, 6.0, 7.9), CrossCheck(6.0, 8.3, 0.1, 0.1, "BCa"), INCONCLUSIVE),
    (UCB, (9.0, 8.1, 10.0), CrossCheck(7.7, 10.0, 0.1, 0.1, "BCa"), INCONCLUSIVE),
    (UCB, (9.0, 8.1, 10.0), CrossCheck(7.9, 10.0, 0.1, 0.1, "BCa"), REFUSE),
    (LCB, (0.02, 0.001, 0.05), CrossCheck(math.nan, 0.05, 1e-3, 1e-3, "BCa"), INCONCLUSIVE),
    (LCB, (0.02, 0.001, 0.05), CrossCheck(-0.001, 0.05, math.nan, 1e-3, "BCa"), INCONCLUSIVE),
    (LCB, (0.02, 0.001, 0.05), CrossCheck(-math.inf, math.inf, 1e-3, 1e-3, "BCa"), INCONCLUSIVE),
])  # fmt: skip
def test_a_resampled_interval_that_disagrees_leaves_doubt(limit, numbers, cross, expected):
    """The bootstrap must agree with the closed bound, three Monte-Carlo standard errors aside, on either side."""
    control = SLOW if limit is UCB else BROKEN
    finding = judged(limit, numbers, cross=cross, control=control)
    assert finding.verdict is expected
    assert ("disagrees" in finding.reason) == (expected is INCONCLUSIVE)


@pytest.mark.parametrize(("numbers", "shown"), [((0.02, 0.001, 0.05), "-0.3"), ((-0.02, -0.05, -0.001), "0.4")])
def test_the_disagreeing_end_is_the_one_shown(numbers, shown):
    """The reason quotes the resampled end that stands against the verdict: low at a pass, high at a refusal."""
    cross = CrossCheck(-0.3, 0.4, 1e-3, 1e-3, "BCa")
    assert f"BCa bound {shown} disagrees" in judged(LCB, numbers, cross=cross).reason


def test_a_value_is_not_cross_checked():
    """A row judged by its value has no bound to contradict."""
    assert judged(VALUE, (0.5, 0.1, 0.9), cross=CrossCheck(-9.0, 9.0, 0.0, 0.0, "BCa")).verdict is PASS


# 6. the planted defect


def test_a_gate_that_was_shown_no_defect_passes_nothing():
    """Without a control a PASS becomes INCONCLUSIVE, and the reason says why."""
    finding = judged(LCB, (0.02, 0.01, 0.05), control=None)
    assert finding.verdict is INCONCLUSIVE and "no planted defect" in finding.reason


@pytest.mark.parametrize("control", [
    Control("inert", 1.0, 0.4, 0.35, 0.45, 400),  # passes
    Control("inert", 1.0, -0.1, -0.3, 0.1, 400),  # inconclusive
    Control("inert", 1.0, math.nan, math.nan, math.nan, 400),
    Control("inert", 1.0, -0.9, -0.95, -0.85, 0),
])  # fmt: skip
def test_a_gate_that_did_not_refuse_its_defect_passes_nothing(control):
    """A planted defect that passes, is in doubt, or was not measured proves the gate blind."""
    finding = judged(LCB, (0.02, 0.01, 0.05), control=control)
    assert finding.verdict is INCONCLUSIVE
    assert "the planted defect inert was not refused" in finding.reason


@pytest.mark.parametrize("control", [None, Control("inert", 1.0, 0.4, 0.35, 0.45, 400)])
def test_a_refusal_needs_no_proof(control):
    """A gate without proof still refuses what is bad."""
    assert judged(LCB, (-0.02, -0.05, -0.01), control=control).verdict is REFUSE


# 3. alternatives


def other(value: float, broken: float | None = 0.05, *, n: int = 400, limit: Limit | None = None) -> Alternative:
    worse = None if broken is None else estimate(broken, broken, broken)
    return Alternative("RR", estimate(value, value, value, n), limit or Limit("at_least", 0.2, "value"), worse)


def test_an_alternative_that_passes_speaks_for_its_row():
    """R@5 fails, RR clears its own limit and its own control: the row passes, and says by which."""
    finding = judged(VALUE, (0.2, 0.1, 0.3), alternatives=(other(0.1), other(0.25)))
    assert finding.verdict is PASS
    assert finding.reason == "RR value 0.25 ≥ 0.2 (in place of: value 0.2 < 0.3)"


def test_an_alternative_that_fails_leaves_the_row_refused():
    """No alternative clears its limit: the row's own verdict stands."""
    assert judged(VALUE, (0.2, 0.1, 0.3), alternatives=(other(0.1),)).verdict is REFUSE


@pytest.mark.parametrize(("alternative", "words"), [
    (other(0.25, broken=None), "no planted defect"), (other(0.25, broken=0.9), "was not refused"),
    (other(0.25, broken=math.nan), "was not refused"),
])  # fmt: skip
def test_an_alternative_is_held_to_its_own_control(alternative, words):
    """An alternative that was not seen to refuse the defect passes nothing for its row."""
    finding = judged(VALUE, (0.2, 0.1, 0.3), alternatives=(alternative,))
    assert finding.verdict is INCONCLUSIVE and words in finding.reason


def test_an_alternative_does_not_stand_in_for_a_missing_control():
    """The row's control is shown even where an alternative speaks."""
    assert judged(VALUE, (0.2, 0.1, 0.3), alternatives=(other(0.25),), control=None).verdict is INCONCLUSIVE


def test_a_row_that_passes_by_itself_needs_no_alternative():
    """The row's own number is heard first."""
    finding = judged(VALUE, (0.4, 0.3, 0.5), alternatives=(other(0.25),))
    assert (finding.verdict, finding.reason) == (PASS, "value 0.4 ≥ 0.3")


@pytest.mark.parametrize("value", [0.4, 0.2])
def test_a_row_whose_alternative_lets_the_defect_through_passes_nothing(value):
    """The whole row is the gate: a defect that either of its measures passes was not refused."""
    blind = judged(VALUE, (value, 0.1, 0.5), alternatives=(other(0.25, broken=0.9),))
    assert blind.verdict is INCONCLUSIVE and "was not refused" in blind.reason
    let_through = Control("inert", 1.0, 0.9, 0.9, 0.9, 400)
    assert judged(VALUE, (value, 0.1, 0.5), alternatives=(other(0.25),), control=let_through).verdict is INCONCLUSIVE


@pytest.mark.parametrize(("n", "expected"), [(199, INCONCLUSIVE), (200, PASS)])
def test_an_alternative_needs_the_least_n_too(n, expected):
    """An alternative judged by a bound on too few observations does not pass its row."""
    bound = Limit("at_least", 0.2, "lcb")
    finding = judged(LCB, (-0.01, -0.02, 0.1), min_n=200, alternatives=(other(0.25, n=n, limit=bound),))
    assert finding.verdict is expected


# the n that would settle it


def test_the_needed_n_scales_with_the_square_of_the_gap():
    """Half-width 0.04 about 0.01 at n = 400: sixteen times the rows bring the lower end to 0."""
    finding = judged(LCB, (0.01, -0.03, 0.05))
    assert finding.verdict is INCONCLUSIVE
    assert finding.needed_n == 6400
    assert finding.reason.endswith("about n = 6,400 would settle it")


def test_where_none_were_seen_the_needed_n_scales_with_the_gap():
    """None of 240 within 1 %: 1 - .05^(1/n) clears it from 298.07, told as 298; its root asks for 370."""
    limit, high = Limit("at_most", 0.01, "ucb"), 1.0 - 0.05 ** (1 / 240)
    control = Control("slow_tail", 1.0, 0.9, 0.8, 0.99, 400)
    finding = judged(limit, (0.0, 0.0, high), n=240, control=control)
    assert finding.needed_n == 298 and 1.0 - 0.05 ** (1 / 297) > 0.01 > 1.0 - 0.05 ** (1 / 299)
    assert judged(limit, (0.0001, 0.0, high), n=240, control=control).needed_n > 360


@pytest.mark.parametrize(("numbers", "n", "min_n", "needed"), [
    ((0.0, -0.03, 0.03), 400, 0, None),  # on the limit: no n settles it
    ((0.01, -math.inf, math.inf), 400, 0, None), ((0.01, -0.03, 0.05), 1, 0, None),
    ((0.02, 0.01, 0.03), 50, 200, 200), ((math.nan, math.nan, math.nan), 0, 200, 200),
    ((-0.01, -0.05, 0.03), 400, 0, 6400),
])  # fmt: skip
def test_the_needed_n_is_said_only_where_it_is_known(numbers, n, min_n, needed):
    """No n is promised where none would do; the least n is said where that is what is missing."""
    assert judged(LCB, numbers, n=n, min_n=min_n).needed_n == needed


def test_a_verdict_has_no_needed_n():
    """PASS and REFUSE are settled."""
    assert judged(LCB, (0.02, 0.01, 0.05)).needed_n is None
    assert judged(LCB, (-0.02, -0.05, -0.01)).needed_n is None


def test_a_gate_without_a_limit_cannot_be_judged():
    """A user's own gate states its limit when it is judged, or there is nothing to judge by."""
    reading = Reading(estimate(0.5, 0.4, 0.6), control=BROKEN)
    with pytest.raises(ValueError, match="states no limit"):
        judge(check(None), reading)
    assert judge(check(None), reading, limit=VALUE).limit == VALUE


# decide


def finding(verdict: Verdict, *, required: bool = True) -> Finding:
    return Finding(check(required=required), LCB, Reading(estimate(0, 0, 0)), verdict, "")


@pytest.mark.parametrize(("findings", "expected"), [
    ([], INCONCLUSIVE),
    ([finding(PASS)], PASS),
    ([finding(PASS), finding(INCONCLUSIVE)], INCONCLUSIVE),
    ([finding(INCONCLUSIVE), finding(REFUSE), finding(PASS)], REFUSE),
    ([finding(PASS), finding(INCONCLUSIVE, required=False)], PASS),
    ([finding(PASS), finding(REFUSE, required=False)], REFUSE),
    ([finding(PASS, required=False)], INCONCLUSIVE),
    ([finding(INCONCLUSIVE, required=False)], INCONCLUSIVE),
])  # fmt: skip
def test_the_gravest_finding_speaks(findings, expected):
    """`required: false` excuses doubt, never a refusal; where nothing required was shown, nothing passes."""
    assert decide(findings) is expected


def test_the_order_of_gravity_is_the_order_of_numbers():
    """The gravest is the maximum, and a generator serves as well as a list."""
    assert PASS < INCONCLUSIVE < REFUSE
    assert decide(one for one in [finding(PASS), finding(REFUSE)]) is REFUSE
