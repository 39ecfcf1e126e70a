"""Who may sign beside a trust file, where a bundle may go, and a first signature of two."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.attested import MANIFEST
from harness.cli.signing import sign_and_verify
from harness.errors import EvidenceError, Exit, InputError
from harness.release.manifest import load_manifest
from tests.release.checkout import M, made_in, run, trusting, written

BUNDLE = "manifests/signed/small-v1.intoto.jsonl"


@pytest.fixture
def project(tmp_path, monkeypatch, capsys) -> Path:
    """A checkout with three keys."""
    folder = made_in(tmp_path, monkeypatch)
    for name in ("release", "second", "stranger"):
        assert run(capsys, "keygen", f"keys/{name}.pem")[0] == 0
    return folder


def gated(project: Path) -> Any:
    """A run of the gates, as `gates --sign` hands it over."""
    folder = project / "reports" / "small-v1"
    return SimpleNamespace(loaded=load_manifest(Path(M)), raw=(folder / "evidence.jsonl").read_bytes(), folder=folder)


def test_a_key_that_the_trust_file_does_not_name_signs_nothing(project, capsys):
    """`sign` and `gates --sign` refuse it, and the bundle that lies there stays."""
    trusting(project, "release")
    assert run(capsys, "sign", M, "--key", "keys/release.pem")[0] == 0
    before = (project / BUNDLE).read_bytes()
    code, out, err = run(capsys, "sign", M, "--key", "keys/stranger.pem")
    assert (code, out, err.count("\n")) == (Exit.USAGE, "", 1) and "stranger: this key is not trusted" in err
    with pytest.raises(InputError, match="stranger: this key is not trusted"):
        sign_and_verify(gated(project), Path("keys/stranger.pem"))
    assert (project / BUNDLE).read_bytes() == before


@pytest.mark.parametrize("key", ["keys/stranger.pem", "keys/relaese.pem"])
def test_a_key_that_cannot_sign_is_told_before_any_gate_runs(project, capsys, monkeypatch, key):
    """`gates --sign` learns of an unread or untrusted key at once; a key that may sign lets the gates begin."""
    import harness.cli.gates as verb

    def begun(manifest: Path) -> Any:
        raise InputError("the gates began", where=manifest)

    trusting(project, "release")
    monkeypatch.setattr(verb, "run_gates", begun)
    code, _, err = run(capsys, "gates", M, "--sign", "--key", key)
    assert (code, "the gates began" in err, err.count("\n")) == (Exit.USAGE, False, 1)
    assert "the gates began" in run(capsys, "gates", M, "--sign", "--key", "keys/release.pem")[2]
    assert not (project / BUNDLE).exists()


def test_one_stranger_among_the_keys_is_enough_to_refuse(project, capsys):
    """A bundle with one unknown signature would not verify: none is made."""
    trusting(project, "release")
    code, _, err = run(capsys, "sign", M, "--key", "keys/release.pem", "--key", "keys/stranger.pem")
    assert (code, "stranger" in err, (project / BUNDLE).exists()) == (Exit.USAGE, True, False)


def test_beside_a_trust_file_no_development_key_is_made(project, capsys):
    """No key given and none in the environment: an error, not a fall back, and no key file appears."""
    trusting(project, "release")
    for words in (("sign", M), ("sign", M, "--countersign")):
        code, _, err = run(capsys, *words)
        assert (code, "no signing key" in err, err.count("\n")) == (Exit.USAGE, True, 1)
    with pytest.raises(InputError, match="no signing key"):
        sign_and_verify(gated(project), None)
    assert not (project / ".signoff").exists()
    assert not (project / BUNDLE).exists()


def test_a_development_key_signs_where_trust_names_and_allows_it(project, capsys):
    """Named and allowed it signs; named and not allowed, or allowed and not named, it does not."""
    assert run(capsys, "keygen", "keys/development.pem")[0] == 0
    words = ("sign", M, "--key", "keys/development.pem")
    trusting(project, "development")
    assert "does not allow" in run(capsys, *words)[2]
    trusting(project, "release", allow_development=True)
    assert "not trusted" in run(capsys, *words)[2]
    assert "not trusted" in run(capsys, "sign", M)[2]
    trusting(project, "development", allow_development=True)
    assert run(capsys, *words)[0] == 0
    assert "DEVELOPMENT KEY" in run(capsys, "verify", M)[1]


def test_a_trust_file_that_leads_nowhere_is_no_leave_to_do_without(project, capsys):
    """A dangling link is a trust file that cannot be read: neither verb falls back to the development key."""
    assert run(capsys, "sign", M)[0] == 0
    (project / "manifests" / "trust.yaml").symlink_to("nowhere.yaml")
    for verb in ("sign", "verify"):
        code, _, err = run(capsys, verb, M)
        assert (code, "trust.yaml: cannot be read" in err) == (Exit.USAGE, True), err


def test_the_bundle_of_another_manifest_is_never_replaced(project, capsys):
    """Two manifests of one release name in one folder: the second is refused, naming the first."""
    assert run(capsys, "sign", M)[0] == 0
    before = (project / BUNDLE).read_bytes()
    written(project, MANIFEST, name="manifests/twin.yaml")
    code, _, err = run(capsys, "sign", "manifests/twin.yaml")
    assert (code, err.count("\n")) == (Exit.USAGE, 1)
    assert "the bundle of another manifest lies there" in err and "found 'small-v1 of small-v1.yaml'" in err
    run_of_twin = gated(project)
    run_of_twin.loaded = load_manifest(Path("manifests/twin.yaml"))
    with pytest.raises(InputError, match=r"found 'small-v1 of small-v1\.yaml'"):
        sign_and_verify(run_of_twin, None)
    assert (project / BUNDLE).read_bytes() == before
    assert run(capsys, "sign", "manifests/twin.yaml", "--bundle", "twin.jsonl")[0] == 0


def test_a_manifests_own_bundle_is_replaced_and_so_is_what_is_none(project, capsys):
    """A newer signature takes the place of the older, and of a file that cannot be read as a bundle."""
    assert run(capsys, "sign", M)[0] == 0
    assert run(capsys, "sign", M)[0] == 0
    (project / BUNDLE).write_bytes(b"cut short")
    assert run(capsys, "sign", M)[0] == 0
    assert run(capsys, "verify", M)[0] == 0


@pytest.mark.parametrize("threshold", [2, 3])
def test_gates_sign_gives_the_first_signature_of_several(project, capsys, threshold):
    """Under a threshold above one it signs, verifies the rest, and says how many signatures are missing."""
    trusting(project, "release", "second", "stranger", threshold=threshold)
    told = sign_and_verify(gated(project), Path("keys/release.pem"))
    assert f"verified, but for {threshold - 1} more signature" in told
    assert f"signoff sign {M} --countersign" in told
    assert "too few distinct keys" in run(capsys, "verify", M)[2]
    code, out, _ = run(capsys, "sign", M, "--countersign", "--key", "keys/second.pem")
    assert (code, "more signature" in out) == (0, threshold == 3)
    if threshold == 3:
        code, out, _ = run(capsys, "sign", M, "--countersign", "--key", "keys/stranger.pem", "--json")
        assert (code, json.loads(out)["signatures_needed"]) == (0, 0)
    assert run(capsys, "verify", M)[0] == 0


def test_gates_sign_still_verifies_what_it_can_under_a_threshold(project):
    """A missing signature excuses nothing else: an artifact that changed since it was measured is refused."""
    trusting(project, "release", "second", threshold=2, max_age_days=1)
    written(project, MANIFEST, change=lambda rows: rows[0].update(started="2025-01-01T00:00:00+00:00"))
    with pytest.raises(EvidenceError, match="too old"):
        sign_and_verify(gated(project), Path("keys/release.pem"))
    assert not (project / BUNDLE).exists()


def test_sign_says_how_many_signatures_are_missing(project, capsys):
    """One of two, two of two, in words and as data."""
    trusting(project, "release", "second", threshold=2)
    assert "1 more signature needed" in run(capsys, "sign", M, "--key", "keys/release.pem")[1]
    both = ("--key", "keys/release.pem", "--key", "keys/second.pem", "--json")
    assert json.loads(run(capsys, "sign", M, *both)[1])["signatures_needed"] == 0
