"""Keys: made once, read by their owner only, known by their material, absent from what is on trial."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from fixtures.attested import key_named, trusted
from harness.errors import InputError
from harness.release.keys import (
    DEVELOPMENT,
    SigningKey,
    clean_environment,
    development_key,
    keygen,
    load_key,
    material_of,
    parse_private,
    parse_public,
    public_path,
    signing_key,
)


def test_a_made_key_can_be_read_back_by_both_halves(tmp_path):
    """The private file signs, and the public file beside it is its other half."""
    private, public = keygen(tmp_path / "keys" / "release.pem")
    key = load_key(private)
    assert key.name == "release"
    assert parse_public(public.read_bytes(), where=public).keyid == key.keyid
    assert public == public_path(private) == tmp_path / "keys" / "release.pub"


def test_a_private_key_is_readable_by_its_owner_only(tmp_path):
    """Mode 0600 whatever the umask."""
    before = os.umask(0)
    try:
        private, _ = keygen(tmp_path / "release.pem")
    finally:
        os.umask(before)
    assert stat.S_IMODE(private.stat().st_mode) == 0o600


@pytest.mark.parametrize("taken", ["release.pem", "release.pub"])
def test_a_key_is_never_overwritten(tmp_path, taken):
    """A file at either place stops keygen, stays as it was, and leaves no half of a pair."""
    (tmp_path / taken).write_text("mine")
    with pytest.raises(InputError, match="never overwritten"):
        keygen(tmp_path / "release.pem")
    assert [path.name for path in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_text() == "mine"


def test_two_keys_are_two(tmp_path):
    """No two calls make the same key."""
    first, second = (load_key(keygen(tmp_path / name)[0]) for name in ("a.pem", "b.pem"))
    assert first.keyid != second.keyid


def test_an_unwritable_place_leaves_no_key(tmp_path):
    """Where a file stands in the way of the folder, the error is one line."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        keygen(tmp_path / "file" / "release.pem")


def _other_kind() -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


_BROKEN = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize("pem", [b"", b"hello", _BROKEN, _other_kind()],
                         ids=["empty", "words", "broken", "another_kind"])
def test_what_is_no_ed25519_key_is_refused_without_quoting_it(pem):
    """A bad key is an InputError, and its text never reaches the message."""
    with pytest.raises(InputError, match="ed25519 private key") as error:
        parse_private(pem, name="x", where="x.pem")
    assert "AAAA" not in str(error.value)


def test_an_encrypted_key_is_refused(tmp_path):
    """A passphrase is not asked for: the key must be readable as it is."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pw"))
    with pytest.raises(InputError, match="unencrypted"):
        parse_private(pem, name="x", where="x.pem")


def test_a_private_key_among_public_ones_is_told_apart(tmp_path):
    """A trust file that names a private key says so instead of calling it garbage."""
    private, _ = keygen(tmp_path / "release.pem")
    with pytest.raises(InputError, match=r"only its \.pub"):
        parse_public(private.read_bytes(), where=private)


def test_material_is_the_same_under_any_id():
    """An alias changes the id of a key, never what it is."""
    key = key_named("release")
    assert trusted(key).keyid != trusted(key, keyid="alias").keyid
    assert trusted(key).material == trusted(key, keyid="alias").material == material_of(key.signer.public_key)
    assert trusted(key).material != trusted(key_named("second")).material


def test_the_option_wins_over_the_environment_and_the_environment_over_play(tmp_path):
    """Key by --key, then SIGNOFF_KEY as path or text, then the development key made on first use."""
    given, named = keygen(tmp_path / "given.pem")[0], keygen(tmp_path / "named.pem")[0]
    environ = {"SIGNOFF_KEY": str(named)}
    folder = tmp_path / "play"
    assert signing_key(given, environ, folder=folder).name == "given"
    assert signing_key(None, environ, folder=folder).keyid == load_key(named).keyid
    text = signing_key(None, {"SIGNOFF_KEY": named.read_text(), "SIGNOFF_KEY_NAME": "ci"}, folder=folder)
    assert (text.name, text.keyid) == ("ci", load_key(named).keyid)
    assert not folder.exists()
    play = signing_key(None, {}, folder=folder)
    assert play.development
    assert play.name == DEVELOPMENT
    assert development_key(folder).keyid == play.keyid


def test_an_empty_variable_is_an_error_and_never_the_development_key(tmp_path):
    """A secret that CI failed to fill in must not turn a release into play."""
    with pytest.raises(InputError, match="empty signing key"):
        signing_key(None, {"SIGNOFF_KEY": " "}, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_only_the_development_name_is_development():
    """The mark goes by the name alone."""
    assert SigningKey(DEVELOPMENT, key_named("x").signer).development
    assert not key_named("release").development


def test_a_child_process_with_a_clean_environment_sees_no_key(tmp_path):
    """What runs a candidate finds neither the key, nor its path, nor a copy under another name."""
    private, _ = keygen(tmp_path / "release.pem")
    dirty = {**os.environ, "SIGNOFF_KEY": str(private), "SIGNOFF_KEY_NAME": "release", "signoff_key_b": "x",
             "COPY": f" {private} ", "PEM": private.read_text(), "SIGNOFF_DATA": "kept"}
    show = "import os; print(*(f'{name}={value}' for name, value in os.environ.items()), sep=chr(10))"
    told = subprocess.run([sys.executable, "-c", show],
                          env=clean_environment(dirty), capture_output=True, text=True, check=True).stdout
    assert "SIGNOFF_DATA=kept" in told
    for trace in ("SIGNOFF_KEY", "signoff_key_b", str(private), "PRIVATE KEY", "COPY", "PEM"):
        assert f"\n{trace}" not in told
        assert str(private) not in told


def test_cleaning_takes_no_bystanders():
    """A variable that only shares a value with the key's name is kept."""
    assert clean_environment({"SIGNOFF_KEY_NAME": "ci", "STAGE": "ci"}) == {"STAGE": "ci"}


def test_cleaning_leaves_the_environment_it_was_given():
    """The input is not changed, and without a key nothing is lost."""
    environ = {"PATH": "/bin", "EMPTY": ""}
    assert clean_environment(environ) == environ
    dirty = {"SIGNOFF_KEY": "", "EMPTY": ""}
    assert clean_environment(dirty) == {"EMPTY": ""}
    assert dirty == {"SIGNOFF_KEY": "", "EMPTY": ""}
