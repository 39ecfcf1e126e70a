"""Worlds of the estimators of logs, of predictions and of streams: more rows of `docs/estimators.md`."""

from __future__ import annotations

from typing import Any

import numpy as np
from promises_worlds import Figure, Rng, Row, alarms, ends

from harness.estimate import Estimate


def log(rng: Rng, n: int = 2000) -> tuple[Any, ...]:
    """Three actions logged unevenly by context, a target that prefers another: truth .45.

    Returns reward, propensity, target (both of the logged action), action, target table (n, 3), context.
    """
    context = rng.integers(0, 2, n)
    behaviour = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])[context]
    wanted = np.array([[0.2, 0.3, 0.5], [0.5, 0.3, 0.2]])[context]
    action = (rng.random(n)[:, None] > np.cumsum(behaviour, axis=1)).sum(axis=1).clip(0, 2)
    row = np.arange(n)
    reward = (rng.random(n) < TABLE[context, action]).astype(float)
    return reward, behaviour[row, action], wanted[row, action], action, wanted, context


TABLE = np.array([[0.2, 0.4, 0.7], [0.6, 0.3, 0.25]])
TRUTH = (0.2 * 0.2 + 0.3 * 0.4 + 0.5 * 0.7 + 0.5 * 0.6 + 0.3 * 0.3 + 0.2 * 0.25) / 2.0


def plain(rng: Rng, name: str) -> Estimate:
    from harness.estimators import counterfactual

    found: Estimate = getattr(counterfactual, name)(*log(rng)[:3])
    return found


def robust(rng: Rng, name: str, *, model: float, propensity: float) -> Estimate:
    """`model` mixes q with a flat .9 (0 is right), `propensity` the logged one with its mean (0 is right)."""
    from harness.estimators import counterfactual_robust

    reward, logged, target, action, wanted, context = log(rng)
    q = (1.0 - model) * TABLE + model * 0.9
    said = (1.0 - propensity) * logged + propensity * 0.4
    found: Estimate = getattr(counterfactual_robust, name)(
        reward, said, target, fitted=q[context, action], expected=(wanted * q[context]).sum(axis=1)
    )
    return found


def kappa(rng: Rng, shape: float, n: int) -> bool:
    from harness.estimators.psis import pareto_tail

    tail = pareto_tail(rng.pareto(1.0 / shape, n))
    return not tail.kappa < tail.limit


def logs() -> list[Row]:
    world = "3 actions, 2 contexts, n = 2000"
    robusts = ("doubly_robust", "self_normalised_dr")
    tails = [(0.9, 0.30, "flagged, as often as it can be"), (0.5, 0.15, "flagged seldom")]
    return [
        *(ends(name, "counterfactual", world, lambda rng, f=name: plain(rng, f), TRUTH) for name in ("ips", "snips")),
        *(
            ends(
                name,
                "counterfactual_robust",
                f"{world}, {told}",
                lambda rng, f=name, m=m, p=p: robust(rng, f, model=m, propensity=p),
                TRUTH,
            )
            for name in robusts
            for m, p, told in ((0.0, 0.0, "both right"), (1.0, 0.0, "wrong q"), (0.0, 1.0, "wrong propensity"))
        ),
        *(
            alarms(
                "pareto_tail",
                "psis",
                f"true κ {shape}, n = {n:,}",
                lambda rng, s=shape, n=n: kappa(rng, s, n),
                told,
                0.25,
                wrong=False,
            )
            for shape, _, told in tails
            for n in (1000, 10_000)
        ),
    ]


def coverage(name: str, module: str, world: str, covered: Any, share: float = 1.0) -> Row:
    """A row of mean coverage over splits, promised .95."""

    def measure(rng: Rng, worlds: int) -> Figure:
        n = max(50, int(worlds * share))
        found = np.array([covered(rng) for _ in range(n)])
        return Figure(f"covers {found.mean():.4f}", float(1.0 - found.mean()))

    return Row(name, module, "covers ≥ .95 on average", world, measure, share=share)


def conformal() -> list[Row]:
    def split(rng: Rng) -> float:
        from harness.estimators.conformal import split_threshold

        return float((rng.exponential(size=400) <= split_threshold(rng.exponential(size=199))).mean())

    def groups(rng: Rng) -> float:
        from harness.estimators.conformal_groups import mondrian

        names, new = rng.choice(["easy", "hard"], 600, p=[0.8, 0.2]), np.repeat("hard", 400)
        found = mondrian(rng.exponential(size=600) * np.where(names == "hard", 5.0, 1.0), names)
        return float((5.0 * rng.exponential(size=400) <= found.at(new)).mean())

    def shifted(rng: Rng) -> float:
        from harness.estimators.conformal_weighted import weighted_thresholds

        x, new = rng.random(400), np.sqrt(rng.random(200))  # density ratio 2x
        bars = weighted_thresholds(x * rng.exponential(size=400), 2.0 * x, 2.0 * new)
        return float((new * rng.exponential(size=200) <= bars).mean())

    def drifting(rng: Rng) -> float:
        from harness.estimators.conformal_adaptive import adaptive

        return float(adaptive(np.linspace(1.0, 5.0, 3000) * rng.exponential(size=3000)).coverage)

    return [
        coverage("split_threshold", "conformal", "199 calibration, 400 new rows", split),
        coverage("mondrian", "conformal_groups", "the harder fifth of 600 rows", groups),
        coverage("weighted_thresholds", "conformal_weighted", "density ratio 2x, n = 400", shifted, 0.25),
        coverage("adaptive", "conformal_adaptive", "scores grow fivefold over 3,000 rows", drifting, 0.03),
    ]


def sequences() -> list[Row]:
    def ever(rng: Rng, module: str, name: str, draw: Any, truth: float, **options: Any) -> bool:
        import importlib

        found = getattr(importlib.import_module(f"harness.estimators.{module}"), name)(draw(rng), **options)
        return found.excludes(truth) is not None

    def normal(rng: Rng) -> Any:
        return rng.normal(size=1000)

    def clicks(rng: Rng) -> Any:
        return (rng.random(1000) < 0.1).astype(float)

    def peeking(rng: Rng) -> bool:
        x = rng.normal(size=1000)
        n = np.arange(1, 1001)
        mean = np.cumsum(x) / n
        sd = np.sqrt(np.maximum(np.cumsum(x**2) / n - mean**2, 1e-12))
        return bool((np.abs(mean) > 1.96 * sd / np.sqrt(n))[9::10].any())

    said, narrow = "leaves the truth out, ever, at most .05", {"confidence": 0.95}
    each = [
        ("sequential", "bernstein_sequence", clicks, 0.1, "clicks at .1"),
        ("sequential", "betting_sequence", clicks, 0.1, "clicks at .1"),
        ("sequential_means", "asymptotic_sequence", normal, 0.0, "normal"),
        ("sequential_means", "student_sequence", normal, 0.0, "normal"),
    ]
    return [
        *(
            alarms(
                name,
                module,
                f"{world}, 1,000 looks",
                lambda rng, m=module, f=name, d=draw, t=truth: ever(rng, m, f, d, t, **narrow),
                said,
                0.25,
            )
            for module, name, draw, truth, world in each
        ),
        alarms(
            "(twin) naive peeking",
            "sequential",
            "normal, 100 looks",
            peeking,
            "none: shown for what it alarms",
            wrong=False,
        ),
        alarms("ratio_process", "sequential_rates", "50/50, 14 looks", _srm, "alarms at .001 at most .001", rate=0.001),
    ]


def _srm(rng: Rng) -> bool:
    from harness.estimators.sequential_rates import ratio_process

    days = rng.binomial(2000, 0.5, 14)
    return ratio_process(np.cumsum(np.column_stack([days, 2000 - days]), axis=0)).alarm(0.001) is not None


LOGGED = [*logs(), *conformal(), *sequences()]
