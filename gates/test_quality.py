"""Promise: the candidate ranks as well as its policy demands, and no worse than its baseline."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("quality")
def test_bound(check: Check, trial: Trial, gate: Gate) -> None:
    """The measure's mean over the slice clears the limit by the stated end of its interval."""
    gate.judge(check, gate.measure(check, trial))
