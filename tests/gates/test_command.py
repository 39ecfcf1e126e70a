"""`signoff gates` in a user's checkout: the exit code says what was shown, and whoever runs gates holds no key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli.app import main
from harness.errors import EvidenceError, Exit
from harness.release.evidence import read_evidence
from tests.gates.recorded import DOUBTFUL, EXCUSED, OWN, OWN_GATE, PASSING, REFUSED, checkout

SOUND = OWN_GATE.format(value=1.0)
LOOKS_ROUND = """
import json, os
from pathlib import Path

def test_environment(gate):
    Path("seen.json").write_text(json.dumps(dict(os.environ)))
"""


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def gates(*policy, own: str | None = None) -> int:
    return main(["gates", str(checkout(Path(), *policy, own=own))])


def test_a_sound_release_exits_0_and_its_gates_saw_no_key(here, monkeypatch, capfd):
    """Passed, excused doubt included; the process that ran a user's gate was given no SIGNOFF_KEY, by any name."""
    monkeypatch.setenv("SIGNOFF_KEY", str(here / "release.pem"))
    monkeypatch.setenv("SIGNOFF_KEY_PASSWORD", "secret")
    monkeypatch.setenv("COPY_OF_IT", str(here / "release.pem"))
    monkeypatch.setenv("HARMLESS", "kept")
    manifest = checkout(here, PASSING, EXCUSED, OWN, own=SOUND + LOOKS_ROUND)
    assert main(["gates", str(manifest), "--json"]) == Exit.PASSED
    seen = json.loads((here / "seen.json").read_text(encoding="utf-8"))
    assert [name for name in seen if "SIGNOFF_KEY" in name.upper()] == []
    assert not {str(here / "release.pem"), "secret"} & set(seen.values())
    assert seen["HARMLESS"] == "kept" and seen["OMP_NUM_THREADS"] == "1"
    folder = here / "reports" / "mine"
    left = {"evidence.jsonl", "junit.xml", "per_query.parquet", "pytest.log", "report.html"}
    assert left <= {path.name for path in folder.iterdir()}
    assert len(read_evidence((folder / "evidence.jsonl").read_bytes()).findings) == 3
    (told,) = json.loads(capfd.readouterr().out)  # one document on stdout, the table on stderr
    assert (told["release"], told["verdict"], told["exit_code"]) == ("mine", "PASS", 0)
    assert [row["gate"] for row in told["findings"]] == ["all-RR-value", "all-R@1-lcb", "no_dead_links"]


@pytest.mark.parametrize(("policy", "own", "code", "words"), [
    ((PASSING, REFUSED, DOUBTFUL), None, Exit.REFUSED, "REFUSE"),
    ((PASSING, DOUBTFUL), None, Exit.INCONCLUSIVE, "INCONCLUSIVE"),
    ((PASSING, OWN), None, Exit.INVALID, "no finding of no_dead_links"),  # a row whose gate nobody wrote
    ((PASSING, OWN), SOUND + "    raise RuntimeError('after it was judged')\n", Exit.INVALID, "1 failed beside"),
], ids=["refused", "inconclusive", "own gate missing", "crash after a pass"])
def test_the_exit_code_says_what_was_shown(here, capfd, policy, own, code, words):
    """10 refused, 11 in doubt, 12 where the run was not whole: what did not run is never a pass."""
    assert gates(*policy, own=own) == code
    told = capfd.readouterr()
    assert words in told.out and "Traceback" not in told.err + told.out


def test_a_process_that_vanished_leaves_no_evidence_to_believe(here, capfd):
    """`os._exit(0)` in the middle: findings that passed, no closing line, exit code 12."""
    assert gates(PASSING, OWN, own=SOUND + "    import os\n    os._exit(0)\n") == Exit.INVALID
    raw = (here / "reports" / "mine" / "evidence.jsonl").read_bytes()
    assert b'"verdict": "PASS"' in raw and "did not finish" in capfd.readouterr().err
    with pytest.raises(EvidenceError, match="did not finish"):
        read_evidence(raw)


def test_input_that_cannot_be_read_exits_2_with_one_line(here, capfd):
    """The child's one line reaches the user's stderr with file and row, and no evidence is left."""
    manifest = checkout(here, PASSING)
    (here / "new.run").write_text("q00 Q0 d 1 high run\n", encoding="utf-8")
    assert main(["gates", str(manifest)]) == Exit.USAGE
    line = capfd.readouterr().err.strip().splitlines()[-1]
    assert line.startswith("signoff: ") and "new.run, row 1" in line
    assert not (here / "reports" / "mine" / "evidence.jsonl").exists()


def test_a_users_package_named_gates_is_told_apart(here, capfd):
    """A `gates/__init__.py` would hide ours from Python: one line says which file to remove."""
    manifest = checkout(here, PASSING, OWN, own=SOUND)
    (here / "gates" / "__init__.py").write_text("", encoding="utf-8")
    assert main(["gates", str(manifest)]) == Exit.USAGE
    assert "without __init__.py" in capfd.readouterr().err


@pytest.mark.parametrize("row", [{"measure": "nDGC@10", "at_least": 0.1}, {"measure": "RR", "atleast": 0.1}])
def test_a_bad_policy_exits_2_before_anything_runs(here, capfd, row):
    """A misspelt measure or key costs no run, and names the nearest."""
    assert gates(row) == Exit.USAGE
    assert "nearest" in capfd.readouterr().err
    assert not (here / "reports").exists() or not list((here / "reports").rglob("pytest.log"))


def test_the_same_seed_gives_the_same_evidence_to_the_byte(here, monkeypatch, capfd):
    """Another hash seed and thread count change no digit of what was found; another seed of the manifest does."""
    digests = []
    for hash_seed, threads in (("0", "1"), ("7", "2")):
        monkeypatch.setenv("PYTHONHASHSEED", hash_seed)
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", threads)
        main(["gates", str(checkout(here, PASSING, EXCUSED)), "--json"])
        digests.append(json.loads(capfd.readouterr().out)[0]["evidence_digest"])
    manifest = checkout(here, PASSING, EXCUSED)
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"seed": 1', '"seed": 2'), encoding="utf-8")
    main(["gates", str(manifest), "--json"])
    assert digests[0] == digests[1] != json.loads(capfd.readouterr().out)[0]["evidence_digest"]


def test_one_unreadable_manifest_keeps_no_other_from_its_gates(here, capfd):
    """Of two manifests the bad one is told in a line and decides the exit code, and the good one is gated."""
    good = checkout(here, PASSING)
    (here / "bad.yaml").write_text("release: x\nsede: 1\n", encoding="utf-8")
    assert main(["gates", str(here / "bad.yaml"), str(good), "--json"]) == Exit.USAGE
    out, err = capfd.readouterr()
    told = json.loads(out)
    assert "sede" in told[0]["error"] and told[1]["verdict"] == "PASS"
    assert "sede" in err


def test_a_file_swapped_while_it_is_measured_is_not_what_passed(here, monkeypatch):
    """The digests are taken before the files are read: another file in the place afterwards makes the run invalid."""
    swap = ("import os\nfrom pathlib import Path\n\n\ndef test_swap(gate):\n"
            "    Path('new.run').write_text(Path('new.run').read_text().replace('-a ', '-junk '))\n")
    assert gates(PASSING, OWN, own=SOUND + swap) == Exit.INVALID


@pytest.mark.parametrize("added", [
    "def test_z():\n    import pytest\n    pytest.exit('bye', returncode=0)\n\n\ndef test_zz():\n    assert 0\n",
    "def test_z():\n    raise KeyboardInterrupt\n",
    OWN_GATE.format(value=1.0).replace("test_links", "test_again"),
], ids=["exit", "interrupt", "twice"])
def test_what_a_signer_would_refuse_is_no_pass_either(here, added):
    """A run cut short, interrupted or with a gate found twice exits 12, whatever its findings say."""
    assert gates(PASSING, OWN, own=SOUND + "\n\n" + added) == Exit.INVALID


def test_settings_of_a_projects_own_tests_do_not_reach_the_gates(here, monkeypatch):
    """PYTEST_ADDOPTS in the environment, and a module of the user's named like one of ours, change nothing."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "--collect-only")
    (here / "harness.py").write_text("raise RuntimeError('not ours')\n", encoding="utf-8")
    assert gates(PASSING) == Exit.PASSED


def test_a_second_run_of_the_same_release_waits_its_turn(here):
    """Two runs would mix their evidence: the second says so in a line and touches nothing of the first's."""
    fcntl = pytest.importorskip("fcntl", reason="no file locks on this system")
    manifest = checkout(here, PASSING)
    assert main(["gates", str(manifest)]) == Exit.PASSED
    with (here / "reports" / "mine" / ".lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["gates", str(manifest)]) == Exit.USAGE


def test_reports_that_cannot_be_written_are_told_before_anything_is_signed(here):
    """A file where the reports belong is one line and exit code 2, and nothing is signed."""
    manifest = checkout(here, PASSING)
    (here / "reports").write_text("not a folder\n", encoding="utf-8")
    assert main(["gates", str(manifest), "--sign"]) == Exit.USAGE
    assert not (here / "signed").exists()
