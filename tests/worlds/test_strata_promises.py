"""Strata and controls keep their promised error rates in worlds with known answers; broken twins are caught."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, kstest

from harness.estimators.controls import fisher_combined, negative_control, stratified_slope
from harness.estimators.permutation import permutation_tests
from harness.estimators.strata import PROMISES, post_stratified, strata_of

ALPHA = 0.05
(TABLED,) = PROMISES.values()
SHARES = {"a": 0.1, "b": 0.3, "c": 0.6}


def limit(worlds: int, rate: float = ALPHA) -> int:
    """Misses that a true miss rate of `rate` exceeds once in a million runs."""
    return int(binom.isf(1e-6, worlds, rate))


def survey(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Three strata of means 0, 1 and 3, drawn in shares .6, .3, .1 where the population has .1, .3, .6: truth 2.1."""
    names = rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])
    mean = np.select([names == "a", names == "b"], [0.0, 1.0], 3.0)
    return mean + rng.exponential(size=n) - 1.0, names


def survey_misses(rng: np.random.Generator, worlds: int) -> tuple[int, int, int]:
    low = high = plain = 0
    for _ in range(worlds):
        x, names = survey(rng, 400)
        found = post_stratified(strata_of(names).moments(x), SHARES)
        low, high = low + (found.low > 2.1), high + (found.high < 2.1)
        plain += x.mean() + 1.65 * x.std() / 20.0 < 2.1
    return low, high, plain


def test_post_stratified_interval_keeps_its_promise(rng):
    """Skewed values, 40 of 400 rows carrying .6 of the weight: each end misses as tabled; the plain mean always."""
    low, high, plain = survey_misses(rng, 800)
    assert all(count <= limit(800, rate) for count, rate in zip((low, high), TABLED, strict=True))
    assert min(low, high) > 0
    assert plain > 790


@pytest.mark.worlds
def test_post_stratified_interval_at_full_length(rng):
    """20,000 worlds: the published miss rates stand to half a point."""
    low, high, _ = survey_misses(rng, 20_000)
    assert np.allclose([low / 20_000, high / 20_000], TABLED, atol=0.005)


def null(rng: np.random.Generator, n: int, strata: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Strata that differ in outcome and in exposure, between which there is nothing within a stratum."""
    code = np.arange(n) % strata
    return rng.normal(size=n) + code, (rng.random(n) < 0.2 + 0.6 * code / strata).astype(float), code


def test_permutation_p_values_are_uniform(rng):
    """Over 400 null worlds pooled p-values are uniform; those of the twin that shuffles across strata are not."""
    kept, twin = [], []
    for _ in range(400):
        y, e, code = null(rng, 120, 4)
        kept.append(permutation_tests(y, e, strata_of(code), rng=rng, draws=199).pooled_p)
        twin.append(permutation_tests(y, e, strata_of(0 * code), rng=rng, draws=199).pooled_p)
    jitter = rng.random(400) / 200.0  # p = (1 + hits) / 200 is discrete: spread it over its cell
    assert kstest(np.array(kept) - jitter, "uniform").pvalue > 1e-5
    assert kstest(np.array(twin) - jitter, "uniform").pvalue < 1e-12


def test_p_without_the_plus_one_is_caught(rng):
    """With 99 draws hits / draws rejects at .01 twice as often as it says, (1 + hits) / (1 + draws) as often."""
    p = []
    for _ in range(3000):
        y, e = rng.normal(size=20), np.tile([0.0, 1.0], 10)
        p.append(permutation_tests(y, e, strata_of([0] * 20), rng=rng, draws=99).p[0])
    honest, hasty = np.array(p), (np.array(p) * 100 - 1) / 99
    assert (honest <= 0.01).sum() <= limit(3000, 0.01) < (hasty <= 0.0102).sum()


def test_valid_strata_pass_combined_and_fail_one_by_one(rng):
    """Forty valid strata: Fisher refuses at most .05 of 300 times; "every p above .05" fails four times in five."""
    fisher = every = 0
    for _ in range(300):
        code = np.repeat(np.arange(40), 20)
        y, e = rng.integers(0, 2, 800), rng.integers(0, 2, 800)
        found = permutation_tests(y, e, strata_of(code), rng=rng, draws=199)
        fisher += fisher_combined(found.p[found.informative]) <= ALPHA
        every += (found.p > ALPHA).all()
    assert fisher <= limit(300)
    assert every < 150


def slope_misses(rng: np.random.Generator, worlds: int) -> tuple[int, int, int]:
    low = high = halved = 0
    for _ in range(worlds):
        y, e, code = null(rng, 150, 5)
        found = stratified_slope(y * (1.0 + 2.0 * e) - 2.0 * e * code + 0.3 * e, e, strata_of(code))
        low, high = low + (found.low > 0.3), high + (found.high < 0.3)
        halved += not abs(found.value - 0.3) <= found.half_width / 2.0
    return low, high, halved


def test_stratified_slope_keeps_its_promise(rng):
    """Unequal variances and unequal shares exposed, 30 rows a stratum: each end misses at most .055."""
    low, high, halved = slope_misses(rng, 1500)
    assert max(low, high) <= limit(1500, 0.055)
    assert halved > 2 * limit(1500, 0.11)


def test_a_control_refuses_valid_data_and_passes_the_margin_at_most_alpha(rng):
    """In 200 worlds each: no effect is refused at most .05 of the time, the margin itself passed at most .05."""
    verdicts = {0.0: [], 0.4: []}
    for effect, seen in verdicts.items():
        for _ in range(200):
            y, e, code = null(rng, 200, 4)
            cells = strata_of(code)
            seen.append(negative_control(y + effect * e, e, cells, margin=0.4, rng=rng).verdict)
    assert verdicts[0.0].count("REFUSE") <= limit(200)
    assert verdicts[0.4].count("PASS") <= limit(200)
    assert verdicts[0.0].count("PASS") > 60 and verdicts[0.4].count("REFUSE") > 60


@pytest.mark.worlds
def test_control_promises_at_full_length(rng):
    """10,000 null worlds: slope ends and permutation p-values keep .05 within a point."""
    low, high, _ = slope_misses(rng, 10_000)
    assert max(low, high) / 10_000 <= 0.06
    p = []
    for _ in range(10_000):
        y, e, code = null(rng, 60, 3)
        p.append(permutation_tests(y, e, strata_of(code), rng=rng, draws=199).pooled_p)
    assert abs(np.mean(np.array(p) <= ALPHA) - ALPHA) < 0.01
