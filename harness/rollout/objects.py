"""Bytes by their digest: what backups are made of. Equal files are kept once, however many backups name them."""

from __future__ import annotations

import shutil
from pathlib import Path

from harness.data.store import atomic_write_bytes, atomic_writer, sha256_bytes, sha256_file
from harness.errors import EvidenceError, InputError

__all__ = ["Objects"]


class Objects:
    """A folder of objects: `ab/abcdef…`, each named by the sha256 of its bytes, written whole or not at all.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     kept = Objects(Path(folder))
    ...     digest = kept.add_bytes(b"chunks")
    ...     kept.read(digest), kept.add_bytes(b"chunks") == digest
    (b'chunks', True)
    """

    def __init__(self, root: Path) -> None:
        """Objects below `root`."""
        self.root = root

    def path(self, digest: str) -> Path:
        """Where an object lies, or would."""
        return self.root / digest[:2] / digest

    def add_bytes(self, raw: bytes) -> str:
        """Keep bytes; returns their digest."""
        digest = sha256_bytes(raw)
        if not self.good(digest):
            atomic_write_bytes(self.path(digest), raw)
        return digest

    def add_file(self, source: Path, digest: str) -> int:
        """Keep a file that must have this digest; returns its size. Raises EvidenceError where it has another."""
        target = self.path(digest)
        if not self.good(digest):
            try:
                with source.open("rb") as stream, atomic_writer(target) as aside:
                    shutil.copyfileobj(stream, aside)
            except OSError as error:
                raise InputError("cannot be read", where=source, found=error.strerror or str(error)) from None
            if not self.good(digest):
                target.unlink()
                raise EvidenceError("changed since it was admitted", where=source, expected=digest,
                                    found="other bytes (signoff backup restore brings them back)")
        return target.stat().st_size

    def good(self, digest: str) -> bool:
        """Whether an object is there, with the bytes that its name says."""
        path = self.path(digest)
        return path.is_file() and sha256_file(path) == digest

    def read(self, digest: str) -> bytes:
        """An object's bytes. Raises EvidenceError where it is missing or damaged."""
        path = self.path(digest)
        try:
            raw = path.read_bytes()
        except OSError as error:
            raise EvidenceError("a part of the backup is missing", where=path, expected=digest,
                                found=error.strerror or str(error)) from None
        if sha256_bytes(raw) != digest:
            raise EvidenceError("a part of the backup is damaged", where=path, expected=digest, found=sha256_bytes(raw))
        return raw
