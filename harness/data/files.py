"""Bytes of a file, unpacked where it is compressed: by what it holds, never by what it is called."""

from __future__ import annotations

import bz2
import gzip
import lzma
import mmap
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.data.store import require_file
from harness.errors import InputError, nearest

__all__ = ["read_bytes", "read_text"]

_UNPACK: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\x00": lzma.decompress,
}


def read_bytes(path: Path | str) -> bytes | mmap.mmap:
    """A file's content: mapped where it is plain, unpacked where it is gzip, bzip2 or xz.

    Raises InputError for a file that is missing, a folder, a pipe or device, empty, unreadable, or whose packing is
    cut short.
    """
    where = Path(path)
    try:
        with require_file(where).open("rb") as stream:
            head = stream.read(6)
            if not head:
                raise InputError("empty file", where=where, expected="at least one row")
            unpack = next((unpack for magic, unpack in _UNPACK.items() if head.startswith(magic)), None)
            if unpack is None:
                return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
            return unpack(head + stream.read())
    except FileNotFoundError:
        raise InputError("no such file", where=where, hint=_neighbour(where)) from None
    except (EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise InputError("compressed file is cut short or damaged", where=where, found=str(error)) from None
    except OSError as error:
        raise InputError("cannot be read", where=where, found=error.strerror or str(error)) from None


def read_text(path: Path | str) -> str:
    """A file's content as UTF-8 text (a byte order mark is dropped); InputError names the row that is none."""
    data = bytes(read_bytes(path))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("not UTF-8 text", where=path, row=data.count(b"\n", 0, error.start) + 1, expected="UTF-8",
                         found=data[error.start : error.start + 20]) from None


def _neighbour(path: Path) -> str | None:
    try:
        return nearest(path.name, [entry.name for entry in path.parent.iterdir()])
    except OSError:
        return None
