"""`signoff contract`: written from evidence, checked against it, refused in one line where it cannot be believed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fixtures.attested import MANIFEST
from harness.errors import Exit
from harness.hunting.changes import CHANGES
from tests.release.checkout import M, made_in, run, written
from tests.release.test_contract import NAMED

TWIN, PAGE = "artifacts/small-v1/Small-v1_release_contract.json", "artifacts/small-v1/Small-v1_release_contract.md"
CONFIG = "artifacts/small-v1/production_monitoring_config.json"
EVIDENCE = "reports/small-v1/evidence.jsonl"
KEPT = {"schema": "signoff-changes/1", "release": "small-v1", "chapters": [
    {"heading": "see_also", "before": "small-v0", "after": "small-v1", "compared": 9, "exhibits": [
        {"query_id": "q1", "text": "open a file", "change": "", "asked": None, "before": 0.9, "after": 0.2,
         "hits_before": [["io.open", "Open a file.", 1]], "hits_after": [["os.open", "Low-level.", None]]}]}]}


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A checkout whose release passed its gates just now."""
    return made_in(tmp_path, monkeypatch)


def test_the_contract_is_written_from_the_evidence(project, capsys):
    """Page, twin and monitoring configuration appear, the number in the page is the evidence's, and --check agrees."""
    code, out, _ = run(capsys, "contract", M)
    assert (code, "the contract holds: 5 of 6 clauses shown" in out) == (Exit.PASSED, True)
    page = (project / PAGE).read_text()
    assert "+2.10 pp" in page and "answers" not in page and "shuffled\\_ranking at 1: −20.00 pp" in page
    assert "Nobody is named" in page and "not signed" in out
    assert run(capsys, "contract", M, "--check")[0] == Exit.PASSED


def test_another_number_in_the_evidence_is_another_number_in_the_contract(project, capsys):
    """Nothing in the page is a constant: the value moves with the evidence, and the old page is told apart."""
    assert run(capsys, "contract", M)[0] == 0
    before = (project / PAGE).read_text()

    def moved(rows):
        rows[2]["estimate"]["value"] = 0.022

    written(project, MANIFEST, change=moved)
    code, _, err = run(capsys, "contract", M, "--check")
    assert (code, "not what the evidence gives now" in err, err.count("\n")) == (Exit.INVALID, True, 1), err
    assert run(capsys, "contract", M)[0] == 0
    assert "+2.20 pp" in (project / PAGE).read_text() and "+2.20 pp" not in before


def test_a_contract_beside_the_artifacts_keeps_the_release_signable(project, capsys):
    """Written before signing and after it, the documents are no subjects; the signature is told in the contract."""
    assert run(capsys, "contract", M)[0] == 0
    assert run(capsys, "sign", M)[0] == 0 and run(capsys, "verify", M)[0] == 0
    assert run(capsys, "contract", M, "--check")[0] == Exit.INVALID  # it is signed now, and the page does not say so
    assert run(capsys, "contract", M)[0] == 0 and run(capsys, "verify", M)[0] == 0
    assert "DEVELOPMENT KEY" in (project / PAGE).read_text()
    (project / "artifacts" / "small-v1" / "stray.md").write_text("x")
    assert run(capsys, "verify", M)[0] == Exit.INVALID


def test_a_signed_bundle_stands_in_for_evidence_that_is_gone(project, capsys):
    """The bundle holds the evidence in full: the same contract follows from it."""
    assert run(capsys, "sign", M)[0] == 0 and run(capsys, "contract", M)[0] == 0
    before = (project / TWIN).read_bytes()
    (project / EVIDENCE).unlink()
    assert run(capsys, "contract", M)[0] == 0
    assert (project / TWIN).read_bytes() == before


def test_without_evidence_nothing_is_written(project, capsys):
    """Missing evidence is one line that names the verb that makes it, exit code 12."""
    (project / EVIDENCE).unlink()
    code, out, err = run(capsys, "contract", M)
    assert (code, out, err.count("\n")) == (Exit.INVALID, "", 1)
    assert "no evidence" in err and f"signoff gates {M}" in err
    assert not (project / TWIN).exists()


@pytest.mark.parametrize(("spoil", "said"), [
    (lambda raw: raw[: len(raw) // 2], "not JSON"),
    (lambda raw: b"\n".join(raw.splitlines()[:-1]) + b"\n", "did not finish"),
    (lambda raw: raw.replace(b'"release": "small-v1"', b'"release": "small-v2"', 1), "release is not this manifest's"),
    (lambda raw: raw.replace(b'"skipped": 0', b'"skipped": 1'), "gates were skipped"),
    (lambda raw: raw.replace(b'"low": 0.012', b'"low": -0.012'), "does not follow"),
])  # fmt: skip
def test_torn_foreign_and_forged_evidence_is_refused(project, capsys, spoil, said):
    """One line, exit code 12, nothing written, whatever is wrong with the file."""
    path = project / EVIDENCE
    path.write_bytes(spoil(path.read_bytes()))
    code, out, err = run(capsys, "contract", M)
    assert (code, out, err.count("\n"), said in err) == (Exit.INVALID, "", 1, True), err
    assert not (project / TWIN).exists() and not (project / CONFIG).exists()


def test_an_artifact_that_changed_since_the_gates_is_told(project, capsys):
    """The contract is of the bytes that were measured."""
    (project / "artifacts/small-v1/index/vectors.npy").write_text("other")
    code, _, err = run(capsys, "contract", M)
    assert (code, "changed since it was measured" in err) == (Exit.INVALID, True)


def test_a_release_that_is_refused_has_a_contract_that_does_not_hold(project, capsys):
    """Written all the same, with the clause that failed; the exit code is the verdict's."""
    from fixtures import attested

    numbers = dict(attested._NUMBERS)
    attested._NUMBERS["all-total p95-ucb"] = ((9.1, 8.9, 9.4, 500, "ms"), (31.0, 29.0, 34.0, 500))
    try:
        written(project, MANIFEST)
    finally:
        attested._NUMBERS.update(numbers)
    code, out, _ = run(capsys, "contract", M)
    assert (code, "does NOT hold" in out, "REFUSE all-total p95-ucb" in out) == (Exit.REFUSED, True, True)
    assert "**Does not hold** (REFUSE)" in (project / PAGE).read_text()


def test_people_are_named_from_the_manifest(project, capsys):
    """Owners, overrides and escalation stand in page and configuration as the manifest names them."""
    written(project, NAMED)
    assert run(capsys, "contract", M)[0] == 0
    page = (project / PAGE).read_text()
    assert "Owners: search team." in page and "| release managers | hold a rollback | 2 |" in page
    assert json.loads((project / CONFIG).read_bytes())["owners"] == ["search team"]


def test_expected_effects_stand_beside_ours(project, capsys):
    """A row's `expect` is shown with ours, its interval and where ours lies; it judges nothing."""
    written(project, MANIFEST.replace("slices: [all, hard_nl],", "slices: [all, hard_nl], expect: [0.0231, 0.0231],"))
    assert run(capsys, "contract", M)[0] == 0
    page = (project / PAGE).read_text()
    assert "| delta nDCG@10 | all | +2.31 pp | +2.10 pp | \\[+1.20, +3.00\\] | 1,500 | below |" in page


@pytest.mark.parametrize("name", [TWIN, PAGE, CONFIG])
def test_an_edited_document_is_found_by_check(project, capsys, name):
    """Each file is read with its own validation, and held to what the evidence gives; a missing one is told too."""
    assert run(capsys, "contract", M)[0] == 0
    path = project / name
    path.write_bytes(path.read_bytes().replace(b"3m", b"9m", 1))
    code, _, err = run(capsys, "contract", M, "--check")
    assert (code, path.name in err, err.count("\n")) == (Exit.INVALID, True, 1)
    path.unlink()
    assert "no such document" in run(capsys, "contract", M, "--check")[2]


def test_the_gallery_is_made_of_what_the_run_kept(project, capsys):
    """Losses with the query and the titles of its hits before and after; changes of another release are refused."""
    kept = project / "reports" / "small-v1" / CHANGES
    kept.write_text(json.dumps(KEPT))
    assert run(capsys, "contract", M)[0] == 0
    page = (project / "artifacts/small-v1/regression_gallery.md").read_text()
    assert "“open a file”" in page and "● io.open: Open a file." in page and "**-0.700** (0.900 → 0.200)" in page
    kept.write_text(json.dumps(KEPT | {"release": "other"}))
    assert "the changes of another release" in run(capsys, "contract", M)[2]
    kept.write_text(json.dumps(KEPT | {"schema": "other"}))
    assert run(capsys, "contract", M)[0] == Exit.INVALID


def test_json_is_one_document(project, capsys):
    """The twin's own fields, and which files were written."""
    code, out, err = run(capsys, "contract", M, "--json")
    document = json.loads(out)
    assert (code, err, document["holds"], len(document["files"])) == (0, "", True, 3)
    assert run(capsys, "contract", M, "--out", "elsewhere")[0] == 0 and (project / "elsewhere").is_dir()


def test_runbooks_need_no_evidence(project, capsys):
    """They are the policy's: written without a run; with --check the call makes no sense."""
    (project / EVIDENCE).unlink()
    assert run(capsys, "contract", M, "--runbooks", "books")[0] == 0
    assert sorted(path.name for path in (project / "books").iterdir()) == [
        "README.md", "alert.md", "hold.md", "rollback.md"]
    assert json.loads(run(capsys, "contract", M, "--runbooks", "books", "--json")[1])["release"] == "small-v1"
    assert run(capsys, "contract", M, "--runbooks", "books", "--check")[0] == Exit.USAGE
