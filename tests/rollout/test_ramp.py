"""The ramp's rules one by one: what moves it, what holds it, and which finding said so."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from harness.errors import EvidenceError, InputError
from harness.release.rollout_presets import PRESETS
from harness.release.rollout_terms import Criterion, Rollout, Stage
from harness.rollout.ramp import WATCH_GAP_S, moved_down, step
from harness.rollout.ramp_moves import aborted, advanced, reconciled, waived
from harness.rollout.ramp_state import RampState, Waiver, criteria_of, document_of, state_of
from harness.rollout.shapes import Pointer
from tests.rollout.ramps import DAY, QUICK, absent, after, all_well, begun, guard, missed, open_, told, well

GUARD = guard()


def at(seconds: float, state: RampState, *guards, killed=False):
    return step(state, all_well(state, *(guards or (GUARD,))), after(seconds), killed=killed)


def climbed(rollout: Rollout, *, every: float = 60.0, guards=(GUARD,)) -> list[tuple[float, float]]:
    """(seconds, percent) at each step up, with everything well all the time; until promoted."""
    state, now, seen = begun(rollout), 0.0, []
    while state.phase == "up" and now < 10 * 86400:
        now += every
        state, decision = at(now, state, *guards)
        if decision.action == "proceed":
            seen.append((now, decision.percent))
    assert state.phase == "promoted"
    return seen


def test_a_sound_candidate_climbs_and_is_promoted():
    """Stage by stage, each after its hold, and past the last one it is the stable release."""
    assert climbed(QUICK) == [(120, 25), (240, 50), (360, 100)]


def test_the_quick_preset_takes_two_days():
    """30 minutes, 2, 6 and 24 hours; it takes over for good at 48 hours, not at the sum of the holds."""
    hours = [(round(seconds / 3600, 1), percent) for seconds, percent in climbed(PRESETS["5-25-50-100"], every=300)]
    assert hours == [(0.5, 25), (2.5, 50), (8.5, 100), (48.0, 100)]


def test_the_slow_preset_takes_a_day_a_stage():
    """1 → 5 → 10 → 25 → 50, 24 hours each."""
    days = [(seconds / 86400, percent) for seconds, percent in climbed(PRESETS["1-5-10-25-50"], every=600)]
    assert days == [(1, 5), (2, 10), (3, 25), (4, 50), (5, 100)]


@pytest.mark.parametrize("place", range(5))
def test_each_criterion_of_the_slow_preset_can_stop_it(place):
    """At every stage, its criterion unproven holds; what would be enough at another stage is not."""
    ramp = PRESETS["1-5-10-25-50"]
    state = replace(begun(ramp), index=place, held_s=1e6)
    assert at(60, state)[1].action == "proceed"
    alert = guard(then="alert")
    readings = [open_(one) for one in (alert, *criteria_of(state))]
    assert step(state, readings, after(60))[1].action == "hold"


def test_a_proceed_names_what_was_shown():
    """Its reason is the number, the limit and n of the criteria."""
    _, decision = at(120, replace(begun(), held_s=120))
    assert decision.reason == "delta error rate ucb ≤ 0.01 is shown: -0.01 [-0.02, 0], n 500"


@pytest.mark.parametrize(("severity", "percent", "phase"), [
    ("emergency", 0.0, "rolled_back"), ("critical", 0.0, "rolled_back"), ("warning", 25.0, "down"),
    ("info", 25.0, "down")])  # fmt: skip
def test_harm_rolls_back_at_once_or_step_by_step(severity, percent, phase):
    """A grave guard takes all traffic back at once, one that is not goes down the reverse ladder."""
    harmed = guard(severity=severity)
    state = replace(begun(), index=2)
    moved, decision = step(state, [missed(harmed)], after(60))
    assert (decision.action, decision.percent, decision.guard, moved.phase) == (
        "rollback", percent, "quality", phase)


def test_harm_at_the_lowest_stage_goes_to_nothing():
    """No rung of the ladder gives a candidate more than it had."""
    moved, decision = step(begun(), [missed(guard(severity="warning"))], after(60))
    assert decision.percent == 0.0 and moved.phase == "rolled_back"


def test_the_reverse_ladder_goes_down_by_itself():
    """Each rung is kept for its hold, missing readings or not, and at the end nothing is left."""
    state, _ = step(replace(begun(), index=2), [missed(guard(severity="warning"))], DAY)
    seen = []
    for minute in range(1, 9):
        state, decision = step(state, [], after(60 * minute))
        seen.append((decision.action, decision.percent))
    assert seen == [("rollback", 25)] * 2 + [("rollback", 10)] * 3 + [("rollback", 0)] * 3
    assert state.phase == "rolled_back"


def test_a_grave_harm_on_the_way_down_takes_the_rest():
    """The ladder is no shelter from what rolls back at once."""
    state, _ = step(replace(begun(), index=2), [missed(guard(severity="warning"))], DAY)
    moved, decision = step(state, [missed(GUARD)], after(30))
    assert decision.percent == 0 and moved.phase == "rolled_back"


@pytest.mark.parametrize("readings", [[], [absent(GUARD)]])
def test_missing_data_holds_and_its_time_does_not_count(readings):
    """Nothing observed, or a guard without data, keeps the stage; the minutes do not bring the next one nearer."""
    state = begun()
    readings = [*readings, *(well(one) for one in criteria_of(state))] if readings else []
    moved, decision = step(state, readings, after(120))
    assert (decision.action, decision.percent, moved.held_s) == ("hold", 5, 0)


def test_a_criterion_that_reads_nothing_stops_the_hold():
    """A minute without data of what the stage asks is no minute of its hold."""
    state, (one,) = begun(), criteria_of(begun())
    moved, decision = step(state, [well(GUARD), absent(one)], after(60))
    assert (decision.action, decision.guard, moved.held_s) == ("hold", one.name, 0)


@pytest.mark.parametrize(("guards", "action"), [("critical", "proceed"), ("all", "hold")])
def test_a_guard_that_only_alerts_holds_where_all_are_asked_for(guards, action):
    """What is only told cannot stop a ramp by being silent, unless a stage asks for every guard."""
    ramp = Rollout(stages=(Stage(percent=5, hold="1m", criteria=(Criterion(guards=guards),)),))
    told_only = guard("told", then="alert", severity="warning")
    _, decision = step(replace(begun(ramp), held_s=60), [well(GUARD), absent(told_only)], after(60))
    assert decision.action == action


def test_a_criterion_without_a_reading_holds():
    """What was not read was not shown."""
    _, decision = step(replace(begun(), held_s=1e6), [well(GUARD)], after(60))
    assert decision.action == "hold" and "was not read" in decision.reason


def test_a_missed_criterion_asks_to_tune_and_an_open_one_waits():
    """Proof of the contrary is told apart from proof that is still to come; only the latter's time counts."""
    state, (one,) = begun(), criteria_of(begun())
    tuned, decision = step(state, [well(GUARD), missed(one)], after(60))
    waited, other = step(state, [well(GUARD), open_(one)], after(60))
    assert (decision.action, tuned.held_s, other.action, waited.held_s) == ("tune", 0, "hold", 60)
    assert "shown to be missed" in decision.reason and "not shown" in other.reason


def test_a_bound_that_is_merely_not_yet_above_holds():
    """A rollback guard whose interval holds the limit neither rolls back nor lets the ramp go on."""
    state = replace(begun(), held_s=1e6)
    _, decision = step(state, [open_(GUARD), *(well(one) for one in criteria_of(state))], after(60))
    assert (decision.action, decision.guard) == ("hold", "quality")


@pytest.mark.parametrize(("then", "action"), [("alert", "proceed"), ("hold", "hold"), ("rollback", "rollback")])
def test_a_guard_does_what_it_says(then, action):
    """The same missed limit is told, holds, or takes the release back."""
    state = replace(begun(), held_s=1e6)
    one = guard(then=then)
    _, decision = step(state, [missed(one), *(well(other) for other in criteria_of(state))], after(60))
    assert decision.action == action


def test_an_alternative_that_is_shown_speaks_for_its_guard():
    """As at the gate: such a guard holds nothing up; one that is beyond its limit or missing is not spoken for."""
    state = replace(begun(), held_s=1e6)
    own = [well(one) for one in criteria_of(state)]
    for reading, action in ((open_(GUARD), "proceed"), (missed(GUARD), "rollback"), (absent(GUARD), "hold")):
        assert step(state, [replace(reading, spoken=True), *own], after(60))[1].action == action


@pytest.mark.parametrize("state", ["missing", "critical", "emergency"])
def test_numbers_that_look_well_do_not_outvote_a_state(state):
    """A reading in a bad state is no PASS, even where its interval would be."""
    ramp = begun()
    (one,) = criteria_of(ramp)
    _, decision = step(replace(ramp, held_s=1e6), [told(one, state, -0.03, -0.01)], after(60))
    assert decision.action == "hold"


def test_a_clock_that_goes_backwards_holds():
    """The state stays as it was, and what was seen later is not forgotten."""
    state, _ = at(60, begun())
    moved, decision = at(30, replace(state, held_s=1e6))
    assert decision.reason == "the clock went backwards" and moved.seen == after(60)


def test_a_look_with_a_clock_far_ahead_costs_a_hold_and_no_more():
    """One host showed 2099: the next look begins the stage's hold anew, drops the waiver, and then all goes on."""
    state, _ = at(600, begun(PRESETS["5-25-50-100"]))
    far, _ = step(state, [], after(74 * 365 * 86400))
    held = replace(far, waiver=Waiver("p95", far.seen, ("ada",)))
    moved, decision = at(1200, held)
    assert "the hold begins anew" in decision.reason and decision.action == "hold"
    assert (moved.seen, moved.held_s, moved.started, moved.waiver) == (after(1200), 0.0, state.started, None)
    assert at(1500, moved)[0].held_s == 300.0


def test_a_way_down_that_a_clock_far_ahead_began_goes_on():
    """Its rung is kept for its hold by the present clock, not until that moment comes."""
    state, _ = moved_down(replace(begun(PRESETS["5-25-50-100"]), index=3), after(74 * 365 * 86400), "slow")
    assert state.phase == "down"
    state, _ = at(0, state)
    rung = state.rungs[state.index]
    assert at(rung.hold_s + 1, state)[0].percent < rung.percent


def test_a_clock_before_the_start_takes_no_time_of_validation_away():
    """It may be the one that is wrong: the start stays, and nothing moves."""
    state, _ = at(60, begun())
    moved, decision = at(-86400, state)
    assert decision.reason == "the clock went backwards" and moved.started == state.started


def test_harm_is_heard_even_where_the_clock_goes_backwards():
    """A rollback never waits for a clock."""
    state, _ = at(60, begun())
    assert step(state, [missed(GUARD)], after(30))[1].action == "rollback"


def test_time_that_nobody_watched_does_not_count():
    """After a gap of a day, the stage was held for the longest gap that counts."""
    state = begun(PRESETS["5-25-50-100"])
    assert at(86400, state)[0].held_s == WATCH_GAP_S


def test_the_kill_switch_beats_everything():
    """All well, waived, on its way down: killed is rolled back at once."""
    up = replace(begun(), waiver=Waiver("quality", after(900), ("ada",)))
    for state in (up, at(60, up)[0]):
        moved, decision = at(90, state, killed=True)
        assert (decision.action, decision.percent, moved.phase) == ("rollback", 0, "rolled_back")


def test_a_rollback_is_final():
    """Whatever is well afterwards, the percent stays 0, and the reason is told again."""
    state, _ = step(begun(), [missed(GUARD)], after(60))
    moved, decision = at(120, state)
    assert moved == state and (decision.action, decision.percent, decision.reason) == (
        "rollback", 0, "quality is critical")


def test_a_promoted_release_is_left_alone():
    """Its ramp is over: not even the kill switch is this machine's business any more."""
    state = replace(begun(), phase="promoted")
    assert at(60, state, killed=True)[1].action == "hold"


def test_a_waiver_holds_one_guard_for_its_time():
    """The guard it names holds instead of rolling back; another one, or its end, rolls back."""
    state = waived(begun(), "quality", until=after(600), now=DAY, who=("ada", "ben"))
    assert step(state, [missed(GUARD)], after(60))[1].action == "hold"
    assert step(state, [missed(GUARD), missed(guard("latency"))], after(60))[1].guard == "latency"
    assert step(state, [missed(GUARD)], after(600))[1].action == "rollback"


@pytest.mark.parametrize("hours", [-1, 0, 25])
def test_a_waiver_is_for_a_day_at_most(hours):
    """Not for the past, and not for ever."""
    with pytest.raises(InputError, match="not a time to hold a rollback for"):
        waived(begun(), "quality", until=DAY + timedelta(hours=hours), now=DAY, who=("ada",))


def test_advancing_by_word_skips_criteria_but_never_the_last_stage():
    """People may take a stage early; only what is shown makes a candidate the stable release."""
    state = begun()
    for percent in (25, 50):
        state, decision = advanced(state, after(1), "the board agreed")
        assert (decision.action, decision.percent) == ("proceed", percent)
    with pytest.raises(InputError, match="no stage to go on to"):
        advanced(state, after(2), "again")


def test_an_abort_goes_down_at_once_or_gradually():
    """By hand, as by guard."""
    state = replace(begun(), index=2)
    assert aborted(state, DAY, "complaints")[1].percent == 0
    assert aborted(state, DAY, "complaints", gradual=True)[1].percent == 25
    with pytest.raises(InputError, match="no ramp is under way"):
        aborted(aborted(state, DAY, "complaints")[0], DAY, "again")


def pointer(percent: float, *, stable: str = "a" * 64, candidate: str | None = "b" * 64) -> Pointer:
    return Pointer(1, "prod", stable, candidate, percent, None, "x", "y", DAY)


@pytest.mark.parametrize(("found", "phase", "percent"), [
    (pointer(25), "up", 25), (pointer(50), "up", 25), (pointer(5), "up", 5), (pointer(7), "up", 5),
    (pointer(0), "rolled_back", 0), (pointer(0, candidate=None), "rolled_back", 0), (None, "rolled_back", 0),
    (pointer(0, stable="b" * 64, candidate=None), "promoted", 100), (pointer(25, stable="c" * 64), "rolled_back", 0),
    (pointer(25, candidate="d" * 64), "rolled_back", 0)])  # fmt: skip
def test_of_pointer_and_ramp_the_lower_one_is_right(found, phase, percent):
    """Flipped by hand, or a program that died between the two: never more traffic than either says."""
    state = reconciled(replace(begun(), index=1), found, after(1))
    assert (state.phase, state.percent) == (phase, percent)


@pytest.mark.parametrize(("held", "percent"), [(25, 25), (12, 10), (3, 0)])
def test_on_the_way_down_the_lower_one_is_right_too(held, percent):
    """A pointer that is further down already is not raised again."""
    state, _ = aborted(replace(begun(), index=2), DAY, "complaints", gradual=True)
    assert reconciled(state, pointer(held), after(1)).percent == percent


def test_a_state_reads_back_as_it_was_written():
    """Every phase, with a waiver and without."""
    states = [begun(), replace(begun(), phase="down", index=1), replace(begun(), phase="promoted"),
              replace(begun(PRESETS["1-5-10-25-50"]), waiver=Waiver("quality", after(60), ("ada", "ben")))]
    assert [state_of(document_of(one)) for one in states] == states


@pytest.mark.parametrize("changed", [
    {"index": 3}, {"index": -1}, {"phase": "up and up"}, {"held_s": float("nan")}, {"held_s": -1.0},
    {"seen": "2025-02-01T00:00:00Z"}, {"started": "2025-03-01T00:00:00"}, {"entered": 5}, {"candidate": "a" * 64},
    {"ramp": {"preset": "5-25-50-100"}}, {"ramp": {"stages": []}}, {"waiver": {"guard": "x"}}, {"extra": 1}])
def test_a_state_that_no_ramp_can_be_in_is_refused(changed):
    """Whatever lies in the store was written by this program, or is told as what it is."""
    with pytest.raises(EvidenceError, match="not the state of a ramp"):
        state_of(document_of(begun()) | changed)


def test_a_moment_without_an_offset_is_refused():
    """Nobody knows when it is."""
    naive = datetime(2025, 3, 1)
    with pytest.raises(InputError, match="now: no offset"):
        step(begun(), [], naive)
    with pytest.raises(InputError, match="now: no offset"):
        RampState.begun("prod", "a", "b", QUICK, now=naive)


def test_a_release_is_no_candidate_for_itself():
    """There would be nothing to fall back to."""
    with pytest.raises(InputError, match="no candidate for itself"):
        RampState.begun("prod", "a", "a", QUICK, now=DAY)
