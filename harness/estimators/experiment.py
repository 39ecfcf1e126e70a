"""Who is in which arm, and whether the arms came out as planned."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError
from harness.estimators._check import Floats, labels, numbers

__all__ = ["assign", "hashed_shares", "ratio_mismatch"]

BITS = 53  # what a float64 in [0, 1) holds exactly


def hashed_shares(units: ArrayLike, *, salt: str) -> Floats:
    """A number in [0, 1) for each of `units` (n,), by BLAKE2b keyed with `salt`: the same at each call and machine.

    Uniform, and independent across salts, as far as a keyed hash is a random function (RFC 7693). Whole numbers hash as
    their decimal text, so that 7 and "7" are one unit. A hash in place of a stored draw: Kohavi et al., DMKD 18, 2009.

    Args:
        units: (n,) labels, all text or all whole numbers.
        salt: 1 to 64 bytes of UTF-8: one per experiment, else the same users share a fate in each.

    Raises:
        InputError: Labels that are missing or of two kinds; a salt that is no text of 1 to 64 bytes.

    >>> hashed_shares(["ann", "bob"], salt="gate 40").round(3).tolist()
    [0.085, 0.263]
    """
    names = labels(units, "units")
    key = str(salt).encode()
    if not isinstance(salt, str) or not 1 <= len(key) <= hashlib.blake2b.MAX_KEY_SIZE:
        raise InputError("no key", where="salt", expected="text of 1 to 64 bytes", found=salt)
    base = hashlib.blake2b(key=key, digest_size=8)
    return np.array([_share(base, str(name)) for name in names.tolist()], dtype=np.float64)


def _share(base: hashlib.blake2b, name: str) -> float:
    found = base.copy()
    found.update(name.encode())
    return math.ldexp(int.from_bytes(found.digest(), "big") >> (64 - BITS), -BITS)


def assign(units: ArrayLike, *, salt: str, shares: ArrayLike = (0.5, 0.5)) -> NDArray[np.int64]:
    """The arm of each of `units` (n,), from 0: by `hashed_shares`, cut at the running sums of `shares` (arms,).

    A unit keeps its arm while the shares stay; of two arms, the one whose share grows loses none. After Kohavi et al.
    2009; `units` are labels, `shares` parts of 1.

    Raises:
        InputError: As `hashed_shares`; shares under 1e-9, under two of them, or not summing to 1.

    >>> assign(["ann", "bob"], salt="gate 40", shares=[0.1, 0.9]).tolist()
    [0, 1]
    """
    cuts = np.cumsum(_planned(shares))[:-1]
    return np.searchsorted(cuts, hashed_shares(units, salt=salt), side="right").astype(np.int64)


def ratio_mismatch(counts: ArrayLike, shares: ArrayLike | None = None) -> float:
    """P of Pearson's chi-squared that `counts` (arms,) of units fell by `shares`: for one look, at the end.

    Customary alarm at .001. Read daily for 14 days it alarms .007 of the time: then take
    `sequential_rates.ratio_process`. Under 5 expected units in an arm the law is rough, and this refuses.

    The statistic is the sum of (count - expected)**2 / expected (Pearson 1900); as a check of arms: Fabijan et al., KDD
    2019.

    Args:
        counts: (arms,) whole numbers >= 0 of distinct units.
        shares: (arms,) planned, above 0, summing to 1; None is an even split.

    Raises:
        InputError: Counts that are negative or not whole, shares that do not sum to 1 or are of another length, under 5
            expected units in an arm.

    >>> round(ratio_mismatch([44_700, 45_489]), 5)
    0.00861
    """
    from scipy.special import chdtrc

    seen = numbers(counts, "counts", low=0.0, least=2)
    if (seen != np.floor(seen)).any():
        index = int(np.argmax(seen != np.floor(seen)))
        raise InputError(f"index {index} is not whole", where="counts", expected="counts", found=float(seen[index]))
    planned = np.full(len(seen), 1.0 / len(seen)) if shares is None else _planned(shares)
    if len(planned) != len(seen):
        raise InputError("lengths differ", where="shares", expected=f"{len(seen)} as in counts", found=len(planned))
    expected = planned * seen.sum()
    if expected.min() < 5.0:
        index = int(np.argmin(expected))
        raise InputError(f"index {index} is too small", where="counts", expected="5 expected units in each arm",
                         found=float(expected[index]))  # fmt: skip
    return float(chdtrc(len(seen) - 1, float(((seen - expected) ** 2 / expected).sum())))


def _planned(shares: ArrayLike) -> Floats:
    planned = numbers(shares, "shares", low=1e-9, high=1.0, least=2)
    if abs(float(planned.sum()) - 1.0) > 1e-9:
        raise InputError("not shares", where="shares", expected="a sum of 1", found=float(planned.sum()))
    return planned
