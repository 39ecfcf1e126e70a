"""`signoff status`: the whole list in its order, each item's state, what to do next, and never more than was shown."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.attested import MANIFEST
from harness.cli.status_facts import awaited, checklist_facts
from harness.errors import Exit
from harness.release.evidence import finding_of, read_evidence
from harness.release.manifest import load_manifest
from harness.report.story import tell
from tests.faults.forged_evidence import doubtful, failing
from tests.release.checkout import M, run, written
from tests.release.listed import CHECKLIST, FILE, SIGN, TRUSTED, all_approved, approve, listed_in

TEXT = MANIFEST + CHECKLIST
EVIDENCE = Path("reports/small-v1/evidence.jsonl")


@pytest.fixture
def project(tmp_path, monkeypatch, capsys) -> Path:
    """A checkout with a checklist and evidence that passed just now; nobody has approved."""
    return listed_in(tmp_path, monkeypatch, capsys)


def status(capsys: Any, *more: str) -> tuple[int, dict[str, Any]]:
    code, out, err = run(capsys, "status", M, "--json", *more)
    assert err == ""
    told = json.loads(out)
    assert told["exit_code"] == code
    return code, told


def states(told: dict[str, Any]) -> dict[str, str]:
    return {one["item"]: one["state"] for one in told["items"]}


def test_the_list_stands_in_the_manifests_order_with_what_each_waits_for(project, capsys):
    """Gates that passed are done, approvals that nobody gave are missing, and the next commands are told."""
    code, told = status(capsys)
    assert code == Exit.INCONCLUSIVE
    assert states(told) == {"quality": "done", "capacity": "missing", "stakeholder approval": "missing",
                            "latency": "done", "(every other gate)": "done"}
    assert told["next"] == [f"signoff approve {M} --item capacity --key FILE",
                            f"signoff approve {M} --item 'stakeholder approval' --key FILE"]
    assert [one["gate"] for one in told["items"][0]["gates"]] == [
        "see_also-all-delta nDCG@10-lcb", "see_also-hard_nl-delta nDCG@10-lcb", "see_also-all-R@5-value"]
    assert told["counts"] == {"done": 3, "refused": 0, "inconclusive": 0, "missing": 2}


def test_all_done_is_zero_and_only_then(project, capsys):
    """With every approval the list is done, first with signing and then with verifying as what is next."""
    approve(capsys, "capacity", "anna", "--says", "load test of Tuesday")
    assert status(capsys)[0] == Exit.INCONCLUSIVE
    all_approved(capsys)
    code, told = status(capsys)
    assert (code, told["signed"], told["next"]) == (0, False, [f"signoff sign {M}"])
    assert [one["who"] for one in told["items"][1]["approvals"]] == ["anna", "ben"]
    assert told["items"][1]["approvals"][0]["says"] == "load test of Tuesday"
    assert run(capsys, *SIGN)[0] == 0
    code, told = status(capsys)
    assert (code, told["signed"], told["next"]) == (0, True, [f"signoff verify {M}"])


def test_a_refused_gate_is_told_and_graver_than_what_is_missing(project, capsys):
    """Exit code 10, the item refused, with the gate's own reason."""
    written(project, TEXT, change=failing)
    code, told = status(capsys)
    assert (code, states(told)["quality"], states(told)["capacity"]) == (Exit.REFUSED, "refused", "missing")
    assert any("0.2 < 0.3" in one["reason"] for one in told["items"][0]["gates"])


def test_a_gate_in_doubt_is_told_as_such(project, capsys):
    """INCONCLUSIVE is open, not refused and not unbelievable, although pytest ended with 1 because of it."""
    def change(rows):
        doubtful(rows)
        rows[-1].update(failed=1, passed=5, exit_status=1)

    written(project, TEXT, change=change)
    code, told = status(capsys)
    assert (code, states(told)["quality"], told["problems"]) == (Exit.INCONCLUSIVE, "inconclusive", [])


def test_a_pass_beside_tests_that_failed_is_not_believed(project, capsys):
    """Every gate passed and the run ended with an error: what a signer would refuse is not shown as done."""
    written(project, TEXT, change=lambda rows: rows[-1].update(failed=1, passed=5, exit_status=1))
    code, told = status(capsys)
    assert (code, states(told)["quality"]) == (Exit.INVALID, "missing")
    assert "tests failed beside the gates" in told["problems"][0]


def test_a_gate_on_no_item_can_keep_the_list_from_being_done(project, capsys):
    """The twin of a list that leaves the refused gate out: what is on no item is not overlooked."""
    short = TEXT.replace(", see_also-all-R@5-value", "")
    written(project, short, change=failing)
    all_approved(capsys)
    code, told = status(capsys)
    assert (code, states(told)["quality"], states(told)["(every other gate)"]) == (10, "done", "refused")


def test_an_excused_doubt_is_open_where_an_item_waits_for_it(project, capsys):
    """`required: false` lets a release be signed; it does not make an item of the list done."""
    written(project, TEXT.replace("[total p95]", "[total p95, acceptance]"))
    all_approved(capsys)
    code, told = status(capsys)
    assert (code, states(told)["latency"]) == (Exit.INCONCLUSIVE, "inconclusive")


def test_without_evidence_nothing_automatic_is_done(project, capsys):
    """No run yet: missing, and `signoff gates` is next."""
    EVIDENCE.unlink()
    all_approved(capsys)
    code, told = status(capsys)
    assert (code, states(told)["quality"], told["next"], told["evidence"]) == (
        Exit.INCONCLUSIVE, "missing", [f"signoff gates {M}"], None)


def test_the_signed_bundle_speaks_where_no_report_lies(project, capsys):
    """A clean checkout of a signed release shows its list from the bundle, whose signatures are checked first."""
    all_approved(capsys)
    assert run(capsys, *SIGN)[0] == 0
    EVIDENCE.unlink()
    code, told = status(capsys)
    assert (code, told["evidence"]) == (0, "manifests/signed/small-v1.intoto.jsonl")
    bundle = Path(told["evidence"])
    raw = bundle.read_bytes()
    bundle.write_bytes(raw.replace(b'"sig":"', b'"sig":"AAAA', 1))
    assert status(capsys)[0] == Exit.INVALID
    bundle.write_bytes(raw)
    other = {"keys": [{"name": "release", "public": "../keys/stranger.pub"}], "approvers": TRUSTED["approvers"]}
    Path("manifests/trust.yaml").write_text(json.dumps(other))
    code, told = status(capsys)
    assert (code, states(told)["quality"], told["signed"]) == (Exit.INVALID, "missing", False)


def test_a_manifest_edited_gated_and_restored_is_shown_as_it_was_signed(project, capsys):
    """Evidence of other bytes of the manifest is set aside, in words, for the bundle that verifies; never for none."""
    all_approved(capsys)
    assert run(capsys, *SIGN)[0] == 0
    before, bundle = Path(M).read_bytes(), Path("manifests/signed/small-v1.intoto.jsonl")
    written(project, TEXT + "# edited\n")
    Path(M).write_bytes(before)
    code, told = status(capsys)
    assert (code, told["evidence"], told["problems"]) == (0, str(bundle), [])
    assert told["set_aside"] == str(EVIDENCE)
    assert "The last run was of another version" in run(capsys, "status", M)[1]
    assert status(capsys, "--evidence", "./reports/../reports/small-v1/evidence.jsonl")[0] == Exit.INVALID
    bundle.unlink()
    code, told = status(capsys)
    assert (code, states(told)["quality"], told["set_aside"]) == (Exit.INVALID, "missing", None)


@pytest.mark.parametrize(("spoil", "told"), [
    (lambda: EVIDENCE.write_bytes(EVIDENCE.read_bytes()[:-40]), "evidence.jsonl"),
    (lambda: FILE.write_bytes(FILE.read_bytes()[:-40]), "cut short"),
    (lambda: FILE.write_bytes(b""), "empty"),
    (lambda: Path(M).write_text(TEXT + "# edited\n"), "manifest_sha256 is not this manifest's"),
    (lambda: Path("artifacts/small-v1/index/vectors.npy").write_text("other"), "changed since it was measured"),
], ids=["torn_evidence", "torn_approvals", "empty_approvals", "edited_manifest", "changed_artifact"])
def test_what_cannot_be_believed_counts_for_nothing_and_is_said(project, capsys, spoil, told):
    """Exit code 12, the reason among the problems, and no item done by what is not believed."""
    all_approved(capsys)
    spoil()
    code, found = status(capsys)
    assert code == Exit.INVALID
    assert any(told in one for one in found["problems"]), found["problems"]
    assert "missing" in states(found).values()
    out = run(capsys, "status", M)[1]
    assert "NOT BELIEVED" in out


def test_evidence_too_old_for_the_trust_file_is_not_believed(project, capsys):
    """What `verify` would refuse as too old is not shown as done."""
    written(project, TEXT, change=lambda rows: rows[0].update(started="2025-01-01T00:00:00+00:00"))
    code, told = status(capsys)
    assert (code, "too old" in told["problems"][0]) == (Exit.INVALID, True)


def test_a_manifest_without_a_list_shows_its_gates(project, capsys):
    """No checklist is no list that is done: the gates of the policy stand in one line."""
    written(project, MANIFEST)
    code, out, _ = run(capsys, "status", M)
    assert (code, "No checklist" in out, "(every other gate)" in out) == (0, True, True)


def test_it_fits_eighty_columns_but_for_commands_to_copy(project, capsys):
    """Words wrap; a command stands on one line, so that it can be copied whole."""
    approve(capsys, "capacity", "anna", "--says", "the load test of Tuesday held for an hour at twice the peak")
    for change in (lambda _: None, failing):
        written(project, TEXT, change=change)
        lines = run(capsys, "status", M)[1].splitlines()
        assert [one for one in lines if len(one) > 80 and "signoff " not in one] == []
        assert any(one.endswith("--item 'stakeholder approval' --key FILE") for one in lines)


def test_the_report_of_a_run_lists_the_items_as_they_stand(project, capsys):
    """One line an item, with who approved; what is not believed is said so, and a manifest without a list has none."""
    loaded = load_manifest(Path(M))
    findings = [finding_of(row) for row in read_evidence(EVIDENCE.read_bytes()).findings]
    before = checklist_facts(loaded, findings)
    assert before["checklist, quality"] == "done: 3 of 3 gates passed"
    assert before["checklist, capacity"].endswith("fits; 0 of 2 approvals (by anna or ben)")
    all_approved(capsys)
    assert "done: search may ship this; approved by release 2" in checklist_facts(loaded, findings)[
        "checklist, stakeholder approval"]
    FILE.write_bytes(b"")
    assert "missing: search may ship this; not believed: " in checklist_facts(loaded, findings)[
        "checklist, stakeholder approval"]
    written(project, MANIFEST)
    assert checklist_facts(load_manifest(Path(M)), findings) == {}


def test_a_run_that_passed_asks_for_the_approvals_before_the_signature(project, capsys):
    """Terminal, summary and page name the commands that approve, then the one that signs; with all given, that alone.

    Where the approvals cannot be believed, `status` says why.
    """
    loaded, evidence = load_manifest(Path(M)), read_evidence(EVIDENCE.read_bytes())

    def told() -> tuple[str, ...]:
        return tell(replace(evidence, header={**evidence.header, "called_as": M},
                            closing={**evidence.closing, "awaited": awaited(loaded)})).next

    asked = told()
    assert asked[0].startswith("Nothing is signed yet")
    assert asked[1:] == (f"The whole list: signoff status {M}",
                         f"To approve: signoff approve {M} --item capacity --key FILE",
                         f"To approve: signoff approve {M} --item 'stakeholder approval' --key FILE",
                         f"Then, to sign it: signoff sign {M}")
    all_approved(capsys)
    assert told() == (f"Nothing is signed yet. To sign it: signoff sign {M}",)
    FILE.write_bytes(b"")
    assert awaited(loaded) == [f"signoff status {M}"]
