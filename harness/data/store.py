"""Files are written whole or not at all, and named by what they hold.

A reader never sees half a file: bytes go to a neighbour, are forced to disk, and take the name in one step.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from harness.errors import InputError

__all__ = ["atomic_write_bytes", "atomic_write_text", "atomic_writer", "require_file", "sha256_bytes", "sha256_file",
           "sha256_tree", "unlisted"]


def atomic_write_bytes(path: Path | str, data: bytes) -> Path:
    """Write `data` to `path` or leave `path` as it was; missing parent folders are made.

    Returns the path. Raises InputError where the place cannot be written.
    """
    with atomic_writer(path) as stream:
        stream.write(data)
    return Path(path)


def atomic_write_text(path: Path | str, text: str) -> Path:
    """`atomic_write_bytes` of UTF-8 text; line ends are kept as they are on every system."""
    return atomic_write_bytes(path, text.encode("utf-8"))


@contextlib.contextmanager
def atomic_writer(path: Path | str) -> Iterator[BinaryIO]:
    """A binary stream that becomes `path` when its block ends without an error, and vanishes otherwise."""
    target = Path(path)
    aside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        if target.exists():  # a rewritten file keeps its mode
            aside.chmod(stat.S_IMODE(target.stat().st_mode))
        aside.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise InputError("cannot be written", where=target, found=error.strerror or str(error)) from None
    finally:
        with contextlib.suppress(OSError):  # gone already when all went well
            aside.unlink()


def require_file(path: Path | str) -> Path:
    """`path` where a regular file or a folder (which its reader tells) stands there; a pipe would be waited for.

    Raises InputError for a pipe, a device, a socket or a name that no file can have, and OSError where nothing is.
    """
    where = Path(path)
    try:
        mode = where.stat().st_mode
    except ValueError:  # a zero byte
        raise InputError("not a path", where=ascii(str(path)), expected="a name without zero bytes") from None
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        kind = "a pipe" if stat.S_ISFIFO(mode) else "a socket" if stat.S_ISSOCK(mode) else "a device"
        raise InputError("not a regular file", where=where, expected="a file that can be read twice", found=kind)
    return where


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal SHA-256 of bytes.

    >>> sha256_bytes(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path | str) -> str:
    """Hexadecimal SHA-256 of a file's bytes, read in pieces. Raises InputError where it cannot be read."""
    try:
        with require_file(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError("cannot be read", where=path, found=error.strerror or str(error)) from None


def sha256_tree(folder: Path | str) -> dict[str, str]:
    """Digest of every regular file under `folder`: relative POSIX path → hexadecimal SHA-256, in path order.

    A symbolic link or a special file is an error: its digest would vouch for bytes that live elsewhere.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError("not a folder", where=root, expected="a folder")
    digests = {}
    for path in sorted(root.rglob("*"), key=lambda path: path.relative_to(root).as_posix()):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            continue
        if not stat.S_ISREG(mode):
            raise InputError("not a regular file", where=path, expected="files and folders, no links")
        digests[path.relative_to(root).as_posix()] = sha256_file(path)
    return digests


def unlisted(folder: Path | str) -> Path:
    """A folder for what is made again on each machine: made, and kept out of git by an ignore file of its own."""
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("cannot be written", where=place, found=error.strerror or str(error)) from None
    if not (place / ".gitignore").exists():
        atomic_write_text(place / ".gitignore", "*\n")
    return place


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":  # other systems cannot open a folder
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
