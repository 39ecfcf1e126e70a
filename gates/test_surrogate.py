"""Promise: the latency surrogate's intervals hold where they promise to, and say more than a constant would."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("surrogate")
def test_surrogate(check: Check, trial: Trial, gate: Gate) -> None:
    """On requests that nothing was fitted on, the surrogate's number is within its limit."""
    gate.judge(check, gate.measure(check, trial))
