"""Worlds of sample sizes: whether the n that is asked for, and the power that is told, are what comes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from promises_worlds import Figure, Rng, Row

from harness.estimators.experiment_effects import mean_effect, share_effect
from harness.estimators.experiment_power import (
    mean_needs,
    mean_power,
    mean_sees,
    share_needs,
    share_power,
    share_sees,
)
from harness.estimators.intervals import mean_interval
from harness.estimators.proportions import clopper_pearson
from harness.estimators.quantiles import quantile_interval
from harness.estimators.sample_size import needed_for_mean, needed_for_quantile, needed_for_share, needed_n


def told(name: str, promise: str, world: str, seen: Callable[[Rng], Any], chance: float, off: float = 0.0) -> Row:
    """A row of a rate that was foretold: over three standard errors and `off` away from it is a broken promise."""

    def measure(rng: Rng, asked: int) -> Figure:
        found = float(np.mean([bool(seen(rng)) for _ in range(asked)]))
        error = math.sqrt(chance * (1.0 - chance) / asked)
        return Figure(f"{found:.3f}, told {chance:.3f}", max(0.0, abs(found - chance) - 3.0 * error))

    return Row(name, promise, world, measure, off, exact=True)


def at_least(name: str, world: str, seen: Callable[[Rng], Any], chance: float) -> Row:
    """A row of a rate that may be more than was foretold, not less."""

    def measure(rng: Rng, asked: int) -> Figure:
        found = float(np.mean([bool(seen(rng)) for _ in range(asked)]))
        return Figure(f"{found:.3f}, told {chance:.3f}", 1.0 - found)

    return Row(name, f"settled with chance {chance:g}, or more", world, measure, 1.0 - chance)


def mean_found(rng: Rng, gap: float, n: int, m: int) -> bool:
    return mean_effect(gap + rng.normal(size=n), rng.normal(size=m)).p <= 0.05


def share_found(rng: Rng, treated: float, control: float, n: int, m: int) -> bool:
    return share_effect(int(rng.binomial(n, treated)), n, int(rng.binomial(m, control)), m).p <= 0.05


def powers() -> list[Row]:
    said, needs = "finds it as often as told, ± .01", mean_needs(0.5, 1.0) or 0
    sees, shares, rise = mean_sees(1.0, 64), share_needs(0.12, 0.10) or 0, share_sees(0.10, 3841)
    return [
        told("mean_power", said, "gap .3 sd, 80 and 160 units",
             lambda rng: mean_found(rng, 0.3, 160, 80), mean_power(0.3, 1.0, 80, ratio=2.0), 0.01),
        told("mean_needs", said, f"gap .5 sd: {needs} an arm", lambda rng: mean_found(rng, 0.5, needs, needs), 0.8,
             0.01),
        told("mean_sees", said, f"64 an arm: {sees:.3f} sd", lambda rng: mean_found(rng, sees, 64, 64), 0.8, 0.01),
        told("share_power", said, ".15 against .10, 500 units each",
             lambda rng: share_found(rng, 0.15, 0.10, 500, 500), share_power(0.15, 0.10, 500), 0.01),
        told("share_needs", said, f".12 against .10: {shares:,} an arm",
             lambda rng: share_found(rng, 0.12, 0.10, shares, shares), 0.8, 0.01),
        told("share_sees", said, f"3,841 an arm at .10: a rise of {rise:.4f}",
             lambda rng: share_found(rng, 0.10 + rise, 0.10, 3841, 3841), 0.8, 0.01),
    ]  # fmt: skip


def sizes() -> list[Row]:
    half, sure = needed_for_mean(0.1, 1.0) or 0, needed_for_mean(0.1, 1.0, power=0.8) or 0
    share, quantile = needed_for_share(0.97, 0.95) or 0, needed_for_quantile(0.95, 0.97) or 0
    settled = "settles as often as told, ± .02"
    again = needed_n(mean_interval(np.resize([1.1, -0.9], 100)), 0.0) or 0
    return [
        told("needed_n", settled, f"mean .1 of sd 1 at n = 100: {again}, about one in two",
             lambda rng: mean_interval(0.1 + rng.normal(size=again)).low > 0.0, 0.5, 0.02),
        told("needed_for_mean", settled, f"gap .1 sd: {half}",
             lambda rng: mean_interval(0.1 + rng.normal(size=half)).low > 0.0, 0.5, 0.02),
        told("needed_for_mean", settled, f"gap .1 sd, power .8: {sure}",
             lambda rng: mean_interval(0.1 + rng.normal(size=sure)).low > 0.0, 0.8, 0.02),
        at_least("needed_for_share", f"share .97, limit .95: {share} trials",
                 lambda rng: clopper_pearson(rng.binomial(share, 0.97), share).low >= 0.95, 0.5),
        at_least("needed_for_quantile", f"p95, .97 of values under the limit: {quantile} values",
                 lambda rng: quantile_interval(rng.random(quantile), 0.95).high <= 0.97, 0.5),
    ]  # fmt: skip


NEEDS = [*powers(), *sizes()]
