"""admit, rollback, smoke, trail, backup: each says what was done, to what, and what to do next, and exits by it."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fixtures.attested import MANIFEST
from harness.errors import Exit
from harness.rollout.store import open_store
from tests.release.checkout import M, made_in, run, trusting, written
from tests.rollout.released import promoted

ENV = ("--env", "prod", "--who", "ada")


@pytest.fixture
def project(tmp_path, monkeypatch, capsys) -> Path:
    """A checkout whose release is signed by a trusted key."""
    folder = made_in(tmp_path, monkeypatch)
    monkeypatch.delenv("SIGNOFF_DB", raising=False)
    monkeypatch.delenv("SIGNOFF_HOME", raising=False)
    assert run(capsys, "keygen", "keys/release.pem")[0] == 0
    trusting(folder, "release")
    assert run(capsys, "sign", M, "--key", "keys/release.pem")[0] == 0
    return folder


def as_json(capsys, *words):
    code, out, _ = run(capsys, *words, "--json")
    return code, json.loads(out)


def second(project, capsys) -> str:
    """Another run of the gates over another index, signed and admitted; its digest."""
    later = (datetime.now(UTC) + timedelta(seconds=2)).isoformat(timespec="seconds")
    (project / "artifacts" / "small-v1" / "index" / "vectors.npy").write_text("another")
    written(project, MANIFEST, change=lambda rows: rows[0].update(run_id="another", started=later))
    assert run(capsys, "sign", M, "--key", "keys/release.pem")[0] == 0
    code, told = as_json(capsys, "admit", M, *ENV)
    assert code == 0 and not told["serves"]
    return str(told["digest"])


def promote(digest):
    with open_store() as store:
        promoted(store, digest, at=datetime.now(UTC))


def test_a_release_is_admitted_and_says_what_serves(project, capsys):
    """Which release, by which digest, who, and what comes next; a second time it is refused with 12."""
    code, out, _ = run(capsys, "admit", M, *ENV)
    assert code == 0
    assert "small-v1 is admitted to prod\n" in out and all(len(line) <= 80 for line in out.splitlines())
    assert "by ada" in out and "signoff smoke --env prod" in out
    code, out, err = run(capsys, "admit", M, *ENV)
    assert (code, out, err.count("signoff: ")) == (Exit.INVALID, "", 1) and "admitted before" in err
    assert all(len(line) <= 80 for line in run(capsys, "trail", "verify")[1].splitlines() if "head" not in line)


def test_a_later_release_is_told_to_wait(project, capsys):
    """It may serve; the rollout that would make it do so is named."""
    run(capsys, "admit", M, *ENV)
    digest = second(project, capsys)
    promote(digest)
    code, told = as_json(capsys, "rollback", *ENV, "--no-smoke", "--why", "slow")
    assert (code, told["pointer"]["why"], told["checks"]) == (0, "slow", [])
    assert told["pointer"]["stable"] != digest and told["pointer"]["who"] == "ada"


@pytest.mark.parametrize("words", [("rollback", *ENV), ("smoke", "--env", "prod")])
def test_where_nothing_serves_that_is_told(project, capsys, words):
    """One line, exit code 2."""
    code, out, err = run(capsys, *words)
    assert (code, out, err.count("\n")) == (Exit.USAGE, "", 1) and "nothing serves there" in err


def touched(project, digest):
    (project / ".signoff" / "releases" / digest / "artifacts" / "index" / "vectors.npy").write_text("touched")


def test_a_rollback_whose_smoke_gates_fail_exits_ten_and_stands(project, capsys):
    """The frozen files were touched: the candidate is gone all the same, and what is not well is told by name."""
    run(capsys, "admit", M, *ENV)
    first = as_json(capsys, "trail", "show", "--kind", "flip")[1]["rows"][0]["body"]["stable"]
    with open_store() as store:
        promoted(store, first, candidate=second(project, capsys), percent=5.0, at=datetime.now(UTC))
    touched(project, first)
    code, out, _ = run(capsys, "rollback", *ENV)
    assert code == Exit.REFUSED
    assert f"prod serves {first[:12]}" in out and "0 of 1 smoke gates passed" in out and "FAIL files" in out
    code, told = as_json(capsys, "smoke", "--env", "prod")
    assert (code, told["digest"], told["good"]) == (Exit.REFUSED, first, False)


def test_a_rollback_to_damaged_files_alone_exits_twelve_and_leaves_what_serves(project, capsys):
    """One line with the file and what mends it; what serves goes on, and the pointer says that it is degraded."""
    run(capsys, "admit", M, *ENV)
    first = as_json(capsys, "trail", "show", "--kind", "flip")[1]["rows"][0]["body"]["stable"]
    promote(second(project, capsys))
    touched(project, first)
    code, _, err = run(capsys, "rollback", *ENV)
    assert code == Exit.INVALID and err.count("\n") == 1
    assert "nothing whole to go back to" in err and "vectors.npy" in err and "signoff backup restore" in err
    last = as_json(capsys, "trail", "show", "--kind", "flip")[1]["rows"][-1]["body"]
    assert last["stable"] != first and last["stage"] == "degraded"


def test_the_trail_is_shown_and_held_to_a_row(project, capsys):
    """Rows with who and what; a head that is there, one that is not, one that is no head."""
    run(capsys, "admit", M, *ENV)
    code, out, _ = run(capsys, "trail", "show", "--last", "2")
    assert all(len(line) <= 80 for line in out.splitlines())
    assert code == 0 and [line.split()[3] for line in out.splitlines() if line[0:5].strip()] == ["admit", "flip"]
    code, told = as_json(capsys, "trail", "verify")
    assert (code, told["verified"], told["rows"]) == (0, True, 3)
    assert run(capsys, "trail", "verify", "--head", told["head"])[0] == 0
    code, out, err = run(capsys, "trail", "verify", "--head", f"9:{'0' * 64}")
    assert (code, out, err.count("\n")) == (Exit.INVALID, "", 1) and "the trail ends at 3" in err
    assert run(capsys, "trail", "verify", "--head", "nonsense")[0] == Exit.USAGE


def test_backups_are_made_listed_verified_and_brought_back(project, capsys):
    """Create, list, verify; a restore asks to be confirmed, then writes what was lost."""
    run(capsys, "admit", M, *ENV)
    code, made = as_json(capsys, "backup", "create", "--why", "before the weekend", "--who", "ada")
    assert (code, made["why"], made["who"]) == (0, "before the weekend", "ada")
    assert "before the weekend" in run(capsys, "backup", "list")[1]
    assert "is whole" in run(capsys, "backup", "verify", made["id"])[1]
    shutil.rmtree(project / ".signoff" / "releases")
    code, _, err = run(capsys, "backup", "restore", "latest")
    assert (code, "--confirm" in err) == (Exit.USAGE, True)
    assert not (project / ".signoff" / "releases").exists()
    code, out, _ = run(capsys, "backup", "restore", "--confirm", "--who", "ada")
    assert code == 0 and "files written" in out and "every environment serves what it did" in out
    assert (project / ".signoff" / "releases" / made["releases"][0] / "manifest" / "small-v1.yaml").exists()
    assert run(capsys, "backup", "create", "--confirm")[0] == Exit.USAGE


def test_a_backup_that_cannot_be_believed_is_shown_as_such(project, capsys):
    """Listed as broken with exit code 12, verified never."""
    run(capsys, "admit", M, *ENV)
    made = as_json(capsys, "backup", "create")[1]
    (project / ".signoff" / "backups" / f"{made['id']}.json").write_text("{}")
    code, out, _ = run(capsys, "backup", "list")
    assert (code, "BROKEN" in out) == (Exit.INVALID, True)
    assert run(capsys, "backup", "verify", made["id"])[0] == Exit.INVALID
    assert run(capsys, "backup", "list", "--json")[0] == Exit.INVALID


def test_an_empty_store_has_nothing_to_list(project, capsys):
    """No backup, no row: said, and no error."""
    assert "no backup yet" in run(capsys, "backup", "list")[1]
    assert as_json(capsys, "trail", "verify")[1]["head"] == "none"


def test_the_trail_names_whoever_the_environment_names(project, capsys, monkeypatch):
    """SIGNOFF_WHO where --who is not given; a name that cannot be printed is refused."""
    monkeypatch.setenv("SIGNOFF_WHO", "ci")
    assert run(capsys, "admit", M, "--env", "prod")[0] == 0
    assert {row["who"] for row in as_json(capsys, "trail", "show")[1]["rows"]} == {"ci"}
    code, _, err = run(capsys, "backup", "create", "--who", "a\nb")
    assert (code, "nobody to name" in err) == (Exit.USAGE, True)


@pytest.mark.slow
def test_a_release_of_recorded_files_goes_the_whole_way(tmp_path, monkeypatch, capsys):
    """Gated, signed, admitted and looked at: its files stay with the engine that made them, the guards come along."""
    from tests.gates.recorded import PASSING, checkout

    monkeypatch.chdir(tmp_path)
    for name in ("SIGNOFF_DB", "SIGNOFF_HOME", "SIGNOFF_KEY"):
        monkeypatch.delenv(name, raising=False)
    checkout(tmp_path, {**PASSING, "guard": {"for": "3m", "then": "rollback"}})
    assert run(capsys, "gates", "mine.yaml", "--sign")[0] == 0
    code, out, _ = run(capsys, "admit", "mine.yaml", *ENV)
    assert code == 0 and "INTEGRITY ONLY" in out
    code, out, _ = run(capsys, "smoke", "--env", "prod")
    assert code == 0 and "2 of 2 smoke gates passed" in out and "answers elsewhere" in out
    (watched,) = (tmp_path / ".signoff" / "releases").glob("*/artifacts/production_monitoring_config.json")
    assert json.loads(watched.read_text())["guards"][0]["then"] == "rollback"
