"""Guards: proof before a rollback, `for` as Prometheus means it, missing data that holds, emergencies."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from harness.errors import InputError
from harness.estimators.tally import Tally
from harness.monitor.guards import LEAST_QUERIES, near, readings
from harness.monitor.measures import measure_of
from harness.monitor.series import LOOKBACK, Watch, by_arm, course
from harness.monitor.windows import Window
from harness.release.judge import Verdict, verdict_of
from harness.release.policy import Limit
from harness.rollout.ramp_rules import shown
from harness.rollout.shapes import Guarded
from tests.monitor.traffic import CANDIDATE, STABLE, at, key, served

WATCH = Watch(CANDIDATE, "candidate", at(0), STABLE)
ERRORS = Guarded("errors", "error rate", "all", Limit("at_most", 0.01, "ucb"), 300, "critical", "rollback")
P95 = Guarded("p95", "p95 total_ms", "all", Limit("at_most", 120.0, "ucb"), 300, "critical", "rollback")
NDCG = Guarded("ndcg", "delta nDCG@10", "all", Limit("at_least", -0.01, "lcb"), 180, "critical", "rollback",
               warn_within=0.01)


def minutes(rng, count, *, errors=0.0, ms=50.0, delta=None, start=0, arm="candidate", n=200):
    """Independent minutes of traffic, `n` requests each; `delta` the mean of ten replayed queries a minute."""
    found = {}
    for minute in range(start, start + count):
        means = {} if delta is None else {"delta nDCG@10": np.clip(rng.normal(delta, 0.1, 10), -1.0, 1.0)}
        found[key(minute, arm)] = served(rng.gamma(20.0, ms / 20.0, n), errors=int(rng.binomial(n, errors)), **means)
    return found


def read(guard, windows, minute, **options):
    """The one reading of a guard at a minute."""
    return readings([guard], windows, at(minute), watch=options.pop("watch", WATCH), **options)[0]


@pytest.mark.parametrize(("guard", "bad", "good"), [
    (ERRORS, {"errors": 0.05}, {"errors": 0.001}), (P95, {"ms": 150.0}, {"ms": 50.0}),
    (NDCG, {"delta": -0.06}, {"delta": 0.02}),
])
def test_each_kind_of_guard_fires_and_passes(rng, guard, bad, good):
    """A clear loss fires within the hour and a sound release is shown to be sound: neither waits for ever."""
    fired, passed = (read(guard, minutes(rng, 60, **world), 60) for world in (bad, good))
    assert (fired.state, shown(fired)) == ("critical", Verdict.REFUSE)
    assert (passed.state, shown(passed), passed.since) == ("ok", Verdict.PASS, None)


def test_everything_failing_is_seen_in_minutes(rng):
    """Where every request fails, which never varies, the guard is beyond its limit after a few minutes."""
    windows = minutes(rng, 10, errors=1.0)
    first = next(m for m in range(1, 11) if read(replace(ERRORS, for_s=0), windows, m).state == "critical")
    assert first <= 8


def test_a_rollback_waits_for_proof(rng):
    """A point estimate beyond the limit warns; a guard that rolls back fires on its bound alone."""
    windows = {key(m): served([50.0] * 100, errors=3 * (m == 2)) for m in range(6)}
    found = read(replace(ERRORS, for_s=0, limit=Limit("at_most", 0.004, "value")), windows, 6)
    assert found.value > 0.004 > found.low
    assert (found.state, found.since) == ("warning", None)
    told = read(replace(ERRORS, for_s=0, limit=Limit("at_most", 0.004, "value"), then="alert"), windows, 6)
    assert told.state == "critical"


def test_for_is_prometheus_for():
    """Beyond for less than `for` is pending, one good evaluation begins it again, and it fires when it has lasted."""
    guard = Guarded("x", "queue", "all", Limit("at_most", 10.0, "value"), 600, "critical", "alert")

    def windows(values):
        return {key(5 * m): served([1.0], queue=[v]) for m, v in enumerate(values)}  # a value stands for 5 minutes
    bad = windows([20.0] * 4)
    assert [read(guard, bad, m).state for m in (1, 10, 11)] == ["warning", "warning", "critical"]
    assert read(guard, bad, 11).since == at(1)
    broken = windows([20.0, 20.0, 5.0, 20.0, 20.0, 20.0])
    assert [read(guard, broken, m).state for m in (10, 11, 25, 26)] == ["warning", "ok", "warning", "critical"]
    assert read(guard, broken, 26).since == at(16)


def test_a_twin_that_counts_any_bad_minutes_is_caught():
    """The broken twin, which adds bad minutes up without a reset, would fire where the guard is still pending."""
    guard = Guarded("x", "queue", "all", Limit("at_most", 10.0, "value"), 600, "critical", "alert")
    values = [20.0, 20.0, 5.0, 20.0]
    windows = {key(5 * m): served([1.0], queue=[v]) for m, v in enumerate(values)}
    assert 5 * sum(v > 10.0 for v in values) * 60 >= guard.for_s
    assert read(guard, windows, 20).state == "warning"


@pytest.mark.parametrize("windows", [{}, {key(0, "stable"): served([5.0])}, {key(0): Window()}])
def test_nothing_observed_is_missing(windows):
    """Without observations, with those of the other arm alone, or with empty ones, a guard is never a pass."""
    found = read(ERRORS, windows, 3)
    assert (found.state, found.value, found.n, shown(found)) == ("missing", None, 0, Verdict.INCONCLUSIVE)


def test_what_stops_being_observed_is_missing(rng):
    """A value stands for `LOOKBACK` windows, then it is missing, and a fire goes out with it."""
    windows = minutes(rng, 20, errors=0.2)
    assert [read(ERRORS, windows, 20 + m).state for m in (0, LOOKBACK - 1, LOOKBACK)] == ["critical", "critical",
                                                                                         "missing"]


def test_the_window_that_is_not_over_is_not_read(rng):
    """What the running minute shows counts when it is over."""
    windows = {key(0): served([5.0], queue=[1.0]), key(1): served([5.0], queue=[99.0])}
    guard = Guarded("x", "queue", "all", Limit("at_most", 10.0, "value"))
    assert read(guard, windows, 1.9).value == 1.0
    assert read(guard, windows, 2.0).value == 50.0


@pytest.mark.parametrize(("value", "state"), [(100.0, "ok"), (107.9, "ok"), (108.0, "warning"), (120.0, "warning")])
def test_a_tenth_of_the_limit_warns(value, state):
    """Within a tenth of the limit is a warning, from that tenth on."""
    guard = Guarded("x", "queue", "all", Limit("at_most", 120.0, "value"))
    assert read(guard, {key(0): served([1.0], queue=[value])}, 1).state == state


def test_a_limit_of_zero_warns_by_its_own_distance():
    """Of 0 a tenth is nothing: `warn_within` says how near is near."""
    guard = Guarded("x", "delta nDCG@10", "all", Limit("at_least", 0.0, "lcb"))
    assert not near(guard, 0.001)
    assert near(replace(guard, warn_within=0.005), 0.005)
    assert not near(replace(guard, warn_within=0.005), 0.006)
    assert near(guard, -0.001)


def test_two_critical_guards_are_an_emergency(rng):
    """Two critical guards beyond are an emergency each; a warning guard beside a critical one makes none."""
    windows = minutes(rng, 40, errors=0.1, ms=200.0)
    both = readings([ERRORS, P95], windows, at(40), watch=WATCH)
    assert [one.state for one in both] == ["emergency", "emergency"]
    one = readings([ERRORS, replace(P95, severity="warning")], windows, at(40), watch=WATCH)
    assert [one.state for one in one] == ["critical", "critical"]
    assert read(replace(ERRORS, severity="emergency"), windows, 40).state == "emergency"


def test_few_queries_are_no_proof_that_nothing_was_lost(rng):
    """Under 200 judged queries the lower bound of a paired difference is not told, however well it looks."""
    few, many = (read(NDCG, minutes(rng, count, delta=0.05), count) for count in (15, 40))
    assert few.n < LEAST_QUERIES <= many.n
    assert (few.low, shown(few), shown(many)) == (-math.inf, Verdict.INCONCLUSIVE, Verdict.PASS)


def test_equal_releases_come_to_a_pass():
    """Where both arms answer alike, so that no difference varies, the bound narrows as one rare loss would let it."""
    same = {key(m): served([5.0], **{"delta nDCG@10": [0.0] * 10}) for m in range(240)}
    early, late = read(NDCG, same, 30), read(NDCG, same, 240)
    assert (shown(early), shown(late)) == (Verdict.INCONCLUSIVE, Verdict.PASS)
    assert -0.01 < late.low < 0.0 < late.high < 0.01


def test_late_harm_does_not_hide_behind_good_hours(rng):
    """Ten good hours, then a loss: it is found within the half hour that a fresh candidate's would take, or two."""
    windows = minutes(rng, 600, delta=0.0) | minutes(rng, 120, delta=-0.06, start=600)
    found = next((m for m in range(610, 721, 10) if read(NDCG, windows, m).state == "critical"), None)
    assert found is not None and found <= 700


def test_a_twin_without_fresh_sequences_is_caught(rng):
    """The mean since the beginning, which the twin would judge, is still within the limit when the guard fires."""
    windows = minutes(rng, 600, delta=0.0) | minutes(rng, 100, delta=-0.06, start=600)
    assert read(NDCG, windows, 700).state == "critical"
    whole = course(measure_of("delta nDCG@10"), "all", by_arm(windows), WATCH, at(700))
    assert whole.value.mean() > NDCG.limit.bound


def test_an_alternative_speaks_for_its_guard(rng):
    """A guard with `any_with` fires only where the alternative is missed as well, as its gate refuses only then."""
    bad = {key(m): served([5.0], **{"R@5": rng.binomial(1, 0.1, 20), "RR": np.full(20, rr)})
           for rr in (0.5,) for m in range(60)}
    guard = Guarded("r5", "R@5", "all", Limit("at_least", 0.3, "value"), 0, "critical", "rollback")
    assert read(guard, bad, 60).state == "critical"
    spoken = replace(guard, others=(("RR", Limit("at_least", 0.2, "value")),))
    assert read(spoken, bad, 60).state == "warning" and read(spoken, bad, 60).spoken
    assert not read(guard, bad, 60).spoken
    assert read(replace(guard, others=(("RR", Limit("at_least", 0.6, "value")),)), bad, 60).state == "critical"


def test_what_pods_differ_by_is_taken_off(rng):
    """A pod that is slower whatever it runs is no harm, once both arms ran the stable release on it."""
    def pods(start, count, release, offset, harm=0.0):
        slow = {key(m, release=release): served(rng.gamma(20.0, (50.0 + offset + harm) / 20.0, 300))
                for m in range(start, start + count)}
        return slow | {key(m, "stable"): served(rng.gamma(20.0, 2.5, 300)) for m in range(start, start + count)}
    guard = Guarded("d", "delta p95 total_ms", "all", Limit("at_most", 3.0, "ucb"), 300, "critical", "rollback")
    before = pods(-240, 240, STABLE, 8.0)
    assert read(guard, before | pods(0, 90, CANDIDATE, 8.0), 90).state != "critical"
    alone = read(guard, pods(0, 90, CANDIDATE, 8.0), 90)  # nothing is known of the pods
    assert alone.state == "warning" and "no proof either way" in alone.reason
    assert shown(alone) is Verdict.INCONCLUSIVE  # so that the ramp holds
    both = WATCH._replace(together=True)
    assert readings([guard], pods(0, 90, CANDIDATE, 8.0), at(90), watch=both)[0].state == "critical"
    harmed = read(guard, before | pods(0, 90, CANDIDATE, 8.0, harm=10.0), 90)
    assert harmed.state == "critical" and "less 240 windows before" in harmed.reason


def test_ess_is_shown_by_its_inverse(rng):
    """ESS/N of heavy weights is said to be under its limit, of even ones over it, on the scale of ESS/N."""
    guard = Guarded("ess", "log ESS/N", "all", Limit("at_least", 0.2, "lcb"), 0, "critical", "rollback")

    def windows(heavy):
        draw = [np.where(rng.random(500) < 0.02, 50.0, 0.02) if heavy else rng.uniform(0.5, 1.5, 500)
                for _ in range(60)]
        return {key(m): replace(served([1.0]), weights=Window().weights.of(w, keep=100)) for m, w in enumerate(draw)}
    low, even = read(guard, windows(True), 60), read(guard, windows(False), 60)
    assert low.state == "critical" and low.low <= low.value <= low.high < 0.2
    assert shown(even) is Verdict.PASS and 0.8 < even.value < 1.0


def test_calibration_is_held_against_what_chance_does(rng):
    """A calibrated model is never said to be off, one that is off by ten points is."""
    guard = Guarded("aece", "AECE", "all", Limit("at_most", 0.02, "ucb"), 0, "warning", "hold")

    def windows(shift):
        found = {}
        for m in range(60):
            p = rng.uniform(0.1, 0.8, 100)
            pairs = list(zip(p, (rng.random(100) < p + shift).astype(int), strict=True))
            found[key(m)] = replace(served([1.0]), calibration=Window().calibration.of(pairs))
        return found
    assert read(guard, windows(0.0), 60).state != "critical"
    assert read(guard, windows(0.1), 60).state == "critical"


def test_rare_errors_are_no_proof(rng):
    """One error among a few requests never fires, though no normal law would expect it."""
    windows = {key(m): replace(served([5.0] * 5), requests=Tally(int(m == 3), 5)) for m in range(30)}
    assert all(read(replace(ERRORS, for_s=0), windows, m).state != "critical" for m in range(1, 31))


def test_a_slice_is_read_by_itself(rng):
    """A guard on a slice reads that slice, whatever all queries show."""
    hard = {replace_slice: window for k, window in minutes(rng, 30, errors=0.2).items()
            for replace_slice in [k._replace(slice="hard_nl")]}
    windows = minutes(rng, 30) | hard
    assert read(ERRORS, windows, 30).state != "critical"
    assert read(replace(ERRORS, slice="hard_nl"), windows, 30).state == "critical"


def test_bounds_agree_with_the_judge(rng):
    """A reading's numbers give the same verdict to the judge of the gates: an alert and a gate cannot disagree."""
    from harness.estimate import Estimate

    for world in ({"errors": 0.05}, {"errors": 0.001}, {"errors": 0.01}):
        found = read(replace(ERRORS, for_s=0), minutes(rng, 50, **world), 50)
        said = verdict_of(Estimate(found.value, found.low, found.high, found.n, 0.9, ""), ERRORS.limit)
        assert (said is Verdict.REFUSE) == (found.state == "critical")


@pytest.mark.parametrize("measure", ["", "p0 total_ms", "delta AECE", "delta rise hit"])
def test_what_no_window_holds_is_refused(measure):
    """A measure without a meaning in traffic is an error, not a guard that never fires."""
    with pytest.raises(InputError):
        read(replace(ERRORS, measure=measure), {}, 1)


def test_the_moment_must_have_an_offset():
    """A time without an offset means another moment on every machine."""
    with pytest.raises(InputError, match="no offset"):
        readings([ERRORS], {key(0): served([5.0])}, at(1).replace(tzinfo=None), watch=WATCH)
    assert read(ERRORS, {key(0): served([5.0])}, 1).guard is ERRORS
    assert at(1) - at(0) == timedelta(minutes=1)


def test_too_few_requests_for_a_percentile_are_counted_and_not_called_nothing():
    """Three requests are no p95, and that is what is said; none at all is said as such, and so is what none shows."""
    few = {key(minute): served([50.0]) for minute in (2, 3, 4)}
    assert read(P95, few, 5).reason.endswith("3 requests in the last 5 windows, 20 needed for one value")
    assert read(P95, few, 30).reason.endswith("nothing was observed in the last 5 windows")
    many = {key(minute): served([50.0] * 30) for minute in range(5)}
    assert read(NDCG, many, 5).reason.endswith("150 requests in the last 5 windows, none that shows it")


def test_a_percentile_of_little_traffic_does_not_come_and_go(rng):
    """About as many requests as one needs: it is there from the first value on, and missing once nothing comes."""
    windows = {key(minute): served([50.0] * int(rng.integers(3, 7))) for minute in range(120)}
    states = [read(P95, windows, minute).state for minute in range(1, 121)]
    assert sum(one != two for one, two in pairwise(states)) == 1 and states[-1] != "missing"
    assert read(P95, windows, 120 + LOOKBACK).state == "missing"


def test_an_interval_is_told_as_far_as_it_means_anything(rng):
    """No time is below nothing, and an end that the data do not bound is a dash."""
    (only,) = (read(P95, minutes(rng, 1), 1),)
    assert "[0, –]" in only.reason and only.low == 0.0
    assert "[–, " in read(NDCG, minutes(rng, 10, delta=0.0), 10).reason
