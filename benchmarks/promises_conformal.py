"""Worlds of conformal prediction, every kind of it: rows of `docs/estimators.md`."""

from __future__ import annotations

from typing import Any

import numpy as np
from promises_worlds import TWIN, Figure, Rng, Row, alarms, average, covers, law, twin

from harness.estimators.conformal import (
    absolute_scores,
    conformal_p,
    covered_by,
    cqr_bands,
    cqr_scores,
    needed_for_threshold,
    split_bands,
    split_threshold,
)
from harness.estimators.conformal_adaptive import adaptive, adaptive_slack
from harness.estimators.conformal_coverage import (
    band_chance,
    coverage_law,
    coverage_range,
    needed_for_band,
    slice_coverage,
)
from harness.estimators.conformal_groups import mondrian
from harness.estimators.conformal_weighted import effective_rows, weighted_thresholds

BAND = (0.93, 0.97)


def split(rng: Rng, n: int = 199) -> float:
    return float((rng.exponential(size=400) <= split_threshold(rng.exponential(size=n))).mean())


def regression(rng: Rng, kind: str) -> float:
    """Noise that grows fivefold with x; the model knows the mean, and guesses its 90 % range a third too narrow."""
    x, new = rng.random(300), rng.random(300)
    truth, fresh = ((1.0 + 4.0 * one) * rng.normal(size=300) for one in (x, new))
    if kind == "cqr":
        reach = 1.1 * (1.0 + 4.0 * new)
        bar = split_threshold(cqr_scores(truth, -1.1 * (1.0 + 4.0 * x), 1.1 * (1.0 + 4.0 * x)))
        return float(covered_by(fresh, cqr_bands(-reach, reach, bar)).mean())
    bar = split_threshold(absolute_scores(truth, np.zeros(300)))
    held = covered_by(fresh, split_bands(np.zeros(300), bar))
    return float(held[new > 0.8].mean()) if kind == "hard" else float(held.mean())


def groups(rng: Rng, *, pooled: bool = False) -> float:
    """Coverage of the fifth of rows whose scores are five times as large."""
    names = rng.choice(["easy", "hard"], 600, p=[0.8, 0.2])
    scores = rng.exponential(size=600) * np.where(names == "hard", 5.0, 1.0)
    bar = split_threshold(scores) if pooled else mondrian(scores, names).at(["hard"])[0]
    return float((5.0 * rng.exponential(size=400) <= bar).mean())


def shifted(rng: Rng, *, blind: bool = False) -> float:
    """New rows crowd where scores are large: density ratio 2x."""
    x, new = rng.random(400), np.sqrt(rng.random(200))
    scores, fresh = x * rng.exponential(size=400), new * rng.exponential(size=200)
    bars = split_threshold(scores) if blind else weighted_thresholds(scores, 2.0 * x, 2.0 * new)
    return float((fresh <= bars).mean())


def drifting(rng: Rng) -> Any:
    return adaptive(np.linspace(1.0, 5.0, 3000) * rng.exponential(size=3000))


def frozen(rng: Rng) -> float:
    scores = np.linspace(1.0, 5.0, 3000) * rng.exponential(size=3000)
    return float((scores[500:] <= split_threshold(scores[:500])).mean())


def hostile(rng: Rng) -> float:
    """Levels that jump by orders of magnitude: how much of the slack is used up."""
    scores = 10.0 ** np.repeat(rng.normal(size=20), 100) * rng.exponential(size=2000)
    return abs(float(adaptive(scores).coverage) - 0.95) / adaptive_slack(2000)


def kinds() -> list[Row]:
    return [
        covers("split_threshold", "199 calibration, 400 new rows", split),
        covers("needed_for_threshold", "the least n of a finite threshold, 19",
               lambda rng: split(rng, needed_for_threshold(0.95))),
        covers("split_bands, absolute_scores", "noise grows fivefold, n = 300", lambda rng: regression(rng, "split")),
        average("(twin) split_bands where noise is largest", TWIN, "the noisiest fifth",
                lambda rng: regression(rng, "hard")),
        covers("cqr_bands, cqr_scores", "a model a third too narrow, n = 300", lambda rng: regression(rng, "cqr")),
        law("covered_by", "a row is covered exactly where its score is under its threshold", "10,000 rows", _both),
        alarms("conformal_p", "p ≤ .05 at most .05 of the time", "99 calibration rows, one new",
               lambda rng: conformal_p(rng.exponential(size=99), rng.exponential(size=1))[0] <= 0.05),
        covers("mondrian", "the harder fifth of 600 rows", groups),
        average("(twin) one threshold for all", TWIN, "the harder fifth of 600 rows",
                lambda rng: groups(rng, pooled=True)),
        covers("weighted_thresholds", "density ratio 2x, n = 400", shifted),
        average("(twin) equal weights under shift", TWIN, "density ratio 2x, n = 400",
                lambda rng: shifted(rng, blind=True)),
        law("effective_rows", "1 ÷ Σ w² of weights that sum to 1", "400 weights", _kong),
        average("adaptive", "covers .95 within its slack of .032, in any world", "scores grow fivefold over 3,000 rows",
                lambda rng: float(drifting(rng).coverage), 0.1, goal=0.95, off=adaptive_slack(3000), form=".4f"),
        average("adaptive", "its worst stretch of 250 rows: not promised, shown", "the same",
                lambda rng: drifting(rng).worst_stretch(250), 0.1),
        average("(twin) a threshold frozen at row 500", TWIN, "the same", frozen, 0.1),
        alarms("adaptive_slack", "coverage leaves the slack never", "levels jump by orders of magnitude",
               lambda rng: hostile(rng) > 1.0, 0.05, rate=0.0),
    ]  # fmt: skip


def _both(rng: Rng) -> float:
    truth, low, reach, bar = rng.normal(size=(4, 10_000))
    high = low + reach**2
    return float((covered_by(truth, cqr_bands(low, high, bar)) != (cqr_scores(truth, low, high) <= bar)).sum())


def _kong(rng: Rng) -> float:
    weights = rng.pareto(1.5, 400)
    return abs(effective_rows(weights) * float(((weights / weights.sum()) ** 2).sum()) - 1.0)


def observed(rng: Rng, m: int, n: int) -> int:
    """New rows covered, of m after n."""
    return int((rng.random(m) <= split_threshold(rng.random(n))).sum())


def distance(rng: Rng, worlds: int) -> Figure:
    """Largest distance of the observed distribution function from the law's, beside Kolmogorov's 1 in 1,000."""
    hits = np.bincount([observed(rng, 100, 100) for _ in range(worlds)], minlength=101)
    found = float(np.abs(np.cumsum(hits) / worlds - np.cumsum(coverage_law(100, 100))).max())
    return Figure(f"{found:.4f}", found * worlds**0.5 / 1.95)


def family(rng: Rng, *, binomial: bool = False) -> bool:
    """Whether any of 10 sound slices is refused for covering too little."""
    slices = {str(at): (observed(rng, 400, 400), 400, 400) for at in range(10)}
    if binomial:
        from scipy.stats import binom

        return bool(min(binom.cdf(one[0], 400, 0.95) for one in slices.values()) <= 0.05 / 10 / 2)
    return not all(one.kept for one in slice_coverage(slices).values())


def in_band(rng: Rng, n: int) -> bool:
    return BAND[0] <= observed(rng, n, n) / n <= BAND[1]


def laws() -> list[Row]:
    need, (low, high) = needed_for_band() or 0, coverage_range(400, 400, alpha=0.05)
    return [
        Row("coverage_law", "distance from what is seen under Kolmogorov's 1 in 1,000", "100 rows after 100", distance,
            1.0, exact=True),
        alarms("coverage_range", "left at most .05 of the time", f"400 after 400: {low} to {high}",
               lambda rng: not low <= observed(rng, 400, 400) <= high),
        alarms("slice_coverage", "refuses any of 10 sound slices at most .05 of the time", "400 after 400", family,
               0.25),
        twin("binomial law of 10 slices, calibration's luck left out", "400 after 400",
             lambda rng: family(rng, binomial=True), 0.25),
        average("band_chance", "foretells how often 93–97 % is seen, ± .01", "200 after 200",
                lambda rng: in_band(rng, 200), goal=band_chance(200, 200), off=0.01),
        alarms("needed_for_band", "93–97 % is left at most .01 of the time", f"{need:,} after {need:,}",
               lambda rng: not in_band(rng, need), rate=0.0101),
    ]  # fmt: skip


CONFORMAL = [*kinds(), *laws()]
