"""`verify --base`: the base is what was reviewed, whatever the work tree makes of its folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fixtures.attested import MANIFEST
from harness.cli.base import at_base
from harness.errors import EvidenceError, Exit, InputError
from tests.release.checkout import BASELINE, M, git, made_in, run, trusting, written

WEAK = MANIFEST.replace("at_least: 0.3,", "at_least: 0.2,")


@pytest.fixture
def project(tmp_path, monkeypatch, capsys) -> Path:
    """A repository whose base trusts the key `release`, and keeps weaker files and another key in its archive."""
    folder = made_in(tmp_path, monkeypatch)
    for name in ("keys/release.pem", "old/mallory.pem"):
        assert run(capsys, "keygen", name)[0] == 0
    (folder / "old" / "mallory.pub").rename(folder / "old" / "release.pub")
    trusting(folder, "release")
    shutil.copytree(folder / "manifests", folder / "archive")
    (folder / "archive" / "small-v1.yaml").write_text(WEAK)
    git(folder, "init", "-q")
    git(folder, "add", "manifests", "archive", "keys/release.pub", "old/release.pub")
    git(folder, "commit", "-qm", "base")
    return folder


def signed(project: Path, capsys, key: str = "keys/release.pem") -> tuple[int, str]:
    """Sign, and verify against the base: code and error line."""
    code, _, err = run(capsys, "sign", M, "--key", key)
    assert code == 0, err
    code, _, err = run(capsys, "verify", M, "--base", "HEAD")
    return code, err


def test_what_the_base_has_verifies_from_any_folder_of_the_repository(project, capsys, monkeypatch):
    """The path is taken from where the caller stands, as git takes it."""
    assert signed(project, capsys) == (Exit.PASSED, "")
    (project / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(project / "deep" / "er")
    code, _, err = run(capsys, "verify", f"../../{M}", "--base", "HEAD", "--artifacts", "../../artifacts/small-v1")
    assert (code, err) == (Exit.PASSED, "")
    assert run(capsys, "verify", str(project / M), "--base", "HEAD", "--artifacts", "../../artifacts/small-v1")[0] == 0


def test_a_linked_manifests_folder_does_not_choose_the_base(project, capsys):
    """A link manifests -> archive: the base's manifest is still the one at manifests/, not the archive's weaker one."""
    shutil.rmtree(project / "manifests")
    (project / "manifests").symlink_to("archive")
    written(project, WEAK)
    code, err = signed(project, capsys)
    assert (code, "demands less than the base branch's" in err) == (Exit.INVALID, True), err


def test_a_linked_keys_folder_does_not_choose_whom_to_believe(project, capsys):
    """A link keys -> old: the base's key is still the one at keys/, not the retired one of the same file name."""
    shutil.rmtree(project / "keys")
    (project / "keys").symlink_to("old")
    code, err = signed(project, capsys, "old/mallory.pem")
    assert (code, "signed by an unknown key" in err) == (Exit.INVALID, True), err


@pytest.mark.parametrize("bare", [False, True], ids=["repository", "bare repository"])
def test_a_repository_inside_keys_is_not_the_base(project, capsys, bare):
    """A nested repository with a HEAD of its own has no say, whether it hides in .git or lies open."""
    inner = project / "keys"
    shutil.copy(project / "old" / "release.pub", inner / "release.pub")
    git(inner, "init", "-q")
    git(inner, "add", "release.pub")
    git(inner, "commit", "-qm", "mine")
    if bare:
        for path in (inner / ".git").iterdir():
            path.rename(inner / path.name)
        (inner / ".git").rmdir()
        git(inner, "--git-dir=.", "config", "core.bare", "true")
    code, err = signed(project, capsys, "old/mallory.pem")
    assert (code, "signed by an unknown key" in err) == (Exit.INVALID, True), err


def test_a_folder_dressed_up_as_a_bare_repository_is_no_repository(project, monkeypatch):
    """Called from inside one that the change brought along, nothing is read from it."""
    git(project, "clone", "-q", "--bare", ".", "fake")
    monkeypatch.chdir(project / "fake")
    with pytest.raises(EvidenceError, match="not at the base"):
        at_base("HEAD", Path(M))


def test_what_lies_outside_the_repository_is_not_at_its_base(project, capsys, tmp_path_factory):
    """A trust file elsewhere, and a key path that climbs out: exit 12, told in one line."""
    assert signed(project, capsys)[0] == 0
    away = tmp_path_factory.mktemp("away")
    shutil.copy(project / "manifests" / "trust.yaml", away / "trust.yaml")
    code, _, err = run(capsys, "verify", M, "--base", "HEAD", "--trust", str(away / "trust.yaml"))
    assert (code, "outside the repository" in err, err.count("\n")) == (Exit.INVALID, True, 1)
    (project / "manifests" / "trust.yaml").write_text(json.dumps(
        {"keys": [{"name": "release", "public": "../../release.pub"}]}))
    git(project, "commit", "-qam", "climbs")
    code, _, err = run(capsys, "verify", M, "--base", "HEAD")
    assert (code, "outside the repository" in err, err.count("\n")) == (Exit.INVALID, True, 1)


@pytest.mark.parametrize("ref", ["", "--output=x", "HEAD:manifests", ":0"])
def test_what_is_no_ref_is_not_handed_to_git(project, ref):
    """A ref that is an option, or brings a path of its own, is bad input."""
    with pytest.raises(InputError, match="not a git ref"):
        at_base(ref, Path(M))


@pytest.mark.parametrize("name", ["manifests", "linked.yaml", "nothing.yaml"])
def test_only_a_file_is_a_file_of_the_base(project, name):
    """A folder is refused; a link is its own text and never what it points to; what is absent is absent."""
    (project / "linked.yaml").symlink_to(M)
    git(project, "add", "linked.yaml")
    git(project, "commit", "-qm", "link")
    if name == "linked.yaml":
        assert at_base("HEAD", Path(name)) == M.encode()
        return
    with pytest.raises(EvidenceError, match="not at the base"):
        at_base("HEAD", Path(name))


def test_without_git_nothing_is_taken_on_trust(project, monkeypatch):
    """Where git cannot be run there is no base: an error, not a traceback."""
    monkeypatch.setenv("PATH", str(project / "nowhere"))
    with pytest.raises(EvidenceError, match="git cannot be run"):
        at_base("HEAD", Path(M))


@pytest.mark.parametrize(("name", "text", "told"), [
    (M, MANIFEST.replace("seed: 7", "seed: 8"), "seed moved from 7 to 8"),
    (M, MANIFEST.replace("corpus: pydocs", "beir: mine"), "data.beir moved from nothing to mine"),
    ("manifests/small-v0.yaml", BASELINE.replace("impl: flat", "impl: hnsw"), "another small-v0 than the base"),
], ids=["seed", "data", "baseline's manifest"])
def test_a_change_of_what_is_measured_on_is_refused(project, capsys, name, text, told):
    """The same policy and trust, measured on something else: refused, and told to land that first."""
    (project / name).write_text(text)
    written(project, (project / M).read_text())
    code, err = signed(project, capsys)
    assert (code, told in err, "land the change of what is measured on first" in err) == (Exit.INVALID, True, True), err


def test_another_candidate_is_what_a_change_is_for(project, capsys):
    """The candidate's own parts may differ from the base's."""
    written(project, MANIFEST.replace("impl: flat", "impl: hnsw"))
    assert signed(project, capsys) == (Exit.PASSED, "")


@pytest.mark.parametrize(("pin", "noted"), [("", True), (f", sha256: {'0a' * 32}", False)], ids=["bare", "pinned"])
def test_data_without_a_digest_at_the_base_are_noted(project, capsys, pin, noted):
    """Where only the path is held, the reader is told that review holds the content; a digest added is no change."""
    bare = MANIFEST.replace("corpus: pydocs", "beir: mine" + pin)
    (project / M).write_text(bare)
    git(project, "commit", "-qam", "own data")
    written(project, MANIFEST.replace("corpus: pydocs", f"beir: mine, sha256: {'0a' * 32}"))
    assert signed(project, capsys) == (Exit.PASSED, "")
    out = " ".join(run(capsys, "verify", M, "--base", "HEAD")[1].split())
    assert ("without a sha256 at the base, so that review alone holds what is in it: data.beir" in out) is noted
