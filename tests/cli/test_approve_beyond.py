"""A checklist beside the base branch's, and on a live release from its gates to its signature."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fixtures.attested import MANIFEST
from harness.errors import Exit
from tests.release.checkout import BASELINE, M, git, run, written
from tests.release.listed import CHECKLIST, FILE, SIGN, TRUSTED, approve, listed_in
from tests.release.small import DENSE, EASY, small


@pytest.fixture
def project(tmp_path, monkeypatch, capsys) -> Path:
    """A checkout with a checklist and evidence that passed just now; nobody has approved."""
    return listed_in(tmp_path, monkeypatch, capsys)


def test_the_base_branch_holds_the_list_and_who_may_approve(project, capsys):
    """`verify --base`: an item dropped, or an approver added, in the work tree alone does not pass."""
    (project / "manifests" / "small-v0.yaml").write_text(BASELINE)
    git(project, "init", "-q", "-b", "main")
    git(project, "add", "manifests", "keys/release.pub", "keys/anna.pub", "keys/ben.pub")
    git(project, "commit", "-q", "-m", "reviewed")
    written(project, MANIFEST + CHECKLIST.replace(", by: [anna, ben], needs: 2", ""))
    assert approve(capsys, "capacity", "release")[0] == approve(capsys, "stakeholder approval", "release")[0] == 0
    assert run(capsys, *SIGN)[0] == run(capsys, "verify", M)[0] == 0
    code, _, err = run(capsys, "verify", M, "--base", "main")
    assert code == Exit.INVALID
    assert "capacity: 2 approvals needed, now 1; checklist, capacity: approved by anna, ben, now by anyone" in err
    written(project, MANIFEST + CHECKLIST)
    more = [*TRUSTED["approvers"][:1], {"name": "ben", "public": "../keys/stranger.pub"}]
    Path("manifests/trust.yaml").write_text(json.dumps(TRUSTED | {"approvers": more}))
    for item, key in (("capacity", "anna"), ("capacity", "stranger"), ("stakeholder approval", "release")):
        FILE.unlink() if key == "anna" else None
        assert approve(capsys, item, key)[0] == 0
    assert run(capsys, *SIGN)[0] == run(capsys, "verify", M)[0] == 0
    assert "unknown key" in run(capsys, "verify", M, "--base", "main")[2]


@pytest.mark.slow
def test_gates_approve_and_sign_finish_a_release_with_a_checklist(tmp_path, monkeypatch, capsys):
    """On a live release: the gates pass and sign nothing (11); the same evidence is signed once somebody approved."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIGNOFF_KEY", raising=False)
    path = small(Path(), DENSE, EASY).path
    path.write_text(path.read_text() + "checklist: [{item: quality, gates: [RR]}, {item: go, asks: this may ship}]\n")
    code, out, err = run(capsys, "gates", "small.yaml", "--sign")
    assert (code, Path("signed").exists()) == (Exit.INCONCLUSIVE, False)
    assert "'go' has 0 of 1 approval: signoff approve small.yaml --item go --key FILE" in err
    assert "passed all 1 required gates" in out
    assert "To approve: signoff approve small.yaml --item go --key FILE" in " ".join(out.split())
    for report in ("report.html", "summary.md"):
        assert "To approve: signoff approve" in Path("reports/small", report).read_text(encoding="utf-8")
    assert run(capsys, "approve", "small.yaml", "--item", "go")[0] == 0
    assert run(capsys, "sign", "small.yaml")[0] == run(capsys, "verify", "small.yaml")[0] == 0
    assert run(capsys, "status", "small.yaml")[0] == 0
    assert "this may ship" in Path("reports/small/report.html").read_text(encoding="utf-8")
