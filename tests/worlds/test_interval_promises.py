"""Intervals keep their promised miss rates in worlds whose truth is known, and their broken twins are caught."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.stats import binom
from scipy.stats import t as student

from harness.estimate import Estimate
from harness.estimators.bounded import empirical_bernstein
from harness.estimators.closed import CLUSTER_PROMISES, PROMISES, abc_ends
from harness.estimators.intervals import abc_interval, bootstrap, bootstrap_ends, mean_interval
from harness.estimators.moments import ClusterMoments, Moments
from harness.estimators.proportions import clopper_pearson, wilson
from harness.estimators.quantiles import quantile_difference, quantile_interval
from harness.estimators.rare import LOWER_BOUND_MIN_N, LOWER_BOUND_TABLE, big_loser_share
from harness.estimators.ratios import ratio_interval
from harness.estimators.resampling import PROMISES as BARE
from harness.release.findings import LEAST_N

ALPHA = 0.05
FALSE_ALARM = 1e-6

Draw = Callable[[np.random.Generator, int], np.ndarray]

WORLDS: dict[str, tuple[Draw, float]] = {
    "normal": (lambda rng, n: rng.normal(size=n), 0.0),
    "80 % zeros": (lambda rng, n: rng.normal(size=n) * (rng.random(n) < 0.2), 0.0),
    "exponential": (lambda rng, n: rng.exponential(size=n), 1.0),
}


def losers(rng: np.random.Generator, n: int) -> np.ndarray:
    """Changes per query: 3 % lose .6, half of the rest move by a normal of sd .05. Mean -.018."""
    moved = rng.normal(0.0, 0.05, n) * (rng.random(n) < 0.5)
    return np.where(rng.random(n) < 0.03, -0.6, moved)


def clustered(rng: np.random.Generator, clusters: int, *, skewed: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Rows in clusters of log-normal sizes that share .3 of their variance; mean 0."""
    sizes = np.maximum(1, np.round(rng.lognormal(2.5, 1.0, clusters))).astype(int)
    effect = rng.exponential(size=clusters) - 1.0 if skewed else rng.normal(size=clusters)
    code = np.repeat(np.arange(clusters), sizes)
    return np.sqrt(0.3) * effect[code] + np.sqrt(0.7) * rng.normal(size=len(code)), code


def halved(found: Estimate) -> Estimate:
    """The broken twin of any interval: half as wide about its value."""
    return found._replace(low=(found.low + found.value) / 2.0, high=(found.high + found.value) / 2.0)


def misses(found: list[Estimate], truth: float) -> tuple[int, int]:
    return sum(one.low > truth for one in found), sum(one.high < truth for one in found)


def limit(worlds: int, rate: float = ALPHA) -> int:
    """Misses that a true miss rate of `rate` exceeds once in a million runs."""
    return int(binom.isf(FALSE_ALARM, worlds, rate))


def near(count: int, worlds: int, rate: float) -> bool:
    """Whether a count fits a rate that is itself known to three digits from 20,000 worlds or fewer."""
    slack = 4.5 * np.sqrt(rate * (1.0 - rate) * (1.0 / worlds + 1.0 / 4000)) + 0.0005
    return abs(count / worlds - rate) <= slack


@pytest.mark.parametrize("n", [20, 200, 1000])
@pytest.mark.parametrize("world", WORLDS)
def test_closed_interval_misses_as_often_as_its_table_says(rng, world, n):
    """The closed interval's miss rates at each end are those of its published table."""
    draw, truth = WORLDS[world]
    low, high = misses([Moments.of(draw(rng, n)).estimate() for _ in range(2000)], truth)
    assert near(low, 2000, PROMISES[world][n][0])
    assert near(high, 2000, PROMISES[world][n][1])


@pytest.mark.parametrize("world", WORLDS)
def test_closed_interval_keeps_its_promise_from_200_on(rng, world):
    """With 200 observations, each end misses at most as often as promised, within the half point that zeros cost."""
    draw, truth = WORLDS[world]
    found = [Moments.of(draw(rng, 200)).estimate() for _ in range(2000)]
    assert max(misses(found, truth)) <= limit(2000, 0.06)
    assert min(misses([halved(one) for one in found], truth)) > limit(2000, 0.06)


@pytest.mark.parametrize("clusters", [60, 120])
@pytest.mark.parametrize("world", CLUSTER_PROMISES)
def test_clustered_interval_misses_as_often_as_its_table_says(rng, world, clusters):
    """Clusters of unequal size with intra-class correlation: the miss rates are those of the published table."""
    skewed = world.startswith("exponential")
    found = [ClusterMoments.of(*clustered(rng, clusters, skewed=skewed)).estimate() for _ in range(1500)]
    low, high = misses(found, 0.0)
    assert near(low, 1500, CLUSTER_PROMISES[world][clusters][0])
    assert near(high, 1500, CLUSTER_PROMISES[world][clusters][1])


def test_an_interval_blind_to_clusters_is_caught(rng):
    """Sixty clusters: rows taken as independent miss each end one time in three; the clustered interval holds."""
    worlds = [clustered(rng, 60) for _ in range(1000)]
    kept = misses([mean_interval(x, clusters=code) for x, code in worlds], 0.0)
    naive = misses([mean_interval(x) for x, _ in worlds], 0.0)
    assert max(kept) <= limit(1000)
    assert min(naive) > 250


def test_rare_losses_break_lower_bounds_as_tabled(rng):
    """P(lower bound > truth) with 3 % big losers is the published table's, and the least n is where .05 first holds."""
    for n, (skew_corrected, _) in LOWER_BOUND_TABLE.items():
        low, _ = misses([Moments.of(losers(rng, n)).estimate() for _ in range(2000)], -0.018)
        assert near(low, 2000, skew_corrected)
    assert min(n for n, rates in LOWER_BOUND_TABLE.items() if rates[0] <= ALPHA) == LOWER_BOUND_MIN_N
    assert {LEAST_N[start] for start in ("delta ", "lift ", "over ")} == {LOWER_BOUND_MIN_N}  # what gates ask for


def test_a_bound_without_skew_correction_is_caught_by_rare_losses(rng):
    """The plain t bound is the broken twin: at 3 % big losers and n = 200 it is too high twice as often as it says."""
    samples = [losers(rng, 200) for _ in range(2000)]
    low, _ = misses([Moments.of(x).estimate() for x in samples], -0.018)
    plain = sum(x.mean() - 1.6525 * x.std(ddof=1) / np.sqrt(200) > -0.018 for x in samples)
    assert low <= limit(2000)
    assert plain > limit(2000)
    assert near(plain, 2000, LOWER_BOUND_TABLE[200][1])


def test_share_of_big_losers_is_bounded_where_the_mean_is_not(rng):
    """At n = 50 the mean's bound fails one time in five; the bound on the share of big losers keeps its promise."""
    found = [big_loser_share(losers(rng, 50)) for _ in range(2000)]
    assert misses(found, 0.03)[1] <= limit(2000)


@pytest.mark.parametrize("method", ["percentile", "bca", "studentised"])
def test_bootstraps_keep_their_promise_on_tied_differences(rng, method):
    """On 200 differences with 80 % zeros each end misses at most .065 of the time; halved, it is caught."""
    draw, truth = WORLDS["80 % zeros"]
    samples = [draw(rng, 200) for _ in range(400)]
    found = [bootstrap(x, rng=rng, method=method, resamples=500) for x in samples]
    assert max(misses(found, truth)) <= limit(400, 0.065)
    assert min(misses([halved(one) for one in found], truth)) > limit(400, 0.065)


def resampled_twenty(rng: np.random.Generator, world: str, method: str, worlds: int) -> tuple[list[Estimate], ...]:
    """Samples of 20: what `bootstrap` gives, and the resampled ends alone, from the same draws."""
    samples = [WORLDS[world][0](rng, 20) for _ in range(worlds)]
    pairs = [(bootstrap(x, rng=np.random.default_rng(at), method=method, resamples=600),
              bootstrap_ends(x, rng=np.random.default_rng(at), method=method, resamples=600).estimate)
             for at, x in enumerate(samples)]  # fmt: skip
    return [wide for wide, _ in pairs], [bare for _, bare in pairs]


@pytest.mark.parametrize("method", ["percentile", "bca", "studentised"])
@pytest.mark.parametrize("world", WORLDS)
def test_bootstraps_of_twenty_are_widened_by_what_they_miss(rng, world, method):
    """At n = 20 resampled ends miss as their table says; widened, no more than the closed interval's table allows."""
    widened, bare = resampled_twenty(rng, world, method, 800)
    for end in (0, 1):
        assert near(misses(bare, WORLDS[world][1])[end], 800, BARE[world][method][end])
        assert misses(widened, WORLDS[world][1])[end] <= limit(800, max(ALPHA, PROMISES[world][20][end]))


@pytest.mark.parametrize("world", WORLDS)
def test_abc_of_twenty_is_widened_to_the_closed_interval(rng, world):
    """At n = 20 ABC misses no more than the closed table allows; its ends alone miss .18 on zeros, and are caught."""
    samples = [WORLDS[world][0](rng, 20) for _ in range(2000)]
    found = misses([abc_interval(x) for x in samples], WORLDS[world][1])
    assert all(found[end] <= limit(2000, max(ALPHA, PROMISES[world][20][end])) for end in (0, 1))
    if world == "80 % zeros":
        bare = [(Moments.of(x).mean, Moments.of(x).plug_in()) for x in samples]
        ends = [abc_ends(mean, error, shape, ALPHA) for mean, (_, shape, error) in bare if error > 0.0]
        assert near(sum(low > 0.0 for low, _ in ends), 2000, 0.18)


def test_clustered_bootstrap_keeps_its_promise(rng):
    """Resampling whole clusters covers; resampling their rows does not."""
    worlds = [clustered(rng, 60) for _ in range(300)]
    kept = [bootstrap(x, rng=rng, clusters=code, method="studentised", resamples=400) for x, code in worlds]
    naive = [bootstrap(x, rng=rng, method="percentile", resamples=200) for x, _ in worlds]
    assert max(misses(kept, 0.0)) <= limit(300)
    assert min(misses(naive, 0.0)) > limit(300)


@pytest.mark.parametrize("world", ["big losers", "clusters"])
def test_the_gates_bound_and_its_cross_check_do_not_quarrel(rng, world):
    """On sound data no BCa end lies 3 Monte-Carlo errors outside the closed one: a closed PASS is confirmed."""
    for _ in range(40):
        x, code = (losers(rng, 300), None) if world == "big losers" else clustered(rng, 60)
        gate = mean_interval(x, clusters=code)
        check = bootstrap_ends(x, clusters=code, rng=rng, resamples=4000)
        assert check.estimate.low >= gate.low - 3.0 * check.low_se
        assert check.estimate.high <= gate.high + 3.0 * check.high_se


def test_the_cross_check_catches_a_gate_blind_to_clusters(rng):
    """The broken twin: to an interval that takes clustered rows as independent, BCa by cluster objects each time."""
    for _ in range(20):
        x, code = clustered(rng, 60)
        check = bootstrap_ends(x, clusters=code, rng=rng, resamples=2000)
        assert check.estimate.low < mean_interval(x).low - 3.0 * check.low_se


def test_abc_interval_is_near_nominal_at_1000(rng):
    """ABC misses .05 at each end on 1,000 exponential values; halved, it is caught."""
    found = [abc_interval(rng.exponential(size=1000)) for _ in range(1500)]
    assert max(misses(found, 1.0)) <= limit(1500, 0.055)
    assert min(misses([halved(one) for one in found], 1.0)) > limit(1500)


@pytest.mark.parametrize("truth", [0.005, 0.3, 0.95])
def test_clopper_pearson_never_misses_more_than_promised(rng, truth):
    """Exactly computed over all outcomes of 80 trials, each end misses at most .05; Wilson's overshoots somewhere."""
    hits = np.arange(81)
    chance = binom.pmf(hits, 80, truth)
    found = [clopper_pearson(k, 80) for k in hits]
    assert sum(chance[[one.low > truth for one in found]]) <= ALPHA
    assert sum(chance[[one.high < truth for one in found]]) <= ALPHA


def test_wilson_misses_more_than_promised_near_the_edge():
    """At share .005 and n = 80 Wilson's lower end misses .061 instead of .05, by exact count: near nominal only."""
    hits = np.arange(81)
    chance = binom.pmf(hits, 80, 0.005)
    low = sum(chance[[wilson(k, 80).low > 0.005 for k in hits]])
    assert low == pytest.approx(0.0611, abs=2e-4)


@pytest.mark.parametrize("n", [59, 300])
def test_quantile_interval_keeps_its_promise(rng, n):
    """The p95 of exponential and of coarsely rounded latencies lies outside each end at most .05 of the time."""
    truth = -np.log(0.05)
    found = [quantile_interval(rng.exponential(size=n), 0.95) for _ in range(2000)]
    assert max(misses(found, truth)) <= limit(2000)
    tied = [quantile_interval(np.ceil(rng.exponential(size=n)), 0.95) for _ in range(2000)]
    assert max(misses(tied, 3.0)) <= limit(2000)


def test_a_quantile_interval_one_rank_too_narrow_is_caught(rng):
    """Of 59 the largest is the one honest upper end of the p95; the second largest misses four times as often."""
    truth = -np.log(0.05)
    samples = [np.sort(rng.exponential(size=59)) for _ in range(2000)]
    assert sum(x[-2] < truth for x in samples) > 2 * limit(2000)


LATENCIES: dict[str, Draw] = {
    "gamma": lambda rng, n: rng.gamma(3.0, 1.0, n),
    "heavy": lambda rng, n: rng.pareto(1.5, n),
    "two modes": lambda rng, n: np.where(rng.random(n) < 0.93, 1.0, 30.0) + rng.exponential(size=n),
}


@pytest.mark.parametrize("together", [0.0, 1.0, 30.0], ids=["independent", "dependent", "nearly equal"])
@pytest.mark.parametrize("shape", LATENCIES)
def test_quantile_difference_keeps_its_promise(rng, shape, together):
    """The difference of paired p95s, of any dependence and tail, lies outside each end at most .05 of the time."""
    near_normal, sure = [], []
    for _ in range(700):
        shared = together * LATENCIES[shape](rng, 300)
        after, before = (shared + LATENCIES[shape](rng, 300) for _ in range(2))
        near_normal.append(quantile_difference(after, before, 0.95))
        sure.append(quantile_difference(after, before, 0.95, method="union"))
    assert max(misses(near_normal, 0.0)) <= limit(700)
    assert max(misses(sure, 0.0)) <= limit(700)
    assert sum(one.half_width for one in near_normal) < sum(one.half_width for one in sure)


def test_a_halved_quantile_difference_is_caught(rng):
    """Half the width misses far more than .05."""
    found = [quantile_difference(rng.gamma(3.0, 1.0, 300), rng.gamma(3.0, 1.0, 300), 0.95) for _ in range(700)]
    assert min(misses([halved(one) for one in found], 0.0)) > limit(700)


def test_ratio_interval_keeps_its_promise(rng):
    """Clicks per view over 300 users of unequal activity: each end misses at most .055; halved, it is caught."""
    found = []
    for _ in range(1500):
        views = 1 + rng.poisson(rng.exponential(5.0, 300))
        found.append(ratio_interval(rng.binomial(views, 0.2), views))
    assert max(misses(found, 0.2)) <= limit(1500, 0.055)
    assert min(misses([halved(one) for one in found], 0.2)) > limit(1500, 0.055)


def test_empirical_bernstein_holds_where_t_cannot(rng):
    """Fifty values of which 3 % are .6 below the rest: the closed bound fails one time in five, this one holds."""
    samples = [np.where(rng.random(50) < 0.03, 0.2, 0.8) + rng.uniform(-0.01, 0.01, 50) for _ in range(1000)]
    assert max(misses([empirical_bernstein(x) for x in samples], 0.782)) <= limit(1000)
    assert misses([mean_interval(x) for x in samples], 0.782)[0] > limit(1000)


def test_a_constant_sample_is_not_certain(rng):
    """Fifty values of which 3 % are .6 below the rest, often none of them seen: the bound still allows for them."""
    found = [mean_interval(np.where(rng.random(50) < 0.03, 0.2, 0.8), support=(0.0, 1.0)) for _ in range(1000)]
    unseen = [one for one in found if one.method == "no variation seen"]
    assert len(unseen) > 150
    assert misses(unseen, 0.782) == (0, 0)
    assert all(one.value > 0.782 for one in unseen)  # the zero-width twin would have missed every time


@pytest.mark.worlds
@pytest.mark.parametrize("world", WORLDS)
def test_closed_interval_tables_hold_at_full_length(rng, world):
    """20,000 worlds: the published miss rates stand to half a point."""
    draw, truth = WORLDS[world]
    for n, rates in PROMISES[world].items():
        counts = misses([Moments.of(draw(rng, n)).estimate() for _ in range(20_000)], truth)
        assert np.allclose(np.array(counts) / 20_000, rates, atol=0.01)


@pytest.mark.worlds
def test_rare_loss_table_holds_at_full_length(rng):
    """20,000 worlds: the published chances of a lower bound that is too high stand to a point."""
    for n, rates in LOWER_BOUND_TABLE.items():
        samples = [losers(rng, n) for _ in range(20_000)]
        low, _ = misses([Moments.of(x).estimate() for x in samples], -0.018)
        reach = student.ppf(0.95, n - 1) / np.sqrt(n)
        plain = sum(x.mean() - reach * x.std(ddof=1) > -0.018 for x in samples)
        assert np.allclose((low / 20_000, plain / 20_000), rates, atol=0.01)
