"""Promise: a stage's latency percentile stays within its limit."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("latency")
def test_percentile(check: Check, trial: Trial, gate: Gate) -> None:
    """The order statistic over all requests is within the limit by the stated end of its interval."""
    gate.judge(check, gate.measure(check, trial))
