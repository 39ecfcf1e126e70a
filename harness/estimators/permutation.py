"""Permutation tests within strata: exposures change places among rows that are alike, and nowhere else.

Exact at every n for independent rows: p = (1 + hits) / (1 + draws) (Phipson & Smyth 2010), never 0. Draws come in
blocks of a fixed size, each with a seed of its own, so that the number of threads changes no digit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.estimators._check import Floats, count, generator, numbers, same_length
from harness.estimators.strata import Strata

__all__ = ["StratumTests", "permutation_tests"]

BLOCK = 256  # draws a seed
CELLS = 1_000_000  # shuffled at a time, 8 MB


class StratumTests(NamedTuple):
    """One permutation test a stratum, and one over all.

    Attributes:
        names: (n_strata,) as in `Strata`.
        rows: (n_strata,) rows of each.
        p: (n_strata,) two-sided p-values; 1 where exposure or outcome does not vary.
        least_p: (n_strata,) the least p that draws and rows allow: 1 where nothing can be learnt.
        pooled_p: Of the covariances added over strata; NaN where no stratum is informative.
        draws: Permutations drawn.

    >>> import numpy as np
    >>> from harness.estimators.strata import strata_of
    >>> cells = strata_of(["de"] * 8 + ["en"] * 8)
    >>> found = permutation_tests([0, 1] * 8, [0] * 8 + [0, 1] * 4, cells, rng=np.random.default_rng(1), draws=99)
    >>> found.informative.tolist()  # nobody is exposed in "de"
    [False, True]
    """

    names: tuple[str, ...]
    rows: NDArray[np.int64]
    p: Floats
    least_p: Floats
    pooled_p: float
    draws: int

    @property
    def informative(self) -> NDArray[np.bool_]:
        """(n_strata,) where both exposure and outcome vary."""
        return self.least_p < 1.0


class _Stratum(NamedTuple):
    """Deviations from the stratum's means, and what a draw must reach to be a hit."""

    outcome: Floats
    exposure: Floats
    seen: float
    slack: float
    counts: tuple[int, int, int] | None  # outcomes of 1, of 0, rows exposed: where both are 0 and 1


def permutation_tests(
    outcome: ArrayLike,
    exposure: ArrayLike,
    strata: Strata,
    *,
    rng: np.random.Generator,
    draws: int = 9999,
    threads: int = 1,
) -> StratumTests:
    """Test in each stratum, and pooled, that the outcome does not go with the exposure.

    The statistic is the covariance |sum (y - mean y)(e - mean e)| within the stratum; for two binary columns its draws
    are hypergeometric (Fisher's exact margins), else rows are shuffled. p = (1 + hits) / (1 + draws) (Phipson & Smyth
    2010).

    Args:
        outcome: (n,) finite numbers, independent rows: first sum up what belongs to one user.
        exposure: (n,) finite numbers; 0 and 1 for yes and no.
        strata: Of the same rows, made of what was known before the exposure.
        rng: Gives the seeds of all blocks at once.
        draws: At least 99.
        threads: At least 1; any number gives the same result.

    Raises:
        InputError: NaN or infinite numbers, lengths that differ, under 99 draws or under one thread.

    >>> import numpy as np
    >>> from harness.estimators.strata import strata_of
    >>> cells = strata_of(["de"] * 40 + ["en"] * 40)
    >>> found = permutation_tests([0, 1] * 40, [0, 1] * 20 + [0, 0, 1, 1] * 10, cells, rng=np.random.default_rng(1))
    >>> bool(found.p[0] < 0.001), bool(found.p[1] > 0.5)
    (True, True)
    """
    y, e = numbers(outcome, "outcome"), numbers(exposure, "exposure")
    same_length(outcome=y, exposure=e, strata=strata.codes)
    wanted, workers = count(draws, "draws", least=99), count(threads, "threads", least=1)
    order = np.argsort(strata.codes, kind="stable")
    cuts = np.cumsum(strata.counts)[:-1]
    parts = [_stratum(a, b) for a, b in zip(np.split(y[order], cuts), np.split(e[order], cuts), strict=True)]
    hits, pooled = _hits(parts, wanted, workers, generator(rng))
    least = np.array([_least(part, wanted) for part in parts])
    p = np.where(least < 1.0, (1.0 + hits) / (1.0 + wanted), 1.0)
    over_all = (1.0 + pooled) / (1.0 + wanted) if (least < 1.0).any() else math.nan
    return StratumTests(strata.names, strata.counts, p, least, over_all, wanted)


def _stratum(y: Floats, e: Floats) -> _Stratum:
    binary = all(np.isin(column, (0.0, 1.0)).all() for column in (y, e))
    counts = (int(y.sum()), int(len(y) - y.sum()), int(e.sum())) if binary else None
    outcome, exposure = y - y.mean(), e - e.mean()
    slack = 1e-9 * math.sqrt(float(outcome @ outcome) * float(exposure @ exposure))
    return _Stratum(outcome, exposure, float(outcome @ exposure), slack, counts)


def _varies(column: Floats) -> bool:
    return len(column) > 1 and float(np.ptp(column)) > 0.0


def _least(part: _Stratum, draws: int) -> float:
    """The least p that can come out, from the draws and from the number of distinct exchanges (of two values)."""
    from scipy.special import gammaln

    if not (_varies(part.outcome) and _varies(part.exposure)):
        return 1.0
    ways = [
        gammaln(len(column) + 1.0) - gammaln(np.unique(column, return_counts=True)[1] + 1.0).sum()
        for column in (part.outcome, part.exposure)
    ]
    return max(1.0 / (1.0 + draws), math.exp(-min(ways)))


def _hits(parts: Sequence[_Stratum], draws: int, threads: int, rng: np.random.Generator) -> tuple[Floats, float]:
    """Draws at least as far out as what was seen, in each stratum and pooled."""
    sizes = [min(BLOCK, draws - start) for start in range(0, draws, BLOCK)]
    seeds = rng.integers(0, 2**63 - 1, size=len(sizes))

    def block(seed: int, size: int) -> NDArray[np.int64]:
        return _block(parts, size, np.random.default_rng(seed))

    if threads == 1:
        found = [block(int(seed), size) for seed, size in zip(seeds, sizes, strict=True)]
    else:
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(block, seeds.tolist(), sizes))
    total = np.sum(found, axis=0)
    return total[:-1].astype(np.float64), float(total[-1])


def _block(parts: Sequence[_Stratum], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Hits of `size` draws: one number a stratum, and last the pooled one."""
    hits, pooled = np.zeros(len(parts) + 1, dtype=np.int64), np.zeros(size)
    for at, part in enumerate(parts):
        if _varies(part.outcome) and _varies(part.exposure):
            drawn = _drawn(part, size, rng)
            pooled += drawn
            hits[at] = int((np.abs(drawn) >= abs(part.seen) - part.slack).sum())
    seen, slack = sum(part.seen for part in parts), sum(part.slack for part in parts)
    hits[-1] = int((np.abs(pooled) >= abs(seen) - slack).sum())
    return hits


def _drawn(part: _Stratum, size: int, rng: np.random.Generator) -> Floats:
    """(size,) covariances under exchange."""
    if part.counts:
        good, bad, exposed = part.counts
        drawn = rng.hypergeometric(good, bad, exposed, size=size)
        return np.asarray(drawn - exposed * good / (good + bad), dtype=np.float64)
    at_once = max(1, CELLS // len(part.outcome))
    chunks = [min(at_once, size - start) for start in range(0, size, at_once)]
    return np.concatenate([rng.permuted(np.tile(part.exposure, (rows, 1)), axis=1) @ part.outcome for rows in chunks])
