"""The estimators beside the peers that install, in one run: ratios, losses shown.

    python benchmarks/estimators.py [--repeats 5] [--out FILE]

Least CPU seconds of all repeats, one thread: the peer and ours take turns in each repeat, and the brackets hold the
least and greatest ratio of such a pair. A peer that is not installed is a line that says so. Goals are those of the
issue; "agrees" compares the two results.

"Bare numpy sums" are whole-column expressions without a check of any number: w = target / propensity, Σ w, Σ w²,
Σ w r, Σ w² (r - V)². They hold no tail; a second line adds the one partition that any κ needs.
"""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from harness.estimators.resampling import bootstrap_ends
from harness.estimators.strata import strata_of

Call = Callable[[], Any]
SHORT = 0.003  # seconds


class Pair(NamedTuple):
    """One comparison: the ratio is `peer / ours` (a speed-up), or `ours / peer` where the goal is a cost."""

    what: str
    peer_name: str
    ours: Call
    peer: Call
    goal: float
    cost: bool
    agree: Callable[[Any, Any], str]


def logged(rng: np.random.Generator) -> Iterator[Pair]:
    """A million rows: SNIPS, interval, ESS and κ, beside the sums that any of it needs."""
    from harness.estimators.counterfactual import importance_weights, snips
    from harness.estimators.logged import LoggedRows
    from harness.estimators.overlap import check_weights
    from harness.estimators.psis import tail_rows

    n = 1_000_000
    propensity = rng.uniform(0.05, 1.0, n)
    target, reward = rng.uniform(0.0, 1.0, n), (rng.random(n) < 0.3).astype(np.float64)

    def sums() -> tuple[float, float, float]:
        w = target / propensity
        total, squares = w.sum(), (w * w).sum()
        value = (w * reward).sum() / total
        error = np.sqrt((w * w * (reward - value) ** 2).sum()) / total
        return float(value), float(total**2 / squares / n), float(error)

    def sums_and_tail() -> tuple[float, float, float]:
        np.partition(target / propensity, n - tail_rows(n) - 1)
        return sums()

    def audited() -> tuple[float, float]:
        found = LoggedRows.of(reward, propensity, target).audit()
        return found.snips.value, found.check.ess_share

    def apart() -> tuple[float, float]:
        check = check_weights(importance_weights(propensity, target))
        return snips(reward, propensity, target).value, check.ess_share

    def same(a: Any, b: Any) -> str:
        return f"value and ESS within {max(abs(a[0] - b[0]), abs(a[1] - b[1])):.0e}"

    whole = "one audit: IPS, SNIPS, intervals, ESS, κ, judged"
    yield Pair(f"{whole}, 1e6 rows", "bare numpy sums", audited, sums, 3.0, True, same)
    yield Pair(whole, "bare sums and partition", audited, sums_and_tail, 3.0, True, same)
    yield Pair("`snips`, then `check_weights`", "bare numpy sums", apart, sums, 3.0, True, same)


def tails(rng: np.random.Generator) -> Iterator[Pair]:
    from arviz import psislw

    from harness.estimators.psis import pareto_tail

    for n in (10_000, 1_000_000):
        weights = rng.pareto(1.0 / 0.6, n) + 1e-3
        logs = np.log(weights)
        yield Pair(f"κ, n = {n:,}", "ArviZ psislw", lambda w=weights: pareto_tail(w).kappa,
                   lambda x=logs: float(psislw(x.copy())[1]), 5.0, False,
                   lambda a, b: f"{a:.4f} against {b:.4f}")  # fmt: skip


def groups(rng: np.random.Generator) -> Iterator[Pair]:
    from crepes import ConformalRegressor

    from harness.estimators.conformal import split_bands
    from harness.estimators.conformal_groups import mondrian

    n = 100_000
    residual, predicted = rng.normal(size=n), rng.normal(size=n)

    def same(a: Any, b: Any) -> str:
        return f"bands within {np.abs(np.asarray(a).T - np.asarray(b)).max():.0e}"

    for kinds, told in ((50, "numbers"), (8, "numbers"), (50, "text"), (8, "text"), (8, "text objects")):
        names, new = rng.integers(0, kinds, n), rng.integers(0, kinds, n)
        if told != "numbers":
            kind = object if told == "text objects" else np.str_
            names, new = (np.array([f"language {one}" for one in column], dtype=kind) for column in (names, new))

        def ours(names: Any = names, new: Any = new) -> Any:
            return split_bands(predicted, mondrian(np.abs(residual), names, coverage=0.95).at(new))

        def theirs(names: Any = names, new: Any = new) -> Any:
            model = ConformalRegressor().fit(residual, bins=names)
            return model.predict_int(predicted, bins=new, confidence=0.95)

        yield Pair(f"Mondrian conformal, 1e5 rows, {kinds} groups, {told}", "crepes", ours, theirs, 2.5, False, same)


def resampled(rng: np.random.Generator) -> Iterator[Pair]:
    from scipy.stats import bootstrap

    n, draws = 10_000, 2000
    tied = np.where(rng.random(n) < 0.35, np.round(rng.normal(0.01, 0.2, n), 4), 0.0)
    few = rng.choice([-1.0, -0.5, 0.0, 0.5, 1.0], n, p=[0.04, 0.08, 0.7, 0.12, 0.06])
    worlds = {"5 distinct differences": few, "differences, 65 % zero": tied,
              "no ties, skewed": rng.exponential(size=n) ** 1.5}  # fmt: skip
    for label, x in worlds.items():

        def theirs(x: Any = x) -> Any:
            return bootstrap((x,), np.mean, n_resamples=draws, batch=200, method="BCa", confidence_level=0.9,
                             rng=np.random.default_rng(3)).confidence_interval  # fmt: skip

        def apart(a: Any, b: Any) -> str:
            return f"{abs(a.estimate.low - b.low) / (2**0.5 * a.low_se):.1f} Monte-Carlo errors apart"

        yield Pair(f"BCa, {label}, n = 1e4, {draws} draws", "scipy BCa",
                   lambda x=x: bootstrap_ends(x, rng=np.random.default_rng(3), method="bca", resamples=draws),
                   theirs, 5.0, False, apart)  # fmt: skip

    def drawn(x: Any) -> Any:
        return bootstrap_ends(x, rng=np.random.default_rng(3), method="bca", resamples=draws)

    parted = few + rng.normal(0.0, 1e-9, n)
    yield Pair("BCa, 5 distinct differences: their ties used", "ours, ties parted by 1e-9", lambda: drawn(few),
               lambda: drawn(parted), 2.0, False, lambda a, b: apart(a, b.estimate))  # fmt: skip


def permuted(rng: np.random.Generator) -> Iterator[Pair]:
    from scipy.stats import permutation_test

    from harness.estimators.permutation import permutation_tests

    y, e = rng.normal(size=2000), np.repeat([0, 1], 1000)
    hit = rng.integers(0, 2, 2000)
    one = strata_of([0] * 2000)
    for label, column in (("numbers", y), ("0 and 1", hit)):
        yield Pair(f"permutation test, {label}, n = 2000, 2000 draws", "scipy permutation_test",
                   lambda c=column: permutation_tests(c, e, one, rng=np.random.default_rng(1), draws=2000).pooled_p,
                   lambda c=column: float(permutation_test(
                       (c[e == 1], c[e == 0]), lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis),
                       vectorized=True, n_resamples=2000, batch=200, rng=np.random.default_rng(1)).pvalue),
                   1.0, False, lambda a, b: f"p {a:.3f} against {b:.3f}")  # fmt: skip


def fitted(rng: np.random.Generator) -> Iterator[Pair]:
    from sklearn.linear_model import LogisticRegression

    from harness.estimators.propensity import fit_logistic

    x = rng.normal(size=(100_000, 10))
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    hit = (rng.random(len(x)) < 1.0 / (1.0 + np.exp(-x[:, 0]))).astype(int)
    yield Pair("logistic propensities, 1e5 rows × 10", "scikit-learn", lambda: fit_logistic(x, hit).slopes,
               lambda: LogisticRegression(tol=1e-8).fit(x, hit).coef_[0], 1.0, False,
               lambda a, b: f"slopes within {np.abs(a - b).max():.0e}")  # fmt: skip


def timed(call: Call) -> tuple[float, Any]:
    """CPU seconds of one call: the mean of twenty where one is too short for the clock."""
    start = process_time()
    result = call()
    seconds = process_time() - start
    if seconds > SHORT:
        return seconds, result
    start = process_time()
    for _ in range(20):
        call()
    return (process_time() - start) / 20.0, result


def line(pair: Pair, repeats: int) -> str:
    mine, theirs, a, b = [], [], None, None
    for _ in range(repeats + 1):
        seconds, b = timed(pair.peer)
        theirs.append(seconds)
        seconds, a = timed(pair.ours)
        mine.append(seconds)
    ratios = [m / t if pair.cost else t / m for m, t in zip(mine[1:], theirs[1:], strict=True)]  # the first is warm-up
    seconds, theirs_took = min(mine[1:]), min(theirs[1:])
    ratio = seconds / theirs_took if pair.cost else theirs_took / seconds
    met = ratio <= pair.goal if pair.cost else ratio >= pair.goal
    goal = f"{'≤' if pair.cost else '≥'} {pair.goal:g}: {'met' if met else '**missed**'}"
    return (f"| {pair.what} | {seconds:.4f} | {pair.peer_name} {theirs_took:.4f} | "
            f"{ratio:.2f} [{min(ratios):.2f}, {max(ratios):.2f}] {'cost' if pair.cost else 'faster'} | {goal} | "
            f"{pair.agree(a, b)} |")  # fmt: skip


NEEDS = {logged: "harness.estimators.overlap", tails: "arviz", groups: "crepes", resampled: "scipy",
         permuted: "scipy", fitted: "sklearn"}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    rows = ["| what | ours, CPU s | peer, CPU s | ratio [of pairs] | goal | agrees |"]
    rows.append("|---|--:|--:|--:|---|---|")
    for make, need in NEEDS.items():
        try:
            importlib.import_module(need)
        except ImportError:
            rows.append(f"| {make.__name__} | | {need} is not installed | | | |")
            continue
        rows += [line(pair, asked.repeats) for pair in make(np.random.default_rng(7))]
    table = "\n".join(rows)
    print(table)
    if asked.out:
        asked.out.write_text(table + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
