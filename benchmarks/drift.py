"""A real latency series under drift: fixed thresholds beside steered ones, in figures and as a picture.

    python benchmarks/drift.py --data FOLDER [--out docs/latency-drift.svg]

FOLDER holds `nab_latency` (Numenta Anomaly Benchmark, `ec2_request_latency_system_failure`: 4,032 values, one every
five minutes). A value is forecast by the one before it; scores are distances on logarithms. The first quarter
calibrates, the rest is told one value at a time, before it is seen.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from harness.estimators.conformal import split_threshold
from harness.latency.online import SteeredThreshold
from harness.report.svg import Scale, circle, document, line, path, text, ticks

SERIES = Path("nab_latency") / "data" / "realKnownCause" / "ec2_request_latency_system_failure.csv"
FIRST, DAY, RATE, PROMISE = 1000, 288, 0.01, 0.95
WIDTH, HEIGHT, LEFT, RIGHT = 640.0, 400.0, 44.0, 12.0
TOP, MIDDLE, LOWER, BOTTOM = (40.0, 232.0), (254.0, 364.0), 380.0, 396.0


class Course(NamedTuple):
    """(m,) of what was told of each value before it was seen, and whether it held."""

    threshold: Any
    held: Any


def read(folder: Path) -> Any:
    """(n,) values of the series."""
    lines = (folder / SERIES).read_text(encoding="utf-8").splitlines()[1:]
    return np.array([float(row.split(",")[1]) for row in lines])


def courses(values: Any) -> dict[str, Course]:
    """Fixed and steered, over what follows the calibration."""
    scores = np.abs(np.diff(np.log(values)))
    start, rest = split_threshold(scores[:FIRST], coverage=PROMISE), scores[FIRST:]
    steered = SteeredThreshold(start, coverage=PROMISE, rate=RATE)
    told = [(steered.value, steered.finished(score)) for score in rest.tolist()]
    reach, held = (np.array(column) for column in zip(*told, strict=True))
    return {"fixed": Course(np.full(len(rest), start), rest <= start), "steered": Course(reach, held)}


def daily(held: Any) -> Any:
    """(m - DAY + 1,) coverage of each day's length of values."""
    return np.convolve(held, np.ones(DAY) / DAY, "valid")


def rows(found: dict[str, Course]) -> Iterator[str]:
    """A table of what each covered."""
    yield "| thresholds | covered | worst day | best day | without an end | mean factor |"
    yield "|---|--:|--:|--:|--:|--:|"
    for name, one in found.items():
        days, ends = daily(one.held), one.threshold[np.isfinite(one.threshold)]
        yield (f"| {name} | {one.held.mean():.4f} | {days.min():.3f} | {days.max():.3f} "
               f"| {np.isinf(one.threshold).mean():.2%} | {np.exp(ends).mean():.3f} |")


def picture(values: Any, found: dict[str, Course]) -> str:
    """Above, the values in their steered intervals, misses in red; below, the coverage of the last day of either."""
    taken, before, steered = values[FIRST + 1 :], values[FIRST:-1], found["steered"]
    x = Scale(0.0, len(taken) / DAY, LEFT, WIDTH - RIGHT)
    y = Scale(0.0, 100.0, TOP[1], TOP[0])
    low = Scale(0.84, 1.0, MIDDLE[1], MIDDLE[0])
    parts = [*_frame(x, y, low)]
    with np.errstate(over="ignore"):
        ends = before * np.exp(-steered.threshold), before * np.exp(steered.threshold)
    parts += [line(x(at / DAY), y(float(ends[0][at])), x(at / DAY), y(float(min(ends[1][at], 1e9))), colour="rule")
              for at in range(0, len(taken), 8)]
    parts.append(path([(x(at / DAY), y(float(taken[at]))) for at in range(0, len(taken), 2)], colour="ink", width=0.6))
    parts += [circle(x(at / DAY), y(float(taken[at])), 1.7, colour="refuse") for at in np.flatnonzero(~steered.held)]
    for name, colour in (("fixed", "second"), ("steered", "accent")):
        days = daily(found[name].held)
        parts.append(path([(x((at + DAY - 1) / DAY), low(float(days[at]))) for at in range(0, len(days), 6)],
                          colour=colour))
    told = "; ".join(f"{name}: {one.held.mean():.3f} covered, worst day {daily(one.held).min():.3f}"
                     for name, one in found.items())
    return document(WIDTH, HEIGHT, parts, title="Fixed and steered intervals of a real latency series", desc=told)


def _frame(x: Scale, y: Scale, low: Scale) -> Iterator[str]:
    yield text(0, 14, "value, its interval told beforehand (grey), and misses (red)")
    yield text(0, MIDDLE[0] - 8, "coverage of the day before: steered (blue), fixed (brown)")
    for scale, (top, bottom) in ((y, TOP), (low, MIDDLE)):
        for tick in ticks(scale.low, scale.high, count=4):
            yield line(LEFT, scale(tick), WIDTH - RIGHT, scale(tick))
            yield text(LEFT - 6, scale(tick) + 4, f"{tick:g}", colour="muted", anchor="end")
        yield line(LEFT, bottom, LEFT, top)
    yield line(LEFT, low(PROMISE), WIDTH - RIGHT, low(PROMISE), colour="ink", dash="3 3")
    for day in range(0, math.floor(x.high) + 1, 2):
        yield text(x(day), LOWER, f"{day}", colour="muted", anchor="middle")
    yield text((LEFT + WIDTH - RIGHT) / 2, BOTTOM, "days after calibration", colour="muted", anchor="middle")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    values = read(given.data)
    found = courses(values)
    print("\n".join(rows(found)))
    if given.out:
        given.out.write_text(picture(values, found) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
