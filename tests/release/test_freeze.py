"""Freezing: a release's folder holds exactly its parts, the digests of all of them, and a run manifest without gaps."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from fixtures.tiny_corpus import tiny_world
from harness.data.store import sha256_tree
from harness.release.build import Built
from harness.release.cache import SUMS, write_sums
from harness.release.freeze import IN_YAML, RUN_MANIFEST, artifact_sums, freeze, run_manifest
from harness.release.manifest import Loaded, load_manifest
from harness.release.measures.integrity import RUN_MANIFEST_KEYS

LIVE = "release: small-v1\nseed: 7\ndata: {corpus: pydocs}\nparts: {}\npolicy: [{measure: R@5, at_least: 0.3}]\n"


@pytest.fixture
def loaded(tmp_path) -> Loaded:
    (tmp_path / "small-v1.yaml").write_text(LIVE, encoding="utf-8")
    return load_manifest(tmp_path / "small-v1.yaml")


@pytest.fixture
def built(tmp_path) -> Built:
    folders = {}
    for name in ("encoder", "index"):
        folders[name] = tmp_path / "cache" / f"{name}-0123"
        folders[name].mkdir(parents=True)
        (folders[name] / f"{name}.npy").write_bytes(name.encode())
        write_sums(folders[name])
    return Built(tiny_world(), folders)


def frozen(loaded: Loaded, built: Built, tmp_path: Path) -> Path:
    return freeze(loaded, built, root=tmp_path / "artifacts")


def test_what_is_frozen_is_stated_and_found(loaded, built, tmp_path):
    """SHA256SUMS covers every file, the run manifest covers every artifact, and `sha256sum -c` agrees."""
    folder = frozen(loaded, built, tmp_path)
    stated, found = artifact_sums(folder)
    assert stated == found and set(found) >= {"encoder/encoder.npy", "index/index.npy", RUN_MANIFEST}
    facts = json.loads((folder / RUN_MANIFEST).read_bytes())
    assert facts["artifacts"] == {name: digest for name, digest in found.items() if name not in {RUN_MANIFEST, IN_YAML}}
    done = subprocess.run(["sha256sum", "-c", "--quiet", SUMS], cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0


def test_the_run_manifest_says_what_the_run_was(loaded, built, tmp_path):
    """Every required key; data by digest; configuration, seed and manifest as loaded; no prompts."""
    facts = json.loads((frozen(loaded, built, tmp_path) / RUN_MANIFEST).read_bytes())
    assert set(RUN_MANIFEST_KEYS) <= set(facts)
    assert facts["CONFIG_HASH"] == loaded.manifest.config_hash and facts["manifest_sha256"] == loaded.sha256
    assert facts["data"]["world"] == built.world.digest and (facts["seed"], facts["threads"]) == (7, 1)
    assert (facts["few_shot_ids"], facts["prompt_hash"], facts["git_commit"]) == ([], None, None)


def test_freezing_twice_changes_no_byte(loaded, built, tmp_path):
    """No clock stands in what is frozen."""
    before = sha256_tree(frozen(loaded, built, tmp_path))
    assert sha256_tree(frozen(loaded, built, tmp_path)) == before


@pytest.mark.parametrize("spoil", [
    lambda folder: (folder / "encoder" / "encoder.npy").write_bytes(b"other"),
    lambda folder: (folder / "encoder" / "extra.npy").write_bytes(b"extra"),
    lambda folder: (folder / "encoder" / "encoder.npy").unlink(),
    lambda folder: (folder / "encoder" / SUMS).unlink(),
], ids=["changed", "added", "lost", "no sums"])
def test_a_frozen_part_that_was_touched_is_seen_and_copied_again(loaded, built, tmp_path, spoil):
    """The difference shows against SHA256SUMS; freezing again restores the part."""
    folder = frozen(loaded, built, tmp_path)
    before = sha256_tree(folder)
    spoil(folder)
    stated, found = artifact_sums(folder)
    assert stated != found
    assert sha256_tree(frozen(loaded, built, tmp_path)) == before


def test_a_part_that_left_the_manifest_leaves_the_folder(loaded, built, tmp_path):
    """A reranker switched off is not signed along."""
    folder = frozen(loaded, built, tmp_path)
    (folder / "reranker").mkdir()
    (folder / "reranker" / "mlp.npy").write_bytes(b"old")
    assert not (frozen(loaded, built, tmp_path) / "reranker").exists()


def test_a_copy_that_was_cut_short_is_made_whole(loaded, built, tmp_path):
    """A killed freeze leaves a part aside; the next one takes no notice of it."""
    aside = tmp_path / "artifacts" / "small-v1" / ".encoder.part"
    aside.mkdir(parents=True)
    (aside / "half").write_bytes(b"half")
    folder = frozen(loaded, built, tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [SUMS, "encoder", "index", RUN_MANIFEST, IN_YAML]


def test_the_commit_is_that_of_the_manifests_checkout(loaded, tmp_path):
    """Inside a git checkout the commit is named; elsewhere it is null, never a guess."""
    assert run_manifest(loaded, data={}, artifacts={})["git_commit"] is None
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], cwd=tmp_path, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert run_manifest(loaded, data={}, artifacts={})["git_commit"] == head.stdout.strip()


@pytest.mark.parametrize(("spoil", "stands"), [
    (lambda folder, _: None, True),
    (lambda folder, _: (folder / "encoder" / "encoder.npy").write_bytes(b"another"), True),  # copied again, as it was
    (lambda folder, _: (folder / RUN_MANIFEST).write_text("{}"), False),
    (lambda folder, _: (folder / RUN_MANIFEST).write_text("torn"), False),
    (lambda folder, _: (folder / SUMS).unlink(), False),
    (lambda folder, _: (folder / "stray.npy").write_bytes(b"x"), False),
    (lambda _, built: _anew(built), False),
], ids=["same", "touched", "other facts", "torn facts", "no sums", "stray file", "another part"])  # fmt: skip
def test_a_baseline_stands_when_only_the_commit_moved(loaded, built, tmp_path, monkeypatch, spoil, stands):
    """Its signature is over the run manifest, commit and all; whatever else differs freezes it anew."""
    monkeypatch.setattr("harness.release.freeze._commit", lambda _: "1" * 40)
    folder = frozen(loaded, built, tmp_path)
    before = sha256_tree(folder)
    spoil(folder, built)
    monkeypatch.setattr("harness.release.freeze._commit", lambda _: "2" * 40)
    freeze(loaded, built, root=tmp_path / "artifacts", standing=True)
    assert (sha256_tree(folder) == before) is stands
    freeze(loaded, built, root=tmp_path / "artifacts")  # the twin: frozen for itself, it is of this commit
    assert json.loads((folder / RUN_MANIFEST).read_bytes())["git_commit"] == "2" * 40


def _anew(built: Built) -> None:
    (built.folders["index"] / "index.npy").write_bytes(b"grown anew")
    write_sums(built.folders["index"])
