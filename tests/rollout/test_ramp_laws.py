"""The ramp under any sequence of readings, clocks, kills and people: what must hold whatever happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from harness.release.judge import Verdict
from harness.rollout import ramp as machine
from harness.rollout.ramp_moves import aborted, reconciled
from harness.rollout.ramp_rules import shown
from harness.rollout.ramp_state import criteria_of, document_of, state_of
from harness.rollout.shapes import Pointer
from tests.rollout.ramps import DAY, absent, begun, guard, missed, open_, well

KINDS = {"well": well, "open": open_, "missed": missed, "absent": absent}
GUARDS = (guard("grave"), guard("slow", severity="warning"), guard("watched", then="hold"),
          guard("told", then="alert"))  # fmt: skip
kinds = st.fixed_dictionaries({one.name: st.sampled_from(["well"] * 5 + list(KINDS)) for one in GUARDS} | {
    "own": st.sampled_from(["well"] * 4 + ["open", "missed", "absent", "unread"])})


class Ramp(RuleBasedStateMachine):
    """A ramp and the pointer beside it, each written by itself, so that a kill may fall between the two."""

    step = staticmethod(machine.step)

    @initialize()
    def begin(self):
        self.now, self.latest = DAY, DAY
        self.written, self.percent, self.over = document_of(begun()), 5.0, False

    @property
    def state(self):
        return state_of(self.written)

    def pointer(self) -> Pointer:
        candidate = None if self.percent == 0 else "b" * 64
        return Pointer(1, "prod", "a" * 64, candidate, self.percent, None, "x", "y", DAY)

    @rule(own=st.sampled_from(["well"] * 3 + ["open", "missed"]), seconds=st.integers(-200, 400))
    def look_in_peace(self, own, seconds):
        self.look(dict.fromkeys((one.name for one in GUARDS), "well") | {"own": own}, seconds, False, "no")

    @rule(seconds=st.integers(60, 400), died=st.sampled_from(["before", "between", "flipped first"]))
    def die(self, seconds, died):
        self.look(dict.fromkeys((*(one.name for one in GUARDS), "own"), "well"), seconds, False, died)

    @rule(kinds=kinds, seconds=st.integers(-90, 400), killed=st.sampled_from([False] * 9 + [True]))
    def look_in_trouble(self, kinds, seconds, killed):
        self.look(kinds, seconds, killed, "no")

    def look(self, kinds, seconds, killed, died):
        self.now += timedelta(seconds=seconds)
        before = reconciled(self.state, self.pointer(), self.now)
        readings = [KINDS[kinds[one.name]](one) for one in GUARDS]
        readings += [KINDS[kinds["own"]](one) for one in criteria_of(before) if kinds["own"] != "unread"]
        after, decision = self.step(before, readings, self.now, killed=killed)
        self.judge(before, readings, after, decision, killed)
        self.write(after, decision, died)

    def judge(self, before, readings, after, decision, killed):
        if after.percent > before.percent:
            own = {one.name for one in criteria_of(before)}
            held = [one for one in readings if one.guard.name in own or one.guard.then != "alert"]
            assert decision.action == "proceed" and own <= {one.guard.name for one in held}
            assert all(shown(one) is Verdict.PASS for one in held)
            assert not killed and self.now >= before.seen
        own = {one.name for one in criteria_of(before)}
        missing = [one for one in readings if one.state == "missing" and (
            one.guard.then != "alert" or one.guard.name in own)]
        if missing or self.now < before.seen:
            assert after.held_s <= before.held_s
            assert after.percent <= before.percent and (before.over or decision.action in {"hold", "rollback"})
        if before.phase == "rolled_back":
            assert after == before and decision.percent == 0
        if killed and not before.over:
            assert after.percent == 0
        assert decision.percent == after.percent

    def write(self, after, decision, died):
        if died == "before":
            return
        if died != "flipped first":
            self.written = document_of(after)
        if died != "between":
            self.percent = 0.0 if after.phase == "promoted" else after.percent
        if after.phase == "promoted" and died != "no":  # one transaction: a promotion is whole or not there
            self.written, self.percent = document_of(replace(after, phase="rolled_back")), 0.0

    @rule(gradual=st.booleans(), meant=st.sampled_from([False] * 5 + [True]))
    def abort(self, gradual, meant):
        if meant and not self.state.over:
            moved, decision = aborted(self.state, self.now, "by hand", gradual=gradual)
            assert moved.percent < self.state.percent
            self.write(moved, decision, "no")

    @invariant()
    def what_ended_badly_stays_ended(self):
        self.over = self.over or self.state.phase == "rolled_back"
        assert not self.over or self.state.phase == "rolled_back"


QUIET = settings(max_examples=120, stateful_step_count=30, deadline=None, derandomize=True,
                 suppress_health_check=list(HealthCheck))

TWINS = settings(QUIET, phases=[Phase.generate], report_multiple_bugs=False, print_blob=False)  # found is enough


def test_the_laws_of_a_ramp_hold():
    """No rise without proof, no way back from a rollback, no step on missing data; any kill can be gone on from."""
    run_state_machine_as_test(Ramp, settings=QUIET)


def blind(state, readings, now, **options):
    """A twin that takes no data for good data."""
    return machine.step(state, [well(one.guard) if one.state == "missing" else one for one in readings], now, **options)


def hasty(state, readings, now, **options):
    """A twin that goes on at the end of the hold, whatever the criteria say."""
    moved, decision = machine.step(state, readings, now, **options)
    if decision.action == "hold" and state.phase == "up" and now - state.entered > timedelta(minutes=5):
        return machine.step(replace(state, held_s=1e9), [well(one) for one in (*GUARDS, *criteria_of(state))],
                            max(now, state.seen))
    return moved, decision


def forgiving(state, readings, now, **options):
    """A twin that begins again after a rollback."""
    if state.phase == "rolled_back":
        state = replace(state, phase="up", index=0)
    return machine.step(state, readings, now, **options)


def timeless(state, readings, now, **options):
    """A twin that believes any clock."""
    return machine.step(state, readings, max(now, state.seen), **options)


@pytest.mark.parametrize("broken", [blind, hasty, forgiving, timeless])
def test_a_broken_machine_is_caught(broken):
    """Each twin breaks one law, and the same search finds it."""
    twin = type("Twin", (Ramp,), {"step": staticmethod(broken)})
    with pytest.raises(AssertionError):
        run_state_machine_as_test(twin, settings=TWINS)
