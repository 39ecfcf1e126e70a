"""Promise: tools are called by their schema, with a reason, and nothing is changed that was not tried dry before."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("governed")
def test_governed(check: Check, trial: Trial, gate: Gate) -> None:
    """The number over the traced calls clears the limit by the stated end of its interval."""
    gate.judge(check, gate.measure(check, trial))
