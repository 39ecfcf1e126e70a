"""The monitor in the service: what was served is seen a window later, judged, and acted on by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from openfeature.evaluation_context import EvaluationContext

from harness.monitor.answering import Asked, answer
from harness.monitor.verdict import verdict_of
from harness.monitor.watching import STALE_AFTER
from harness.release.rollout_terms import Rollout
from harness.rollout.flags import Flags
from harness.rollout.pointer import current
from harness.rollout.ramp_store import begin
from harness.rollout.trail import entries, verify_trail
from tests.monitor.serving import CANDIDATE, DAY, STABLE, Fake, service_of

RAMP = Rollout.model_validate({"stages": [
    {"percent": 50, "hold": "1h", "criteria": [{"measure": "error rate", "at_most": 0.2}]}]})


class Turned:
    """A clock turned by hand."""

    def __init__(self):
        self.at = DAY

    def __call__(self):
        return self.at


def ramping(tmp_path, **more):
    """A service whose candidate takes half of the traffic, by a ramp that is under way."""
    clock = Turned()
    fakes = {STABLE: Fake(), CANDIDATE: Fake()}
    service = service_of(tmp_path, fakes, now=clock, **more)
    begin(service.store, "prod", CANDIDATE, RAMP, who="ada", why="test", now=DAY)
    service.arms.look()
    service.arms.fill()
    return service, clock, fakes[CANDIDATE]


def minute(service, clock, requests=60):
    for number in range(requests):
        answer(service, Asked("q", unit=f"{clock.at}-{number}"))
    clock.at += timedelta(minutes=1)
    return service.watching.look()


def pointer(service):
    with service.store.reading() as connection:
        return current(connection, "prod")


def test_a_sound_candidate_keeps_its_share(tmp_path):
    """Minute after minute nothing is beyond its limit: p95 1 ms against 50."""
    service, clock, _ = ramping(tmp_path)
    for _ in range(5):
        look = minute(service, clock)
    assert pointer(service).percent == 50.0 and look.decision.action == "hold"
    assert {one.guard.name: one.state for one in look.scene.readings}["all-p95 total_ms-ucb"] == "ok"


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgres", marks=pytest.mark.services)])
def test_a_candidate_that_turns_slow_is_taken_back(tmp_path, request, database):
    """Its p95 is beyond the signed limit for certain within minutes; the pointer flips, and the trail says why."""
    url = None if database == "sqlite" else request.getfixturevalue("postgres_url")
    service, clock, fake = ramping(tmp_path, url=url)
    minute(service, clock)
    fake.ms = 60.0
    for _ in range(20):
        if pointer(service).candidate is None:
            break
        look = minute(service, clock)
    assert (pointer(service).candidate, service.arms.serving.candidate) == (None, None)
    assert look.decision.action == "rollback" and "p95 total_ms" in look.decision.reason
    with service.store.reading() as connection:
        verify_trail(entries(connection))


def test_the_flags_of_openfeature_agree_with_the_service(tmp_path):
    """Whoever asks the provider for a unit's arm hears what the service would do with it."""
    service, _, _ = ramping(tmp_path, environ={"CANARY_PERCENT": "30", "SIGNOFF_ASSIGNMENT_SECRET": "s"})
    flags = Flags(lambda: service.arms.serving.pointer, environ=service.environ, secret=service.secret)
    units = [f"unit-{number}" for number in range(200)]
    told = [flags.resolve_string_details("ARM", "stable", EvaluationContext(unit)).value for unit in units]
    assert told == [answer(service, Asked("q", unit=unit)).assignment for unit in units]
    assert 30 <= told.count("candidate") <= 90


def test_a_service_that_only_looks_moves_nothing(tmp_path):
    """Where another process monitors, this one sees the same and keeps its hands off."""
    service, clock, fake = ramping(tmp_path, acting=False)
    fake.ms = 60.0
    for _ in range(20):
        minute(service, clock)
    assert pointer(service).candidate == CANDIDATE
    assert verdict_of(service.watching.fresh, "")["verdict"] == "fail"


def test_the_kill_switch_rolls_back_at_the_next_look(tmp_path):
    """The variable does not only hold traffic back: the ramp is over."""
    service, clock, _ = ramping(tmp_path, environ={"SIGNOFF_KILL": "1"})
    assert minute(service, clock).decision.reason == "the kill switch is set"
    assert pointer(service).candidate is None


def test_a_look_grows_stale(tmp_path):
    """What was seen some windows ago proves nothing now."""
    service, clock, _ = ramping(tmp_path)
    minute(service, clock)
    assert service.watching.fresh is not None
    clock.at += timedelta(minutes=STALE_AFTER, seconds=1)
    assert service.watching.fresh is None and verdict_of(service.watching.fresh, "")["verdict"] == "inconclusive"


def test_a_look_that_fails_is_told_and_is_no_pass(tmp_path):
    """The service says so in its health, and goes on answering."""
    service, clock, _ = ramping(tmp_path)
    service.now = lambda: clock.at.replace(tzinfo=None)
    assert service.watching.look() is None
    service.now = clock
    status, told = service.health.told()
    assert status == "degraded" and any("the monitor failed" in one for one in told["why"])


def test_guards_are_shown_to_prometheus(tmp_path):
    """Value, limit and state of each guard; what reads nothing is -1, never 0."""
    service, clock, _ = ramping(tmp_path)
    minute(service, clock)
    text = service.metrics.text(percent=50.0, dropped=0, waiting=0).decode()
    label = f'guard="all-p95 total_ms-ucb",release="{CANDIDATE}"'
    assert f"signoff_guard_limit{{{label}}} 50.0" in text and f"signoff_guard_state{{{label}}} 0.0" in text
    assert f'signoff_guard_state{{guard="all-R@5-value",release="{CANDIDATE}"}} -1.0' in text


def test_guards_of_a_release_that_was_taken_back_are_shown_no_more(tmp_path):
    """An alert on them must end with the release."""
    service, clock, _ = ramping(tmp_path, environ={"SIGNOFF_KILL": "1"})
    minute(service, clock)
    minute(service, clock)
    text = service.metrics.text(percent=0.0, dropped=0, waiting=0).decode()
    assert f'signoff_guard_state{{guard="all-p95 total_ms-ucb",release="{CANDIDATE}"}}' not in text
    assert f'signoff_guard_state{{guard="all-p95 total_ms-ucb",release="{STABLE}"}}' in text
