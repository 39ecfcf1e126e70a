"""Worlds of looks at any time: false alarms beside naive peeking, and how long true changes take to be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from promises_worlds import Figure, Rng, Row, alarms, law, twin

from harness.estimators.intervals import paired
from harness.estimators.sequential import bernstein_sequence, betting_sequence, betting_wealth
from harness.estimators.sequential_blocks import arm_scores, bounded_arms_sequence
from harness.estimators.sequential_means import asymptotic_sequence, carriers_so_far, student_sequence
from harness.estimators.sequential_rates import arms_process, rate_process, rate_sequence, ratio_process

EVER, MANY = "leaves the truth out, ever, at most .05", 5.0  # 10,000 runs where 2,000 worlds are asked for
LOOKS = 100


def out(found: Any, truth: float, *, every: int = 10) -> bool:
    """Whether any of the looks, one in `every` values, leaves the truth out."""
    low, high = found.low[every - 1 :: every], found.high[every - 1 :: every]
    return bool(((low > truth) | (high < truth)).any())


def peeks(x: Any, truth: float = 0.0, *, every: int = 10, first: int = 1) -> bool:
    """The broken way: an interval for one look, read at each of a hundred."""
    n = np.arange(1, len(x) + 1)
    mean = np.cumsum(x) / n
    error = np.sqrt(np.maximum(np.cumsum((x - truth) ** 2) / n - (mean - truth) ** 2, 1e-12) / n)
    return bool((np.abs(mean - truth) > 1.96 * error)[first * every - 1 :: every].any())


def clicks(rng: Rng, rate: float = 0.1, n: int = 1000) -> Any:
    return (rng.random(n) < rate).astype(float)


def bets(rng: Rng, truth: float, draw: Callable[[Rng], Any]) -> bool:
    """What `betting_sequence` asks at its true mean, both ways, each at .025."""
    x = draw(rng)
    two = betting_wealth(x, truth, alpha=0.025), betting_wealth(1.0 - x, 1.0 - truth, alpha=0.025)
    return any(one.log_e[9::10].max() >= np.log(40.0) for one in two)


def losers(rng: Rng) -> Any:
    """3 % at .2, the others at .8: mean .782."""
    return np.where(rng.random(1000) < 0.03, 0.2, 0.8)


def bounded() -> list[Row]:
    worlds = (("clicks at .1", clicks, 0.1), ("3 % at .2 of .8", losers, 0.782))
    look = "1,000 values, 100 looks"
    rows = [
        alarms("bernstein_sequence", EVER, f"{label}, {look}",
               lambda rng, d=draw, t=truth: out(bernstein_sequence(d(rng), confidence=0.95), t), MANY)
        for label, draw, truth in worlds
    ]  # fmt: skip
    rows += [alarms("betting_wealth", EVER, f"{label}, {look}", lambda rng, d=draw, t=truth: bets(rng, t, d), MANY)
             for label, draw, truth in worlds]  # fmt: skip
    return [*rows,
        alarms("betting_sequence", EVER, f"clicks at .1, {look}",
               lambda rng: out(betting_sequence(clicks(rng), confidence=0.95), 0.1), 0.25),
        twin("bets that see the value in advance", f"clicks at .1, {look}",
             lambda rng: betting_wealth(np.sort(clicks(rng))[::-1], 0.1).alarm(0.05) is not None),
        twin("naive peeking", f"clicks at .1, {look}", lambda rng: peeks(clicks(rng), 0.1), MANY),
    ]  # fmt: skip


def arms(rng: Rng) -> tuple[Any, Any]:
    """Two arms at 30 : 70 of equal click rate .4."""
    return clicks(rng, 0.4), clicks(rng, 0.3)


def means() -> list[Row]:
    look = "1,000 values, 100 looks"

    def pairs(rng: Rng) -> Any:
        return paired(rng.normal(size=1000), rng.normal(size=1000))

    return [
        alarms("asymptotic_sequence (paired)", EVER, f"normal pairs, {look}",
               lambda rng: out(asymptotic_sequence(pairs(rng), confidence=0.95), 0.0), MANY),
        twin("naive peeking", f"normal pairs, {look}", lambda rng: peeks(pairs(rng)), MANY),
        twin("naive peeking, 10,000 values", "normal, 100 looks of 100 values",
             lambda rng: peeks(rng.normal(size=10_000), every=100), MANY),
        alarms("student_sequence", EVER, f"normal, {look}",
               lambda rng: out(student_sequence(rng.normal(size=1000), confidence=0.95), 0.0), MANY),
        alarms("student_sequence", "is for normal values: what it does", f"exponential, {look}",
               lambda rng: out(student_sequence(rng.exponential(size=1000), confidence=0.95), 1.0), wrong=False),
        alarms("arm_scores", EVER, f"two arms 30 : 70, {look}",
               lambda rng: out(asymptotic_sequence(arm_scores(*arms(rng), share_treated=0.3), confidence=0.95),
                               0.0), MANY),
        alarms("bounded_arms_sequence", EVER, "two arms 30 : 70, 300 small values, 30 looks",
               lambda rng: out(_few(rng, 0.3), 0.0), 0.5),
        twin("bounded_arms_sequence told 50 : 50", "two arms 30 : 70, 300 small values, 30 looks",
             lambda rng: out(_few(rng, 0.5), 0.0), 0.1),
        law("carriers_so_far", "their number is n ÷ kurtosis", "500 rare clicks", _kurtosis),
    ]  # fmt: skip


def _few(rng: Rng, share: float) -> Any:
    y, arm = arms(rng)
    return bounded_arms_sequence(0.2 * y[:300], arm[:300], share_treated=share, confidence=0.95)


def _kurtosis(rng: Rng) -> float:
    x = clicks(rng, 0.05, 500)
    d = x - x.mean()
    return abs(float(carriers_so_far(x)[-1]) * float((d**4).mean()) / float((d**2).mean()) ** 2 / 500 - 1.0)


def unguarded(rng: Rng, first: int) -> bool:
    """The asymptotic formula from look `first` on, of clicks at .004."""
    x = clicks(rng, 0.004, 10_000)
    n = np.arange(1, 10_001)
    spread = np.sqrt(np.maximum((mean := np.cumsum(x) / n) - mean**2, 0.0))
    log = -2.0 * np.log(0.05)
    rho = (log + np.log(log + 1.0)) / 1000
    reach = spread * np.sqrt(2.0 * (n * rho + 1.0) / (n**2 * rho) * np.log(np.sqrt(n * rho + 1.0) / 0.05))
    return bool((np.abs(mean - 0.004) > reach)[first - 1 :].any())


def rates() -> list[Row]:
    trials = 200 * np.arange(1, LOOKS + 1)

    def hits(rng: Rng, rate: float) -> Any:
        return rng.binomial(200, rate, LOOKS).cumsum()

    def split(rng: Rng, share: float = 0.5) -> Any:
        days = rng.binomial(2000, share, 14).cumsum()
        return np.column_stack([days, 2000 * np.arange(1, 15) - days])

    world, srm = "rate .004, 100 looks of 200 trials", "alarms, ever, at most .001"
    return [
        *(twin(f"asymptotic formula from look {first}", "clicks at .004, 10,000 looks",
               lambda rng, f=first: unguarded(rng, f)) for first in (2, 501)),
        alarms("asymptotic_sequence (guarded)", EVER, "clicks at .004, 20,000 looks",
               lambda rng: out(asymptotic_sequence(clicks(rng, 0.004, 20_000), confidence=0.95), 0.004, every=1), 0.25),
        alarms("rate_process", "alarms, ever, at most .05", f"at its limit, {world}",
               lambda rng: rate_process(hits(rng, 0.004), trials, 0.004).alarm(0.05) is not None, MANY),
        alarms("rate_sequence", EVER, world,
               lambda rng: out(rate_sequence(hits(rng, 0.004), trials, confidence=0.95), 0.004, every=1)),
        alarms("arms_process", "alarms, ever, at most .05", f"two arms, {world}", lambda rng: arms_process(
            np.column_stack([hits(rng, 0.004), hits(rng, 0.004)])).alarm(0.05) is not None, MANY),
        alarms("ratio_process", srm, "50/50, 2,000 a day, 14 looks",
               lambda rng: ratio_process(split(rng)).alarm(0.001) is not None, MANY, rate=0.001),
        twin("χ² at .001 each day", "50/50, 2,000 a day, 14 looks", lambda rng: _chi(split(rng)), MANY),
        alarms("ratio_process", "how often it is found in 14 days", "52/48, 2,000 a day",
               lambda rng: ratio_process(split(rng, 0.52)).alarm(0.001) is not None, wrong=False),
    ]  # fmt: skip


def _chi(table: Any) -> bool:
    """Whether Pearson's χ² of an even split alarms at .001 at any look."""
    return bool(((table[:, 0] - table[:, 1]) ** 2 / table.sum(axis=1) > 10.828).any())


def delay(name: str, world: str, first: Callable[[Rng], int | None], share: float = 0.1) -> Row:
    """A row of the median number of observations until a true change is seen."""

    def measure(rng: Rng, asked: int) -> Figure:
        found = [first(rng) for _ in range(row.worlds(asked))]
        seen = np.array([np.inf if one is None else one + 1.0 for one in found])
        return Figure(f"{np.median(seen):,.0f}; nine in ten by {np.quantile(seen, 0.9, method='higher'):,.0f}"
                      f" ({len(found)} worlds)")  # fmt: skip

    row = Row(name, "median observations to an alarm at .05", world, measure, share=share)
    return row


def drop(rng: Rng, ratio: float, n: int) -> int | None:
    treated = (rng.random(n) < ratio / (1.0 + ratio)).cumsum()
    return arms_process(np.column_stack([np.arange(1, n + 1) - treated, treated])).alarm(0.05)


def delays() -> list[Row]:
    shifts = ((0.05, 20_000), (0.1, 6000), (0.2, 2000), (0.4, 1000))
    rows = [delay("asymptotic_sequence", f"shift of {shift} sd", lambda rng, s=shift, n=n: asymptotic_sequence(
        s + rng.normal(size=n), confidence=0.95).excludes(0.0), 0.25) for shift, n in shifts]  # fmt: skip
    rows += [delay("arms_process, clicks of both arms", f"click rate × {ratio}", lambda rng, r=ratio,
                   n=n: drop(rng, r, n),
                   0.25) for ratio, n in ((0.9, 20_000), (0.8, 6000), (0.7, 3000))]  # fmt: skip
    rows.append(delay("betting_wealth", "clicks at .13 against .10", lambda rng: betting_wealth(
        clicks(rng, 0.13, 20_000), 0.1).alarm(0.05)))  # fmt: skip
    return rows


SEQUENCES = [*bounded(), *means(), *rates(), *delays()]
