"""The gold standard: what verifies can be banked, what was banked is what is compared with, or nothing is compared."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from fixtures.attested import MANIFEST
from harness.data.canonical import digest_of
from harness.data.store import sha256_bytes
from harness.errors import EvidenceError, Exit
from harness.release.banking import bank_path, banked, read_bank, signed_evidence
from harness.release.manifest import load_manifest, parse_manifest
from harness.release.recheck import recheck
from tests.release.checkout import M, made_in, run, written
from tests.release.small import EASY, small

BUNDLE, BANK = "manifests/signed/small-v1.intoto.jsonl", "manifests/signed/small-v1.banked.json"


@pytest.fixture
def project(tmp_path, monkeypatch, capsys) -> Path:
    """A checkout whose release is signed and banked."""
    folder = made_in(tmp_path, monkeypatch)
    assert run(capsys, "sign", M)[0] == 0
    code, out, err = run(capsys, "bank", M)
    assert (code, err) == (0, "") and "baseline: small-v1" in out
    return folder


def edited(folder: Path, **change: object) -> None:
    """The record with fields changed and its digest made to fit."""
    told = json.loads((folder / BANK).read_bytes()) | change
    told["sha256"] = digest_of({key: value for key, value in told.items() if key != "sha256"})
    (folder / BANK).write_text(json.dumps(told))


def test_what_is_banked_is_the_signed_bundle(project):
    """The record names the bundle's digest, the configuration and every figure, and reads back by its digest."""
    loaded = load_manifest(M)
    digest = sha256_bytes((project / BUNDLE).read_bytes())
    bank = banked(loaded, digest=digest)
    assert bank is not None and bank.bundle_sha256 == digest and bank.config_hash == loaded.manifest.config_hash
    assert [one.gate for one in bank.figures] == [check.id for check in loaded.manifest.checks]
    assert read_bank(bank.raw) == bank and bank_path(loaded) == Path(BANK)


def test_what_does_not_verify_is_not_banked(tmp_path, monkeypatch, capsys):
    """Unsigned, or changed since it was signed: exit code 12, and no record; an earlier record stays as it was."""
    folder = made_in(tmp_path, monkeypatch)
    code, _, err = run(capsys, "bank", M)
    assert (code, "not signed" in err, (folder / BANK).exists()) == (Exit.INVALID, True, False)
    assert run(capsys, "sign", M)[0] == 0 and run(capsys, "bank", M)[0] == 0
    before = (folder / BANK).read_bytes()
    (folder / "artifacts/small-v1/index/vectors.npy").write_text("other")
    assert run(capsys, "bank", M)[0] == Exit.INVALID
    assert (folder / BANK).read_bytes() == before


def test_a_baseline_that_was_never_banked_is_none_unless_pinned(tmp_path, monkeypatch):
    """Without a record nothing is claimed; a pin without a record is refused."""
    made_in(tmp_path, monkeypatch)
    loaded = load_manifest(M)
    assert banked(loaded) is None
    with pytest.raises(EvidenceError, match="pinned and was not banked"):
        banked(loaded, digest="a" * 64)


def test_another_digest_than_the_pinned_one_is_refused(project):
    """The pin is of one bundle."""
    with pytest.raises(EvidenceError, match="another bundle was banked"):
        banked(load_manifest(M), digest="a" * 64)


def test_a_bundle_that_changed_since_is_refused(project):
    """A bundle signed anew is another gold standard, until it is banked."""
    path = project / BUNDLE
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(EvidenceError, match="another bundle was banked"):
        banked(load_manifest(M))
    path.unlink()
    with pytest.raises(EvidenceError, match="cannot be read"):
        banked(load_manifest(M))


def test_a_manifest_that_changed_since_is_refused(project):
    """The baseline's configuration is the one that was banked; pinned or not."""
    (project / M).write_text(MANIFEST.replace("seed: 7", "seed: 8"))
    with pytest.raises(EvidenceError, match="another configuration was banked"):
        banked(load_manifest(M))


def test_an_edited_record_is_refused(project):
    """By its digest; with the digest made to fit, by the bundle's own figures; of another release, by its name."""
    raw = (project / BANK).read_bytes()
    (project / BANK).write_bytes(raw.replace(b"0.021", b"0.031", 1))
    with pytest.raises(EvidenceError, match="changed since it was banked"):
        banked(load_manifest(M))
    (project / BANK).write_bytes(raw)
    figures = json.loads(raw)["figures"]
    edited(project, figures=[figures[0] | {"value": 0.9}, *figures[1:]])
    with pytest.raises(EvidenceError, match="figures are not the bundle's"):
        banked(load_manifest(M))
    edited(project, figures=figures, release="other")
    with pytest.raises(EvidenceError, match="another release was banked"):
        banked(load_manifest(M))


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"schema": "signoff-bank/1"}'])
def test_what_is_no_record_is_one_line(raw):
    """Torn and foreign files are errors."""
    with pytest.raises(EvidenceError) as told:
        read_bank(raw, where="x.banked.json")
    assert "\n" not in str(told.value)


def test_a_bundle_holds_its_evidence(project):
    """What comes out is what went in, to the byte."""
    from harness.release.predicates import evidence_bytes

    evidence = signed_evidence((project / BUNDLE).read_bytes())
    assert evidence_bytes(evidence) == (project / "reports/small-v1/evidence.jsonl").read_bytes()


def test_a_pin_stands_beside_a_baseline_alone():
    """A digest of nothing named is an input error; a manifest without one is what it was."""
    pinned = MANIFEST.replace("baseline: small-v0", f"baseline: small-v0\nbaseline_digest: {'a' * 64}")
    assert parse_manifest(pinned.encode(), where="m").baseline_digest == "a" * 64
    with pytest.raises(Exception, match="baseline_digest"):
        parse_manifest(re.sub("baseline: small-v0\n", "", pinned).encode(), where="m")
    with pytest.raises(Exception, match="baseline_digest"):
        parse_manifest(pinned.replace("a" * 64, "a" * 63).encode(), where="m")


def test_evidence_against_another_bank_is_not_believed(project):
    """A manifest that pins its baseline is signed on evidence that names that digest, and on no other."""
    pinned = MANIFEST.replace("baseline: small-v0", f"baseline: small-v0\nbaseline_digest: {'a' * 64}")

    def named(digest):
        return lambda rows: rows[0]["baseline"].update(banked=digest)

    for change, fine in ((named("a" * 64), True), (named("b" * 64), False), (lambda _: None, False)):
        written(project, pinned, change=change)
        loaded = load_manifest(M)
        from harness.release.attest import hash_subjects
        from harness.release.evidence import read_evidence

        evidence = read_evidence((project / "reports/small-v1/evidence.jsonl").read_bytes())
        subjects = hash_subjects(loaded, Path("artifacts/small-v1"))
        if fine:
            assert recheck(evidence, loaded=loaded, subjects=subjects)
            continue
        with pytest.raises(EvidenceError, match="another bank"):
            recheck(evidence, loaded=loaded, subjects=subjects)


def test_a_delta_names_the_bank_of_its_baseline(tmp_path, monkeypatch):
    """Header and finding of a live run carry the bundle's digest; without a bank they say nothing of one."""
    import harness.release.observing as observing
    from harness.release.measures import read

    monkeypatch.chdir(tmp_path)
    flat = "{encoder: {dims: 48}, index: {impl: flat}}"
    small(tmp_path, parts=flat, name="old")
    text = small(tmp_path, parts=flat).raw.decode().replace(EASY, "[{measure: delta RR, by: lcb, at_least: -1}]")
    (tmp_path / "small.yaml").write_text(text.replace("release: small\n", "release: small\nbaseline: old\n"))
    loaded = load_manifest("small.yaml")
    monkeypatch.setattr(observing, "banked", lambda *_, **__: SimpleNamespace(bundle_sha256="a" * 64))
    trial = observing.observe(loaded)
    assert observing.planned_header(loaded, trial)["baseline"]["banked"] == "a" * 64
    note = read(trial, loaded.manifest.checks[0]).note
    assert note.startswith(f"against old (banked, sha256 {'a' * 64})")
    bare = replace(trial, banked=None)
    assert "banked" not in observing.planned_header(loaded, bare)["baseline"]
    assert read(bare, loaded.manifest.checks[0]).note.startswith("against old")


def test_a_pin_that_does_not_hold_is_told_before_anything_is_built(tmp_path, monkeypatch):
    """The run ends with exit code 12 and no part made."""
    from harness.release.observing import observe

    monkeypatch.chdir(tmp_path)
    small(tmp_path, parts="{index: {impl: flat}}", name="old")
    text = small(tmp_path, parts="{index: {impl: flat}}").raw.decode()
    (tmp_path / "small.yaml").write_text(
        text.replace("release: small\n", f"release: small\nbaseline: old\nbaseline_digest: {'a' * 64}\n"))
    with pytest.raises(EvidenceError, match="pinned and was not banked"):
        observe(load_manifest("small.yaml"))
    assert not (tmp_path / ".signoff").exists() and not (tmp_path / "artifacts").exists()
