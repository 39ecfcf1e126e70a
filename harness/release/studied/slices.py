"""Slices that a policy asks of a study: known before anything is served, fitted or written, or told by the gate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from harness.errors import InputError, nearest

if TYPE_CHECKING:
    from harness.release.manifest import Loaded
    from harness.release.policy import Check

__all__ = ["require_slices"]


def require_slices(loaded: Loaded, owns: Callable[[str], bool], known: Callable[[Check], Sequence[str]]) -> None:
    """Refuse a manifest whose rows of a family name a slice that its study will not have.

    Args:
        loaded: The manifest.
        owns: Whether a measure is of the family.
        known: The slices that a check may name beside `all`.

    Raises:
        InputError: The first such slice: by manifest and gate, with the nearest.
    """
    for check in loaded.manifest.checks:
        if check.own_gate is not None or not owns(check.measure):
            continue
        names = ("all", *known(check))
        if check.slice not in names:
            raise InputError("no such slice", where=f"{loaded.path}, gate {check.id}", found=check.slice,
                             expected=f"one of {', '.join(names)}" if len(names) > 1 else "all",
                             hint=nearest(check.slice, names))
