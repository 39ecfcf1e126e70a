"""Presets: every guard of every preset is seen to fire, and just not to fire."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from harness.errors import InputError
from harness.estimators.tally import Tally
from harness.estimators.weights import TopWeights
from harness.monitor.answered import RATE
from harness.monitor.guards import readings
from harness.monitor.measures import measure_of
from harness.monitor.presets import PRESETS, guards_of_manifest, guards_of_monitoring, preset
from harness.monitor.reliability import Reliabilities
from harness.monitor.series import Watch
from harness.monitor.windows import COVERED, ERRORS, JACCARD, RERANKED, Key, Window
from harness.release.contract import ReleaseContract
from harness.release.manifest import parse_manifest
from harness.release.monitoring import monitoring_of
from harness.rollout.shapes import Guarded
from tests.house.source import TOP
from tests.monitor.traffic import CANDIDATE, STABLE, at, key, served

ALL = [(name, guard) for name in PRESETS for guard in preset(name)]
LEVEL = 100.0  # of the stable release, where a measure has no level of its own
SHARES = {ERRORS, RERANKED, COVERED}
QUANTILE = "p95 "


def ident(case: object) -> str:
    """A guard's name, for pytest."""
    return case.name if isinstance(case, Guarded) else str(case)


def weights_of(share: float, n: int = 400) -> TopWeights:
    """Weights whose ESS/N is `share`: a part of them 1, the rest 0."""
    return TopWeights.of(np.arange(n) < round(share * n), keep=100)


def pairs_off_by(error: float) -> Reliabilities:
    """Pairs stated at a half, of which a half and `error` came true."""
    return Reliabilities.of([(0.5, int(i < 500 * (0.5 + error))) for i in range(500)])


def window(measure: str, value: float) -> Window:
    """A minute in which a measure shows a value exactly, or to the sketch's one per cent."""
    if measure == "AECE":
        return replace(served([5.0] * 20), calibration=pairs_off_by(value))
    if measure == "ESS/N":
        return replace(served([5.0] * 20), weights=weights_of(value))
    if measure in SHARES:
        tally = Tally(round(5000 * min(value, 1.0)), 5000)
        return replace(served([5.0]), requests=tally) if measure == ERRORS else replace(
            served([5.0]), shares={measure: tally})
    if measure.startswith(QUANTILE):
        stage = measure.removeprefix(QUANTILE).removesuffix("_ms")
        return replace(served([1.0]), latency={stage: served([value] * 50).latency["total"]})
    if measure == RATE:
        return served([60_000.0 / value] * 50)
    return served([5.0] * 20, **{measure: [value] * 50})


def world(guard: Guarded, value: float, minutes: int, rng, resolution_s: int) -> dict[Key, Window]:
    """Minutes in which the guard's measure shows a value, with a little noise, on both arms where it compares them."""
    windows = {}
    for minute in range(minutes):
        place = minute * resolution_s / 60
        shift = 0.002 * abs(value) * rng.normal()
        if guard.measure.startswith(("delta ", "rise ")) and not measure_of(guard.measure).per_query:
            word, _, inner = guard.measure.partition(" ")
            level = 0.4 if inner in SHARES or "@" in inner else LEVEL
            windows[key(place, "stable")] = window(inner, level)
            moved = level * (1.0 + value + shift) if word == "rise" else level + value + shift
            windows[key(place)] = window(inner, moved)
        else:
            windows[key(place)] = window(guard.measure, value + (0.0 if guard.measure in {"AECE", "ESS/N"} else shift))
    return windows


def fires(guard: Guarded, value: float, rng, *, shorter: bool = False) -> bool:
    """Whether a guard fires on a measure that shows `value`, once its `for` is over and there is proof."""
    resolution_s = 60 if guard.for_s <= 3600 else 600
    proof = 2 if guard.limit.by == "value" and guard.then != "rollback" else 60
    minutes = guard.for_s // resolution_s + proof
    minutes = guard.for_s // resolution_s if shorter else minutes
    found = readings([guard], world(guard, value, minutes, rng, resolution_s), at(minutes * resolution_s / 60),
                     watch=Watch(CANDIDATE, "candidate", at(0), STABLE, resolution_s, together=True))[0]
    return found.state in {"critical", "emergency"}


def off(guard: Guarded, share: float) -> float:
    """A value so far beyond the limit, as a share of it (of a tenth where the limit is 0)."""
    bound = guard.limit.bound
    room = share * (abs(bound) or 0.1)
    return bound + room if guard.limit.direction == "at_most" else bound - room


@pytest.mark.parametrize(("name", "guard"), ALL, ids=ident)
def test_each_guard_of_a_preset_fires(name, guard, rng):
    """A tenth and more beyond its limit, for as long as it asks and there is proof: it fires."""
    beyond = {JACCARD: 0.2, "AECE": 4.0, COVERED: 0.019}.get(guard.measure, 0.3)
    assert fires(guard, off(guard, beyond), rng)


@pytest.mark.parametrize(("name", "guard"), ALL, ids=ident)
def test_each_guard_of_a_preset_just_does_not_fire(name, guard, rng):
    """Just within its limit, for as long, it does not fire; nor beyond it before its `for` is over."""
    within = {"AECE": -0.01}.get(guard.measure, -0.015)
    assert not fires(guard, off(guard, within), rng)
    if guard.for_s:
        assert not fires(guard, off(guard, {COVERED: 0.019}.get(guard.measure, 0.3)), rng, shorter=True)


def test_names_tell_guards_apart():
    """Within a preset no two guards share a name, so that what fired is known."""
    for name in PRESETS:
        names = [one.name for one in preset(name)]
        assert len(set(names)) == len(names)


def test_an_unknown_preset_is_named_with_the_nearest():
    """A misspelt preset is refused with what was probably meant."""
    with pytest.raises(InputError, match="nearest: t1"):
        preset("t2")


def test_only_proof_rolls_back():
    """No guard of a preset that rolls back, or holds a ramp by a bound, is by a point estimate."""
    assert [guard.name for _, guard in ALL if guard.then == "rollback" and guard.limit.by == "value"] == []


@pytest.mark.parametrize("manifest", ["retriever-v0.yaml", "t1.yaml"])
def test_guards_of_a_signed_policy_are_its_own(manifest):
    """A manifest's guards carry the limits, durations and ends of its rows, alternatives included."""
    found = parse_manifest((TOP / "manifests" / manifest).read_bytes(), where=manifest)
    guards = guards_of_manifest(found)
    checks = {check.id: check for check in found.checks}
    assert guards
    assert all(one.limit == checks[one.name].limit and one.others == checks[one.name].any_with for one in guards)
    assert {one.then for one in guards} >= {"rollback"}


def test_a_monitoring_configuration_without_guards_has_none():
    """Of an empty contract there is nothing to watch."""
    assert guards_of_monitoring(monitoring_of(ReleaseContract("mine", ()))) == ()
