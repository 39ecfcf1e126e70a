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
from tests.faults.forged_evidence import DELTA, R5, all_of, doubtful, drop, failing, put
from tests.faults.forging import Forgery, look, lying

PINNED = Path(__file__).with_name("verify_lines.json")
MORE = [Forgery(name, "", lying(rows=edit)) for name, edit in [
    ("two_gates_that_do_not_pass", all_of(failing, doubtful)),
    ("finished_before_it_started", put(0, "started", value="2025-03-01T12:09:30+00:00")),
    ("closing_with_no_count_of_what_passed", put(-1, "passed", value=None)),
    ("header_without_a_plugin_version", put(0, "plugin_version", value="")),
    ("header_with_a_numeric_run_id", put(0, "run_id", value=7)),
    ("header_with_fractional_threads", put(0, "threads", value=1.5)),
    ("baseline_without_a_release", put(0, "baseline", value={"config_hash": "b" * 64})),
    ("baseline_with_a_numeric_digest", put(0, "baseline", "config_hash", value=7)),
    ("artifact_with_a_numeric_digest", put(0, "artifacts", "index/vectors.npy", value=7)),
    ("an_outcome_lost_beside_a_failure", all_of(put(-1, "passed", value=4), put(-1, "failed", value=1))),
    ("more_passed_than_collected", put(-1, "passed", value=7)),
    ("control_without_a_severity", put(R5, "control", "severity", value="inf")),
    ("control_of_fewer_than_no_rows", put(R5, "control", "n", value=-1)),
    ("confidence_of_a_coin", put(R5, "alternatives", 0, "broken", "confidence", value=0.5)),
    ("confidence_of_an_oracle", put(R5, "alternatives", 0, "broken", "confidence", value=1.0)),
    ("two_fields_smuggled_in", all_of(put(R5, "zeal", value=1), put(R5, "alibi", value=1))),
    ("min_n_is_true", put(R5, "min_n", value=False)),
    *((f"header_lacks_{key}", drop(0, key)) for key in (
        "run_id", "release", "manifest", "manifest_sha256", "config_hash", "run_manifest_sha256", "artifacts",
        "baseline", "seed", "started", "plugin_version", "threads")),
    *((f"closing_lacks_{key}", drop(-1, key)) for key in (
        "collected", "ran", "passed", "failed", "skipped", "deselected", "xfailed", "errors", "exit_status")),
    ("alternative_where_the_policy_has_none", lambda rows: rows[DELTA].update(alternatives=rows[R5]["alternatives"])),
    ("alternatives_are_an_object", put(DELTA, "alternatives", value={})),
    ("note_is_true", put(R5, "note", value=True)),
    ("estimate_in_another_order", lambda rows: rows[R5].update(estimate=dict(reversed(rows[R5]["estimate"].items())))),
]]
FORGERIES = [*forged_bundles.FORGERIES, *forged_moments.FORGERIES, *forged_evidence.FORGERIES, *MORE]
WHERE = {"where": "small-v1.intoto.jsonl"}
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
    line = line_of(lambda: look(forgery.raw, **(WHERE | forgery.given)))
    assert line == LINES.get(forgery.name, "not pinned: see above")


def test_every_pinned_line_belongs_to_a_forgery():
    """Nothing stands in the file that no forgery brings about."""
    assert set(LINES) == {forgery.name for forgery in FORGERIES}


if __name__ == "__main__":
    told = {one.name: line_of(lambda one=one: look(one.raw, **(WHERE | one.given))) for one in FORGERIES}
    atomic_write_text(PINNED, json.dumps(told, ensure_ascii=False, indent=1) + "\n")
