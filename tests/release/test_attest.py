"""Signing: the verdict is derived again, only a pass is signed, and what is signed is whole and readable by others."""

from __future__ import annotations

import base64
import copy
import json
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.attested import FINISHED, MANIFEST, NOW, attested, evidence_of, key_named, trusted
from harness.data.store import sha256_bytes, sha256_tree
from harness.errors import EvidenceError, Exit, InputError
from harness.release.attest import (
    InconclusiveError,
    RefusedError,
    bundle_path,
    countersign,
    hash_subjects,
    sign_release,
)
from harness.release.manifest import load_manifest
from tests.faults.forged_evidence import TABLE, doubtful, failing

HONEST = attested()
KEY = key_named("release")


def sign(release=HONEST, keys=(KEY,)) -> bytes:
    return sign_release(release.loaded, release.evidence, release.subjects, keys, now=NOW)


def payloads(raw: bytes) -> list[dict]:
    return [json.loads(base64.b64decode(json.loads(line)["payload"])) for line in raw.splitlines()]


def test_a_pass_becomes_three_statements_about_the_same_files():
    """Test result, gate result and release, each a Statement v1 over the manifest and every artifact."""
    statements = payloads(sign())
    assert [one["predicateType"].rsplit("/", 2)[-2:] for one in statements] == [
        ["test-result", "v0.1"], ["urn:signoff:gate-result", "v1"], ["release", "v0.1"]]
    for one in statements:
        assert one["_type"] == "https://in-toto.io/Statement/v1"
        assert {sub["name"]: sub["digest"]["sha256"] for sub in one["subject"]} == HONEST.subjects


def test_another_implementation_of_dsse_accepts_the_envelopes():
    """Securesystemslib's own envelope verifies each line, so that other tools can."""
    from securesystemslib.dsse import Envelope

    for line in sign().splitlines():
        envelope = Envelope.from_dict(json.loads(line))
        assert envelope.verify([trusted(KEY).key], 1)
        assert envelope.payload_type == "application/vnd.in-toto+json"


def test_the_gate_result_carries_every_line_of_the_evidence():
    """Bounds, n, slices, seeds, controls: all rows in full, and the digest of the file they came from."""
    gates = payloads(sign())[1]["predicate"]
    assert [gates["header"], *gates["findings"], gates["closing"]] == HONEST.rows
    assert gates["evidenceSha256"] == sha256_bytes(HONEST.evidence)
    assert gates["counts"] == {"findings": 6, "passed": 5, "undecided": 1}


def test_an_excused_doubt_is_a_warned_test():
    """A generic reader sees WARNED, which test warned, and that none failed."""
    generic = payloads(sign())[0]["predicate"]
    assert generic["result"] == "WARNED"
    assert generic["warnedTests"] == ["see_also-all-acceptance-lcb"]
    assert generic["failedTests"] == []
    assert len(generic["passedTests"]) == 5


def test_two_signings_give_identical_bytes():
    """ed25519 is deterministic, and nothing else is drawn: same evidence, key and moment, same bundle."""
    assert sign() == sign()


def test_a_development_key_marks_what_it_signs():
    """The release statement says development, and names the key so."""
    said = payloads(sign(keys=(key_named("development"),)))[2]["predicate"]["signoff"]
    assert (said["development"], said["signers"]) == (True, ["development"])
    assert payloads(sign())[2]["predicate"]["signoff"]["development"] is False


def test_a_refusal_is_not_signed_and_names_its_gate():
    """Exit code 10, with the gate, its number and its limit."""
    with pytest.raises(RefusedError, match=r"REFUSE see_also-all-R@5-value: value 0\.2 < 0\.3") as error:
        sign(attested(change=failing))
    assert error.value.exit_code is Exit.REFUSED


def test_a_doubt_is_not_signed_and_names_its_gate_and_the_n_it_needs():
    """Exit code 11, with the gate, its bound and the n that would settle it."""
    with pytest.raises(InconclusiveError, match=r"INCONCLUSIVE see_also-hard_nl.*n = 922") as error:
        sign(attested(change=doubtful))
    assert error.value.exit_code is Exit.INCONCLUSIVE


def test_a_failing_gate_is_named_before_the_exit_status_it_caused():
    """Pytest ends with 1 when a gate refuses: the user hears of the gate, not of pytest."""
    def change(rows):
        failing(rows)
        rows[-1].update(failed=1, passed=5, exit_status=1)

    with pytest.raises(RefusedError, match="R@5"):
        sign(attested(change=change))


def test_a_policy_without_a_required_row_shows_nothing():
    """Where every row is excused, nothing was demanded, and nothing is signed."""
    text = MANIFEST[: MANIFEST.index("policy:")] + ("policy:\n  - {measure: R@5, task: see_also, at_least: 0.3, "
                                                    "required: false, why: a look around}\n")
    with pytest.raises(InconclusiveError, match="no required gate"):
        sign(attested(text.replace("baseline: small-v0\n", ""), change=lambda rows: rows[0].update(baseline=None)))


def test_an_alternative_cannot_speak_on_fewer_observations_than_its_row_could():
    """A bound that needs 200 queries needs them where it stands in for another measure, too."""
    text = MANIFEST[: MANIFEST.index("policy:")] + (
        "policy:\n  - {measure: delta nDCG@10, task: see_also, by: lcb, at_least: 0.02, "
        "any_with: [{measure: delta RR, at_least: 0.2}]}\n")
    assert sign(attested(text))

    def few(rows):
        rows[1]["alternatives"][0]["estimate"]["n"] = 50

    with pytest.raises(EvidenceError, match=r"delta RR speaks on too few observations.*n ≥ 200, found 50"):
        sign(attested(text, change=few))


@pytest.mark.parametrize(("name", "because", "edit"),
                         [row for row in TABLE if not row[0].startswith(("a_refusal", "a_doubt"))],
                         ids=[row[0] for row in TABLE if not row[0].startswith(("a_refusal", "a_doubt"))])
def test_a_signer_refuses_the_evidence_that_a_verifier_would_refuse(name, because, edit):
    """Whatever edited evidence a verifier sees through, the signer does not sign, for the same reason."""
    rows = copy.deepcopy(HONEST.rows)
    edit(rows)
    with pytest.raises(EvidenceError, match=because):
        sign_release(HONEST.loaded, evidence_of(rows), HONEST.subjects, [KEY], now=NOW)


@pytest.mark.parametrize(("raw", "because"), [
    (b"", "no header"),
    (b"\n", "not JSON"),
    (HONEST.evidence[:-30], "not JSON"),
    (HONEST.evidence.rsplit(b"\n", 2)[0] + b"\n", "did not finish"),
    (HONEST.evidence.replace(b'": ', b'":'), "not in the form that gates write"),
    (HONEST.evidence.replace(b'"seed": 7', b'"seed": 7, "seed": 7'), "duplicate key"),
    (HONEST.evidence.replace(b'"seed": 7', b'"seed": NaN'), "not a JSON number"),
    (HONEST.evidence.replace(b'"seed": 7', b'"seed": ' + b"7" * 5000), "not JSON"),
    (HONEST.evidence.replace(b"t by cluster", b"\\ud800"), "not JSON"),
    (b"\xff" + HONEST.evidence, "not JSON"),
], ids=["empty", "blank", "cut", "unfinished", "reformatted", "duplicate_key", "nan", "endless_integer",
        "half_surrogate", "not_utf8"])
def test_evidence_in_another_shape_is_refused(raw, because):
    """Evidence is read strictly: one byte form, no doubled keys, no NaN, a closing line."""
    with pytest.raises(EvidenceError, match=because):
        sign_release(HONEST.loaded, raw, HONEST.subjects, [KEY], now=NOW)


def test_evidence_from_the_future_is_not_signed():
    """A run cannot finish after it is signed."""
    with pytest.raises(EvidenceError, match="from the future"):
        sign_release(HONEST.loaded, HONEST.evidence, HONEST.subjects, [KEY], now=NOW.replace(year=2024))


def test_a_run_that_finished_before_it_started_is_not_signed():
    """What verify would refuse is not signed: the start comes before the end, within the clocks' skew."""
    def later(minutes: int):
        return attested(change=lambda rows: rows[0].update(
            started=(FINISHED + timedelta(minutes=minutes)).isoformat()))

    assert sign(later(4))
    with pytest.raises(EvidenceError, match="from the future; expected measured before finished"):
        sign(later(6))


def test_files_that_changed_since_they_were_measured_are_not_signed():
    """The digests hashed now must be the measured ones; the message names the file."""
    with pytest.raises(EvidenceError, match=r"index/vectors.npy: changed since it was measured"):
        sign_release(HONEST.loaded, HONEST.evidence, {**HONEST.subjects, "index/vectors.npy": "0" * 64}, [KEY], now=NOW)
    with pytest.raises(EvidenceError, match=r"small-v1\.yaml"):
        sign_release(HONEST.loaded, HONEST.evidence, {**HONEST.subjects, "small-v1.yaml": "0" * 64}, [KEY], now=NOW)


def test_nothing_is_signed_without_a_key():
    """No key is an error, not an unsigned bundle."""
    with pytest.raises(InputError, match="no signing key"):
        sign(keys=())


def test_a_key_countersigns_once():
    """The same key twice adds nothing and is told."""
    with pytest.raises(EvidenceError, match="signed by this key already"):
        countersign(sign(), KEY)


def test_subjects_of_a_live_release_are_manifest_and_artifacts(tmp_path):
    """Every file under the artifacts folder, hashed now, beside the manifest."""
    (tmp_path / "small-v1.yaml").write_text(MANIFEST)
    (tmp_path / "artifacts" / "index").mkdir(parents=True)
    (tmp_path / "artifacts" / "index" / "vectors.npy").write_bytes(b"1")
    loaded = load_manifest(tmp_path / "small-v1.yaml")
    subjects = hash_subjects(loaded, tmp_path / "artifacts")
    assert subjects == {"small-v1.yaml": loaded.sha256, **sha256_tree(tmp_path / "artifacts")}
    assert bundle_path(loaded) == tmp_path / "signed" / "small-v1.intoto.jsonl"


def test_a_live_release_without_artifacts_has_no_subjects(tmp_path):
    """A folder that is not there is an error with the verb that makes it."""
    for folder in (None, tmp_path / "nowhere"):
        with pytest.raises(InputError, match=r"no artifacts.*signoff freeze"):
            hash_subjects(HONEST.loaded, folder)


def test_an_artifact_cannot_take_the_manifests_place(tmp_path):
    """A file named like the manifest would stand for it: an error."""
    (tmp_path / "small-v1.yaml").write_text("x")
    with pytest.raises(InputError, match="manifest's name"):
        hash_subjects(HONEST.loaded, tmp_path)


def test_a_file_name_that_cannot_be_said_is_an_error(tmp_path):
    """A name with a line break would make two lines of one: it is refused before anything is signed."""
    (tmp_path / "two\nlines").write_text("x")
    with pytest.raises(InputError, match="not a printable file name") as error:
        hash_subjects(HONEST.loaded, tmp_path)
    assert "\n" not in str(error.value)


RECORDED = """\
release: own
seed: 1
data: {qrels: {trec: qrels.txt}}
recorded: {candidate: {run: {trec: runs/new.run}}, baseline: {run: {trec: runs/old.run}}}
policy: [{measure: nDCG@10, at_least: 0.4}]
"""


def test_subjects_of_a_recorded_release_are_manifest_and_recorded_files(tmp_path):
    """Each file under the name that the manifest gives it; a missing one is an error that names it."""
    (tmp_path / "own.yaml").write_text(RECORDED)
    (tmp_path / "runs").mkdir()
    for name in ("qrels.txt", "runs/new.run", "runs/old.run"):
        (tmp_path / name).write_text(name)
    loaded = load_manifest(tmp_path / "own.yaml")
    subjects = hash_subjects(loaded, None)
    assert set(subjects) == {"own.yaml", "qrels.txt", "runs/new.run", "runs/old.run"}
    assert subjects["qrels.txt"] == sha256_bytes(b"qrels.txt")
    (tmp_path / "runs" / "old.run").unlink()
    with pytest.raises(InputError, match=str(Path("runs") / "old.run")):
        hash_subjects(loaded, None)
