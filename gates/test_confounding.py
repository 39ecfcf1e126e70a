"""Promise: what a log of decisions says of a policy is not the doing of something that the log does not tell."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("confounding")
def test_confounding(check: Check, trial: Trial, gate: Gate) -> None:
    """The number of the slice's decisions is within its limit."""
    gate.judge(check, gate.measure(check, trial))
