"""The worlds behind `docs/estimators.md`: one row a promise, each with a truth that is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from harness.estimate import Estimate

Rng = np.random.Generator
Draw = Callable[[Rng], Estimate]


class Figure(NamedTuple):
    """What was measured, as text, and the worst rate in it where the promise is one."""

    text: str
    worst: float | None = None


class Row(NamedTuple):
    """One promise: `measure(rng, worlds)` runs its worlds; `rate` is what each end, or the test, may miss."""

    estimator: str
    module: str
    promise: str
    world: str
    measure: Callable[[Rng, int], Figure]
    rate: float = 0.05
    share: float = 1.0  # of the worlds asked for: slow ones take fewer, and say so

    def most(self, worlds: int) -> float:
        """The rate plus three standard errors."""
        n = max(50, int(worlds * self.share))
        return self.rate + 3.0 * float(np.sqrt(self.rate * (1.0 - self.rate) / n))


def ends(name: str, module: str, world: str, draw: Draw, truth: float, share: float = 1.0) -> Row:
    """A row of miss rates of both ends of a 90 % interval."""

    def measure(rng: Rng, worlds: int) -> Figure:
        n = max(50, int(worlds * share))
        found = [draw(rng) for _ in range(n)]
        low, high = (
            float(np.mean(side)) for side in zip(*((e.low > truth, e.high < truth) for e in found), strict=True)
        )
        return Figure(f"misses {low:.3f} / {high:.3f}" + (f" ({n} worlds)" if share < 1 else ""), max(low, high))

    return Row(name, module, "each end misses ≤ .05", world, measure, share=share)


def alarms(
    name: str,
    module: str,
    world: str,
    reject: Callable[[Rng], Any],
    promise: str,
    share: float = 1.0,
    *,
    rate: float = 0.05,
    wrong: bool = True,
) -> Row:
    """A row of one rate; `wrong` if it must stay at or under `rate`."""

    def measure(rng: Rng, worlds: int) -> Figure:
        n = max(50, int(worlds * share))
        hit = float(np.mean([bool(reject(rng)) for _ in range(n)]))
        return Figure(f"{hit:.3f}" + (f" ({n} worlds)" if share < 1 else ""), hit if wrong else None)

    return Row(name, module, promise, world, measure, rate, share)


NORMAL, EXPONENTIAL = (lambda rng, n: rng.normal(size=n)), (lambda rng, n: rng.exponential(size=n))
ZEROS = lambda rng, n: rng.normal(size=n) * (rng.random(n) < 0.2)  # noqa: E731


def losers(rng: Rng, n: int) -> Any:
    """3 % lose .6, half of the rest move by a normal of sd .05: mean -.018."""
    return np.where(rng.random(n) < 0.03, -0.6, rng.normal(0.0, 0.05, n) * (rng.random(n) < 0.5))


def clusters(rng: Rng, groups: int) -> tuple[Any, Any]:
    """Log-normal sizes, intra-class correlation .3, mean 0."""
    code = np.repeat(np.arange(groups), np.maximum(1, np.round(rng.lognormal(2.5, 1.0, groups))).astype(int))
    return np.sqrt(0.3) * rng.normal(size=groups)[code] + np.sqrt(0.7) * rng.normal(size=len(code)), code


def views(rng: Rng) -> Estimate:
    from harness.estimators.ratios import ratio_interval

    seen = 1 + rng.poisson(rng.exponential(5.0, 300))
    return ratio_interval(rng.binomial(seen, 0.2), seen)


def means() -> list[Row]:
    from harness.estimators.bounded import empirical_bernstein
    from harness.estimators.intervals import abc_interval, bootstrap, mean_interval
    from harness.estimators.rare import big_loser_share

    rows = [
        ends(
            "mean_interval (closed)",
            "intervals",
            f"{label}, n = {n}",
            lambda rng, d=draw, n=n: mean_interval(d(rng, n)),
            truth,
        )
        for label, draw, truth in (
            ("normal", NORMAL, 0.0),
            ("80 % zeros", ZEROS, 0.0),
            ("exponential", EXPONENTIAL, 1.0),
            ("3 % big losers", losers, -0.018),
        )
        for n in (20, 200, 1000)
    ]
    rows += [
        ends("mean_interval (clustered)", "moments", f"{n} clusters", lambda rng, n=n: _clustered(rng, n), 0.0)
        for n in (60, 120)
    ]
    rows += [
        ends(
            f"bootstrap ({method})",
            "resampling",
            f"{label}, n = 200",
            lambda rng, d=draw, m=method: bootstrap(d(rng, 200), rng=rng, method=m, resamples=500),
            truth,
            0.2,
        )
        for method in ("percentile", "bca", "studentised")
        for label, draw, truth in (("80 % zeros", ZEROS, 0.0), ("exponential", EXPONENTIAL, 1.0))
    ]
    return [
        *rows,
        ends(
            "abc_interval", "intervals", "exponential, n = 1000", lambda rng: abc_interval(EXPONENTIAL(rng, 1000)), 1.0
        ),
        ends(
            "empirical_bernstein",
            "bounded",
            "3 % at .2 of .8, n = 50",
            lambda rng: empirical_bernstein(np.where(rng.random(50) < 0.03, 0.2, 0.8)),
            0.782,
        ),
        ends("big_loser_share", "rare", "3 % big losers, n = 50", lambda rng: big_loser_share(losers(rng, 50)), 0.03),
        ends("ratio_interval", "ratios", "clicks a view, 300 users", views, 0.2),
    ]


def _clustered(rng: Rng, groups: int) -> Estimate:
    from harness.estimators.intervals import mean_interval

    x, code = clusters(rng, groups)
    return mean_interval(x, clusters=code)


def shares_and_quantiles() -> list[Row]:
    from harness.estimators.proportions import clopper_pearson, wilson
    from harness.estimators.quantiles import quantile_difference, quantile_interval

    def pair(rng: Rng, method: str) -> Estimate:
        shared = rng.gamma(3.0, 1.0, 300)
        return quantile_difference(
            shared + rng.gamma(3.0, 1.0, 300), shared + rng.gamma(3.0, 1.0, 300), 0.95, method=method
        )  # type: ignore[arg-type]

    both = [("clopper_pearson", clopper_pearson), ("wilson", wilson)]
    return [
        *(
            ends(name, "proportions", f"share {p}, n = 80", lambda rng, f=f, p=p: f(rng.binomial(80, p), 80), p)
            for name, f in both
            for p in (0.005, 0.3, 0.95)
        ),
        *(
            ends(
                "quantile_interval",
                "quantiles",
                f"p95 of exponential, n = {n}",
                lambda rng, n=n: quantile_interval(rng.exponential(size=n), 0.95),
                -float(np.log(0.05)),
            )
            for n in (59, 300)
        ),
        *(
            ends(
                f"quantile_difference ({m})",
                "quantiles",
                "p95 of dependent gammas, n = 300",
                lambda rng, m=m: pair(rng, m),
                0.0,
                0.5,
            )
            for m in ("mover", "union")
        ),
    ]


def accumulators() -> list[Row]:
    from harness.estimators.moments import Moments
    from harness.estimators.sketch import LatencySketch

    def scale(_: Rng, __: int) -> Figure:
        part = side = Moments.of(1e8 + np.resize([-1.0, 1.0], 1_000_000))
        for _ in range(999):
            part = part.merge(side)
        return Figure(
            f"n {part.n:.0e}, mean off by {abs(part.mean - 1e8):.0e}, variance by {abs(part.m2 / part.n - 1):.0e}"
        )

    def sketch(rng: Rng, _: int) -> Figure:
        x = rng.lognormal(3.0, 1.0, 200_000)
        state = LatencySketch.of(x)
        off = [abs(state.quantile(q).value / np.quantile(x, q, method="inverted_cdf") - 1) for q in (0.5, 0.95, 0.99)]
        return Figure(f"{max(off):.4f}", max(off))

    return [
        Row("Moments", "moments", "mean and variance keep their digits", "1e9 rows of 1e8 ± 1, merged", scale),
        Row("LatencySketch", "sketch", "p50, p95, p99 within .01 of exact", "log-normal, n = 200,000", sketch, 0.01),
    ]


def known(rng: Rng, n: int, strata: int, effect: float = 0.0) -> tuple[Any, Any, Any]:
    """Strata that differ in outcome and in exposure; within them an effect."""
    code = np.arange(n) % strata
    e = (rng.random(n) < 0.2 + 0.6 * code / strata).astype(float)
    return rng.normal(size=n) + code + effect * e, e, code


def strata() -> list[Row]:
    from harness.estimators.combining import fisher_combined
    from harness.estimators.controls import negative_control, stratified_slope
    from harness.estimators.permutation import permutation_tests
    from harness.estimators.propensity import cross_fitted, propensity_calibration
    from harness.estimators.strata import post_stratified, strata_of

    def survey(rng: Rng) -> Estimate:
        names = rng.choice(["a", "b", "c"], 400, p=[0.6, 0.3, 0.1])
        x = np.select([names == "a", names == "b"], [0.0, 1.0], 3.0) + rng.exponential(size=400) - 1.0
        return post_stratified(strata_of(names).moments(x), {"a": 0.1, "b": 0.3, "c": 0.6})

    def slope(rng: Rng) -> Estimate:
        y, e, code = known(rng, 150, 5, 0.3)
        return stratified_slope(y, e, strata_of(code))

    def tests(rng: Rng, k: int, n: int) -> Any:
        return permutation_tests(
            rng.integers(0, 2, n), rng.integers(0, 2, n), strata_of(np.arange(n) % k), rng=rng, draws=199
        )

    def verdict(rng: Rng, effect: float) -> str:
        y, e, code = known(rng, 200, 4, effect)
        return negative_control(y, e, strata_of(code), margin=0.4, rng=rng).verdict

    def uncalibrated(rng: Rng) -> bool:
        x = rng.normal(size=(2000, 2))
        hit = rng.random(2000) < expit(x[:, 0] - 0.3)
        return not propensity_calibration(cross_fitted(x, hit, rng=rng), hit).holds

    def combined(rng: Rng) -> bool:
        found = tests(rng, 40, 800)
        return fisher_combined(found.p[found.informative]) <= 0.05

    null = "40 valid strata of 20 rows"
    return [
        ends("post_stratified", "strata", "exponential, 40 of 400 rows carry .6 of the weight", survey, 2.1),
        ends("stratified_slope", "controls", "5 strata, n = 150", slope, 0.3),
        alarms(
            "permutation_tests",
            "permutation",
            "5 null strata, n = 150",
            lambda rng: tests(rng, 5, 150).pooled_p <= 0.05,
            "p ≤ .05 at most .05 of the time",
        ),
        alarms("fisher_combined", "combining", null, combined, "refuses at most .05 of the time", 0.25),
        alarms(
            "(twin) every p > .05",
            "combining",
            null,
            lambda rng: (tests(rng, 40, 800).p <= 0.05).any(),
            "none: shown for what it refuses",
            0.25,
            wrong=False,
        ),
        alarms(
            "negative_control",
            "controls",
            "no effect, n = 200",
            lambda rng: verdict(rng, 0.0) == "REFUSE",
            "refuses at most .05 of the time",
            0.25,
        ),
        alarms(
            "negative_control",
            "controls",
            "effect = margin, n = 200",
            lambda rng: verdict(rng, 0.4) == "PASS",
            "passes at most .05 of the time",
            0.25,
        ),
        alarms(
            "propensity_calibration",
            "propensity",
            "cross-fitted right model, n = 2000",
            uncalibrated,
            "fails at most .05 of the time",
            0.1,
        ),
    ]


ROWS = [*means(), *shares_and_quantiles(), *accumulators(), *strata()]
