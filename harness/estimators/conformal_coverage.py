"""Was the promise kept? The law of observed coverage, tested per slice, and the n at which a fixed band can hold.

After n calibration rows and with rank k, the covered among m new rows follow BetaBinomial(m, k, n + 1 - k) exactly
(Vovk 2012; Angelopoulos & Bates 2023, 3.2): the calibration rows' own luck is in it, which a binomial would forget.
Ties make for more coverage, so that under-coverage is never excused by them. The law holds for thresholds calibrated
within the slice (`mondrian`), not for slices of one common threshold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from harness.errors import InputError
from harness.estimators._check import Floats, count, share
from harness.estimators.conformal import conformal_rank

__all__ = [
    "BAND",
    "SliceCoverage",
    "band_chance",
    "coverage_law",
    "coverage_range",
    "needed_for_band",
    "slice_coverage",
]

BAND = (0.93, 0.97)
"""Observed coverage that checklists ask of a promised .95; `needed_for_band` says when it can be asked."""

MOST = 1 << 22  # rows beyond which a band is not settled by more of them


class SliceCoverage(NamedTuple):
    """How one slice fared.

    Attributes:
        covered: New rows covered.
        rows: New rows.
        calibrated: Calibration rows.
        share: covered / rows; NaN without rows.
        low: Least share that the law allows at the family-wise alpha.
        high: Greatest share that it allows.
        kept: covered is not too low for the promise. Without rows, or with an infinite threshold: False.
        cautious: covered is too high for the promise: the bands are wider than they need be, or scores are tied.
        in_band: share lies within the band; reported beside the law, and no part of it.
        chance: That a sound slice of this size lies within the band.
    """

    covered: int
    rows: int
    calibrated: int
    share: float
    low: float
    high: float
    kept: bool
    cautious: bool
    in_band: bool
    chance: float


def coverage_law(rows: int, calibrated: int, *, coverage: float = 0.95) -> Floats:
    """(rows + 1,) probability of 0, 1, … covered rows after `calibrated` calibration rows.

    BetaBinomial(rows, k, calibrated + 1 - k), k = ceil((calibrated + 1) coverage) (Vovk 2012; Angelopoulos & Bates
    2023).

    Raises:
        InputError: Counts that are negative or not whole, or coverage outside (0, 1).

    >>> coverage_law(1, 19, coverage=0.9).round(3).tolist()  # rank 18 of 20
    [0.1, 0.9]
    """
    from scipy.special import betaln, gammaln

    m, n = count(rows, "rows"), count(calibrated, "calibrated")
    k = conformal_rank(n, coverage)
    hits = np.arange(m + 1, dtype=np.float64)
    if k > n:
        sure: Floats = (hits == m).astype(np.float64)  # an infinite threshold covers everything
        return sure
    ways = gammaln(m + 1.0) - gammaln(hits + 1.0) - gammaln(m - hits + 1.0)
    found: Floats = np.exp(ways + betaln(hits + k, m - hits + n + 1.0 - k) - betaln(k, n + 1.0 - k))
    found /= found.sum()  # betaln's rounding, at millions of rows
    return found


def coverage_range(rows: int, calibrated: int, *, coverage: float = 0.95, alpha: float = 0.05) -> tuple[int, int]:
    """Least and greatest covered rows that the law does not refuse, alpha / 2 on either side.

    Quantiles, in rows, of the `coverage_law` of `rows` new rows after `calibrated` ones (Vovk 2012).

    Raises:
        InputError: Counts that are negative or not whole; coverage or alpha outside (0, 1).

    >>> coverage_range(1000, 1000, coverage=0.95, alpha=0.01)
    (923, 973)
    """
    tail, law = share(alpha, "alpha") / 2.0, coverage_law(rows, calibrated, coverage=coverage)
    below, above = np.cumsum(law), np.cumsum(law[::-1])
    return int(np.argmax(below > tail)), len(law) - 1 - int(np.argmax(above > tail))


def slice_coverage(
    slices: Mapping[str, tuple[int, int, int]],
    *,
    coverage: float = 0.95,
    alpha: float = 0.05,
    band: tuple[float, float] = BAND,
) -> dict[str, SliceCoverage]:
    """Coverage of each slice against its law, all slices together at a false-alarm rate of at most `alpha`.

    Each by `coverage_range` at alpha / slices (Vovk 2012; Dunn 1961).

    Args:
        slices: By name, (covered, rows, calibrated): whole numbers, covered <= rows, each slice calibrated by itself.
        coverage: Promised.
        alpha: Chance, at most, that any of these slices is refused though all are sound: Bonferroni, alpha / slices
            each, of which one half on either side.
        band: Reported beside.

    Raises:
        InputError: Counts that are negative or not whole, more covered than rows, coverage or alpha outside (0, 1), a
            band whose ends are out of order.

    >>> found = slice_coverage({"cold": (945, 1000, 1000), "warm": (880, 1000, 1000), "new": (40, 40, 8)})
    >>> [one.kept for one in found.values()], found["new"].chance
    ([True, False, False], 0.0)
    """
    each, within = share(alpha, "alpha") / max(1, len(slices)), _band(band)
    return {name: _slice(counts, coverage, each, within) for name, counts in slices.items()}


def _slice(counts: tuple[int, int, int], coverage: float, alpha: float, band: tuple[float, float]) -> SliceCoverage:
    try:
        covered, rows, calibrated = counts
    except (TypeError, ValueError):
        expected = "(covered, rows, calibrated)"
        raise InputError("not three counts", where="slices", expected=expected, found=counts) from None
    m, n = count(rows, "rows"), count(calibrated, "calibrated")
    hits = count(covered, "covered", most=m)
    low, high = coverage_range(m, n, coverage=coverage, alpha=alpha)
    found = hits / m if m else float("nan")
    promised = bool(m) and conformal_rank(n, coverage) <= n  # an infinite threshold keeps nothing worth having
    return SliceCoverage(
        hits,
        m,
        n,
        found,
        low / max(m, 1),
        high / max(m, 1),
        kept=promised and hits >= low,
        cautious=promised and hits > high,
        in_band=band[0] <= found <= band[1],
        chance=band_chance(m, n, coverage=coverage, band=band) if m else 0.0,
    )


def band_chance(rows: int, calibrated: int, *, coverage: float = 0.95, band: tuple[float, float] = BAND) -> float:
    """Probability that a sound slice's observed coverage lies within `band`, ends included.

    The `coverage_law` summed over `rows` x `band`, a share of rows (Vovk 2012).

    Raises:
        InputError: No row, counts that are not whole, coverage outside (0, 1), a band out of order or outside [0, 1].

    >>> round(band_chance(200, 200), 2), round(band_chance(1600, 1600), 2)
    (0.71, 0.99)
    """
    low, high = _band(band)
    law = coverage_law(count(rows, "rows", least=1), calibrated, coverage=coverage)
    seen = np.arange(len(law)) / rows
    return float(law[(seen >= low - 1e-12) & (seen <= high + 1e-12)].sum())


def needed_for_band(
    *, slices: int = 1, chance: float = 0.99, coverage: float = 0.95, band: tuple[float, float] = BAND
) -> int | None:
    """Calibration rows, and as many new ones, per slice for all sound slices to lie in `band` with this chance.

    Slices calibrated apart are independent, so that each needs chance ** (1 / slices). None where the band does not
    hold the promise, or no number of rows will do. Whole rows make the edge ragged by a few.

    Raises:
        InputError: Under one slice, chance outside (0, 1), or a band that leaves [0, 1].

    >>> 1300 < needed_for_band() < 1800
    True
    """
    each = share(chance, "chance") ** (1.0 / count(slices, "slices", least=1))
    low, high = _band(band)
    if not low < share(coverage, "coverage") < high:
        return None

    def enough(n: int) -> bool:
        return bool(band_chance(n, n, coverage=coverage, band=band) >= each)

    most = 1
    while not enough(most):
        most *= 2
        if most > MOST:
            return None
    least = most // 2
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if enough(middle) else (middle, most)
    return most


def _band(band: tuple[float, float]) -> tuple[float, float]:
    """Two shares in order."""
    try:
        low, high = (share(end, "band", closed=True) for end in band)
    except (TypeError, ValueError):
        raise InputError("not two shares", where="band", expected="(low, high)", found=band) from None
    if not low <= high:
        raise InputError("ends out of order", where="band", expected="low <= high", found=band)
    return low, high
