"""The int8 router beside its LightGBM teacher, in one run: ratios, losses shown.

    python benchmarks/router.py [--requests 20000] [--rows 100000] [--repeats 5] [--out FILE]

Wall time on one thread. A single request is one list of floats in and (tau, spend, gain) out; the peers answer the same
request with their three models, and with one of them alone. Requests of all sides take turns, so that a noisy machine
slows each alike. The process's own CPU time would hide what a caller waits; the p99 therefore carries the machine.
"""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from harness.routing.distill import distill
from harness.routing.routed import OUTPUTS
from harness.routing.signals import SIGNALS
from harness.routing.teacher import RouterTeacher

Call = Callable[[Any], Any]


def fitted(rng: np.random.Generator) -> tuple[RouterTeacher, Any, Any]:
    """A teacher on as many signals as the release has, its distilled router, and signals like those it saw."""
    signals = rng.random((4000, len(SIGNALS)))
    gain = 0.3 * signals[:, 0] - 0.2 * signals[:, 5] ** 2 + 0.2 * rng.normal(size=4000)
    teacher = RouterTeacher().fit(signals, SIGNALS, gain.clip(-1, 1), 3.0 + signals[:, 3])
    return teacher, distill(teacher, signals, SIGNALS), signals


def wrapped(signals: Any, teacher: RouterTeacher) -> list[Any]:
    """Three `LGBMRegressor` of the teacher's size on the teacher's answers: the peer that a team would serve."""
    from lightgbm import LGBMRegressor

    answers = teacher.predict(signals)
    return [LGBMRegressor(n_estimators=teacher.trees, num_leaves=teacher.leaves, n_jobs=1, verbosity=-1).fit(
        signals, getattr(answers, output)) for output in OUTPUTS]


def single(calls: dict[str, Call], rows: Any, every: dict[str, int]) -> dict[str, Any]:
    """Name → (m,) microseconds of requests answered in turn; slow peers answer one in `every`."""
    times: dict[str, list[int]] = {name: [] for name in calls}
    for place, row in enumerate(rows):
        for name, call in calls.items():
            if place % every[name] == 0:
                start = perf_counter_ns()
                call(row)
                times[name].append(perf_counter_ns() - start)
    return {name: np.array(values[len(values) // 20:]) / 1e3 for name, values in times.items()}


def batch(calls: dict[str, Call], matrix: Any, repeats: int) -> dict[str, Any]:
    """Name → (repeats,) milliseconds a batch, in turn."""
    times: dict[str, list[int]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = perf_counter_ns()
            call(matrix)
            times[name].append(perf_counter_ns() - start)
    return {name: np.array(values) / 1e6 for name, values in times.items()}


def report(requests: int, rows: int, repeats: int) -> list[str]:
    """The table, a line a promise."""
    rng = np.random.default_rng(42)
    teacher, router, signals = fitted(rng)
    models, boosters = wrapped(signals, teacher), [teacher.booster(output) for output in OUTPUTS]
    asked = rng.random((requests, len(SIGNALS))).tolist()
    calls: dict[str, Call] = {
        "int8": router.one,
        "LGBMRegressor": lambda row: models[0].predict(np.array([row])),
        "3 LGBMRegressor": lambda row: [model.predict(np.array([row])) for model in models],
        "Booster": lambda row: boosters[0].predict(np.array([row]), num_threads=1),
        "3 Booster": lambda row: [booster.predict(np.array([row]), num_threads=1) for booster in boosters]}
    single(calls, asked[:200], dict.fromkeys(calls, 1))  # warm
    one = single(calls, asked, {name: 1 if name == "int8" else 20 for name in calls})
    ours = float(np.median(one["int8"]))
    lines = [f"{len(SIGNALS)} signals, {len(router.to_json()):,} bytes of table, {requests:,} requests, one thread", "",
             "| one request | median µs | p99 µs | x of ours |", "|---|---|---|---|"]
    lines += [f"| {name} | {np.median(took):.1f} | {np.quantile(took, 0.99):.1f} | {np.median(took) / ours:.0f} |"
              for name, took in one.items()]
    lines += ["", f"median at most 20 µs: {_met(ours <= 20)}; p99 below 1 ms: "
              f"{_met(float(np.quantile(one['int8'], 0.99)) < 1000)}; at least 50 x one LGBMRegressor: "
              f"{_met(float(np.median(one['LGBMRegressor'])) / ours >= 50)}"]
    many = batch({"int8": router.predict, "teacher": teacher.predict}, rng.random((rows, len(SIGNALS))), repeats)
    middle = {name: float(np.median(took)) for name, took in many.items()}
    ratio = middle["teacher"] / middle["int8"]
    return [*lines, f"batch of {rows:,}: int8 {middle['int8']:.1f} ms, teacher {middle['teacher']:.1f} ms, "
            f"{ratio:.1f} x; at least 10 x: {_met(ratio >= 10)}"]


def _met(good: bool) -> str:
    return "met" if good else "MISSED"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # the wrapper complains of names it made itself
    text = "\n".join(report(given.requests, given.rows, given.repeats)) + "\n"
    print(text, end="")
    if given.out:
        given.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
