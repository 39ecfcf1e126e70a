"""A property's outcome as a reading: counterexamples found over examples tried, its spoilt twin as the control."""

from __future__ import annotations

from harness.errors import InputError
from harness.estimate import Estimate
from harness.hunting.properties import PROPERTIES, Tried, surface_of, try_property, try_twin
from harness.release.judge import Control, Reading
from harness.release.observed import Trial
from harness.release.policy import Check

__all__ = ["property_reading"]

_PREFIX = "violations of "


def property_reading(check: Check, trial: Trial) -> Reading:
    """Try the property that the check names on the candidate's live parts."""
    live = trial.candidate.live
    if live is None:
        raise InputError("properties are tried on live parts", where=trial.candidate.release,
                         expected="a live manifest", found=check.measure)
    name = check.measure.removeprefix(_PREFIX)
    task = next(one for one in live.world.tasks.values() if one.contexts is None)
    surface = surface_of(live, task.judge().texts)
    tried = try_property(name, surface)
    twin = _estimate(try_twin(name, surface), check)
    return Reading(
        _estimate(tried, check), note=tried.counterexample or PROPERTIES[name].claim,
        control=Control(f"spoilt_{name}", 1.0, twin.value, twin.low, twin.high, twin.n))


def _estimate(tried: Tried, check: Check) -> Estimate:
    found = float(tried.counterexample is not None)
    return Estimate(found, found, found, tried.examples, check.confidence, "drawn by hypothesis", "found")
