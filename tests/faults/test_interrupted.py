"""Killed at any moment, a run leaves nothing that could be taken for a whole one, and the next run goes through."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fixtures.tiny_corpus import tiny_world
from harness.errors import EvidenceError
from harness.release.build import Built
from harness.release.cache import PartCache, read_sums, write_sums
from harness.release.evidence import read_evidence
from harness.release.freeze import artifact_sums, freeze
from harness.release.manifest import Loaded, load_manifest
from tests.gates.recorded import OWN, OWN_GATE, PASSING, checkout

WAITS = OWN_GATE.format(value=1.0) + """
    from pathlib import Path
    import time
    Path("waiting").write_text("")
    time.sleep(60)
"""


def started(folder: Path) -> subprocess.Popen[bytes]:
    """A gate run that waits in its last gate, after two findings."""
    import gates

    manifest = checkout(folder, PASSING, OWN, own=WAITS)
    ini = Path(str(gates.__file__)).parent / "gates.ini"
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--pyargs", "gates", str(folder / "gates"), "--manifest", str(manifest),
         "--evidence", "evidence.jsonl", "-c", str(ini), "--rootdir", str(folder), "-p", "no:cacheprovider"],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    limit = time.monotonic() + 60.0
    while not (folder / "waiting").exists() and run.poll() is None and time.monotonic() < limit:
        time.sleep(0.02)
    return run


@pytest.mark.parametrize(("how", "words"), [(signal.SIGKILL, "did not finish"), (signal.SIGTERM, "did not finish"),
                                            (signal.SIGINT, "")])
def test_a_gate_run_that_was_ended_proves_nothing(tmp_path, how, words):
    """Killed: no closing line. Interrupted at the keyboard: a closing line that says so."""
    run = started(tmp_path)
    run.send_signal(how)
    run.wait(timeout=300)
    raw = (tmp_path / "evidence.jsonl").read_bytes()
    assert raw.count(b'"kind": "finding"') == 2
    if words:
        with pytest.raises(EvidenceError, match=words):
            read_evidence(raw)
    else:
        closing = read_evidence(raw).closing
        assert closing["exit_status"] == pytest.ExitCode.INTERRUPTED
        assert closing["passed"] < closing["collected"]


def test_evidence_cut_at_any_byte_is_refused(tmp_path):
    """A disk that filled, a copy that broke off: every proper prefix of an evidence file is an error."""
    from tests.release.test_evidence import made, written

    raw = written(tmp_path, made(), made(0.5))
    read_evidence(raw)
    last = raw.rstrip(b"\n")
    for end in [*range(0, len(raw) - 1, 37), len(last) - 1]:
        with pytest.raises(EvidenceError):
            read_evidence(raw[:end])


_DIES = """
import os, sys
from pathlib import Path
from harness.release.cache import PartCache

def make(folder):
    (folder / "whole.txt").write_text("whole")
    (folder / "half.txt").write_text("ha")
    os._exit(9)

PartCache(Path(sys.argv[1])).part("encoder", {"seed": 1}, make)
"""


def test_a_part_whose_build_was_killed_is_made_again(tmp_path):
    """Nothing stands under the part's name; the next build makes it whole."""
    done = subprocess.run([sys.executable, "-c", _DIES, str(tmp_path)], check=False)
    assert done.returncode == 9
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == []
    folder, _ = PartCache(tmp_path).part("encoder", {"seed": 1}, lambda made: _write(made / "whole.txt"))
    assert list(read_sums(folder)) == ["whole.txt"]


def _write(path: Path) -> None:
    path.write_text("whole", encoding="utf-8")


@pytest.fixture
def release(tmp_path) -> tuple[Loaded, Built]:
    text = "release: small-v1\nseed: 7\ndata: {corpus: pydocs}\nparts: {}\npolicy: [{measure: R@5, at_least: 0.3}]\n"
    (tmp_path / "small-v1.yaml").write_text(text, encoding="utf-8")
    folders = {}
    for name in ("encoder", "index"):
        folders[name] = tmp_path / "cache" / name
        folders[name].mkdir(parents=True)
        _write(folders[name] / f"{name}.npy")
        write_sums(folders[name])
    return load_manifest(tmp_path / "small-v1.yaml"), Built(tiny_world(), folders)


@pytest.mark.parametrize(("step", "still_the_old_one"), [(1, True), (2, False)])
def test_a_freeze_that_broke_off_is_the_old_one_or_shows(release, tmp_path, monkeypatch, step, still_the_old_one):
    """Before the first part is in place the older freeze stands whole; after it, the digests disagree; then repeat."""
    loaded, built = release
    folder = freeze(loaded, built, root=tmp_path / "artifacts")
    before, _ = artifact_sums(folder)
    for source in built.folders.values():
        (source / "new.npy").write_bytes(b"new")
        write_sums(source)
    copies, copytree = [], shutil.copytree

    def breaks(source, target, **options):
        copies.append(source)
        if len(copies) == step:
            Path(target).mkdir()
            raise OSError(28, "No space left on device")
        return copytree(source, target, **options)

    monkeypatch.setattr(shutil, "copytree", breaks)
    with pytest.raises(OSError, match="No space left"):
        freeze(loaded, built, root=tmp_path / "artifacts")
    stated, found = artifact_sums(folder)
    assert stated == before and (found == before) == still_the_old_one
    monkeypatch.undo()
    stated, found = artifact_sums(freeze(loaded, built, root=tmp_path / "artifacts"))
    assert stated == found and "index/new.npy" in found
    assert not [path.name for path in folder.iterdir() if path.name.endswith(".part")]
