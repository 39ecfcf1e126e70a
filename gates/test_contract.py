"""Promise: beside its baseline the release keeps its contract: as fast, as alike, as calibrated, as sure of itself."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("beside")
def test_beside(check: Check, trial: Trial, gate: Gate) -> None:
    """On the same requests and queries the distance from the baseline is within its limit."""
    gate.judge(check, gate.measure(check, trial))


@pytest.mark.measures("covered")
def test_covered(check: Check, trial: Trial, gate: Gate) -> None:
    """Each slice's band covers what the law of its promise allows."""
    gate.judge(check, gate.measure(check, trial))


@pytest.mark.measures("calibrated")
def test_calibrated(check: Check, trial: Trial, gate: Gate) -> None:
    """A hit's probability lies no farther from what judges say than the baseline's, beyond the limit."""
    gate.judge(check, gate.measure(check, trial))


@pytest.mark.measures("harvested")
def test_harvested(check: Check, trial: Trial, gate: Gate) -> None:
    """The setting that the harvest chose is faster than the default, loses nothing, and is so warm and cold."""
    gate.judge(check, gate.measure(check, trial))
