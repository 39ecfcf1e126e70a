"""Promise: what a reader is given is whole, cut to size, said once, and shows nothing of what is judged."""

from __future__ import annotations

import pytest

from gates.session import Gate
from harness.release.observed import Trial
from harness.release.policy import Check


@pytest.mark.measures("readied")
def test_readied(check: Check, trial: Trial, gate: Gate) -> None:
    """The number counted over all passages, shots and judged questions clears the limit."""
    gate.judge(check, gate.measure(check, trial))
