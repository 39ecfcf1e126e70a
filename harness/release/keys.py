"""Signing keys: ed25519, one PEM file a key, and never in the environment of what is on trial.

A key is known by its material, not by its name or id: the name of its file is what people read. The key named
`development` is made on first use, for trying things out; whatever it signs says so.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.data.store import atomic_write_text, unlisted
from harness.errors import InputError

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

__all__ = ["DEVELOPMENT", "DEVELOPMENT_FOLDER", "ENVIRONMENT_KEY", "SigningKey", "clean_environment",
           "development_key", "keygen", "load_key", "material_of", "parse_private", "parse_public", "public_path",
           "signing_key"]

DEVELOPMENT = "development"
DEVELOPMENT_FOLDER = Path(".signoff/keys")
ENVIRONMENT_KEY = "SIGNOFF_KEY"
_PRIVATE_MARK = "PRIVATE KEY-----"


@dataclass(frozen=True)
class SigningKey:
    """A private key at hand, under the name that people know it by."""

    name: str
    signer: CryptoSigner

    @property
    def keyid(self) -> str:
        """Digest of the public key, as signatures name it."""
        return str(self.signer.public_key.keyid)

    @property
    def development(self) -> bool:
        """True for the key that is made on first use: integrity, not authority."""
        return self.name == DEVELOPMENT


def keygen(path: Path | str) -> tuple[Path, Path]:
    """Write a new private key (PKCS#8 PEM, mode 0600) and its public half beside it; never over an existing file.

    Returns both paths. Raises InputError where either file exists or cannot be written.
    """
    private, public = Path(path), public_path(path)
    for taken in (private, public):
        if taken.exists():
            raise InputError("a key is there already, and keys are never overwritten", where=taken,
                             expected="a new path")
    secret, shown = _new_pair()
    if not (private.parent / ".gitignore").exists() and private.parent != Path():
        atomic_write_text(private.parent / ".gitignore", f"{private.name}\n")  # a private key is never committed
    _write_new(private, secret, mode=0o600)
    try:
        _write_new(public, shown, mode=0o644)
    except InputError:
        private.unlink()
        raise
    return private, public


def public_path(path: Path | str) -> Path:
    """Where the public half of a private key lies.

    >>> public_path("keys/release.pem").as_posix(), public_path("release-2").as_posix()
    ('keys/release.pub', 'release-2.pub')
    """
    private = Path(path)
    return private.with_suffix(".pub") if private.suffix == ".pem" else private.with_name(f"{private.name}.pub")


def load_key(path: Path | str) -> SigningKey:
    """Read a private key file; the file's stem is its name."""
    try:
        pem = Path(path).read_bytes()
    except OSError as error:
        raise InputError("cannot read the signing key", where=path, expected="an ed25519 private key in PEM",
                         found=error.strerror or str(error)) from None
    return parse_private(pem, name=Path(path).stem, where=path)


def parse_private(pem: bytes, *, name: str, where: object) -> SigningKey:
    """A signing key from PEM bytes; anything but an unencrypted ed25519 key is an InputError that quotes nothing."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        found = "something else" if key is None else type(key).__name__
        raise InputError("not a signing key", where=where, expected="an unencrypted ed25519 private key in PEM",
                         found=found)
    return SigningKey(name, CryptoSigner(key))


def parse_public(pem: bytes, *, where: object, keyid: str | None = None) -> SSlibKey:
    """A public key from PEM bytes, under `keyid` or the digest of its material."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key
    from securesystemslib.signer import SSlibKey

    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        hint = "a private key: only its .pub belongs here" if _PRIVATE_MARK.encode() in pem else "something else"
        raise InputError("not a public key", where=where, expected="an ed25519 public key in PEM",
                         found=hint if key is None else type(key).__name__)
    return SSlibKey.from_crypto(key, keyid)


def material_of(key: SSlibKey) -> str:
    """The key itself, in hex: equal for one key under any number of ids."""
    return str(key.keyval["public"]).lower()


def signing_key(path: Path | None, environ: Mapping[str, str], *, folder: Path = DEVELOPMENT_FOLDER) -> SigningKey:
    """The key given by `path`, else by SIGNOFF_KEY (a path or PEM text), else the development key in `folder`."""
    if path is not None:
        return load_key(path)
    given = environ.get(ENVIRONMENT_KEY)
    if given is None:
        return development_key(folder)
    if not given.strip():
        raise InputError("empty signing key", where=ENVIRONMENT_KEY, expected="a path or PEM text")
    if _PRIVATE_MARK in given:
        name = environ.get(f"{ENVIRONMENT_KEY}_NAME", "").strip() or "environment"
        return parse_private(given.encode(), name=name, where=ENVIRONMENT_KEY)
    return load_key(given)


def development_key(folder: Path = DEVELOPMENT_FOLDER) -> SigningKey:
    """The development key of this checkout, made on first use."""
    path = folder / f"{DEVELOPMENT}.pem"
    if not path.exists():
        unlisted(folder)
        keygen(path)
    return load_key(path)


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without the signing key: what a process that runs a candidate is given.

    Every `SIGNOFF_KEY*` goes, and so does any variable that holds a private key or the same path under another name.

    >>> clean_environment({"PATH": "/bin", "SIGNOFF_KEY": "release.pem", "COPY": "release.pem"})
    {'PATH': '/bin'}
    """
    secrets = {environ.get(ENVIRONMENT_KEY, "").strip()} - {""}
    return {name: value for name, value in environ.items()
            if not name.upper().startswith(ENVIRONMENT_KEY) and _PRIVATE_MARK not in value
            and value.strip() not in secrets}


def _new_pair() -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = Ed25519PrivateKey.generate()
    return (key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _write_new(path: Path, data: bytes, *, mode: int) -> None:
    """Create with the final mode from the first byte on: a secret is never readable by others, however briefly."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise InputError("cannot be written", where=path, found=error.strerror or str(error)) from None
