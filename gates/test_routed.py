"""Promise: the spend rule is what it says it is, and spends where it pays."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("routed")
def test_routed(check: Check, trial: Trial, gate: Gate) -> None:
    """The rule's number on unseen queries is within its limit."""
    gate.judge(check, gate.measure(check, trial))
