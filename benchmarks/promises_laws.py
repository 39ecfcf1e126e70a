"""Laws: what holds in every world, as the residue of one. States merge, closed forms meet their literal definitions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from promises_worlds import Figure, Rng, Row, law
from scipy.stats import binom

from harness.estimators.closed import Shape, abc_ends, closed_interval, effective_units, ratio_shape
from harness.estimators.conformal import conformal_rank
from harness.estimators.counterfactual import importance_weights, logged_rows
from harness.estimators.logged import LoggedRows
from harness.estimators.moments import ClusterMoments, Moments
from harness.estimators.overlap import check_state, check_weights
from harness.estimators.psis import kappa_limit, pareto_tail, tail_of, tail_rows
from harness.estimators.quantiles import quantile_ranks
from harness.estimators.sketch import LatencySketch
from harness.estimators.slices import BySlice
from harness.estimators.strata import merge_sparse, quantile_bins, quantile_edges, strata_of
from harness.estimators.tally import Tally
from harness.estimators.weighted import MassMoments, WeightedMoments
from harness.estimators.weights import TopWeights

MERGES = "ten parts merged in any order are the whole"
N = 10_000


def parts(rng: Rng, *columns: Any) -> list[list[Any]]:
    """The columns cut into ten parts, in random order."""
    cut = [np.array_split(column, 10) for column in columns]
    return [[column[at] for column in cut] for at in rng.permutation(10)]


def merged(rng: Rng, make: Callable[..., Any], *columns: Any) -> tuple[Any, Any]:
    """The state of all rows at once, and that of ten parts."""
    first, *rest = (make(*part) for part in parts(rng, *columns))
    for state in rest:
        first = first.merge(state)
    return make(*columns), first


def apart(one: tuple[float, ...], two: tuple[float, ...]) -> float:
    """The greatest relative distance of two lists of numbers."""
    return max(abs(a - b) / max(1.0, abs(a)) for a, b in zip(one, two, strict=True))


def ends(state: Any) -> tuple[float, float, float]:
    found = state.estimate()
    return found.value, found.low, found.high


def users(rng: Rng) -> Any:
    return rng.integers(0, 300, N)


def weights(rng: Rng) -> Any:
    return rng.gamma(0.5, 2.0, N)


def logs(rng: Rng) -> float:
    p = rng.uniform(0.1, 1.0, N)
    whole, other = merged(rng, LoggedRows.of, rng.integers(0, 2, N), p, p * rng.random(N))
    one, two = whole.audit(), other.audit()
    return apart((*one.snips[:3], *one.ips[:3], one.check.ess_share, one.check.tail.kappa),
                 (*two.snips[:3], *two.ips[:3], two.check.ess_share, two.check.tail.kappa))  # fmt: skip


def tops(rng: Rng) -> float:
    whole, other = merged(rng, lambda w: TopWeights.of(w, keep=100), weights(rng))
    same = apart((whole.total, whole.squares), (other.total, other.squares))
    return max(same, float(np.abs(whole.largest - other.largest).max()))


def slices(rng: Rng) -> float:
    whole, other = merged(rng, lambda x, s: BySlice.of(x, s, into=Tally.of), rng.integers(0, 2, N), users(rng))
    return float(sum(whole.states[name] != other.states[name] for name in whole.states))


def sketched(rng: Rng) -> float:
    whole, other = merged(rng, LatencySketch.of, rng.lognormal(3.0, 1.0, N))
    return float(np.abs(whole.counts - other.counts).max())


def masses(rng: Rng) -> float:
    """Mass moments under w against the literal sums."""
    x, w = rng.normal(size=N), weights(rng)
    found: MassMoments = WeightedMoments.of(x, w).first
    mean = float((w * x).sum() / w.sum())
    return apart((float(w.sum()), mean, float((w * (x - mean) ** 2).sum()), float((w * (x - mean) ** 3).sum())), found)


def states() -> list[Row]:
    return [
        Row("Moments", "mean and variance keep their digits", "1e9 rows of 1e8 ± 1, merged", scale),
        law("Moments", MERGES, "10,000 normal values",
            lambda rng: apart(*map(ends, merged(rng, Moments.of, rng.normal(size=N))))),
        law("ClusterMoments", MERGES, "10,000 rows of 300 users",
            lambda rng: apart(*map(ends, merged(rng, ClusterMoments.of, rng.normal(size=N), users(rng))))),
        law("WeightedMoments", MERGES, "10,000 weighted values",
            lambda rng: apart(*map(ends, merged(rng, WeightedMoments.of, rng.normal(size=N), weights(rng))))),
        law("MassMoments", "are the literal sums", "10,000 weighted values", masses),
        law("TopWeights, largest_of", MERGES, "10,000 weights, 100 kept", tops),
        law("Tally", MERGES, "10,000 trials",
            lambda rng: apart(*map(ends, merged(rng, Tally.of, rng.integers(0, 2, N))))),
        law("BySlice, Accumulator", f"{MERGES}, slice by slice", "10,000 trials in 300 slices", slices),
        law("LoggedRows", MERGES, "10,000 logged rows", logs),
        law("LatencySketch", MERGES, "10,000 latencies", sketched),
        Row("LatencySketch", "p50, p95, p99 within .01 of exact", "log-normal, n = 200,000", sketch, 0.01, exact=True),
    ]  # fmt: skip


def scale(_: Rng, __: int) -> Figure:
    part = side = Moments.of(1e8 + np.resize([-1.0, 1.0], 1_000_000))
    for _ in range(999):
        part = part.merge(side)
    mean, variance = abs(part.mean - 1e8), abs(part.m2 / part.n - 1.0)
    return Figure(f"n {part.n:.0e}, mean off by {mean:.0e}, variance by {variance:.0e}")


def sketch(rng: Rng, _: int) -> Figure:
    x = rng.lognormal(3.0, 1.0, 200_000)
    state = LatencySketch.of(x)
    off = [abs(state.quantile(q).value / np.quantile(x, q, method="inverted_cdf") - 1) for q in (0.5, 0.95, 0.99)]
    return Figure(f"{max(off):.4f}", max(off))


def jackknifed(rng: Rng) -> float:
    """The closed standard error of a ratio against leaving each unit out."""
    sizes = rng.integers(1, 9, 200).astype(float)
    sums = rng.binomial(sizes.astype(int), 0.3).astype(float)
    value = sums.sum() / sizes.sum()
    left = (sums.sum() - sums) / (sizes.sum() - sizes)
    literal = math.sqrt(199 / 200 * float(((left - value) ** 2).sum()))
    return abs(ratio_shape(sizes, sums - value * sizes)[0] / literal - 1.0)


def symmetric(rng: Rng) -> float:
    """Without skew the closed interval is Student's."""
    from scipy.special import stdtrit

    error = float(rng.random())
    found = closed_interval(0.3, error, Shape(), n=50, units=50, confidence=0.9)
    return abs(found.high - 0.3 - float(stdtrit(49, 0.95)) * error)


def corrected(rng: Rng) -> float:
    """ABC ends of a small skew against z + a (1 + 2 z²) / …: Cornish and Fisher's first term for a mean."""
    a, z = 1e-4 * float(rng.random()), 1.6448536269514722
    low, high = abc_ends(0.0, 1.0, Shape(a), 0.05)
    return max(abs(high - z - a * (2.0 * z**2 + 1.0)), abs(low + z - a * (2.0 * z**2 + 1.0)))


def closed() -> list[Row]:
    return [
        law("closed_interval", "is Student's t without skew", "n = 50", symmetric),
        law("abc_ends", "are z + a(2z² + 1) to first order", "acceleration under 1e-4", corrected, 1e-6),
        law("ratio_shape", "its error is the jackknife's", "200 units of 1 to 8", jackknifed),
        law("effective_units", "G for equal sizes", "120 units",
            lambda _: abs(effective_units(np.full(120, 7)) - 120.0)),
        law("quantile_ranks", "each end misses ≤ .05 by the exact binomial", "p95, n = 59 to 500",
            lambda _: max(max(0.0, _missed(n) - 0.05) for n in range(59, 501))),
        law("conformal_rank", "rank ÷ (n + 1) ≥ .95, and the rank below is not", "n = 19 to 2,000",
            lambda _: float(sum(not ((k := conformal_rank(n, 0.95)) * 100 >= 95 * (n + 1) > (k - 1) * 100)
                                for n in range(19, 2001)))),
    ]  # fmt: skip


def _missed(n: int) -> float:
    below, above = quantile_ranks(n, 0.95, 0.05)
    return float(max(binom.cdf(below - 1, n, 0.95) if below else 0.0,
                     binom.sf(above - 1, n, 0.95) if above <= n else 0.0))


def columns(rng: Rng) -> tuple[Any, Any]:
    p = rng.uniform(0.1, 1.0, N)
    return p, p * rng.random(N)


def same_tail(rng: Rng) -> float:
    """κ of a merged state against that of all weights."""
    found = rng.pareto(1.4, N)
    state = merged(rng, lambda w: TopWeights.of(w, keep=tail_rows(N) + 1), found)[1]
    one, two = check_state(state), check_weights(found)
    return max(abs(tail_of(state).kappa - pareto_tail(found).kappa), abs(one.tail.kappa - two.tail.kappa))


def weighed() -> list[Row]:
    return [
        law("importance_weights", "their mean over the log's own policy is 1", "target = propensity",
            lambda rng: abs(float(importance_weights(p := columns(rng)[0], p).mean()) - 1.0)),
        law("logged_rows", "weights are importance_weights, rewards untouched", "10,000 rows", _rows),
        law("tail_of, check_state", "say of a merged state what they say of all weights", "10,000 weights", same_tail),
        law("kappa_limit", "min(1 - 1 ÷ log₁₀ n, .7)", "n = 2 to 10,000",
            lambda _: max(abs(kappa_limit(n) - min(1.0 - 1.0 / math.log10(n), 0.7)) for n in range(2, N))),
        law("tail_rows", "⌈min(n ÷ 5, 3√n)⌉", "n = 1 to 10,000",
            lambda _: float(max(abs(tail_rows(n) - math.ceil(min(n / 5.0, 3.0 * math.sqrt(n)))) for n in range(1, N)))),
    ]  # fmt: skip


def _rows(rng: Rng) -> float:
    reward, (p, t) = rng.normal(size=N), columns(rng)
    earned, w = logged_rows(reward, p, t)
    return float(np.abs(earned - reward).max() + np.abs(w * p - t).max())


def masses_of_bins(rng: Rng) -> float:
    return float(np.ptp(np.bincount(quantile_bins(rng.normal(size=9973)))))


def edged(rng: Rng) -> float:
    """Bins by the edges of the same sample are its own bins."""
    x = rng.normal(size=N)
    return float(np.abs(quantile_bins(x, edges=quantile_edges(x)) - quantile_bins(x)).max())


def celled(rng: Rng) -> float:
    """Rows of one cell share all columns, and cells are as many as there are combinations."""
    one, two = rng.integers(0, 5, N), rng.integers(0, 7, N)
    found = strata_of(one, two)
    keys = np.array(found.keys)[found.codes]
    return float(np.abs(keys - np.column_stack([one, two])).max() + abs(len(found.keys) - 35))


def sparse(rng: Rng) -> float:
    """Rows lost by merging, and strata that stay sparse."""
    found = merge_sparse(strata_of(rng.geometric(0.3, N), rng.integers(0, 3, N)), least=50)
    return float(abs(int(found.counts.sum()) - N) + int((found.counts < 50).sum()))


def cells() -> list[Row]:
    return [
        law("quantile_bins", "bins of distinct values differ by at most 1 row", "n = 9,973, 10 bins", masses_of_bins,
            1.0),
        law("quantile_edges", "cut their own sample into its own bins", "n = 10,000", edged),
        law("strata_of", "rows of a cell share every column", "5 × 7 cells of 10,000 rows", celled),
        law("merge_sparse", "keeps every row, and leaves no sparse stratum", "10,000 rows, least 50", sparse),
    ]  # fmt: skip


LAWS = [*states(), *closed(), *weighed(), *cells()]
