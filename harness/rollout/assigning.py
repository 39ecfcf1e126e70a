"""Which arm a unit is served by: a keyed hash, so that it needs no memory and nobody can choose.

A unit (a session, a user's pseudonym) falls on a point of [0, 1) that depends on the key and the unit alone. It gets
the candidate where that point lies below the percent: raising the percent moves nobody out of the canary, a restart
moves nobody at all, and another key (another experiment) draws anew.
"""

from __future__ import annotations

import hashlib
import hmac
import math

from harness.errors import InputError
from harness.rollout.shapes import Assignment

__all__ = ["assigned", "experiment_key", "point"]

_BITS = 53  # what a float holds exactly: 100 % is everybody, since no point rounds up to 1
_POINTS = float(1 << _BITS)


def assigned(unit: str, *, key: bytes, percent: float) -> Assignment:
    """The arm of a unit at `percent` of traffic for the candidate, in [0, 100].

    Raises InputError for an empty unit, an empty key, or a percent outside [0, 100].

    >>> assigned("session-1", key=b"k", percent=0.0), assigned("session-1", key=b"k", percent=100.0)
    ('stable', 'candidate')
    """
    if not 0.0 <= percent <= 100.0 or math.isnan(percent):
        raise InputError("not a share of traffic", where="percent", expected="in [0, 100]", found=percent)
    return "candidate" if 100.0 * point(unit, key=key) < percent else "stable"


def point(unit: str, *, key: bytes) -> float:
    """Where a unit falls in [0, 1): the first 53 bits of HMAC-SHA256(key, unit), RFC 2104.

    Raises InputError for an empty unit or key.

    >>> round(point("session-1", key=b"k"), 6)
    0.616361
    """
    if not unit or not key:
        raise InputError("nobody to assign" if not unit else "no key to assign by", where="unit" if not unit else "key",
                         expected="something that tells one unit or experiment from another")
    mac = hmac.new(key, unit.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()
    return (int.from_bytes(mac[:8], "big") >> (64 - _BITS)) / _POINTS


def experiment_key(environment: str, candidate: str, *, secret: bytes = b"") -> bytes:
    """The key of one candidate's rollout in one environment: the same after a restart, another for another candidate.

    Args:
        environment: `prod`, …
        candidate: Digest of the candidate.
        secret: What keeps outsiders from computing who is in the canary; without it the assignment is public.

    >>> experiment_key("prod", "ab") == experiment_key("prod", "ab") != experiment_key("prod", "cd")
    True
    """
    return hmac.new(secret or b"signoff", f"assignment\0{environment}\0{candidate}".encode(), hashlib.sha256).digest()
