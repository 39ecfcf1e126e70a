"""Promise: the reader answers what was asked, from what it cites, in time, and no worse than the baseline."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("answered")
def test_answered(check: Check, trial: Trial, gate: Gate) -> None:
    """The number over the judged questions clears the limit by the stated end of its interval."""
    gate.judge(check, gate.measure(check, trial))
