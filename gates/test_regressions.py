"""Promise: no loss that was found and pinned has grown, and none that was repaired has come back."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("regressions")
def test_pinned(check: Check, trial: Trial, gate: Gate) -> None:
    """Every pinned query, replayed on the release, scores what its pin asks for."""
    gate.judge(check, gate.measure(check, gate.replayed(trial)))
