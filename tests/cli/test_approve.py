"""`signoff approve`, and what `sign`, `gates --sign`, `verify` and `bank` make of an item that nobody approved."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.attested import MANIFEST
from harness.cli.approve_files import alone_with
from harness.cli.signing import sign_and_verify
from harness.errors import Exit
from harness.release.approvals import MAX_BYTES
from harness.release.manifest import load_manifest
from harness.release.predicates import InconclusiveError
from tests.release.checkout import M, run, written
from tests.release.listed import CHECKLIST, FILE, SIGN, TRUSTED, all_approved, approve, listed_in

BUNDLE = Path("manifests/signed/small-v1.intoto.jsonl")


@pytest.fixture
def project(tmp_path, monkeypatch, capsys) -> Path:
    """A checkout with a checklist, four keys and a trust file that lets two of them approve and a third sign."""
    return listed_in(tmp_path, monkeypatch, capsys)


def gated() -> Any:
    folder = Path("reports") / "small-v1"
    return SimpleNamespace(loaded=load_manifest(Path(M)), raw=(folder / "evidence.jsonl").read_bytes(), folder=folder)


def test_approve_then_sign_then_verify(project, capsys):
    """Nothing is signed before all have approved; after that the same evidence is, and it verifies and is banked."""
    code, out, err = run(capsys, *SIGN)
    assert (code, out, err.count("\n"), BUNDLE.exists()) == (Exit.INCONCLUSIVE, "", 1, False)
    assert f"signoff approve {M} --item capacity --key FILE" in err
    all_approved(capsys)
    assert run(capsys, *SIGN)[0] == 0
    code, out, _ = run(capsys, "verify", M)
    assert code == 0
    assert "approved capacity: anna 2" in out and ", ben 2" in out
    assert [one["who"] for one in json.loads(run(capsys, "verify", M, "--json")[1])["approvals"]] == [
        ["anna", "ben"], ["release"]]
    assert run(capsys, "bank", M)[0] == 0


def test_gates_sign_waits_as_sign_does_and_keeps_the_evidence(project, capsys):
    """What follows a run of the gates is INCONCLUSIVE without approvals, and finishes with them."""
    with pytest.raises(InconclusiveError, match="'capacity' has 0 of 2 approvals"):
        sign_and_verify(gated(), Path("keys/release.pem"))
    assert not BUNDLE.exists()
    all_approved(capsys)
    assert "verified" in sign_and_verify(gated(), Path("keys/release.pem"))
    assert run(capsys, "verify", M)[0] == 0


def test_verify_and_bank_ask_for_the_approvals_each_time(project, capsys):
    """The file gone, torn, emptied or of others: exit code 12 and one line, whatever was signed before."""
    all_approved(capsys)
    assert run(capsys, *SIGN)[0] == 0
    whole = FILE.read_bytes()
    for raw, told in ((None, "not approved"), (b"", "empty"), (whole[:-1], "cut short"), (b"noise\n", "not JSON"),
                      (b"x" * (MAX_BYTES + 9), "too large"), (b"".join(whole.splitlines(keepends=True)[1:]),
                                                              "'capacity' has 1 of 2")):
        FILE.unlink(missing_ok=True)
        if raw is not None:
            FILE.write_bytes(raw)
        for verb in ("verify", "bank"):
            code, out, err = run(capsys, verb, M)
            assert (code, out, err.count("\n")) == (Exit.INVALID, "", 1)
            assert told in err, err
    code, out, _ = run(capsys, "contract", M, "--json")  # the evidence holds; the contract says that nothing is signed
    assert (code, json.loads(out)["signed"]) == (0, None)


def test_verify_takes_approvals_from_elsewhere_when_told(project, capsys):
    """`--approvals FILE` is read in place of the file beside the bundle, and must be there."""
    all_approved(capsys)
    assert run(capsys, *SIGN)[0] == 0
    FILE.rename("elsewhere.jsonl")
    assert run(capsys, "verify", M)[0] == Exit.INVALID
    assert run(capsys, "verify", M, "--approvals", "elsewhere.jsonl")[0] == 0
    code, _, err = run(capsys, "verify", M, "--approvals", "nowhere.jsonl")
    assert (code, "nowhere.jsonl: cannot be read" in err) == (Exit.INVALID, True)
    Path("torn.jsonl").write_bytes(Path("elsewhere.jsonl").read_bytes()[:-3])
    assert "torn.jsonl: cut short" in run(capsys, "verify", M, "--approvals", "torn.jsonl")[2]


@pytest.mark.parametrize(("item", "key", "told"), [
    ("capactiy", "anna", "no such item on the checklist: 'capactiy'"),
    ("capactiy", "anna", "(nearest: capacity)"),
    ("quality", "anna", "'quality' is automatic"),
    ("capacity", "stranger", "not trusted to approve"),
    ("capacity", "release", "not among those who are asked to approve 'capacity'; expected anna or ben"),
    ("capacity", "nobody", "cannot read the signing key"),
])
def test_what_cannot_be_approved_is_one_line_and_leaves_no_file(project, capsys, item, key, told):
    """Unknown and automatic items, strangers, people who are not asked, a key that is not there."""
    code, out, err = approve(capsys, item, key)
    assert (code, out, err.count("\n"), FILE.exists()) == (Exit.USAGE, "", 1, False)
    assert told in err, err


def test_approving_twice_says_so_and_changes_nothing(project, capsys):
    """The second approval by the same key adds no line; a copy of the key under another name is the same key."""
    assert "approved by anna" in approve(capsys, "capacity", "anna", "--says", "load test of Tuesday")[1]
    before = FILE.read_bytes()
    Path("keys/annie.pem").write_bytes(Path("keys/anna.pem").read_bytes())
    for key in ("anna", "annie"):
        code, out, _ = approve(capsys, "capacity", key)
        assert (code, "was approved already" in out, "1 of 2 approvals" in out) == (0, True, True)
    assert json.loads(approve(capsys, "capacity", "anna", "--json")[1])["new"] is False
    assert FILE.read_bytes() == before


def test_an_approval_is_taken_back_and_given_again(project, capsys):
    """`--withdraw` undoes what the key approved; without an approval there is nothing to undo."""
    code, _, err = approve(capsys, "stakeholder approval", "release", "--withdraw")
    assert (code, "no approval of 'stakeholder approval' by this key" in err, FILE.exists()) == (2, True, False)
    all_approved(capsys)
    assert run(capsys, *SIGN)[0] == 0
    code, out, _ = approve(capsys, "capacity", "anna", "--withdraw", "--says", "memory leak")
    assert (code, "taken back by anna" in out) == (0, True)
    code, _, err = run(capsys, "verify", M)
    assert (code, "not anna's of" in err, "(withdrawn" in err) == (Exit.INVALID, True, True)
    assert approve(capsys, "capacity", "anna", "--withdraw")[0] == Exit.USAGE
    assert approve(capsys, "capacity", "anna")[0] == 0
    assert run(capsys, "verify", M)[0] == 0
    assert len(FILE.read_bytes().splitlines()) == 5


def test_an_edited_manifest_is_approved_again(project, capsys):
    """The approvals are of the bytes that were read: a changed limit needs new evidence and new approvals."""
    all_approved(capsys)
    written(project, (MANIFEST + CHECKLIST).replace("at_least: 0.3,", "at_least: 0.31,"))
    code, _, err = run(capsys, *SIGN)
    assert (code, "(an earlier version of this manifest)" in err) == (Exit.INCONCLUSIVE, True)
    assert approve(capsys, "capacity", "anna", "--withdraw")[0] == Exit.USAGE  # what does not count is not taken back
    all_approved(capsys)
    assert run(capsys, *SIGN)[0] == 0
    assert len(FILE.read_bytes().splitlines()) == 6


def test_nothing_is_added_to_a_file_that_cannot_be_believed(project, capsys):
    """A torn file is refused as it is, and stays as it is."""
    all_approved(capsys)
    FILE.write_bytes(FILE.read_bytes()[:-10])
    before = FILE.read_bytes()
    assert approve(capsys, "stakeholder approval", "anna")[0] == Exit.INVALID
    assert FILE.read_bytes() == before


def test_an_approver_signs_no_release(project, capsys):
    """Their key is told apart: it may approve, and `sign` refuses it before anything is written."""
    all_approved(capsys)
    code, _, err = run(capsys, "sign", M, "--key", "keys/anna.pem")
    assert (code, "may approve items of a checklist, and sign no release" in err) == (Exit.USAGE, True)
    assert run(capsys, *SIGN)[0] == 0
    code, _, err = run(capsys, "sign", M, "--countersign", "--key", "keys/ben.pem")
    assert (code, "sign no release" in err) == (Exit.USAGE, True)


def test_a_second_signature_asks_for_the_approvals_too(project, capsys):
    """Whoever countersigns vouches for what verifies: with every approval it is signed, without one it is not."""
    keys = [*TRUSTED["keys"], {"name": "stranger", "public": "../keys/stranger.pub"}]
    Path("manifests/trust.yaml").write_text(json.dumps(TRUSTED | {"keys": keys, "threshold": 2}))
    all_approved(capsys)
    assert run(capsys, *SIGN)[0] == 0
    whole = FILE.read_bytes()
    FILE.unlink()
    again = ("sign", M, "--countersign", "--key", "keys/stranger.pem")
    code, _, err = run(capsys, *again)
    assert (code, "not approved" in err) == (Exit.INVALID, True)
    FILE.write_bytes(whole)
    assert run(capsys, *again)[0] == run(capsys, "verify", M)[0] == 0


def test_without_a_trust_file_only_the_development_key_approves_and_says_so(project, capsys):
    """Integrity, not authority: a key that nobody named approves nothing, and `by` cannot be met."""
    Path("manifests/trust.yaml").unlink()
    code, _, err = approve(capsys, "stakeholder approval", "release")
    assert (code, "no trust file says that this key may approve" in err) == (Exit.USAGE, True)
    code, out, _ = run(capsys, "approve", M, "--item", "stakeholder approval")
    assert (code, "DEVELOPMENT KEY" in out) == (0, True)
    assert "not among those who are asked" in run(capsys, "approve", M, "--item", "capacity")[2]
    written(project, MANIFEST + "checklist: [{item: go, asks: search may ship this}]\n")
    assert run(capsys, "sign", M)[0] == Exit.INCONCLUSIVE
    assert run(capsys, "approve", M, "--item", "go")[0] == 0
    assert run(capsys, "sign", M)[0] == 0
    assert "INTEGRITY ONLY" in run(capsys, "verify", M)[1]


def test_beside_a_trust_file_no_development_key_is_made_to_approve(project, capsys):
    """No key given and none in the environment: an error, and no key file appears."""
    code, _, err = run(capsys, "approve", M, "--item", "stakeholder approval")
    assert (code, "no key, and the trust file does not allow" in err) == (Exit.USAGE, True)
    assert not Path(".signoff").exists()


def test_two_who_approve_at_once_lose_no_line(project, capsys):
    """The second waits until the first has written."""
    done = threading.Event()

    def second() -> None:
        assert approve(capsys, "capacity", "ben")[0] == 0
        done.set()

    assert approve(capsys, "capacity", "anna")[0] == 0
    with alone_with(FILE):
        thread = threading.Thread(target=second)
        thread.start()
        assert not done.wait(0.3)
    thread.join(30)
    assert done.is_set()
    assert len(FILE.read_bytes().splitlines()) == 2
