"""The one line that a refused user reads, pinned whole: what, where, expected, found.

The lines stand in `verify_lines.json`; `python -m tests.release.test_verify_lines` writes them anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.data.store import atomic_write_text
from harness.errors import EvidenceError
from tests.faults import forged_bundles, forged_evidence, forged_moments
from tests.faults.forging import Forgery, look

PINNED = Path(__file__).with_name("verify_lines.json")
FORGERIES = [*forged_bundles.FORGERIES, *forged_moments.FORGERIES, *forged_evidence.FORGERIES]
LINES = json.loads(PINNED.read_text(encoding="utf-8")) if PINNED.exists() else {}


def line_of(call: Callable[[], object]) -> str:
    """The refusal of a call, but for digests, signatures, and what Python's readers of text say."""
    with pytest.raises(EvidenceError) as refusal:
        call()
    line = re.sub(r"(?<=not JSON; ).*|(?<=is not base64; ).*", "…", str(refusal.value))
    return re.sub(r"[0-9a-f]{24,}|[A-Za-z0-9+/=]{60,}", "#", line)


@pytest.mark.parametrize("forgery", FORGERIES, ids=str)
def test_a_refusal_says_what_where_expected_and_found(forgery: Forgery):
    """Each forgery's line is the pinned one to the letter: no part of it is lost unseen."""
    assert line_of(lambda: look(forgery.raw, **forgery.given)) == LINES[forgery.name]


def test_every_pinned_line_belongs_to_a_forgery():
    """Nothing stands in the file that no forgery brings about."""
    assert set(LINES) == {forgery.name for forgery in FORGERIES}


if __name__ == "__main__":
    told = {one.name: line_of(lambda one=one: look(one.raw, **one.given)) for one in FORGERIES}
    atomic_write_text(PINNED, json.dumps(told, ensure_ascii=False, indent=1) + "\n")
