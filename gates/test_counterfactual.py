"""Promise: what a log of decisions says that another policy would have earned holds by more than one estimator."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("counterfactual")
def test_counterfactual(check: Check, trial: Trial, gate: Gate) -> None:
    """The number of the slice's decisions is within its limit."""
    gate.judge(check, gate.measure(check, trial))
