"""Worlds of calibration: the error and its null floor, the curve, and its drift between two periods."""

from __future__ import annotations

from typing import Any

import numpy as np
from promises_worlds import TWIN, Rng, Row, alarms, average, ends, law, twin

from harness.estimate import Estimate
from harness.estimators.calibration import (
    CalibrationError,
    calibration_error,
    calibration_floor,
    needed_for_calibration,
    reliability_ends,
)
from harness.estimators.calibration_drift import calibration_drift
from harness.estimators.proportions import clopper_pearson
from harness.metrics.calibration import adaptive_ece, brier, equal_mass, reliability

BINS = 15
SHAPES = {"even, Beta(2, 2)": (2.0, 2.0), "rare, Beta(1, 19)": (1.0, 19.0)}


def perfect(rng: Rng, n: int) -> tuple[Any, Any]:
    """A perfectly calibrated model: chances uniform in (.1, .9), outcomes drawn by them."""
    p = rng.uniform(0.1, 0.9, n)
    return p, rng.random(n) < p


def over_floor(rng: Rng, n: int) -> float:
    p, y = perfect(rng, n)
    return adaptive_ece(p, y) / calibration_floor(p, equal_mass(p))


def found(rng: Rng, shape: tuple[float, float], n: int, bend: float = 1.0) -> tuple[CalibrationError, float]:
    """The error found, and the true one, of a model whose true log-odds are `bend` times those it says."""
    p = rng.beta(*shape, n)
    truth, bins = p**bend / (p**bend + (1.0 - p) ** bend), equal_mass(p)
    true = float(np.abs(np.bincount(bins, weights=truth - p)).sum()) / n
    return calibration_error(p, rng.random(n) < truth, bins, rng=rng, draws=500), true


def above_floor(rng: Rng) -> bool:
    one = found(rng, (2.0, 2.0), 1000)[0]
    return one.estimate.value > one.floor


def centred(rng: Rng, bend: float) -> Estimate:
    one, true = found(rng, (2.0, 2.0), 1000, bend)
    return one.estimate._replace(low=one.estimate.low - true, high=one.estimate.high - true)


def settled(rng: Rng) -> bool:
    """Whether a perfect model passes .05 at the n that was asked for."""
    need = needed_for_calibration(0.05, found(rng, (2.0, 2.0), 1000)[0]) or 1
    return found(rng, (2.0, 2.0), need)[0].estimate.high <= 0.05


def errors() -> list[Row]:
    rows = [
        average("adaptive_ece", f"a perfect model's score, {BINS} bins: .8 √(p(1-p)B/n), ± 4 %", f"n = {n:,}",
                lambda rng, n=n: adaptive_ece(*perfect(rng, n)), 0.25,
                goal=0.8 * (0.59 / 3.0 * BINS / n) ** 0.5, off=0.04 * 0.8 * (0.59 / 3.0 * BINS / n) ** 0.5)
        for n in (200, 1000, 5000, 20_000)
    ]  # fmt: skip
    rows += [
        average("calibration_floor", "a perfect model's score ÷ its floor is 1, ± .03", f"n = {n:,}",
                lambda rng, n=n: over_floor(rng, n), 0.25, goal=1.0, off=0.03)
        for n in (200, 5000)
    ]  # fmt: skip
    rows += [
        alarms("calibration_error", "a perfect model is faulted at most .05 of the time", f"{label}, n = {n:,}",
               lambda rng, s=shape, n=n: found(rng, s, n)[0].estimate.low > 0.0, 0.5)
        for label, shape in SHAPES.items() for n in (200, 1000, 5000)
    ]  # fmt: skip
    return [*rows,
        *(ends("calibration_error", f"true log-odds are {bend} × those said, n = 1000", lambda rng,
               b=bend: centred(rng, b),
               0.0, 0.5) for bend in (0.5, 2.0)),
        twin("an error above its floor is taken for a fault", "even, n = 1000",
             above_floor, 0.5),
        alarms("needed_for_calibration", "a perfect model passes at that n about every second time", "bound .05",
               settled,
               0.1, wrong=False),
    ]  # fmt: skip


def any_missed(rng: Rng, *, joint: bool) -> bool:
    p = rng.random(600)
    curve = reliability(p, rng.random(600) < p)
    said = reliability_ends(curve.hits, curve.counts) if joint else [
        clopper_pearson(h, n) for h, n in zip(curve.hits.tolist(), curve.counts.tolist(), strict=True)]  # fmt: skip
    return any(not one.low <= share <= one.high for one, share in zip(said, curve.predicted, strict=True))


def curves() -> list[Row]:
    world = "perfect model, n = 600, 15 bins"
    return [
        alarms("reliability_ends", "any of 15 bins misses at most .10 of the time", world,
               lambda rng: any_missed(rng, joint=True), rate=0.1),
        twin("each bin at its own 90 %", world, lambda rng: any_missed(rng, joint=False)),
        law("reliability", "its mean distance, weighted by rows, is adaptive_ece", "n = 997", _curve),
        law("equal_mass", "bins of distinct predictions differ by at most 1 row", "n = 997, 15 bins",
            lambda rng: float(np.ptp(np.bincount(equal_mass(rng.random(997))))), 1.0),
        average("brier", "a perfect model scores p(1-p) on average, ± .001", "n = 1000",
                lambda rng: float(brier(*perfect(rng, 1000)).mean()), goal=0.59 / 3.0, off=0.001, form=".4f"),
    ]  # fmt: skip


def _curve(rng: Rng) -> float:
    p, y = perfect(rng, 997)
    bins = equal_mass(p)
    literal = sum(abs(float(p[bins == b].sum()) - int(y[bins == b].sum())) for b in np.unique(bins)) / 997
    return abs(literal - reliability(p, y).error)


def drifted(rng: Rng, shape: tuple[float, float], n: int) -> Estimate:
    p, later = rng.beta(*shape, n), np.arange(n) % 2
    return calibration_drift((rng.random(n) < p) - p, later, np.zeros(n, dtype=int)).overall


def crowded(rng: Rng, *, users: bool) -> Estimate:
    """150 users of 8 rows that go together, mostly of one period: a drift of .05."""
    code = np.repeat(np.arange(150), 8)
    p, luck = rng.uniform(0.2, 0.8, 150)[code], rng.random(150)[code]
    y = np.where(rng.random(1200) < 0.8, luck, rng.random(1200)) < p
    later = (rng.random(1200) < 0.05 + 0.9 * (code % 2)).astype(int)
    clusters = code if users else None
    return calibration_drift(y - p + 0.05 * later, later, np.zeros(1200, dtype=int), clusters=clusters).overall


def any_bin(rng: Rng, bend: float) -> bool:
    p, later = rng.uniform(0.05, 0.95, 2000), rng.integers(0, 2, 2000)
    truth = np.where(later, p**bend / (p**bend + (1.0 - p) ** bend), p)
    found = calibration_drift((rng.random(2000) < truth) - p, later, equal_mass(p, bins=10)).bins
    return any(not one.low <= 0.0 <= one.high for one in found.values())


def drifts() -> list[Row]:
    crowd = "150 users of 8 rows, drift .05"
    return [
        *(ends("calibration_drift", f"{label}, {n:,} rows, no drift", lambda rng, s=shape, n=n: drifted(rng, s, n), 0.0)
          for label, shape, n in (("even", (2.0, 2.0), 200), ("even", (2.0, 2.0), 1000),
                                  ("rare, Beta(1, 199)", (1.0, 199.0), 1000))),
        ends("calibration_drift", crowd, lambda rng: crowded(rng, users=True), 0.05),
        ends("(twin) calibration_drift blind to users", crowd, lambda rng: crowded(rng, users=False), 0.05,
             promise=TWIN),
        alarms("calibration_drift", "any of 10 bins shows one at most .10 of the time", "no drift, n = 2000",
               lambda rng: any_bin(rng, 1.0), rate=0.1),
        alarms("calibration_drift", "how often any of 10 bins shows one", "log-odds halved later, n = 2000",
               lambda rng: any_bin(rng, 0.5), wrong=False),
    ]  # fmt: skip


CALIBRATION = [*errors(), *curves(), *drifts()]
