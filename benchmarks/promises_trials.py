"""Worlds of trials and of canaries: effects, assignment, many tests at once, minutes that remember."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from promises_worlds import Figure, Rng, Row, alarms, average, ends, law, twin
from scipy.signal import lfilter
from scipy.stats import kstest, norm

from harness.estimate import Estimate
from harness.estimators.experiment import assign, hashed_shares, ratio_mismatch
from harness.estimators.experiment_effects import cuped, mean_effect, ratio_effect, share_effect
from harness.estimators.experiment_family import all_of, benjamini_hochberg, holm
from harness.estimators.sequential_blocks import block_length, block_means, block_sequence, lag_correlation
from harness.estimators.sequential_means import student_sequence

ARMS = np.arange(600) % 2


def shares(rng: Rng) -> Estimate:
    arms = rng.binomial(5000, 0.01), rng.binomial(5000, 0.01)
    return share_effect(int(arms[0]), 5000, int(arms[1]), 5000, confidence=0.9).estimate


def unequal(rng: Rng) -> Any:
    return mean_effect(3.0 * rng.normal(size=100), rng.normal(size=300), confidence=0.9)


def users(rng: Rng, *, rows: bool = False) -> Any:
    """Clicks a view of 600 users whose rates differ; `rows` takes each view for a unit."""
    views, rate = 1 + rng.poisson(rng.exponential(5.0, 600)), rng.beta(2.0, 8.0, 600)
    clicks, who = rng.binomial(views, rate), np.arange(600)
    if not rows:
        return ratio_effect(clicks, views, ARMS, who, confidence=0.9)
    each = np.repeat(who, views)
    hit = (np.arange(len(each)) - np.repeat(np.cumsum(views) - views, views) < clicks[each]).astype(float)
    return ratio_effect(hit, np.ones(len(each)), ARMS[each], np.arange(len(each)), confidence=0.9)


def before_after(rng: Rng) -> tuple[Any, Any]:
    """An outcome and its covariate from before, correlated .8."""
    x = rng.normal(size=600)
    return 0.8 * x + 0.6 * rng.normal(size=600), x


def adjusted(rng: Rng) -> Estimate:
    y, x = before_after(rng)
    z = cuped(y + 0.1 * ARMS, x)
    return mean_effect(z[ARMS == 1], z[ARMS == 0], confidence=0.9).estimate


def variance_left(rng: Rng) -> float:
    y, x = before_after(rng)
    return float(cuped(y, x).var() / y.var())


def uniform(name: str, world: str, p: Callable[[Rng], float], runs: float = 1.0, *, broken: bool = False) -> Row:
    """A row of Kolmogorov and Smirnov's distance of A/A p-values from the uniform law."""

    def measure(rng: Rng, asked: int) -> Figure:
        found = kstest([p(rng) for _ in range(row.worlds(asked))], "uniform")
        text = f"distance {found.statistic:.4f}, p {found.pvalue:.2g} ({row.worlds(asked):,} runs)"
        return Figure(text, None if broken else float(found.pvalue < 0.001))

    promise = "none: shown for what it does" if broken else "A/A p-values are uniform (Kolmogorov–Smirnov)"
    row = Row(name, promise, world, measure, 0.0, runs, exact=True)
    return row


def effects() -> list[Row]:
    clicks, unlike = "clicks a view, 600 users", "sd 3 and 1, n = 100 and 300"
    return [
        ends("share_effect", "1 % against 1 %, 5,000 users each", shares, 0.0),
        ends("mean_effect", unlike, lambda rng: unequal(rng).estimate, 0.0),
        uniform("mean_effect", unlike, lambda rng: unequal(rng).p, 5.0),
        ends("ratio_effect", clicks, lambda rng: users(rng).estimate, 0.0),
        uniform("ratio_effect", clicks, lambda rng: users(rng).p, 5.0),
        uniform("(twin) ratio_effect over rows", clicks, lambda rng: users(rng, rows=True).p, broken=True),
        ends("cuped", "effect .1, covariate of correlation .8, n = 600", adjusted, 0.1),
        average("cuped", "variance left is 1 - ρ², ± .005", "correlation .8, n = 600", variance_left, goal=0.36,
                off=0.005),
        alarms("ratio_mismatch", "p ≤ .05 at most .05 of the time", "50/50, 10,000 units, one look", mismatch),
        alarms("ratio_mismatch", "how often 52/48 is found at .001", "10,000 units",
               lambda rng: mismatch(rng, 0.52, 0.001), wrong=False),
    ]  # fmt: skip


def mismatch(rng: Rng, share: float = 0.5, alpha: float = 0.05) -> bool:
    hits = int(rng.binomial(10_000, share))
    return ratio_mismatch([hits, 10_000 - hits]) <= alpha


def salted(rng: Rng) -> str:
    return f"salt {rng.integers(0, 2**60)}"


def crossed(rng: Rng) -> bool:
    """Whether the arms of two salts go together, by χ² of a 2 × 2 table at .05."""
    one, two = (assign(np.arange(4000), salt=salted(rng)) for _ in range(2))
    seen = np.bincount(2 * one + two, minlength=4).reshape(2, 2)
    expected = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / 4000
    return bool(((seen - expected) ** 2 / expected).sum() > 3.8415)


def hashes() -> list[Row]:
    return [
        alarms("hashed_shares", "not uniform by Kolmogorov–Smirnov at .05, at most .05 of the time",
               "2,000 running numbers",
               lambda rng: kstest(hashed_shares(np.arange(2000), salt=salted(rng)), "uniform").pvalue <= 0.05, 0.25),
        alarms("assign", "arms of two salts go together at .05, at most .05 of the time", "4,000 running numbers",
               crossed,
               0.25),
        average("assign", "the share in an arm of .1, ± .001", "4,000 running numbers",
                lambda rng: float((assign(np.arange(4000), salt=salted(rng), shares=[0.1, 0.9]) == 0).mean()), 0.1,
                goal=0.1, off=0.001, form=".4f"),
    ]  # fmt: skip


def many(rng: Rng) -> Any:
    """20 one-sided p-values that go together; the first 5 have an effect of 3 standard errors."""
    z = np.sqrt(0.5) * rng.normal() + np.sqrt(0.5) * rng.normal(size=20) + 3.0 * (np.arange(20) < 5)
    return norm.sf(z)


def false_share(rng: Rng) -> float:
    found = benjamini_hochberg(many(rng)) <= 0.05
    return float(found[5:].sum() / max(1, found.sum()))


def families() -> list[Row]:
    world = "20 dependent tests, 5 with an effect"
    return [
        alarms("holm", "any false alarm at most .05 of the time", world,
               lambda rng: (holm(many(rng))[5:] <= 0.05).any()),
        twin("each at .05", world, lambda rng: (many(rng)[5:] <= 0.05).any()),
        Row("benjamini_hochberg", "false share of alarms ≤ .05 on average", world, _false, 0.05),
        alarms("all_of", "passes at most .05 of the time", "19 claims hold, 1 fails",
               lambda rng: all_of(norm.sf(rng.normal(size=20) + 9.0 * (np.arange(20) > 0))) <= 0.05),
    ]  # fmt: skip


def _false(rng: Rng, worlds: int) -> Figure:
    mean = float(np.mean([false_share(rng) for _ in range(worlds)]))
    return Figure(f"{mean:.3f}", mean)


def minutes(rng: Rng, memory: float, n: int) -> Any:
    """Canary minus control of pods .3 apart for good, AR(1) with `memory`, in its own deviations."""
    noise = rng.normal(size=n + 200) * np.sqrt(1.0 - memory**2)
    return lfilter([1.0], [1.0, -memory], noise)[200:] + 0.3


def canary(rng: Rng, memory: float) -> bool:
    x = minutes(rng, memory, 2880)
    found = block_sequence(x[1440:], block=block_length(memory), baseline=x[:1440], confidence=0.95)
    return found.excludes(0.0) is not None


def rank_sum(rng: Rng, memory: float) -> bool:
    """The usual canary judge: 60 minutes against 60, at 98 %, pods alike."""
    rank = np.concatenate([minutes(rng, memory, 60) for _ in range(2)]).argsort().argsort()[:60].sum() + 60.0
    return bool(abs(rank - 3630.0) / np.sqrt(60 * 60 * 121 / 12) > 2.3263)


def canaries() -> list[Row]:
    rows = []
    for memory in (0.0, 0.5, 0.8):
        day = f"AR(1) {memory}, any of 1,440 minutes"
        rows += [
            alarms("block_sequence", "alarms, ever, at most .05", f"{day}, pods .3 apart, less the day before",
                   lambda rng, m=memory: canary(rng, m)),
            twin("minute by minute", day, lambda rng, m=memory: student_sequence(
                minutes(rng, m, 1440) - 0.3, confidence=0.95).excludes(0.0) is not None, 0.5),
            twin("blocks without the day before", f"{day}, pods .3 apart", lambda rng, m=memory: block_sequence(
                minutes(rng, m, 1440), block=block_length(m), confidence=0.95).excludes(0.0) is not None, 0.5),
            twin("rank sum at 98 %", f"AR(1) {memory}, 60 minutes against 60", lambda rng, m=memory: rank_sum(rng, m)),
        ]  # fmt: skip
    return [*rows,
        average("lag_correlation", "recovers .8, ± .01", "AR(1), 1,440 minutes",
                lambda rng: lag_correlation(minutes(rng, 0.8, 1440)), 0.25, goal=0.8, off=0.01),
        average("block_length", "its blocks show 9/10 of the long-run variance, or more", "AR(1) .8, 50,000 minutes",
                long_run, 0.1, goal=1.0, off=0.1),
        law("block_means", "their mean is that of the whole blocks", "1,440 minutes in blocks of 45", lambda rng: abs(
            float(block_means(x := minutes(rng, 0.8, 1440), 45).mean() - x.mean()))),
    ]  # fmt: skip


def long_run(rng: Rng) -> float:
    """Variance of block means times the block's length over the long-run variance (1 + f) / (1 - f)."""
    size = block_length(0.8)
    return float(block_means(minutes(rng, 0.8, 50_000), size).var(ddof=1)) * size / 9.0


TRIALS = [*effects(), *hashes(), *families(), *canaries()]
