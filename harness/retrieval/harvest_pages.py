"""A file's pages in memory: thrown out, and looked for, so that cold means cold.

The kernel keeps what it has read; a file that is opened again is warm. `drop` asks for its pages to go and counts those
that stayed: on a file system in memory, or where another process has the file mapped, they stay.
"""

from __future__ import annotations

import ctypes
import gc
import mmap
import os
from pathlib import Path

import numpy as np

from harness.data.store import require_file
from harness.errors import InputError

__all__ = ["drop", "resident"]


def drop(path: Path) -> float | None:
    """Throw the file's pages out of memory; the share that is still there after, None where that cannot be told.

    A mapping that the process itself still holds keeps its pages: let go of the index first.

    Raises:
        InputError: The file cannot be read.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as held:
    ...     _ = held.write(bytes(9000))
    ...     held.flush()
    ...     drop(Path(held.name)) in (0.0, 1.0, None)  # gone, kept by a file system in memory, or cannot be told
    True
    """
    if not hasattr(os, "posix_fadvise"):
        return None
    left = _dropped(path)
    if left:  # an index that nobody holds any more may still wait for the collector, with its map
        gc.collect()
        left = _dropped(path)
    return left


def _dropped(path: Path) -> float | None:
    try:
        handle = os.open(require_file(path), os.O_RDONLY)
        try:
            os.fsync(handle)  # a page not yet written cannot go
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)
    except OSError as error:
        raise InputError("cannot be read", where=path, found=error.strerror or str(error)) from None
    return resident(path)


def resident(path: Path) -> float | None:
    """Share of the file's pages that lie in memory, by mincore(2) on a fresh map; None where that cannot be told.

    Raises:
        InputError: The file cannot be read, or is empty.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as held:
    ...     _ = held.write(bytes(9000))
    ...     held.flush()
    ...     resident(Path(held.name)) in (1.0, None)
    True
    """
    try:
        with require_file(path).open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if not size:
                raise InputError("no pages to look for", where=path, expected="a file that is not empty")
            # A private map, so that ctypes may take its address; nothing is written to it.
            with mmap.mmap(stream.fileno(), size, access=mmap.ACCESS_COPY) as mapped:
                return _counted(mapped, size)
    except OSError as error:
        raise InputError("cannot be read", where=path, found=error.strerror or str(error)) from None


def _counted(mapped: mmap.mmap, size: int) -> float | None:
    try:
        mincore = ctypes.CDLL(None, use_errno=True).mincore
    except (AttributeError, OSError, TypeError):  # not a POSIX system
        return None
    states = np.zeros(-(-size // mmap.PAGESIZE), dtype=np.uint8)
    first = ctypes.c_char.from_buffer(mapped)
    failed = mincore(ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(size),
                     ctypes.c_void_p(states.ctypes.data))
    del first  # the map cannot be closed while its address is held
    return None if failed else float((states & 1).mean())
