"""`signoff init`: what it writes works, and it never writes over anything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.cli.app import main
from harness.cli.init import starter_files
from harness.errors import UsageError
from harness.release.manifest import load_manifest

FILES = {"manifests/my-release.yaml", "tox.ini", ".github/workflows/signoff.yml"}


def files_in(folder: Path) -> set[str]:
    """Every file below a folder, relative."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def workflow() -> dict[str, Any]:
    """The CI workflow, parsed."""
    return dict(yaml.safe_load(starter_files("r")[".github/workflows/signoff.yml"]))


def test_the_manifest_it_writes_loads(tmp_path: Path) -> None:
    """Three files are written, and the manifest among them is valid and names a baseline."""
    assert main(["init", str(tmp_path / "new")]) == 0
    assert files_in(tmp_path / "new") == FILES
    manifest = load_manifest(tmp_path / "new" / "manifests" / "my-release.yaml").manifest
    assert manifest.release == "my-release"
    assert manifest.has_baseline


def test_with_runs_in_place_the_manifest_can_be_measured(tmp_path: Path) -> None:
    """Once judgements and two runs stand where it names them, they are read as a trial."""
    from harness.release.recording import recorded_trial

    assert main(["init", str(tmp_path), "--release", "second"]) == 0
    for name in ("data", "runs"):
        (tmp_path / name).mkdir()
    (tmp_path / "data" / "qrels.txt").write_text("q1 0 d1 1\n")
    for name in ("candidate", "baseline"):
        (tmp_path / "runs" / f"{name}.run").write_text("q1 Q0 d1 1 1.0 t\n")
    trial = recorded_trial(load_manifest(tmp_path / "manifests" / "second.yaml"))
    assert trial.candidate.release == "second"
    assert trial.baseline is not None


@pytest.mark.parametrize("name", sorted(FILES))
def test_an_existing_file_stops_it_before_anything_is_written(name: str, tmp_path: Path,
                                                              capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever file exists, it keeps its bytes and none of the others appears."""
    target = tmp_path / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert files_in(tmp_path) == {name}
    assert target.read_text() == "mine"
    assert name in capsys.readouterr().err


def test_a_write_that_fails_half_way_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the last file has no place to go, the first ones are taken back, folders too."""
    (tmp_path / ".github").write_text("a file, not a folder")
    assert main(["init", str(tmp_path)]) == 2
    assert {path.name for path in tmp_path.iterdir()} == {".github"}


@pytest.mark.parametrize("name", ["../up", "", "a b", "-x", "trust"])
def test_a_name_that_is_no_release_is_refused(name: str) -> None:
    """A release's name becomes a file name, so it is checked before it is used."""
    with pytest.raises(UsageError):
        starter_files(name)


def test_only_the_sign_job_sees_the_key() -> None:
    """The secret stands in one step of one job, and that job runs no candidate."""
    jobs = workflow()["jobs"]
    assert [name for name, job in jobs.items() if "secrets." in str(job)] == ["sign"]
    assert "signoff gates" not in str(jobs["sign"])
    assert [("secrets." in str(step)) for step in jobs["sign"]["steps"]].count(True) == 1


def test_a_skipped_job_does_not_read_as_passed() -> None:
    """The verify job always runs, and its first step demands that the gates succeeded."""
    verify = workflow()["jobs"]["verify"]
    assert verify["if"] == "always()"
    assert verify["needs"] == ["gate", "sign"]
    assert "needs.gate.result" in verify["steps"][0]["run"]
    assert "if" not in verify["steps"][0]


def test_the_demo_writes_nothing_over_and_uses_nobody_elses_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                  capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a file that is there nor a store that the environment names is touched: one line, and nothing written."""
    monkeypatch.setenv("SIGNOFF_DB", "sqlite:///mine.db")
    assert main(["init", str(tmp_path), "--demo-rollout"]) == 2
    assert "unset SIGNOFF_DB first" in capsys.readouterr().err
    monkeypatch.delenv("SIGNOFF_DB")
    (tmp_path / ".signoff").mkdir()
    assert main(["init", str(tmp_path), "--demo-rollout"]) == 2
    assert ".signoff: exists already" in capsys.readouterr().err
    (tmp_path / ".signoff").rmdir()
    assert main(["init", str(tmp_path), "--demo-rollout", "--release", "mine"]) == 2
    assert files_in(tmp_path) == set()


def test_a_step_of_the_demo_that_fails_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    """Where a release does not pass its gates, the command that failed is told, and what it said last."""
    from harness.cli import init_rollout

    files = init_rollout.demo_files()
    spoilt = files["manifests/steady.yaml"].replace(b"release: steady", b"relaese: steady")
    monkeypatch.setattr(init_rollout, "demo_files", lambda: files | {"manifests/steady.yaml": spoilt})
    assert main(["init", str(tmp_path), "--demo-rollout"]) == 2
    told = capsys.readouterr().err
    assert "signoff gates --sign manifests/steady.yaml ended with 2" in told and "relaese" in told
