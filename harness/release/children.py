"""Child processes that do not outlive their parent, and a parent that its children cannot look into.

Both are services of the Linux kernel; elsewhere they do nothing, and only separate machines keep things apart.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable

__all__ = ["dies_with_parent", "hide_from_children"]

_SET_PDEATHSIG, _SET_DUMPABLE = 1, 4


def dies_with_parent() -> Callable[[], None] | None:
    """What to run in a new child (`preexec_fn`) so that the kernel ends it when this process ends, however it ends."""
    libc = _libc()
    if libc is None:
        return None

    def ask() -> None:
        libc.prctl(_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)

    return ask


def hide_from_children() -> None:
    """Keep this process's environment and memory from other processes of the same user (root sees all the same)."""
    libc = _libc()
    if libc is not None:
        libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def _libc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        return ctypes.CDLL(None, use_errno=True)
    except OSError:
        return None
