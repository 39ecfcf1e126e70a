"""Worlds of strata, permutations, propensities and negative controls: rows of `docs/estimators.md`."""

from __future__ import annotations

from typing import Any

import numpy as np
from promises_worlds import TWIN, Rng, Row, alarms, average, ends, twin
from scipy.special import expit

from harness.estimate import Estimate
from harness.estimators.combining import bonferroni_combined, draws_needed, fisher_combined
from harness.estimators.controls import control_battery, equivalent, negative_control, stratified_slope
from harness.estimators.intervals import mean_interval
from harness.estimators.permutation import permutation_tests
from harness.estimators.propensity import cross_fitted, fit_logistic, propensity_calibration
from harness.estimators.strata import post_stratified, strata_of

SEEN, REFUSES = "p ≤ .05 at most .05 of the time", "refuses at most .05 of the time"
NULL = "40 valid strata of 20 rows"


def known(rng: Rng, n: int, strata: int, effect: float = 0.0) -> tuple[Any, Any, Any]:
    """Strata that differ in outcome and in exposure; within them an effect."""
    code = np.arange(n) % strata
    e = (rng.random(n) < 0.2 + 0.6 * code / strata).astype(float)
    return rng.normal(size=n) + code + effect * e, e, code


def survey(rng: Rng, *, weighted: bool = True) -> Estimate:
    names = rng.choice(["a", "b", "c"], 400, p=[0.6, 0.3, 0.1])
    x = np.select([names == "a", names == "b"], [0.0, 1.0], 3.0) + rng.exponential(size=400) - 1.0
    return post_stratified(strata_of(names).moments(x),
                           {"a": 0.1, "b": 0.3, "c": 0.6}) if weighted else mean_interval(x)


def slope(rng: Rng, *, within: bool = True) -> Estimate:
    y, e, code = known(rng, 150, 5, 0.3)
    return stratified_slope(y, e, strata_of(code if within else np.zeros(150, dtype=int)))


def permuted(rng: Rng, k: int, n: int) -> Any:
    cells = strata_of(np.arange(n) % k)
    return permutation_tests(rng.integers(0, 2, n), rng.integers(0, 2, n), cells, rng=rng, draws=199)


def informative(rng: Rng) -> Any:
    found = permuted(rng, 40, 800)
    return found.p[found.informative]


def judged(rng: Rng, effect: float) -> str:
    y, e, code = known(rng, 200, 4, effect)
    return negative_control(y, e, strata_of(code), margin=0.4, rng=rng).verdict


def same_enough(rng: Rng) -> bool:
    """TOST where the truth is the margin itself."""
    return equivalent(mean_interval(0.2 + rng.normal(size=300)), margin=0.2)


def battery(rng: Rng) -> bool:
    y, e, code = known(rng, 200, 4)
    idle = {name: rng.normal(size=200) + code for name in "ab"}
    found = control_battery(y, e, strata_of(code), margins=dict.fromkeys("abc", 0.4), rng=rng, outcomes=idle,
                            exposures={"c": rng.normal(size=200)})  # fmt: skip
    return any(one.verdict == "REFUSE" for one in found)


def logistic(rng: Rng) -> tuple[Any, Any]:
    x = rng.normal(size=(2000, 2))
    return x, rng.random(2000) < expit(x[:, 0] - 0.3)


def uncalibrated(rng: Rng, *, scale: float = 1.0) -> bool:
    x, hit = logistic(rng)
    said = cross_fitted(x, hit, rng=rng)
    return not propensity_calibration(expit(scale * np.log(said / (1.0 - said))), hit).holds


def seen_by_itself(rng: Rng, *, crossed: bool) -> float:
    """Mean said of the exposed less that of the others, of features that are noise: 0 but for models that saw them."""
    x, hit = rng.normal(size=(200, 20)), np.arange(200) % 2
    said = cross_fitted(x, hit, rng=rng) if crossed else fit_logistic(x, hit).predict(x)
    return float(said[hit == 1].mean() - said[hit == 0].mean())


def strata() -> list[Row]:
    world = "exponential, 40 of 400 rows carry .6 of the weight"
    return [
        ends("post_stratified", world, survey, 2.1),
        twin("plain mean of all rows", world, lambda rng: survey(rng, weighted=False).high < 2.1),
        ends("stratified_slope", "5 strata, n = 150", slope, 0.3),
        twin("slope over all rows", "5 strata, n = 150", lambda rng: slope(rng, within=False).low > 0.3),
        alarms("permutation_tests", SEEN, "5 null strata, n = 150", lambda rng: permuted(rng, 5, 150).pooled_p <= 0.05),
        alarms("fisher_combined", REFUSES, NULL, lambda rng: fisher_combined(informative(rng)) <= 0.05, 0.25),
        alarms("bonferroni_combined", REFUSES, NULL, lambda rng: bonferroni_combined(informative(rng)) <= 0.05, 0.25),
        twin("every p > .05", NULL, lambda rng: (permuted(rng, 40, 800).p <= 0.05).any(), 0.25),
        alarms("draws_needed", "one stratum with an effect can be refused", "1 of 40, draws as needed",
               lambda rng: _one_of_many(rng, draws_needed(40)), 0.05, wrong=False),
        twin("half of draws_needed", "1 of 40", lambda rng: _one_of_many(rng, draws_needed(40) // 2), 0.05),
    ]  # fmt: skip


def _one_of_many(rng: Rng, draws: int) -> bool:
    """Whether Bonferroni sees an effect that is in one of 40 strata alone, where it is overwhelming."""
    code, e = np.arange(1600) % 40, np.arange(1600) // 40 % 2
    y = np.where(code == 0, e, rng.integers(0, 2, 1600))
    found = permutation_tests(y, e, strata_of(code), rng=rng, draws=draws)
    return bonferroni_combined(found.p) <= 0.05


def controls() -> list[Row]:
    return [
        alarms("negative_control", REFUSES, "no effect, n = 200", lambda rng: judged(rng, 0.0) == "REFUSE", 0.25),
        alarms("negative_control", "passes at most .05 of the time", "effect = margin, n = 200",
               lambda rng: judged(rng, 0.4) == "PASS", 0.25),
        alarms("negative_control", "how often it refuses an effect of 2 margins", "n = 200",
               lambda rng: judged(rng, 0.8) == "REFUSE", 0.25, wrong=False),
        alarms("equivalent", "holds at most .05 of the time", "mean at the margin of .2, n = 300", same_enough),
        alarms("control_battery", REFUSES, "3 valid controls, n = 200", battery, 0.1),
        average("fit_logistic", "slope 1 is found, ± .03", "2 features, n = 2000",
                lambda rng: float(fit_logistic(*logistic(rng)).slopes[0]), 0.1, goal=1.0, off=0.03),
        average("cross_fitted", "noise tells nothing of the exposure, ± .02", "20 noise features, n = 200",
                lambda rng: seen_by_itself(rng, crossed=True), 0.1, goal=0.0, off=0.02),
        average("(twin) one model that saw its rows", TWIN, "20 noise features, n = 200",
                lambda rng: seen_by_itself(rng, crossed=False), 0.1),
        alarms("propensity_calibration", "fails at most .05 of the time", "cross-fitted right model, n = 2000",
               uncalibrated, 0.1),
        alarms("propensity_calibration", "how often it fails an overconfident model", "log-odds × 1.5, n = 2000",
               lambda rng: uncalibrated(rng, scale=1.5), 0.1, wrong=False),
    ]  # fmt: skip


STRATA = [*strata(), *controls()]
