"""The paired bootstrap beside scipy's BCa, in one run: a Markdown table of seconds, ratios and ends.

    python benchmarks/bootstrap.py [--n 10000] [--resamples 10000] [--repeats 5]

Each line is the least CPU time of the repeats; scipy runs in batches of 200 resamples, its fastest here and the only
way to keep it under a gigabyte. "apart" is the distance of the lower ends of the two BCa intervals in joint Monte-Carlo
standard errors.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.estimators.intervals import abc_interval, bootstrap_ends, mean_interval

Floats = NDArray[np.float64]


def columns(n: int, rng: np.random.Generator) -> dict[str, Floats]:
    """Differences as gates see them: mostly tied at zero, and never tied."""
    moved = rng.random(n) < 0.35
    gain = np.round(rng.normal(0.01, 0.2, n), 4)
    return {"differences, 65 % zero": np.where(moved, gain, 0.0), "no ties, skewed": rng.exponential(size=n) ** 1.5}


def timed(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """Least CPU seconds of `repeats` calls, and the last result."""
    best, result = float("inf"), None
    for _ in range(repeats):
        start = time.process_time()
        result = call()
        best = min(best, time.process_time() - start)
    return best, result


def lines(name: str, x: Floats, resamples: int, repeats: int, rng: np.random.Generator) -> list[str]:
    theirs, peer = timed(
        lambda: (
            stats.bootstrap(
                (x,), np.mean, n_resamples=resamples, batch=200, method="BCa", confidence_level=0.9, rng=rng
            ).confidence_interval
        ),
        repeats,
    )
    rows = [f"| {name} | scipy BCa | {theirs:.4f} | 1 | {peer.low:.5f} | {peer.high:.5f} | |"]
    for method in ("bca", "percentile", "studentised"):
        ours, found = timed(lambda m=method: bootstrap_ends(x, rng=rng, method=m, resamples=resamples), repeats)  # type: ignore[misc]
        apart = abs(found.estimate.low - peer.low) / (2**0.5 * found.low_se)
        told = f"{apart:.1f}" if method == "bca" else ""
        ends = f"{found.estimate.low:.5f} | {found.estimate.high:.5f}"
        rows.append(f"| {name} | {method} | {ours:.4f} | {theirs / ours:.1f} | {ends} | {told} |")
    for label, interval in (("abc, no resampling", abc_interval), ("closed, the gate's", mean_interval)):
        ours, one = timed(lambda call=interval: call(x), repeats)  # type: ignore[misc]
        rows.append(
            f"| {name} | {label} | {ours:.5f} | {theirs / max(ours, 1e-9):.0f} | {one.low:.5f} | {one.high:.5f} | |"
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(7)
    print(f"n = {options.n:,}, {options.resamples:,} resamples, least CPU seconds of {options.repeats}\n")
    print("| data | method | CPU s | times scipy's speed | low | high | apart |\n|---|---|---|---|---|---|---|")
    for name, x in columns(options.n, rng).items():
        print("\n".join(lines(name, x, options.resamples, options.repeats, rng)))


if __name__ == "__main__":
    main()
