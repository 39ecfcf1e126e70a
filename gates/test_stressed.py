"""Promise: the release holds where queries are misspelt, said otherwise, long, or in another language."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("stressed")
def test_stressed(check: Check, trial: Trial, gate: Gate) -> None:
    """The number on perturbed queries clears the limit by the stated end of its interval."""
    gate.judge(check, gate.measure(check, trial))
