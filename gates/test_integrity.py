"""Promise: the release is what it says it is, byte for byte, and repeats itself under its seed."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("integrity")
def test_integrity(check: Check, trial: Trial, gate: Gate) -> None:
    """No fault was counted where none is allowed."""
    gate.judge(check, gate.measure(check, trial))
