"""Files of approvals: whom they are held to, and changed by one process at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from harness.errors import InputError
from harness.release.approvals import Filed
from harness.release.trust import Trust, development_trust

try:
    import fcntl
except ImportError:  # no such locks on this system: two people approving at once are then the users' to avoid
    fcntl = None  # type: ignore[assignment]

__all__ = ["alone_with", "believed_by"]


def believed_by(beside: Trust | None, filed: Filed) -> Trust | None:
    """Who may approve: the trust file's people; without one this checkout's development key, for integrity alone."""
    return beside if beside is not None or filed.raw is None else development_trust()


@contextlib.contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """Holds the folder of `path` against a second process that adds a line: of two additions, neither is lost."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path.parent, os.O_RDONLY) if fcntl is not None else None
    except OSError as error:
        raise InputError("cannot be written", where=path, found=error.strerror or str(error)) from None
    if handle is None:
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
