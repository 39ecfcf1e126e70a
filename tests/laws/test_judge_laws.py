"""Laws of the decision: better numbers, looser limits, fewer findings never make it graver; nor does a mirror."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.estimate import Estimate
from harness.release.evidence import finding_of, rounded, row_of
from harness.release.judge import Alternative, Control, CrossCheck, Finding, Reading, Verdict, decide, judge, verdict_of
from harness.release.policy import Check, Limit

NUMBER = st.floats(-1e3, 1e3) | st.sampled_from([0.0, 0.3, math.inf, -math.inf, math.nan])
FINITE = st.floats(-1e3, 1e3)
ESTIMATE = st.builds(Estimate, NUMBER, NUMBER, NUMBER, st.integers(0, 5000), st.just(0.9), st.just("t"))
SOUND = st.builds(lambda ends, n: Estimate(ends[1], ends[0], ends[2], n, 0.9, "t"),
                  st.tuples(FINITE, FINITE, FINITE).map(sorted), st.integers(1, 5000))
LIMIT = st.builds(Limit, st.just("at_least"), FINITE, st.sampled_from(["value", "lcb"])) | st.builds(
    Limit, st.just("at_most"), FINITE, st.sampled_from(["value", "ucb"]))
CROSS = st.builds(CrossCheck, NUMBER, NUMBER, st.floats(0, 1), st.floats(0, 1), st.just("BCa"))
CONTROL = st.builds(Control, st.just("shuffled"), st.just(1.0), NUMBER, NUMBER, NUMBER, st.integers(0, 5000))
ALTERNATIVE = st.builds(Alternative, st.just("RR"), ESTIMATE, LIMIT, st.none() | ESTIMATE)
READING = st.builds(Reading, ESTIMATE, st.sampled_from([0, 200]), st.none() | CROSS,
                    st.lists(ALTERNATIVE, max_size=2).map(tuple), st.none() | CONTROL,
                    st.dictionaries(st.sampled_from(["max", "p50"]), NUMBER | st.just("one"), max_size=2),
                    st.text(max_size=5))
VERDICTS = st.lists(st.tuples(st.sampled_from(Verdict), st.booleans()), max_size=6)


def check(limit: Limit) -> Check:
    return Check("m", "m", None, "all", limit)


def loosened(limit: Limit, by: float) -> Limit:
    sign = -1.0 if limit.direction == "at_least" else 1.0
    return Limit(limit.direction, limit.bound + sign * by, limit.by)


def refused_by(limit: Limit) -> Control:
    """A planted defect so bad that every limit here refuses it."""
    worst = -1e9 if limit.direction == "at_least" else 1e9
    return Control("shuffled", 1.0, worst, worst, worst, 400)


def mirrored(estimate: Estimate) -> Estimate:
    return estimate._replace(value=-estimate.value, low=-estimate.high, high=-estimate.low)


def mirror(limit: Limit) -> Limit:
    other = {"lcb": "ucb", "ucb": "lcb", "value": "value"}[limit.by]
    return Limit("at_most" if limit.direction == "at_least" else "at_least", -limit.bound, other)


def mirrored_reading(reading: Reading) -> Reading:
    cross, control = reading.cross, reading.control
    return Reading(
        mirrored(reading.estimate), reading.min_n,
        None if cross is None else CrossCheck(-cross.high, -cross.low, cross.high_se, cross.low_se, cross.method),
        tuple(Alternative(one.measure, mirrored(one.estimate), mirror(one.limit),
                          None if one.broken is None else mirrored(one.broken)) for one in reading.alternatives),
        None if control is None else control._replace(value=-control.value, low=-control.high, high=-control.low))


@given(READING, LIMIT)
def test_a_mirror_changes_no_verdict(reading, limit):
    """Negate every number and turn every limit round: the verdict and the needed n are the same."""
    one, two = judge(check(limit), reading), judge(check(mirror(limit)), mirrored_reading(reading))
    assert (one.verdict, one.needed_n) == (two.verdict, two.needed_n)


@given(SOUND, LIMIT, st.floats(0, 100), st.floats(0, 100))
def test_better_numbers_are_never_judged_worse(estimate, limit, one, two):
    """Move the ends and the value the better way, each as far as it likes: the verdict gets no graver."""
    sign = 1.0 if limit.direction == "at_least" else -1.0
    better = estimate._replace(value=estimate.value + sign * min(one, two), low=estimate.low + sign * one,
                               high=estimate.high + sign * two)
    control = refused_by(limit)
    assert verdict_of(better, limit) <= verdict_of(estimate, limit)
    assert (judge(check(limit), Reading(better, control=control)).verdict
            <= judge(check(limit), Reading(estimate, control=control)).verdict)


@given(READING, LIMIT, st.floats(0, 100))
def test_a_looser_limit_is_never_judged_worse(reading, limit, by):
    """Loosen the limit: the verdict gets no graver, as long as the defect is refused at both."""
    reading = Reading(reading.estimate, reading.min_n, reading.cross, (), refused_by(limit))
    assert judge(check(loosened(limit, by)), reading).verdict <= judge(check(limit), reading).verdict


def test_a_limit_loosened_until_the_defect_clears_it_passes_nothing():
    """The exception to the law above is wanted: a limit so loose that the defect passes proves nothing."""
    reading = Reading(Estimate(0.5, 0.4, 0.6, 400, 0.9, "t"), control=Control("shuffled", 1.0, 0.1, 0.0, 0.2, 400))
    assert judge(check(Limit("at_least", 0.3, "value")), reading).verdict is Verdict.PASS
    assert judge(check(Limit("at_least", 0.05, "value")), reading).verdict is Verdict.INCONCLUSIVE


def findings(rows: list[tuple[Verdict, bool]]) -> list[Finding]:
    limit = Limit("at_least", 0.0, "value")
    return [Finding(Check("m", "m", None, "all", limit, required=required), limit,
                    Reading(Estimate(0, 0, 0, 1, 0.9, "t")), verdict, "") for verdict, required in rows]


@given(VERDICTS, VERDICTS)
def test_one_more_finding_never_improves_the_decision(shown, more):
    """Once something required was shown, further findings can only make the decision graver."""
    assume(any(required for _, required in shown))
    assert decide(findings(shown + more)) >= decide(findings(shown))


@given(VERDICTS, st.randoms(use_true_random=False))
def test_the_order_of_findings_does_not_matter(shown, random):
    """The decision is of the set."""
    other = list(shown)
    random.shuffle(other)
    assert decide(findings(other)) is decide(findings(shown))


@given(VERDICTS)
def test_a_pass_has_been_shown(shown):
    """No PASS without a required PASS among the findings, and none beside a refusal."""
    if decide(findings(shown)) is Verdict.PASS:
        assert (Verdict.PASS, True) in shown
        assert Verdict.REFUSE not in [verdict for verdict, _ in shown]


@given(READING, LIMIT)
def test_a_pass_has_seen_its_defect_refused(reading, limit):
    """No reading passes without a planted defect beside it that the same limit, or the speaker's own, refuses."""
    if judge(check(limit), reading).verdict is not Verdict.PASS:
        return
    assert reading.control is not None and reading.estimate.n >= 0
    limits = [(limit, reading.control.estimate)] + [(one.limit, one.broken) for one in reading.alternatives]
    assert any(broken is not None and verdict_of(broken, one) is Verdict.REFUSE for one, broken in limits)
    assert not any(broken is not None and verdict_of(broken, one) is Verdict.PASS for one, broken in limits)


@given(READING, LIMIT)
def test_a_finding_survives_being_written(reading, limit):
    """Row → JSON → finding → row gives the same row, infinities and NaN included, and its numbers are strict JSON."""
    row = row_of(judge(check(limit), rounded(reading)))
    read = json.loads(json.dumps(row, allow_nan=False))
    assert row_of(finding_of(read)) == read == json.loads(json.dumps(row_of(finding_of(row))))


@given(READING, LIMIT)
def test_a_verdict_follows_from_what_is_written(reading, limit):
    """Judged on rounded numbers, a finding is judged the same from its own row: verdict, reason, needed n."""
    made = judge(check(limit), rounded(reading))
    read = finding_of(json.loads(json.dumps(row_of(made))))
    again = judge(read.check, read.reading, limit=read.limit)
    assert (again.verdict, again.reason, again.needed_n) == (made.verdict, made.reason, made.needed_n)


def test_without_rounding_first_a_verdict_can_depend_on_digits_nobody_wrote():
    """The broken twin of the law above: judged before rounding, a bound a hair under its limit reads as at it."""
    reading = Reading(Estimate(0.1, -1e-9, 0.2, 400, 0.9, "t"), control=Control("shuffled", 1.0, -1.0, -1.0, -1.0, 400))
    unrounded = judge(check(Limit("at_least", 0.0, "lcb")), reading)
    read = finding_of(row_of(unrounded))
    assert judge(read.check, read.reading).verdict is not unrounded.verdict
    assert judge(unrounded.check, rounded(reading)).verdict is judge(read.check, read.reading).verdict


HAIR = 1e-9


@pytest.mark.parametrize("reading", [
    Reading(Estimate(0.4, 0.3 - HAIR, 0.5, 400, 0.9, "t"), control=refused_by(Limit("at_least", 0.3, "lcb"))),
    Reading(Estimate(0.4, 0.3, 0.5, 400, 0.9, "t"), cross=CrossCheck(0.3 - HAIR, 0.5, 0.0, 0.0, "BCa"),
            control=refused_by(Limit("at_least", 0.3, "lcb"))),
    Reading(Estimate(0.2, 0.1, 0.3 - HAIR, 400, 0.9, "t")),
    Reading(Estimate(0.4, 0.3, 0.5, 400, 0.9, "t"), control=Control("d", 1.0, 0.2, 0.1, 0.3 - HAIR, 400)),
    Reading(Estimate(0.2, 0.1, 0.2, 400, 0.9, "t"), control=refused_by(Limit("at_least", 0.3, "lcb")), alternatives=(
        Alternative("RR", Estimate(0.4, 0.3 - HAIR, 0.5, 400, 0.9, "t"), Limit("at_least", 0.3, "lcb"),
                    Estimate(0.1, 0.0, 0.3 - HAIR, 400, 0.9, "t")),)),
], ids=["estimate", "cross, low", "estimate, high", "control", "alternative"])  # fmt: skip
def test_a_hair_beside_the_limit_is_judged_as_it_is_written(reading):
    """Every number that decides is rounded before it decides: each within a hair of the limit, one at a time."""
    row = check(Limit("at_least", 0.3, "lcb"))
    made = judge(row, rounded(reading))
    again = finding_of(json.loads(json.dumps(row_of(made))))
    assert judge(row, again.reading).verdict is made.verdict
    assert judge(row, reading).verdict is not made.verdict


@pytest.mark.parametrize("wrong", [
    {"verdict": "MAYBE"}, {"estimate": {"value": True}}, {"limit": {"direction": "at_best", "bound": 0, "by": "lcb"}},
    {"min_n": None}, {"expect": [1]}, {"cross": {"low": "1"}}, {"control": []}, {"alternatives": [{}]},
])  # fmt: skip
def test_a_row_that_is_no_finding_is_refused(wrong):
    """A field missing or of the wrong kind is an evidence error, never a guess."""
    from harness.errors import EvidenceError

    row = row_of(judge(check(Limit("at_least", 0.0, "lcb")), Reading(Estimate(0.1, 0.0, 0.2, 400, 0.9, "t"))))
    with pytest.raises(EvidenceError, match="not a finding"):
        finding_of({**row, **wrong})
    with pytest.raises(EvidenceError, match="not a finding"):
        finding_of({key: value for key, value in row.items() if key not in wrong})
