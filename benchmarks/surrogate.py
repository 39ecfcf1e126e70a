"""One prediction of the latency surrogate beside plain LightGBM, MAPIE and crepes, in one run: ratios, losses shown.

    python benchmarks/surrogate.py [--requests 4000] [--rows 20000] [--out FILE]

Wall time on one thread; requests of all sides take turns, so that a noisy machine slows each alike. A single request is
(10,) features in and the two ends of a 95 % interval in milliseconds out. MAPIE and crepes are peers where they are
installed; both are given boosters of the surrogate's own size. Coverage and mean width are those of one made world of
new requests, warm and cold apart: the peers calibrate both states together, as they come.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from router import single

from fixtures.surrogate import requests_of
from harness.latency.features import CACHE
from harness.latency.surrogate import Boosting, LatencySurrogate

Call = Callable[[Any], Any]
SIZE = Boosting()
TREES = SIZE.mean_trees + SIZE.trees


def regressor(alpha: float | None = None) -> Any:
    """An `LGBMRegressor` of as many trees as a booster of the surrogate's."""
    from lightgbm import LGBMRegressor

    kind = {} if alpha is None else {"objective": "quantile", "alpha": alpha}
    return LGBMRegressor(n_estimators=TREES, num_leaves=SIZE.leaves, learning_rate=SIZE.rate, n_jobs=1, verbosity=-1,
                         min_child_samples=SIZE.least, **kind)


def of_mapie(train: tuple[Any, Any], held: tuple[Any, Any]) -> Call:
    """Conformalised quantile regression as MAPIE does it, on the boosters given to it."""
    from mapie.regression import ConformalizedQuantileRegressor

    models = [regressor(alpha).fit(*train) for alpha in (0.025, 0.975, 0.5)]
    found = ConformalizedQuantileRegressor(models, confidence_level=0.95, prefit=True).conformalize(*held)
    return lambda rows: np.exp(found.predict_interval(np.atleast_2d(rows))[1][:, :, 0]).T


def of_crepes(train: tuple[Any, Any], held: tuple[Any, Any]) -> Call:
    """A conformal regressor as crepes does it: one booster, and the same reach for all."""
    from crepes import WrapRegressor

    found = WrapRegressor(regressor().fit(*train))
    found.calibrate(*held)
    return lambda rows: np.exp(found.predict_int(np.atleast_2d(rows), confidence=0.95)).T


def sides(rng: np.random.Generator) -> tuple[dict[str, Call], Any, Any]:
    """Name → what answers (m, 10) features with two ends; new requests, and what they took."""
    features, ms = requests_of(7200, rng=rng)
    held = np.arange(len(ms)) % 9 >= 5  # both states in either part
    fit, known = slice(0, 3600), slice(3600, None)
    made = LatencySurrogate.fit(features[:3600], ms[:3600], calibrating=held[:3600], rng=rng)
    train = (features[fit][~held[:3600]], np.log(ms[fit][~held[:3600]]))
    calibrate = (features[fit][held[:3600]], np.log(ms[fit][held[:3600]]))
    plain = [regressor(alpha).fit(*train).booster_ for alpha in (0.025, 0.975)]
    calls: dict[str, Call] = {
        "surrogate": lambda rows: made.one(rows) if rows.ndim == 1 else made.interval(rows),
        "2 boosters, bare": lambda rows: [np.exp(one.predict(np.atleast_2d(rows), num_threads=1)) for one in plain]}
    for name, peer in (("mapie", of_mapie), ("crepes", of_crepes)):
        if importlib.util.find_spec(name) is not None:
            calls[name] = peer(train, calibrate)
    return calls, features[known], ms[known]


def report(requests: int, rows: int) -> list[str]:
    """The tables, a line a promise."""
    calls, features, ms = sides(np.random.default_rng(42))
    asked = features[np.arange(requests) % len(features)]
    single(calls, asked[:50], dict.fromkeys(calls, 1))  # warm
    one = single(calls, asked, {name: 10 if name in ("mapie", "crepes") else 1 for name in calls})
    ours = float(np.median(one["surrogate"]))
    lines = [f"2 boosters of {TREES} trees, {requests:,} requests, one thread", "",
             "| one request | median µs | p99 µs | x of ours |", "|---|--:|--:|--:|"]
    lines += [f"| {name} | {np.median(took):.0f} | {np.quantile(took, 0.99):.0f} | {np.median(took) / ours:.2f} |"
              for name, took in one.items()]
    lines += ["", f"p99 under 1 ms: {'met' if np.quantile(one['surrogate'], 0.99) < 1000 else 'MISSED'}", ""]
    lines += [f"| {rows:,} at once | ms | covered warm | covered cold | mean width, warm ms | cold ms |",
              "|---|--:|--:|--:|--:|--:|"]
    cold, many = features[:, CACHE] == 1.0, features[np.arange(rows) % len(features)]
    for name, call in calls.items():
        start = perf_counter_ns()
        call(many)
        took = (perf_counter_ns() - start) / 1e6
        low, high = (np.asarray(end) for end in call(features))
        held, width = (low <= ms) & (ms <= high), high - low
        lines.append(f"| {name} | {took:.0f} | {held[~cold].mean():.3f} | {held[cold].mean():.3f} "
                     f"| {width[~cold].mean():.3f} | {width[cold].mean():.2f} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # the wrapper complains of names it made itself
    logging.disable(logging.INFO)  # MAPIE tells of ends that cross
    text = "\n".join(report(given.requests, given.rows)) + "\n"
    print(text, end="")
    if given.out:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
