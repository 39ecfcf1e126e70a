"""A release that was gated and signed verifies as it stands, and nothing that was changed since passes for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.cli.app import main
from tests.cli.test_gates_verb import gated
from tests.release.small import FULL, small


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Path:
    """A checkout whose release was gated and signed, to be copied and tampered with."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("signed")
        patch.chdir(folder)
        for name in ("SIGNOFF_KEY", "RERANKER", "RETRIEVER_IMPL"):
            patch.delenv(name, raising=False)
        small(folder, FULL, "[{measure: RR, at_least: 0.1}, {measure: unanswered, at_most: 0}]")
        assert main(["gates", "small.yaml", "--sign"]) == 0
    return folder


@pytest.fixture
def copy(release, tmp_path, monkeypatch) -> Path:
    shutil.copytree(release, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return Path()


def test_a_signed_release_verifies_as_it_stands(copy, capfd):
    """Exit 0, and the document says what was looked at."""
    assert main(["verify", "small.yaml", "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["verified"] is True and told["findings"] == 2
    assert {"small.yaml", "run_manifest.json", "reranker/stage.json", "index/index.faiss"} <= set(told["subjects"])


@pytest.mark.parametrize("name", ["index/index.faiss", "encoder/basis.npy", "reranker/stage.json", "run_manifest.json",
                                  "world/corpus.json", "SHA256SUMS"])
def test_one_changed_byte_of_an_artifact_is_named(copy, name, capfd):
    """Exit 12, and the one line says which file."""
    path = copy / "artifacts" / "small" / name
    raw = path.read_bytes()
    path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    assert main(["verify", "small.yaml"]) == 12
    line = capfd.readouterr().err
    assert name in line and line.count("\n") == 1


@pytest.mark.parametrize("meddle", [
    lambda copy: (copy / "artifacts" / "small" / "more.bin").write_bytes(b"more"),
    lambda copy: (copy / "artifacts" / "small" / "lexical" / "SHA256SUMS").unlink(),
    lambda copy: shutil.rmtree(copy / "artifacts"),
    lambda copy: (copy / "small.yaml").write_text(
        (copy / "small.yaml").read_text(encoding="utf-8").replace("0.1", "0.05"), encoding="utf-8"),
    lambda copy: (copy / "small.yaml").write_text(
        (copy / "small.yaml").read_text(encoding="utf-8") + "# a word\n", encoding="utf-8"),
    lambda copy: (copy / "signed" / "small.intoto.jsonl").unlink(),
], ids=["added", "lost", "no artifacts", "policy", "comment", "no bundle"])  # fmt: skip
def test_anything_else_that_changed_is_refused(copy, meddle, capfd):
    """More files, fewer files, another manifest, even in a comment, no bundle: exit 12 in one line."""
    meddle(copy)
    assert main(["verify", "small.yaml"]) == 12
    assert capfd.readouterr().err.count("\n") == 1


def test_a_release_changed_by_the_environment_is_never_signed(copy, monkeypatch, capfd):
    """RERANKER=off passes its gates as another release: exit 12, the signed one untouched, and `sign` refuses it."""
    before = (copy / "signed" / "small.intoto.jsonl").read_bytes()
    monkeypatch.setenv("RERANKER", "off")
    code, out, _ = gated(capfd, "small.yaml", "--sign", "--json")
    (run,) = json.loads(out)
    assert (code, run["verdict"], run["exit_code"], run["signed"]) == (12, "PASS", 12, None)
    assert main(["sign", "small.yaml"]) == 12
    assert "release is not this manifest's" in capfd.readouterr().err
    monkeypatch.delenv("RERANKER")
    assert (copy / "signed" / "small.intoto.jsonl").read_bytes() == before
    assert (copy / "artifacts" / "small.reranker-off").is_dir() and main(["verify", "small.yaml"]) == 0


@pytest.mark.parametrize(("variable", "value"), [("RERANKER", "maybe"), ("RETRIEVER_IMPL", "amn_v1")])
def test_a_switch_that_nobody_knows_is_bad_input(copy, monkeypatch, variable, value, capfd):
    """Exit 2 before anything is built, whatever the verb."""
    monkeypatch.setenv(variable, value)
    for words in (["gates", "small.yaml"], ["eval", "small.yaml"], ["explain", "a word", "--manifest", "small.yaml"]):
        assert main(words) == 2
        out, err = capfd.readouterr()
        assert out == "" and err.count("\n") == 1 and variable in err
