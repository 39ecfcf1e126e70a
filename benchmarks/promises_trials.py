"""Worlds of trials, of canaries and of calibration: the last rows of `docs/estimators.md`."""

from __future__ import annotations

from typing import Any

import numpy as np
from promises_worlds import Rng, Row, alarms, ends

from harness.estimate import Estimate


def shares(rng: Rng) -> Estimate:
    from harness.estimators.experiment_effects import share_effect

    arms = rng.binomial(5000, 0.01), rng.binomial(5000, 0.01)
    return share_effect(int(arms[0]), 5000, int(arms[1]), 5000, confidence=0.9).estimate


def means(rng: Rng) -> Estimate:
    from harness.estimators.experiment_effects import mean_effect

    return mean_effect(3.0 * rng.normal(size=100), rng.normal(size=300), confidence=0.9).estimate


def ratios(rng: Rng) -> Estimate:
    from harness.estimators.experiment_effects import ratio_effect

    views = 1 + rng.poisson(rng.exponential(5.0, 600))
    rate = rng.beta(2.0, 8.0, 600)
    return ratio_effect(rng.binomial(views, rate), views, np.arange(600) % 2, np.arange(600), confidence=0.9).estimate


def drift(rng: Rng) -> Estimate:
    from harness.estimators.calibration_drift import calibration_drift

    said = rng.beta(2.0, 2.0, 800)
    residual = (rng.random(800) < said) - said
    return calibration_drift(residual, np.arange(800) % 2, np.minimum((said * 5).astype(int), 4)).overall


def mismatch(rng: Rng) -> bool:
    from harness.estimators.experiment import ratio_mismatch

    hits = int(rng.binomial(10_000, 0.5))
    return ratio_mismatch([hits, 10_000 - hits]) <= 0.05


def minutes(rng: Rng, memory: float, n: int) -> Any:
    """Canary minus control of pods .3 apart for good, AR(1) with `memory`, in its own deviations."""
    noise, series = rng.normal(size=n + 200) * np.sqrt(1.0 - memory**2), np.empty(n + 200)
    last = 0.0
    for at, step in enumerate(noise):
        last = memory * last + step
        series[at] = last
    return series[200:] + 0.3


def canary(rng: Rng, memory: float, *, blocks: bool) -> bool:
    from harness.estimators.sequential_blocks import block_length, block_sequence

    x = minutes(rng, memory, 2000)
    size = block_length(memory) if blocks else 1
    found = block_sequence(x[1000:], block=size, baseline=x[:1000], confidence=0.95)
    return found.excludes(0.0) is not None


def rows() -> list[Row]:
    said, arms = "alarms, ever, at most .05", "experiment_effects"
    found = [
        ends("share_effect", arms, "1 % against 1 %, 5,000 users each", shares, 0.0),
        ends("mean_effect", arms, "sd 3 and 1, n = 100 and 300", means, 0.0),
        ends("ratio_effect", arms, "clicks a view, 600 users", ratios, 0.0),
        ends("calibration_drift", "calibration_drift", "400 rows a period, calibrated", drift, 0.0),
        alarms("ratio_mismatch", "experiment", "50/50, one look", mismatch, "p ≤ .05 at most .05 of the time"),
    ]
    for memory in (0.0, 0.5, 0.8):
        world = f"AR(1) {memory}, pods .3 apart, 1,000 minutes after 1,000"
        found.append(alarms("block_sequence", "sequential_blocks", world,
                            lambda rng, m=memory: canary(rng, m, blocks=True), said, 0.25))  # fmt: skip
        found.append(alarms("(twin) block_sequence, blocks of one minute", "sequential_blocks", world,
                            lambda rng, m=memory: canary(rng, m, blocks=False),
                            "none: shown for what it alarms", 0.25, wrong=False))  # fmt: skip
    return found


TRIALS = rows()
