"""Promise: what must hold for every query holds for every query that hypothesis tried."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("properties")
def test_property(check: Check, trial: Trial, gate: Gate) -> None:
    """No drawn example broke the property, and its spoilt twin was found out."""
    gate.judge(check, gate.try_property(check, trial))
