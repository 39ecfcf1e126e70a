"""Figures of perturbed queries: means by cluster, and two ways in which the signs of differences can hold.

Query by query, of the pairs that differ by `MATERIAL` on both texts, how many keep their sign (`signs_of`); and as a
whole, over which share of resampled modules the mean difference keeps its own (`stability_of`): whether one would
decide the same on the perturbed texts.
"""

from __future__ import annotations

import numpy as np

from harness.estimate import Estimate
from harness.estimators.intervals import mean_interval
from harness.estimators.proportions import clopper_pearson
from harness.records import Floats, Ids
from harness.release.observed import Bools
from harness.release.studied.stress_rows import StressObserved

__all__ = ["MATERIAL", "RESAMPLES", "Signs", "mean_of", "signs_of", "stability_of"]

MATERIAL = 0.1  # nDCG@10: what the search for regressions calls a find
RESAMPLES = 2000


class Signs:
    """Pairs of differences, plain and perturbed, by their signs."""

    def __init__(self, plain: Floats, stressed: Floats, *, least: float) -> None:
        """Take (n,) differences; those under `least` on either side have no sign.

        >>> signs = Signs(np.array([0.5, -0.5, 0.2]), np.array([0.4, 0.1, 0.0]), least=0.05)
        >>> signs.both.tolist(), signs.agree.tolist()
        ([True, True, False], [True, False])
        """
        self._one, self._two = (np.where(np.abs(x) >= least, np.sign(x), 0.0) for x in (plain, stressed))
        self.both: Bools = np.asarray((self._one != 0.0) & (self._two != 0.0))
        self.agree: Bools = np.asarray(self._one == self._two)[self.both]

    @property
    def chance(self) -> float:
        """The share that would agree if perturbed texts were dealt out to queries at random; NaN where none moved."""
        (up, down), (rise, fall) = (((x > 0).mean(), (x < 0).mean()) if len(x) else (0.0, 0.0)
                                    for x in (self._one, self._two))
        moved = (up + down) * (rise + fall)
        return float((up * rise + down * fall) / moved) if moved else np.nan


def mean_of(values: Floats, clusters: Ids, *, confidence: float, signed: bool) -> Estimate:
    """Mean of (n,) values with the interval of clusters; `signed` values lie in [-1, 1], others in [0, 1].

    Fewer than two values give no interval: NaN, which passes nothing.

    >>> mean_of(np.zeros(1), np.array(["m"], dtype=object), confidence=0.9, signed=True).n
    1
    """
    support = (-1.0 if signed else 0.0, 1.0)
    if len(values) < 2:
        return Estimate(np.nan, *support, len(values), confidence, "too few rows")
    return mean_interval(values, clusters=clusters, confidence=confidence, support=support)


def signs_of(record: StressObserved, rows: Bools, *, confidence: float) -> Estimate:
    """Sign consistency of some rows: the wider of the interval of clusters and Clopper and Pearson's, at each end."""
    plain, stressed = (one[rows] for one in record.deltas)
    signs = Signs(plain, stressed, least=MATERIAL)
    exact = clopper_pearson(int(signs.agree.sum()), len(signs.agree), confidence=confidence)
    if exact.n < 2:
        return exact
    wide = mean_of(signs.agree.astype(np.float64), record.clusters[rows][signs.both], confidence=confidence,
                   signed=False)
    return exact._replace(low=min(exact.low, wide.low), high=max(exact.high, wide.high),
                          method="Clopper-Pearson, clusters")


def stability_of(record: StressObserved, rows: Bools, *, confidence: float, rng: np.random.Generator) -> Estimate:
    """Share of resamples of the clusters on which the mean difference has one sign on both texts.

    The interval is of the resampling alone (Clopper and Pearson's over `RESAMPLES` draws); n counts the rows. Where no
    row differs on one of the texts there is no sign to keep: NaN.

    >>> from fixtures.stressed import stressed_of
    >>> record = stressed_of(queries=60)
    >>> stability_of(record, record.rows("typo"), confidence=0.9, rng=np.random.default_rng(1)).value
    1.0
    """
    plain, stressed = (one[rows] for one in record.deltas)
    if not plain.any() or not stressed.any():
        return Estimate(np.nan, 0.0, 1.0, len(plain), confidence, "no difference")
    names, code = np.unique(record.clusters[rows].astype(str), return_inverse=True)
    drawn = rng.multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=RESAMPLES)
    one, two = (np.sign(drawn @ np.bincount(code, values, minlength=len(names))) for values in (plain, stressed))
    same = int(((one == two) & (one != 0.0)).sum())
    return clopper_pearson(same, RESAMPLES, confidence=confidence)._replace(n=len(plain), method="resampled clusters")
