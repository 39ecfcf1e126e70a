"""Moments in order: what is signed, approved or verified may not come before what it speaks of, clocks' skew apart."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

from harness.errors import EvidenceError

__all__ = ["SKEW", "in_order"]

SKEW = timedelta(minutes=5)


def in_order(*moments: tuple[str, datetime], where: object) -> None:
    """Named moments follow each other, within the clocks' skew. Raises EvidenceError naming the first that does not.

    >>> from datetime import UTC
    >>> noon = datetime(2025, 3, 1, 12, tzinfo=UTC)
    >>> in_order(("measured", noon + timedelta(minutes=4)), ("signed", noon), where="bundle")
    """
    for (name, earlier), (then, later) in pairwise(moments):
        if earlier > later + SKEW:
            raise EvidenceError("from the future", where=where, expected=f"{name} before {then} ({later.isoformat()})",
                                found=earlier.isoformat())
