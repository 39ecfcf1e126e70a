"""Strata: rows that are alike in what was known before; sparse ones merged by counts alone, then weighed anew.

A cell is one combination of the columns' values. Cells stand in lexicographic order of the columns as given, the first
column the most important, so that neighbours share their leading columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators._check import Floats, count, labels, numbers, same_length
from harness.estimators.closed import Shape, Support, closed_interval
from harness.estimators.moments import Moments

__all__ = ["PROMISES", "Strata", "merge_sparse", "post_stratified", "quantile_bins", "quantile_edges", "strata_of"]

PROMISES = {"exponential, 40 of 400 rows carry .6 of the weight": (0.027, 0.066)}
"""World: P(low > truth), P(high < truth) of `post_stratified`, nominally .05 each; measured again by `tests/worlds`."""

Codes = NDArray[np.int64]


class Strata(NamedTuple):
    """A partition of n rows.

    Attributes:
        codes: (n,) stratum of each row, from 0.
        keys: One tuple of column values a stratum, ascending: of its first cell, where cells were merged.
        names: How each is told: `de × 3`, or `de × 3 to de × 5` where cells were merged.
        counts: (n_strata,) rows of each, >= 1.

    >>> {name: state.n for name, state in strata_of(["de", "en", "de"]).moments([0.5, 1.0, 0.0]).items()}
    {'de': 2, 'en': 1}
    """

    codes: Codes
    keys: tuple[tuple[Any, ...], ...]
    names: tuple[str, ...]
    counts: Codes

    def moments(self, x: ArrayLike) -> dict[str, Moments]:
        """The accumulator of `x` (n,) in each stratum, by name: what `post_stratified` reads, mergeable.

        Raises:
            InputError: NaN or infinite values, or another length.
        """
        values = numbers(x)
        same_length(x=values, strata=self.codes)
        order = np.argsort(self.codes, kind="stable")
        parts = np.split(values[order], np.cumsum(self.counts)[:-1])
        return {name: Moments.of(part) for name, part in zip(self.names, parts, strict=True)}


def quantile_edges(x: ArrayLike, *, bins: int = 10) -> Floats:
    """Inner edges of equal-mass bins of `x` (n,): distinct order statistics, at most bins - 1 of them, ascending.

    Ties never part: where one value fills several bins they are one. A constant has none. In x's unit; without source.

    Raises:
        InputError: NaN or infinite values, none at all, or bins under 1.

    >>> quantile_edges(range(10), bins=2).tolist()
    [5.0]
    """
    values, wanted = np.sort(numbers(x)), count(bins, "bins", least=1)
    places = -(-len(values) * np.arange(1, wanted) // wanted)
    edges = np.unique(values[np.minimum(places, len(values) - 1)])
    return np.asarray(edges[edges > values[0]], dtype=np.float64)


def quantile_bins(x: ArrayLike, *, bins: int = 10, edges: ArrayLike | None = None) -> Codes:
    """The equal-mass bin (0 upwards) of each of `x` (n,): edges at or below it (a definition, without source).

    Args:
        x: (n,) finite numbers: a confidence, a length, a propensity.
        bins: Bins wanted, >= 1; fewer where values tie.
        edges: (m,) of another sample (`quantile_edges`), so that two samples mean the same by a bin; then `bins` is
            not read.

    Raises:
        InputError: As `quantile_edges`; edges that do not ascend.

    >>> quantile_bins([0.1, 0.2, 0.3, 0.4], bins=2).tolist(), quantile_bins([0.35], edges=[0.3]).tolist()
    ([0, 0, 1, 1], [1])
    """
    values = numbers(x)
    inner = quantile_edges(values, bins=bins) if edges is None else numbers(edges, "edges", least=0)
    if (np.diff(inner) <= 0.0).any():
        raise InputError("not ascending", where="edges", expected="distinct edges, ascending", found=inner.tolist())
    return np.searchsorted(inner, values, side="right").astype(np.int64)


def strata_of(*columns: ArrayLike) -> Strata:
    """The cells of categorical `columns`, each (n,) labels (text or whole numbers); the first is the most important.

    Subclassification of (n,) rows (Cochran, Biometrics 24, 1968).

    Raises:
        InputError: No column, no row, lengths that differ, labels missing or of two kinds.

    >>> cells = strata_of(["de", "en", "de", "en"], [1, 0, 1, 1])
    >>> cells.names, cells.codes.tolist(), cells.counts.tolist()
    (('de × 1', 'en × 0', 'en × 1'), [0, 1, 0, 2], [2, 1, 1])
    """
    if not columns:
        raise InputError("no column", where="columns", expected="at least one column of labels")
    named = {f"columns[{at}]": labels(column, f"columns[{at}]") for at, column in enumerate(columns)}
    same_length(**named)
    if not len(next(iter(named.values()))):
        raise InputError("too few values", where="columns[0]", expected="at least 1", found=0)
    cell = np.zeros(len(next(iter(named.values()))), dtype=np.int64)
    for column in named.values():
        values, code = np.unique(column, return_inverse=True)
        cell = np.unique(cell * len(values) + code, return_inverse=True)[1]
    first, counts = np.unique(cell, return_index=True, return_counts=True)[1:]
    keys = tuple(tuple(column[row].item() for column in named.values()) for row in first)
    return Strata(cell.astype(np.int64), keys, tuple(_told(key) for key in keys), counts.astype(np.int64))


def _told(key: Sequence[object]) -> str:
    return " × ".join(str(part) for part in key)


def merge_sparse(strata: Strata, *, least: int) -> Strata:
    """Strata of at least `least` rows each, merged by counts alone, never by an outcome.

    The rule: the smallest stratum under `least` (of equals the first) joins the neighbour in cell order with which it
    shares more leading columns; of equals the smaller; of equals the earlier. Repeated until none is sparse or one is
    left, which may still be sparse where all rows together are. A definition, without source.

    Raises:
        InputError: A least that is no whole number of at least 1.

    >>> merged = merge_sparse(strata_of(["de", "de", "de", "en", "en"], [1, 1, 2, 1, 1]), least=2)
    >>> merged.names, merged.counts.tolist()
    (('de × 1 to de × 2', 'en × 1'), [3, 2])
    """
    wanted = count(least, "least", least=1)
    groups = [[at] for at in range(len(strata.keys))]
    sizes = strata.counts.tolist()
    while len(groups) > 1 and min(sizes) < wanted:
        at = sizes.index(min(sizes))
        into = min(_neighbours(strata, groups, sizes, at))[-1]
        low = min(at, into)
        groups[low : low + 2] = [groups[low] + groups[low + 1]]
        sizes[low : low + 2] = [sizes[low] + sizes[low + 1]]
    new = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    names = tuple(
        strata.names[group[0]] if len(group) == 1 else f"{strata.names[group[0]]} to {strata.names[group[-1]]}"
        for group in groups
    )
    keys = tuple(strata.keys[group[0]] for group in groups)
    return Strata(new[strata.codes].astype(np.int64), keys, names, np.array(sizes, dtype=np.int64))


def _neighbours(strata: Strata, groups: list[list[int]], sizes: list[int], at: int) -> list[tuple[int, int, int]]:
    """(minus shared leading columns, rows, place) of the groups beside `at`: the least is the one to join."""
    found = []
    for there in (at - 1, at + 1):
        if 0 <= there < len(groups):
            left, right = (groups[there][-1], groups[at][0]) if there < at else (groups[at][-1], groups[there][0])
            found.append((-_shared(strata.keys[left], strata.keys[right]), sizes[there], there))
    return found


def _shared(one: tuple[Any, ...], two: tuple[Any, ...]) -> int:
    """How many leading columns two keys have in common."""
    return next((at for at, (a, b) in enumerate(zip(one, two, strict=True)) if a != b), len(one))


def post_stratified(
    states: Mapping[str, Moments],
    population: Mapping[str, float],
    *,
    confidence: float = 0.9,
    unit: str = "1",
    support: Support = None,
) -> Estimate:
    """The mean that a population of other stratum shares would have: the sum of W_h mean_h (Holt & Smith, JRSS A 1979).

    Its variance is the sum of W_h**2 s_h**2 / n_h, with Welch and Satterthwaite's degrees of freedom and the skew
    correction of `closed`. A stratum where no variation was seen takes the pooled variance, not zero. One weighted
    stratum of a single row leaves the interval infinite (or the support): merge first.

    Args:
        states: The moments of each stratum, as `Strata.moments` or a merged `BySlice` holds them.
        population: Rows or share of each stratum in the population, >= 0, not all 0; a stratum with a weight and
            without rows is refused. Strata with rows and without an entry are refused too: say 0.
        confidence: Two-sided; each end alone holds with (1 + confidence) / 2.
        unit: Of the values.
        support: Least and greatest possible value, if known.

    What is left of skewness stands in `PROMISES`.

    Raises:
        InputError: Strata without a share or weighted ones without rows, by name; shares negative or all 0; confidence
            outside (0, 1).

    >>> cells = strata_of(["de", "de", "en", "en"])
    >>> post_stratified(cells.moments([0.0, 0.5, 0.5, 1.0]), {"de": 3, "en": 1}).value
    0.375
    """
    weights = _weights(states, population)
    used = [name for name in weights if weights[name] > 0.0]
    n, value = sum(states[name].n for name in used), math.fsum(weights[name] * states[name].mean for name in used)
    method = f"post-stratified t, {len(used)} strata"
    if min(states[name].n for name in used) < 2:
        return closed_interval(
            value, math.inf, Shape(), n=n, units=0, confidence=confidence, unit=unit, support=support
        )._replace(method="a stratum under two rows")
    error, shape, units = _spread([(weights[name], states[name]) for name in used])
    return closed_interval(
        value, error, shape, n=n, units=units, confidence=confidence, unit=unit, support=support, method=method
    )


def _weights(states: Mapping[str, Moments], population: Mapping[str, float]) -> dict[str, float]:
    lost = sorted(states.keys() - population.keys())
    if lost:
        raise InputError("stratum without a share", where="population", expected="a number >= 0 each", found=lost[0])
    shares = numbers(list(population.values()), "population", low=0.0)
    total = float(shares.sum())
    if total <= 0.0:
        raise InputError("sums to nothing", where="population", expected="a sum above 0", found=total)
    weights = {name: float(share) / total for name, share in zip(population, shares, strict=True)}
    bare = [name for name, weight in weights.items() if weight > 0.0 and not (name in states and states[name].n)]
    if bare:
        raise InputError("weighted stratum without rows", where="states", expected="at least 1 row", found=bare[0])
    return weights


def _spread(parts: list[tuple[float, Moments]]) -> tuple[float, Shape, float]:
    """Standard error, shape and degrees of freedom + 1 of a weighted sum of independent means."""
    pooled = sum(state.m2 for _, state in parts) / sum(state.n - 1 for _, state in parts)
    each = [(w**2 * (state.variance if state.m2 > 0.0 else pooled) / state.n, state.n - 1) for w, state in parts]
    variance = math.fsum(term for term, _ in each)
    if variance <= 0.0:
        return 0.0, Shape(), float(sum(state.n for _, state in parts) - len(parts) + 1)
    second = math.fsum((w / state.n) ** 2 * state.m2 for w, state in parts)
    third = math.fsum((w / state.n) ** 3 * state.m3 for w, state in parts)
    shape = Shape(third / second**1.5 / 6.0)
    return math.sqrt(variance), shape, variance**2 / math.fsum(term**2 / free for term, free in each) + 1.0
