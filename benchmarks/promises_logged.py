"""Worlds of logs: what another policy would have earned, and whether the weights can carry it."""

from __future__ import annotations

from typing import Any

import numpy as np
from promises_worlds import TWIN, Figure, Rng, Row, alarms, average, ends, law, twin

from harness.estimate import Estimate
from harness.estimators.counterfactual import by_position, clipped_ips, importance_weights, ips, snips
from harness.estimators.counterfactual_bootstrap import snips_bootstrap
from harness.estimators.counterfactual_outcome import cross_fitted_outcome
from harness.estimators.counterfactual_robust import direct_method, doubly_robust, self_normalised_dr
from harness.estimators.intervals import mean_interval
from harness.estimators.logged import LoggedRows
from harness.estimators.logged_control import logged_control
from harness.estimators.logged_units import LoggedUnits
from harness.estimators.overlap import check_weights, mean_weight
from harness.estimators.psis import gpd_shape, pareto_tail
from harness.estimators.weights import TopWeights

TABLE = np.array([[0.2, 0.4, 0.7], [0.6, 0.3, 0.25]])  # reward rate by context and action
BEHAVED = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5]])
WANTED = np.array([[0.2, 0.3, 0.5], [0.5, 0.3, 0.2]])
TRUTH = float((WANTED * TABLE).sum(axis=1).mean())
WORLD = "3 actions, 2 contexts, n = 2000"


def log(rng: Rng, n: int = 2000) -> tuple[Any, ...]:
    """Actions logged unevenly by context, a target that prefers others.

    Returns reward, propensity, target (both of the logged action), action, context.
    """
    context = rng.integers(0, 2, n)
    action = (rng.random(n)[:, None] > np.cumsum(BEHAVED[context], axis=1)).sum(axis=1).clip(0, 2)
    reward = (rng.random(n) < TABLE[context, action]).astype(float)
    return reward, BEHAVED[context, action], WANTED[context, action], action, context


def robust(rng: Rng, take: Any, *, model: float, propensity: float) -> Estimate:
    """`model` mixes q with a flat .9 (0 is right), `propensity` the logged one with .4 (0 is right)."""
    reward, logged, target, action, context = log(rng)
    q = (1.0 - model) * TABLE + model * 0.9
    said = (1.0 - propensity) * logged + propensity * 0.4
    found: Estimate = take(reward, said, target, fitted=q[context, action],
                           expected=(WANTED[context] * q[context]).sum(axis=1))  # fmt: skip
    return found


def direct(rng: Rng, model: float) -> Estimate:
    """What the direct method's sampling error alone would promise."""
    context = rng.integers(0, 2, 2000)
    q = (1.0 - model) * TABLE + model * 0.9
    found = direct_method((WANTED[context] * q[context]).sum(axis=1))
    reach = 1.645 * found.sampling_error
    return found.estimate._replace(low=found.estimate.value - reach, high=found.estimate.value + reach)


def fitted(rng: Rng) -> Estimate:
    """DR with a cross-fitted model that cannot see how context and action go together."""
    reward, logged, target, action, context = log(rng, 1000)
    model = cross_fitted_outcome(context[:, None].astype(float), action, reward, actions=np.eye(3),
                                 policy=lambda one: WANTED[context, one], rng=rng)  # fmt: skip
    return doubly_robust(reward, logged, target, fitted=model.fitted, expected=model.expected)


def positions(rng: Rng) -> Estimate:
    """The second of three positions, whose truth is that of a log of its own."""
    reward, logged, target, *_ = log(rng)
    return by_position(reward, logged, target, position=np.arange(2000) % 3)["1"]


def frozen(rng: Rng) -> float:
    """How much wider an interval is that takes the normaliser for a constant, at a mean reward of .95."""
    _, logged, target, *_ = log(rng)
    reward, weights = (rng.random(2000) < 0.95).astype(float), target / logged
    wide = mean_interval(weights * reward / weights.mean())
    return wide.half_width / snips(reward, logged, target).half_width


def values() -> list[Row]:
    told = ((0.0, 0.0, "both right"), (1.0, 0.0, "wrong q"), (0.0, 1.0, "wrong propensity"))
    cut = [ends(f"clipped_ips (at {at:g})", WORLD, lambda rng, m=at: clipped_ips(*log(rng)[:3], at=m).estimate, TRUTH)
           for at in (1.0, 4.0)]  # fmt: skip
    return [
        *(ends(take.__name__, WORLD, lambda rng, f=take: f(*log(rng)[:3]), TRUTH) for take in (ips, snips)),
        average("(twin) snips with its normaliser frozen", "none: times as wide as it need be",
                "mean reward .95, n = 2000", frozen, 0.1),
        ends("snips_bootstrap", "n = 400", lambda rng: snips_bootstrap(*log(rng, 400)[:3], rng=rng, resamples=500),
             TRUTH),
        ends("by_position", "3 positions of 667 rows", positions, TRUTH),
        *cut,
        twin("clipped_ips (at 1) without its bias", WORLD, _unbiased_clip),
        *(ends(take.__name__, f"{WORLD}, {label}",
               lambda rng, f=take, m=m, p=p: robust(rng, f, model=m, propensity=p), TRUTH)
          for take in (doubly_robust, self_normalised_dr) for m, p, label in told),
        ends("(twin) doubly_robust, both wrong", WORLD,
             lambda rng: robust(rng, doubly_robust, model=1.0, propensity=1.0),
             TRUTH, promise=TWIN),
        ends("cross_fitted_outcome", "DR on its q, n = 1000", fitted, TRUTH, 0.25),
        average("direct_method", "ends are infinite: nothing bounds its bias; the bias", f"{WORLD}, wrong q",
                lambda rng: direct(rng, 1.0).value - TRUTH, 0.1),
        ends("(twin) direct_method ± 1.64 sampling errors", f"{WORLD}, q off by a tenth", lambda rng: direct(rng, 0.1),
             TRUTH, promise=TWIN),
    ]  # fmt: skip


def _unbiased_clip(rng: Rng) -> bool:
    reward, logged, target, *_ = log(rng)
    return ips(reward, np.ones(2000), np.minimum(importance_weights(logged, target), 1.0)).high < TRUTH


def carried(rewards: int) -> Row:
    """SNIPS on so many rare rewards expected: how often the audit says that they are too few, and what is left."""

    def measure(rng: Rng, worlds: int) -> Figure:
        found = np.zeros(3)
        for _ in range(worlds):
            weights = rng.gamma(0.4, 2.5, 4000)
            reward, scale = (rng.random(4000) < rewards / 4000).astype(float), max(1.0, float(weights.max()))
            audit = LoggedRows.of(reward, np.full(4000, 1.0 / scale), weights / scale).audit()
            sure, low, high = not audit.doubts, audit.snips.low, audit.snips.high
            found += [not sure, sure and low > rewards / 4000, sure and high < rewards / 4000]
        doubted, above, below = found / worlds
        return Figure(f"doubted {doubted:.3f}; without a doubt misses {above:.3f} / {below:.3f}", max(above, below))

    return Row("LoggedRows.audit", "doubts, or else each end misses ≤ .05", f"{rewards} rare rewards expected", measure)


def heavy(rng: Rng, shape: float, n: int) -> bool:
    tail = pareto_tail(rng.pareto(1.0 / shape, n))
    return not tail.kappa < tail.limit


def sound(rng: Rng) -> bool:
    """Whether weights of a sound log (ESS/N .5, light tail) are refused."""
    return bool(check_weights(rng.gamma(1.0, 1.0, 2000)).refusals)


def not_one(rng: Rng) -> bool:
    found = mean_weight(TopWeights.of(rng.gamma(1.0, 1.0, 2000)))
    return not found.low <= 1.0 <= found.high


def tails() -> list[Row]:
    said = {0.9: "flagged, as often as it can be", 0.5: "flagged seldom"}
    rows = [
        alarms("pareto_tail", said[shape], f"true κ {shape}, n = {n:,}", lambda rng, s=shape, n=n: heavy(rng, s, n),
               0.25 if n < 100_000 else 0.1, wrong=False)
        for shape in (0.9, 0.5) for n in (1000, 10_000, 100_000)
    ]  # fmt: skip
    return [*rows,
        average("gpd_shape", "recovers .6, ± .02", "4,000 excesses", lambda rng: gpd_shape(rng.pareto(1.0 / 0.6, 4000)),
                0.1, goal=0.6, off=0.02),
        alarms("check_weights", "a sound log is refused at most .05 of the time", "Gamma(1) weights, n = 2000", sound),
        alarms("check_weights", "how often a log of no finite variance is refused", "Pareto κ .9, n = 2000",
               lambda rng: bool(check_weights(rng.pareto(1.0 / 0.9, 2000)).refusals), wrong=False),
        alarms("mean_weight", "1 is left out at most .01 of the time", "Gamma(1) weights, n = 2000",
               not_one, rate=0.01),
    ]  # fmt: skip


def by_user(rng: Rng, *, units: bool) -> Estimate:
    """200 users of 10 rows who keep one action, and whose rewards go together."""
    reward, logged, target, *_ = log(rng, 200)
    columns = [np.repeat(column, 10) for column in (reward, logged, target)]
    rows = LoggedRows.of(*columns).audit()
    return (LoggedUnits.of(*columns, np.repeat(np.arange(200), 10)).audit(rows) if units else rows).snips


def units_merged(rng: Rng) -> float:
    columns = [*log(rng)[:3], rng.integers(0, 300, 2000)]
    one, two = (LoggedUnits.of(*(column[part] for column in columns)) for part in (slice(0, 700), slice(700, 2000)))
    return float(np.abs(two.merge(one).sums - LoggedUnits.of(*columns).sums).max())


def control(rng: Rng, *, margin: float = 0.1, swapped: bool = False) -> str:
    """A column known before the action, that goes with the context; `swapped` takes each context's log for the other's.

    Then the weights of context 1 average 22 / 15 where they should 1: a shift of (22 / 37 - 1 / 2) / sd, .157.
    """
    _, logged, target, action, context = log(rng)
    said = BEHAVED[1 - context, action] if swapped else logged
    return logged_control(rng.normal(size=2000) / 3.0 + context, said, target, margin=margin).verdict


SHIFT = (22.0 / 37.0 - 0.5) / (0.25 + 1.0 / 9.0) ** 0.5


def units() -> list[Row]:
    world = "200 users of 10 equal rows"
    return [
        ends("LoggedUnits", world, lambda rng: by_user(rng, units=True), TRUTH),
        ends("(twin) LoggedRows of the same", world, lambda rng: by_user(rng, units=False), TRUTH, promise=TWIN),
        law("LoggedUnits", "two parts merged are the whole", "2,000 rows of 300 users", units_merged),
        alarms("logged_control", "refuses at most .05 of the time", "right propensities, margin .1 sd, n = 2000",
               lambda rng: control(rng) == "REFUSE"),
        alarms("logged_control", "passes at most .05 of the time", "wrong ones, shift = margin, n = 2000",
               lambda rng: control(rng, swapped=True, margin=SHIFT) == "PASS"),
        alarms("logged_control", "how often it passes right propensities", "margin .1 sd, n = 2000",
               lambda rng: control(rng) == "PASS", wrong=False),
        alarms("logged_control", "how often it refuses wrong ones", "shift .157 sd, margin .1 sd, n = 2000",
               lambda rng: control(rng, swapped=True) == "REFUSE", wrong=False),
    ]  # fmt: skip


LOGGED = [*values(), *units(), *(carried(rewards) for rewards in (2, 15, 60)), *tails()]
