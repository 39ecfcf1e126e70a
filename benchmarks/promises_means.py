"""Worlds of means, ratios, shares and quantiles: rows of `docs/estimators.md`."""

from __future__ import annotations

from typing import Any

import numpy as np
from promises_worlds import Rng, Row, average, ends

from harness.estimate import Estimate
from harness.estimators.bounded import empirical_bernstein
from harness.estimators.intervals import abc_interval, bootstrap, bootstrap_ends, mean_interval, paired
from harness.estimators.proportions import clopper_pearson, wilson
from harness.estimators.quantiles import quantile_difference, quantile_interval
from harness.estimators.rare import big_loser_share
from harness.estimators.ratios import ratio_interval


def normal(rng: Rng, n: int) -> Any:
    return rng.normal(size=n)


def exponential(rng: Rng, n: int) -> Any:
    return rng.exponential(size=n)


def zeros(rng: Rng, n: int) -> Any:
    """80 % zeros, the others normal: as differences of nDCG are."""
    return rng.normal(size=n) * (rng.random(n) < 0.2)


def losers(rng: Rng, n: int) -> Any:
    """3 % lose .6, half of the rest move by a normal of sd .05: mean -.018."""
    return np.where(rng.random(n) < 0.03, -0.6, rng.normal(0.0, 0.05, n) * (rng.random(n) < 0.5))


def clustered(rng: Rng, groups: int) -> Estimate:
    """Log-normal sizes, intra-class correlation .3, mean 0."""
    code = np.repeat(np.arange(groups), np.maximum(1, np.round(rng.lognormal(2.5, 1.0, groups))).astype(int))
    x = np.sqrt(0.3) * rng.normal(size=groups)[code] + np.sqrt(0.7) * rng.normal(size=len(code))
    return mean_interval(x, clusters=code)


def views(rng: Rng) -> Estimate:
    """Clicks of 300 users whose views differ, at .2 a view."""
    seen = 1 + rng.poisson(rng.exponential(5.0, 300))
    return ratio_interval(rng.binomial(seen, 0.2), seen)


def differences(rng: Rng) -> Estimate:
    """200 queries of both systems, correlated .9: no change."""
    shared = rng.normal(size=200)
    after, before = (shared + rng.normal(size=200) / 3.0 for _ in range(2))
    return mean_interval(paired(after, before))


def wobble(rng: Rng) -> float:
    """The stated Monte-Carlo error of a lower end over its deviation between 40 seeds."""
    x = exponential(rng, 100)
    found = [bootstrap_ends(x, rng=rng, resamples=1000) for _ in range(40)]
    return float(np.mean([one.low_se for one in found]) / np.std([one.estimate.low for one in found], ddof=1))


def means() -> list[Row]:
    worlds = (("normal", normal, 0.0), ("80 % zeros", zeros, 0.0), ("exponential", exponential, 1.0),
              ("3 % big losers", losers, -0.018))  # fmt: skip
    rows = [
        ends("mean_interval (closed)", f"{label}, n = {n}", lambda rng, d=draw, n=n: mean_interval(d(rng, n)), truth)
        for label, draw, truth in worlds
        for n in (20, 200, 1000)
    ]
    rows += [ends("mean_interval (clustered)", f"{n} clusters", lambda rng, n=n: clustered(rng, n), 0.0)
             for n in (60, 120)]  # fmt: skip
    rows += [
        ends(f"bootstrap ({method})", f"{label}, n = {n}",
             lambda rng, d=draw, m=method, n=n: bootstrap(d(rng, n), rng=rng, method=m, resamples=500), truth,
             1.0 if n < 1000 else 0.25)
        for method in ("percentile", "bca", "studentised")
        for label, draw, truth in worlds[:3]
        for n in (20, 200, 1000)
    ]  # fmt: skip
    return rows


def others() -> list[Row]:
    return [
        average("bootstrap_ends", "stated error of an end ÷ its deviation over seeds is 1, ± .15",
                "exponential, n = 100",
                wobble, 0.02, goal=1.0, off=0.15),
        ends("paired", "two systems on 200 queries, no change", differences, 0.0),
        *(ends("abc_interval", f"exponential, n = {n}", lambda rng, n=n: abc_interval(exponential(rng, n)), 1.0)
          for n in (20, 1000)),
        ends("empirical_bernstein", "3 % at .2 of .8, n = 50",
             lambda rng: empirical_bernstein(np.where(rng.random(50) < 0.03, 0.2, 0.8)), 0.782),
        ends("big_loser_share", "3 % big losers, n = 50", lambda rng: big_loser_share(losers(rng, 50)), 0.03),
        ends("ratio_interval", "clicks a view, 300 users", views, 0.2),
    ]  # fmt: skip


def shares() -> list[Row]:
    return [
        ends(name, f"share {p}, n = 80", lambda rng, f=f, p=p: f(rng.binomial(80, p), 80), p)
        for name, f in (("clopper_pearson", clopper_pearson), ("wilson", wilson))
        for p in (0.005, 0.3, 0.95)
    ]


def pair(rng: Rng, method: Any) -> Estimate:
    shared = rng.gamma(3.0, 1.0, 300)
    after, before = (shared + rng.gamma(3.0, 1.0, 300) for _ in range(2))
    return quantile_difference(after, before, 0.95, method=method)


def quantiles() -> list[Row]:
    rows = [
        ends("quantile_interval", f"p95 of exponential, n = {n}",
             lambda rng, n=n: quantile_interval(rng.exponential(size=n), 0.95), -float(np.log(0.05)))
        for n in (59, 300)
    ]  # fmt: skip
    return rows + [
        ends(f"quantile_difference ({m})", "p95 of dependent gammas, n = 300", lambda rng, m=m: pair(rng, m), 0.0, 0.5)
        for m in ("mover", "union")
    ]


SHARES = shares()
MEANS = [*means(), *others(), *SHARES, *quantiles()]
