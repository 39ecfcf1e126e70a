"""Files of approvals: found beside the manifest, read within bounds, and changed by one process at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from harness.data.store import require_file
from harness.errors import EvidenceError, InputError
from harness.release.approvals import MAX_BYTES, NOTHING_FILED, Filed, approvals_path
from harness.release.checklist import human_items
from harness.release.manifest import Loaded
from harness.release.trust import Trust, development_trust

try:
    import fcntl
except ImportError:  # no such locks on this system: two people approving at once are then the users' to avoid
    fcntl = None  # type: ignore[assignment]

__all__ = ["alone_with", "approvals_beside", "believed_by"]


def approvals_beside(loaded: Loaded, given: Path | None = None) -> Filed:
    """The release's file of approvals, or the one given; no bytes where the manifest asks nobody or none lies there.

    Raises EvidenceError where a file is there, or was given, and cannot be read.
    """
    if not human_items(loaded.manifest.checklist):
        return NOTHING_FILED
    path = given or approvals_path(loaded)
    if given is None and not os.path.lexists(path):
        return Filed(None, path)
    try:
        with require_file(path).open("rb") as stream:
            return Filed(stream.read(MAX_BYTES + 1), path)  # one byte more than is allowed: never a huge file whole
    except (OSError, InputError) as error:
        reason = error.what if isinstance(error, InputError) else error.strerror or str(error)
        raise EvidenceError("cannot be read", where=path, expected="a file of approvals", found=reason) from None


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
