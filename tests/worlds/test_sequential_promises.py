"""Looks at any time keep their promise in A/A worlds, and peeking, unguarded and memory-blind twins are caught."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import binom, kstest

from harness.estimators.experiment import hashed_shares
from harness.estimators.experiment_effects import mean_effect, ratio_effect
from harness.estimators.sequential import bernstein_sequence, betting_sequence, betting_wealth
from harness.estimators.sequential_blocks import PROMISES as MINUTES
from harness.estimators.sequential_blocks import (
    arm_scores,
    block_length,
    block_sequence,
    bounded_arms_sequence,
)
from harness.estimators.sequential_means import PROMISES, asymptotic_sequence, student_sequence
from harness.estimators.sequential_rates import arms_process, rate_process, rate_sequence, ratio_process

FALSE_ALARM = 1e-6
LOOKS = 100


def limit(runs: int, rate: float = 0.05) -> int:
    """Alarms that a true rate of `rate` exceeds once in a million tests."""
    return int(binom.isf(FALSE_ALARM, runs, rate))


def peeks(x: np.ndarray) -> bool:
    """The broken twin: a z interval for one look, read at a hundred."""
    n = np.arange(1, len(x) + 1)
    mean = np.cumsum(x) / n
    error = np.sqrt(np.maximum(np.cumsum(x**2) / n - mean**2, 1e-12) / n)
    every = len(x) // LOOKS
    return bool((np.abs(mean) > 1.96 * error)[every - 1 :: every].any())


def continuous(rng: np.random.Generator, runs: int, pairs: int) -> tuple[int, int]:
    """Alarms of the guarded sequence (at all looks) and of naive peeking, in A/A runs of so many pairs."""
    kept = naive = 0
    for _ in range(runs):
        x = rng.normal(size=pairs) - rng.normal(size=pairs)
        kept += asymptotic_sequence(x, confidence=0.95).excludes(0.0) is not None
        naive += peeks(x)
    return kept, naive


def test_continuous_looking_keeps_alpha_where_peeking_does_not(rng):
    """A/A: a look at each of 1,000 pairs alarms at most .05 of the time; a hundred naive peeks .42."""
    kept, naive = continuous(rng, 1500, 1000)
    assert kept <= limit(1500)
    assert 0.36 < naive / 1500 < 0.48


@pytest.mark.worlds
def test_continuous_looking_keeps_alpha_over_ten_thousand_runs(rng):
    """The same at full length: 10,000 runs of 100 looks, 100 pairs apart: naive peeking alarms in .38 of them."""
    kept, naive = continuous(rng, 10_000, 10_000)
    assert kept <= limit(10_000)
    assert naive / 10_000 == pytest.approx(0.38, abs=0.02)


BOUNDED = {
    "rare": (lambda rng, n: (rng.random(n) < 0.02).astype(float), 0.02),
    "uniform": (lambda rng, n: rng.random(n), 0.5),
    "losers": (lambda rng, n: np.where(rng.random(n) < 0.03, 0.2, 0.8), 0.782),
}


@pytest.mark.parametrize("world", BOUNDED)
def test_bounded_sequences_keep_each_end(rng, world):
    """At any of 500 looks each end misses at most .05; bets of a gambler who sees the value in advance are caught."""
    draw, truth = BOUNDED[world]
    samples = [draw(rng, 500) for _ in range(600)]
    bernstein = [bernstein_sequence(x) for x in samples]
    assert sum((one.low > truth).any() for one in bernstein) <= limit(600)
    assert sum((one.high < truth).any() for one in bernstein) <= limit(600)
    assert sum(betting_wealth(x, truth).alarm(0.05) is not None for x in samples) <= limit(600)
    assert sum(betting_wealth(1 - x, 1 - truth).alarm(0.05) is not None for x in samples) <= limit(600)
    assert sum(betting_wealth(np.sort(x)[::-1], truth).alarm(0.05) is not None for x in samples) > limit(600)


def test_betting_is_narrower_and_covers(rng):
    """Over 40 runs the betting sequence never misses .5 more often than it may, and is narrower than Bernstein's."""
    samples = [rng.beta(20, 20, 400) for _ in range(40)]
    bets, closed = ([f(x) for x in samples] for f in (betting_sequence, bernstein_sequence))
    assert sum(one.excludes(0.5) is not None for one in bets) <= limit(40, 0.1)
    assert np.mean([one.at(-1).half_width for one in bets]) < np.mean([one.at(-1).half_width for one in closed])


def alarms_on_clicks(rng: np.random.Generator, runs: int, **guard: float) -> int:
    found = (asymptotic_sequence((rng.random(2500) < 0.004) * 1.0, confidence=0.95, **guard) for _ in range(runs))
    return sum(one.excludes(0.004) is not None for one in found)


def test_rare_clicks_break_the_asymptotic_sequence_unguarded(rng):
    """Clicks at .004: from look 10, and from look 501, it misses the rate far beyond .05."""
    assert alarms_on_clicks(rng, 800, start=10, carriers=0) > limit(800)
    assert alarms_on_clicks(rng, 800, start=501, carriers=0) > limit(800)


def test_the_guard_holds_on_rare_clicks_once_it_speaks(rng):
    """Clicks at .004: guarded, it is silent at 5,000 units, speaks by 20,000, and then misses at most .05."""
    found = [asymptotic_sequence((rng.random(20_000) < 0.004) * 1.0, confidence=0.95) for _ in range(120)]
    assert all(np.isinf(one.low[4999]) and np.isfinite(one.low[-1]) for one in found)
    assert sum(one.excludes(0.004) is not None for one in found) <= limit(120)


def test_a_click_process_is_exact_at_any_rate(rng):
    """Clicks of .004 in two arms, looked at 100 times: alarms at most .05; a process told the wrong split is caught."""
    hits = rng.binomial(200, 0.004, (2000, LOOKS, 2)).cumsum(axis=1)
    assert sum(arms_process(one).alarm(0.05) is not None for one in hits) <= limit(2000)
    assert sum(arms_process(one, [0.35, 0.65]).alarm(0.05) is not None for one in hits) > limit(2000)


def test_a_drop_in_clicks_is_found(rng):
    """Clicks at a rate 30 % lower are found in most runs before 2,000 clicks."""
    hits = rng.binomial(1, 0.7 / 1.7, (300, 2000)).cumsum(axis=1)
    n = np.arange(1, 2001)
    found = [arms_process(np.column_stack([n - one, one])).alarm(0.05) for one in hits]
    assert sum(one is not None for one in found) > 290
    assert 150 < np.median([one for one in found if one is not None]) < 500


def test_daily_sample_ratio_checks_keep_alpha(rng):
    """Fourteen daily looks at a fair split: alarms at .01 stay under it, chi-squared's do not; 52 : 48 is found."""
    treated = rng.binomial(2000, 0.5, (3000, 14)).cumsum(axis=1)
    total = 2000 * np.arange(1, 15)
    tables = np.stack([treated, total - treated], axis=2)
    assert sum(ratio_process(one).alarm(0.01) is not None for one in tables) <= limit(3000, 0.01)
    assert ((2 * treated - total) ** 2 / total > 6.635).any(axis=1).sum() > limit(3000, 0.01)
    skewed = rng.binomial(2000, 0.52, (300, 14)).cumsum(axis=1)
    tables = np.stack([skewed, total - skewed], axis=2)
    assert sum(ratio_process(one).alarm(0.001) is not None for one in tables) > 0.95 * 300


@pytest.mark.parametrize("truth", [0.004, 0.3])
def test_rates_against_a_limit_keep_alpha(rng, truth):
    """A rate at its limit alarms at most .05 over 100 looks, up and down; one at thrice its limit is found."""
    trials = 100 * np.arange(1, LOOKS + 1)
    hits = rng.binomial(100, truth, (800, LOOKS)).cumsum(axis=1)
    up = [rate_process(one, trials, truth) for one in hits]
    down = [rate_process(trials - one, trials, 1.0 - truth) for one in hits]
    assert sum(one.alarm(0.05) is not None for one in up) <= limit(800)
    assert sum(one.alarm(0.05) is not None for one in down) <= limit(800)
    assert sum(rate_process(one, trials, truth / 3).alarm(0.05) is not None for one in hits[:200]) > 190


def test_a_rate_sequence_leaves_out_what_its_processes_refuse(rng):
    """The ends of the interval are where the process of either side crosses its bar, at each look."""
    trials = 50 * np.arange(1, 21)
    hits = rng.binomial(50, 0.1, 20).cumsum()
    found = rate_sequence(hits, trials)
    for limit_, look in [(found.low[-1], 0), (found.high[-1], 1)]:
        side = (hits, limit_) if look == 0 else (trials - hits, 1.0 - limit_)
        assert rate_process(side[0], trials, side[1]).log_e.max() == pytest.approx(np.log(20), abs=1e-6)


def minutes(rng: np.random.Generator, n: int, memory: float) -> np.ndarray:
    """AR(1) minutes of variance 1."""
    noise = rng.normal(size=n + 200) * np.sqrt(1 - memory**2)
    return lfilter([1.0], [1.0, -memory], noise)[200:]


@pytest.mark.parametrize("memory", [0.5, 0.8])
def test_blocks_survive_minutes_that_remember(rng, memory):
    """A day of AR(1) minutes: over blocks alarms stay under .05; minute by minute they are caught."""
    days, block = [minutes(rng, 1440, memory) for _ in range(500)], block_length(memory)
    kept = sum(block_sequence(x, block=block, confidence=0.95).excludes(0.0) is not None for x in days)
    naive = sum(student_sequence(x, confidence=0.95).excludes(0.0) is not None for x in days)
    assert kept <= limit(500)
    assert naive > limit(500, 0.3)


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
def test_a_baseline_survives_pods_that_differ(rng, memory):
    """A constant offset of .3 sd between pods: less the baseline alarms stay under .05, without it they are caught."""
    block, kept, naive = block_length(memory), 0, 0
    for _ in range(400):
        offset = 0.3 * rng.normal()
        after, before = (minutes(rng, 1440, memory) + offset for _ in range(2))
        kept += block_sequence(after, block=block, baseline=before, confidence=0.95).excludes(0.0) is not None
        naive += block_sequence(after, block=block, confidence=0.95).excludes(0.0) is not None
    assert kept <= limit(400)
    assert naive > limit(400, 0.2)


def test_randomised_arms_keep_alpha_and_find_effects(rng):
    """Two arms at 30 : 70: an A/A alarms at most .05, a rise of .15 is found; told 50 : 50, the A/A is caught."""
    arm = [(rng.random(1500) < 0.3).astype(float) for _ in range(300)]
    y = [(rng.random(1500) < 0.4).astype(float) for _ in range(300)]
    part = {"share_treated": 0.3}
    same = [asymptotic_sequence(arm_scores(x, a, **part), confidence=0.95) for x, a in zip(y, arm, strict=True)]
    assert sum(one.excludes(0.0) is not None for one in same) <= limit(300)
    rise = [(rng.random(1500) < 0.4 + 0.15 * a).astype(float) for a in arm]
    risen = [asymptotic_sequence(arm_scores(x, a, **part), confidence=0.95) for x, a in zip(rise, arm, strict=True)]
    assert sum(one.excludes(0.0) is not None for one in risen) > 270
    bounded = [bounded_arms_sequence(0.2 * x, a, **part) for x, a in zip(y[:20], arm, strict=False)]
    assert sum(one.excludes(0.0) is not None for one in bounded) <= limit(20, 0.1)
    wrong = [bounded_arms_sequence(0.2 * x, a) for x, a in zip(y[:20], arm, strict=False)]
    assert sum(one.excludes(0.0) is not None for one in wrong) > 10


def test_aa_p_values_are_uniform(rng):
    """The p of equal arms is uniform by Kolmogorov and Smirnov; that of rows taken for users is not."""
    flat, clustered, rows = [], [], []
    for _ in range(800):
        flat.append(mean_effect(rng.normal(size=60), 2.0 * rng.normal(size=90)).p)
        users = np.repeat(np.arange(120), rng.integers(1, 12, 120))
        clicks = (rng.random(len(users)) < rng.beta(1, 3, 120)[users]).astype(float)
        call = (clicks, np.ones(len(users)), users % 2)
        clustered.append(ratio_effect(*call, users).p)
        rows.append(ratio_effect(*call, np.arange(len(users))).p)
    assert kstest(flat, "uniform").pvalue > FALSE_ALARM
    assert kstest(clustered, "uniform").pvalue > FALSE_ALARM
    assert kstest(rows, "uniform").pvalue < FALSE_ALARM


def test_assignment_is_uniform_and_independent_across_salts():
    """Hashes of 20,000 running numbers are uniform, those of two salts fill a table evenly, of one salt not."""
    one, two = (hashed_shares(np.arange(20_000), salt=salt) for salt in ("gate 40", "gate 41"))
    assert kstest(one, "uniform").pvalue > 1e-4
    assert kstest(np.abs(np.diff(one)), lambda d: 1 - (1 - d) ** 2).pvalue > 1e-4  # neighbours are independent
    for other, even in ((two, True), (one, False)):
        table = np.histogram2d(one, other, bins=8, range=[[0, 1], [0, 1]])[0]
        square = ((table - 312.5) ** 2 / 312.5).sum()
        assert (square < 120.0) == even  # chi-squared of 63 degrees of freedom exceeds 120 once in 50,000 runs


def near(alarms: int, runs: int, rate: float) -> bool:
    """Whether a count fits a rate that is itself a measurement over 1,000 runs."""
    return abs(alarms / runs - rate) <= 4.5 * np.sqrt(rate * (1 - rate) * (1 / runs + 1 / 1000)) + 0.002


MEANS = {
    "normal": (lambda rng: rng.normal(size=10_000), 0.0),
    "exponential": (lambda rng: rng.exponential(size=10_000), 1.0),
    "log-normal, sigma 1.5": (lambda rng: rng.lognormal(0.0, 1.5, 10_000), np.exp(1.125)),
    "clicks at .004": (lambda rng: (rng.random(20_000) < 0.004) * 1.0, 0.004),
}


@pytest.mark.worlds
@pytest.mark.parametrize("world", PROMISES)
def test_the_table_of_asymptotic_sequences_holds(rng, world):
    """Guarded and unguarded, the asymptotic sequence misses as often as its published table says."""
    draw, truth = MEANS[world]
    for guard, rate in zip(({}, {"start": 10, "carriers": 0}), PROMISES[world], strict=True):
        found = (asymptotic_sequence(draw(rng), confidence=0.95, **guard) for _ in range(600))
        assert near(sum(one.excludes(truth) is not None for one in found), 600, rate)


@pytest.mark.worlds
@pytest.mark.parametrize("memory", MINUTES)
def test_the_table_of_minutes_holds(rng, memory):
    """Minute by minute, in blocks, on pods that differ and less a baseline: false alarms are those of the table."""
    block, rates = block_length(memory), MINUTES[memory]
    alarms = dict.fromkeys(rates, 0)
    for _ in range(600):
        x, before, offset = minutes(rng, 1440, memory), minutes(rng, 1440, memory), 0.3 * rng.normal()
        found = {
            "minute by minute": student_sequence(x, confidence=0.95),
            "blocks": block_sequence(x, block=block, confidence=0.95),
            "blocks, pod offset": block_sequence(x + offset, block=block, confidence=0.95),
            "less baseline": block_sequence(x + offset, block=block, baseline=before + offset, confidence=0.95),
        }
        for name, one in found.items():
            alarms[name] += one.excludes(0.0) is not None
    assert all(near(alarms[name], 600, rate) for name, rate in rates.items()), alarms


@pytest.mark.worlds
def test_students_sequence_is_for_normal_values(rng):
    """Exponential values break Student's sequence as its table says: .117 at 500 looks, .035 for normal ones."""
    skewed = (student_sequence(rng.exponential(size=500), confidence=0.95) for _ in range(1000))
    normal = (student_sequence(rng.normal(size=500), confidence=0.95) for _ in range(1000))
    assert near(sum(one.excludes(1.0) is not None for one in skewed), 1000, 0.117)
    assert near(sum(one.excludes(0.0) is not None for one in normal), 1000, 0.035)
