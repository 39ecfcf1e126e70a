"""Promise: what averages hide is not there: ties at the cut, doubled hits, scores that are no numbers, leaks."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("hygiene")
def test_hygiene(check: Check, trial: Trial, gate: Gate) -> None:
    """The fault was counted, and is within its limit."""
    gate.judge(check, gate.measure(check, trial))
