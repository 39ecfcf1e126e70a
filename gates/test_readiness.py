"""Promise: what is evaluated is healthy, and processes with other seeds and threads find the same to the byte."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("readiness")
def test_readiness(check: Check, trial: Trial, gate: Gate) -> None:
    """The faults, counted over all checks or all questions, are none."""
    gate.judge(check, gate.measure(check, trial))
