"""Where a baseline stands: what was signed, as it lies here, counts as signed; whatever is off with it is told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fixtures.attested import NOW, attested, key_named
from harness.release.attest import bundle_path, sign_release
from harness.release.manifest import load_manifest
from harness.release.standing import standing_of


@pytest.fixture
def signed(tmp_path):
    """Manifest, artifacts, trust file and bundle of the small release, as they lie on disk: (loaded, artifacts)."""
    small, key = attested(), key_named("release")
    folder = tmp_path / "manifests"
    (folder / "signed").mkdir(parents=True)
    (folder / small.loaded.path.name).write_bytes(small.loaded.raw)
    for name in small.subjects:
        if name != small.loaded.path.name:
            place = tmp_path / "artifacts" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(name.encode())
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    shown = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.signer.public_key.keyval["public"]))
    (folder / "release.pub").write_bytes(shown.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (folder / "trust.yaml").write_text("keys:\n  - {name: release, public: release.pub}\n")
    loaded = load_manifest(folder / small.loaded.path.name)
    bundle_path(loaded).write_bytes(sign_release(loaded, small.evidence, small.subjects, [key], now=NOW))
    return loaded, tmp_path / "artifacts"


def test_what_was_signed_and_lies_here_unchanged_is_signed(signed):
    """The standing names who signed."""
    found = standing_of(*signed, now=NOW)
    assert found.signed and found.told.startswith("signed by release, bundle sha256 ")


@pytest.mark.parametrize(("spoil", "words"), [
    (lambda loaded, _: bundle_path(loaded).unlink(), "sign it first"),
    (lambda loaded, _: bundle_path(loaded).write_bytes(b"{}\n"), "statements"),
    (lambda _, artifacts: (artifacts / "index" / "vectors.npy").write_bytes(b"another graph"), "index/vectors.npy"),
    (lambda _, artifacts: (artifacts / "run_manifest.json").unlink(), "run_manifest.json"),
    (lambda loaded, _: (loaded.folder / "release.pub").write_text("not a key"), "public key"),
], ids=["no bundle", "torn bundle", "changed artifact", "lost artifact", "torn key"])  # fmt: skip
def test_whatever_is_off_makes_a_baseline_unsigned_and_is_told(signed, spoil, words):
    """Nothing is raised: the reason becomes the finding's."""
    spoil(*signed)
    found = standing_of(*signed, now=NOW)
    assert not found.signed and words in found.told and "\n" not in found.told


def test_an_attestation_that_is_too_old_is_none(signed):
    """The trust file's age holds for baselines as for releases."""
    assert not standing_of(*signed, now=NOW + timedelta(days=91)).signed
