"""Live switches take traffic from a candidate and never give it more; what cannot be read is the stable release."""

from __future__ import annotations

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode

from harness.rollout.assigning import assigned, experiment_key
from harness.rollout.flags import Flags, killed, most_percent, serving_percent
from harness.rollout.shapes import Pointer
from tests.rollout.ramps import DAY

HALF = Pointer(1, "prod", "a" * 64, "b" * 64, 50.0, "50 %", "ada", "x", DAY)
UNITS = [f"unit-{number}" for number in range(200)]


def arms(pointer, environ=None, units=UNITS):
    flags = Flags(pointer if callable(pointer) else lambda: pointer, environ=environ or {})
    return [flags.resolve_string_details("ARM", "candidate", EvaluationContext(one)).value for one in units]


@pytest.mark.parametrize(("said", "expected"), [
    ("", 100), ("10", 10), ("0", 0), ("2.5", 2.5), ("-1", 0), ("101", 0), ("nan", 0), ("inf", 0), ("ten", 0),
    ("10%", 0)])
def test_a_cap_that_is_no_share_is_nothing(said, expected):
    """Unset caps nothing; what cannot be understood gives the candidate nothing."""
    assert most_percent({"CANARY_PERCENT": said}) == expected


def test_the_environment_lowers_and_never_raises():
    """A cap above the pointer's share changes nothing."""
    assert [serving_percent(HALF, {"CANARY_PERCENT": one}) for one in ("10", "50", "90")] == [10, 50, 50]
    assert serving_percent(None, {}) == 0


@pytest.mark.parametrize("said", ["1", "true", "on", "yes", " 1 ", "x"])
def test_the_kill_switch_is_the_stable_release(said):
    """Whatever it is set to, unless that plainly means no: nobody gets the candidate."""
    assert killed({"SIGNOFF_KILL": said})
    assert set(arms(HALF, {"SIGNOFF_KILL": said})) == {"stable"}
    assert serving_percent(HALF, {"SIGNOFF_KILL": said, "CANARY_PERCENT": "50"}) == 0


@pytest.mark.parametrize("said", ["", "0", "false", "OFF", "no"])
def test_a_switch_that_says_no_kills_nothing(said):
    """Half of the units are with the candidate as before."""
    assert not killed({"SIGNOFF_KILL": said}) and "candidate" in arms(HALF, {"SIGNOFF_KILL": said})


def test_the_flag_and_the_service_assign_alike():
    """A user's own code that asks the flag sends a unit where the service would."""
    key = experiment_key("prod", "b" * 64)
    assert arms(HALF) == [assigned(one, key=key, percent=50.0) for one in UNITS]
    assert arms(HALF, {"CANARY_PERCENT": "10"}) == [assigned(one, key=key, percent=10.0) for one in UNITS]


def broken():
    raise OSError("the store is away")


@pytest.mark.parametrize("pointer", [None, broken, Pointer(1, "prod", "a" * 64, None, 0.0, None, "x", "y", DAY)])
def test_without_a_candidate_to_be_sure_of_the_arm_is_stable(pointer):
    """No pointer, a store that is away, no candidate: stable, though the caller's default says otherwise."""
    assert set(arms(pointer)) == {"stable"}
    assert arms(HALF, units=["", None]) == ["stable", "stable"]


def test_it_answers_through_the_sdk():
    """As a provider of OpenFeature's own client, with every type of flag, and errors as the SDK knows them."""
    api.set_provider(Flags(lambda: HALF, environ={"RERANKER": "off", "CANARY_PERCENT": "12.7"}), domain="signoff-test")
    client = api.get_client(domain="signoff-test")
    unit = EvaluationContext("unit-1")
    arm = client.get_string_value("ARM", "candidate", unit)
    assert client.get_boolean_value("candidate", False, unit) is (arm == "candidate")
    assert client.get_float_value("CANARY_PERCENT", 99.0) == 12.7
    assert client.get_integer_value("CANARY_PERCENT", 99) == 12
    assert client.get_boolean_value("RERANKER", True) is False
    assert client.get_string_value("RETRIEVER_IMPL", "amn_v0") == "amn_v0"
    assert client.get_string_details("CANARY_PERCENT", "x").error_code is ErrorCode.TYPE_MISMATCH
    assert client.get_integer_details("ARM", 3).error_code is ErrorCode.TYPE_MISMATCH
    assert client.get_object_details("NOTHING", {}).error_code is ErrorCode.FLAG_NOT_FOUND
