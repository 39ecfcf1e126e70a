"""Promise: the index returns what an exhaustive search would, and holds every document once, at length 1."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("index")
def test_index(check: Check, trial: Trial, gate: Gate) -> None:
    """The index's number is within its limit."""
    gate.judge(check, gate.measure(check, trial))
