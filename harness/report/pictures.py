"""Pictures of arrays: distributions, shares below a limit, sizes, courses over time. No dates, no chance: same numbers,
same bytes. Each is 400 pixels wide, so that it is readable on a phone and stands beside others on a wide page.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from harness.errors import InputError
from harness.records import Floats
from harness.report.svg import Scale, document, line, path, rect, text, ticks, width_of

__all__ = ["bars_svg", "ecdf_svg", "histogram_svg", "lines_svg"]

WIDTH, HEIGHT = 400.0, 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 10.0, 32.0, 42.0
_SERIES = ("accent", "second", "muted", "pass")
_DASHES = ("", "6 4", "2 3", "8 3 2 3")


def histogram_svg(values: Any, *, title: str, x_label: str, mark: float | None = None, bins: int = 40) -> str:
    """Counts of `values` (n,); with a `mark`, what lies below, on and above it is counted and coloured apart.

    A bar that dwarfs the others is cut and carries its count. Raises InputError for empty or non-finite values.
    """
    array = _checked(values, title)
    low, high = float(array.min()), float(array.max())
    if mark is not None:  # the same reach on both sides, so that gains and losses compare
        reach = max(high - mark, mark - low) or 1.0
        low, high = mark - reach, mark + reach
    edges = np.linspace(low, high if high > low else low + 1.0, bins + 1)
    off = array if mark is None else array[array != mark]
    counts = np.histogram(off, edges)[0]
    tallest = float(counts.max()) or 1.0
    x, y = Scale(edges[0], edges[-1], _LEFT, WIDTH - _RIGHT), Scale(0.0, tallest * 1.1, HEIGHT - _BOTTOM, _TOP)
    parts = [*_axes(x, y, x_label, "count"), *_bins(counts, edges, x, y, mark)]
    told = f"{len(array):,} values from {array.min():.4g} to {array.max():.4g}, mean {array.mean():.4g}"
    if mark is not None:
        same, below = int((array == mark).sum()), int((array < mark).sum())
        told = f"{below:,} below {mark:g}, {same:,} at {mark:g}, {len(array) - same - below:,} above"
        parts += _on_mark(same, x(mark), y)
    return document(WIDTH, HEIGHT, [*parts, text(0, 16, told, colour="muted")], title=title, desc=told)


def ecdf_svg(series: Mapping[str, Any], *, title: str, x_label: str, limit: float | None = None,
             quantile: float = 0.95) -> str:
    """The share of values at or below each number, one curve a series, with the quantile and the limit it must meet.

    Curves end at their 99.9th percentile; the largest value stands in the text alternative.
    """
    arrays = {name: np.sort(_checked(values, f"{title}, {name}")) for name, values in series.items()}
    _some(arrays, title)
    edge = max(float(array[int(0.999 * (len(array) - 1))]) for array in arrays.values())
    x = Scale(0.0, max(edge, limit or 0.0) * 1.04 or 1.0, _LEFT, WIDTH - _RIGHT)
    y = Scale(0.0, 1.0, HEIGHT - _BOTTOM, _TOP + 10)
    parts = [*_axes(x, y, x_label, "share of requests"), *_legend(list(arrays))]
    parts.append(line(x.start, y(quantile), x.end, y(quantile), colour="muted", dash="3 3"))
    if limit is not None:
        side = 1 if limit < x.high / 2 else -1
        parts += [line(x(limit), y.start, x(limit), y.end - 6, colour="refuse", width=1.5, dash="5 3"),
                  text(x(limit) + 5 * side, y.start - 8, f"limit {limit:g}", colour="refuse",
                       anchor="start" if side == 1 else "end")]
    for index, array in enumerate(arrays.values()):
        parts.append(path(_steps(array, x, y), colour=_SERIES[index % 4], dash=_DASHES[index % 4]))
    told = "; ".join(f"{name}: p{100 * quantile:g} {np.quantile(array, quantile, method='inverted_cdf'):.4g}, "
                     f"largest {array[-1]:.4g}, n = {len(array):,}" for name, array in arrays.items())
    return document(WIDTH, HEIGHT, parts, title=title, desc=told)


def bars_svg(series: Mapping[str, Sequence[float]], *, labels: Sequence[str], title: str, y_label: str) -> str:
    """Upright bars, one group a label, one bar a series within it; past 12 labels only the first and last are named."""
    arrays = {name: _checked(values, f"{title}, {name}") for name, values in series.items()}
    _some(arrays, title)
    if any(len(array) != len(labels) for array in arrays.values()):
        raise InputError("labels and values differ in number", where=title, expected=f"{len(labels)} values a series",
                         found={name: len(array) for name, array in arrays.items()})
    top, floor = max(float(a.max()) for a in arrays.values()), min(0.0, *(float(a.min()) for a in arrays.values()))
    y = Scale(floor, top * 1.08 if top > floor else floor + 1.0, HEIGHT - _BOTTOM, _TOP + 10)
    step = (WIDTH - _LEFT - _RIGHT) / len(labels)
    parts = [*_upright(y, y_label), *_legend(list(arrays) if len(arrays) > 1 else [], boxes=True)]
    each = step * 0.8 / len(arrays)
    for index, (name, array) in enumerate(arrays.items()):
        for place, value in enumerate(array):
            x = _LEFT + step * (place + 0.1) + each * index
            parts.append(rect(x, min(y(value), y(0.0)), each * 0.94, abs(y(value) - y(0.0)), colour=_SERIES[index % 4],
                              tip=f"{labels[place]} {name}: {value:.6g}"))
    parts += _names(labels, step)
    shown = [f"{name}: " + ", ".join(f"{label} {value:.4g}" for label, value in
                                     list(zip(labels, array.tolist(), strict=True))[:12]) for name, array in
             arrays.items()]
    return document(WIDTH, HEIGHT, parts, title=title, desc="; ".join(shown))


def lines_svg(series: Mapping[str, Sequence[tuple[float, float]]], *, title: str, x_label: str, y_label: str,
              limit: float | None = None, x_words: Mapping[float, str] | None = None,
              bands: Mapping[str, Sequence[tuple[float, float, float]]] | None = None) -> str:
    """Courses (x, y), with bands (x, low, high) and a limit where given; `x_words` names the ticks of the x axis."""
    arrays = {name: _checked(points, f"{title}, {name}").reshape(-1, 2) for name, points in series.items()}
    _some(arrays, title)
    ranges = {name: _checked(points, f"{title}, {name}").reshape(-1, 3) for name, points in (bands or {}).items()}
    ends = np.concatenate([*(a[:, 1] for a in arrays.values()), *(a[:, 1:].ravel() for a in ranges.values()),
                           np.array([] if limit is None else [limit])])
    across = np.concatenate([array[:, 0] for array in arrays.values()])
    room = (float(np.ptp(ends)) or abs(float(ends[0])) or 1.0) * 0.08
    x = Scale(float(across.min()), float(across.max()), _LEFT + 6, WIDTH - _RIGHT - 6)
    y = Scale(float(ends.min()) - room, float(ends.max()) + room, HEIGHT - _BOTTOM, _TOP + 10)
    parts = [*_axes(x, y, x_label, y_label, words=x_words), *_legend(list(arrays))]
    if limit is not None:
        parts += [line(_LEFT, y(limit), WIDTH - _RIGHT, y(limit), colour="refuse", width=1.5, dash="5 3")]
    for index, (name, array) in enumerate(arrays.items()):
        parts += [*_course(array, x, y, index), *_band(ranges.get(name), x, y, index)]
    told = "; ".join(f"{name}: from {array[0, 1]:.4g} to {array[-1, 1]:.4g}" for name, array in arrays.items())
    return document(WIDTH, HEIGHT, parts, title=title, desc=told)


def _checked(values: Any, where: str) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if not array.size:
        raise InputError("nothing to draw", where=where, expected="at least one number")
    if not np.isfinite(array).all():
        raise InputError("not finite", where=where, expected="finite numbers",
                         found=float(array[~np.isfinite(array)].ravel()[0]))
    return array


def _some(arrays: Mapping[str, Floats], title: str) -> None:
    if not arrays:
        raise InputError("nothing to draw", where=title, expected="at least one series")


def _axes(x: Scale, y: Scale, x_label: str, y_label: str, *, words: Mapping[float, str] | None = None) -> Iterator[str]:
    yield from _upright(y, y_label)
    for tick, word in (words or {tick: f"{tick:g}" for tick in ticks(x.low, x.high)}).items():
        yield text(x(tick), HEIGHT - _BOTTOM + 17, word, colour="muted", anchor="middle")
    yield text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 8, x_label, colour="muted", anchor="middle")


def _upright(y: Scale, label: str) -> Iterator[str]:
    for tick in ticks(y.low, y.high, count=4):
        yield line(_LEFT, y(tick), WIDTH - _RIGHT, y(tick))
        yield text(_LEFT - 6, y(tick) + 4, f"{tick:g}", colour="muted", anchor="end")
    yield text(WIDTH - _RIGHT, 16, label, colour="muted", anchor="end")


def _legend(names: Sequence[str], *, boxes: bool = False) -> Iterator[str]:
    x = 0.0
    for index, name in enumerate(names):
        yield line(x, 12, x + 18, 12, colour=_SERIES[index % 4], width=11 if boxes else 3,
                   dash="" if boxes else _DASHES[index % 4])
        yield text(x + 23, 16, name)
        x += 38 + width_of(name)


def _bins(counts: Any, edges: Floats, x: Scale, y: Scale, mark: float | None) -> Iterator[str]:
    for count, low, high in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        colour = "accent" if mark is None else "refuse" if (low + high) / 2 < mark else "pass"
        yield rect(x(low) + 0.5, y(count), x(high) - x(low) - 1, y(0) - y(count), colour=colour,
                   tip=f"{low:.4g} to {high:.4g}: {count:,}")


def _on_mark(same: int, x: float, y: Scale) -> Iterator[str]:
    if same:
        yield rect(x - 2.5, y(same), 5, y(0) - y(same), colour="muted", tip=f"no difference: {same:,}")
        if same > y.high:
            yield text(x + 8, y.end + 10, f"↑ {same:,} without a difference", colour="muted")


def _steps(array: Floats, x: Scale, y: Scale) -> list[tuple[float, float]]:
    """At most 240 points of the curve, the last at the 99.9th percentile."""
    last = int(0.999 * (len(array) - 1))
    at = np.unique(np.linspace(0, last, min(240, last + 1)).astype(int))
    points = [(x(float(array[0])), y(0.0))]
    return points + [(x(float(array[i])), y((i + 1) / len(array))) for i in at]


def _names(labels: Sequence[str], step: float) -> Iterator[str]:
    few = len(labels) <= 12
    for place, label in enumerate(labels):
        if few or place in {0, len(labels) - 1}:
            anchor = "middle" if few else "start" if place == 0 else "end"
            x = _LEFT + step * (place + (0.5 if few else float(place > 0)))
            yield text(x, HEIGHT - _BOTTOM + 17, label, colour="muted", anchor=anchor)


def _course(array: Floats, x: Scale, y: Scale, index: int) -> Iterator[str]:
    points = [(x(float(across)), y(float(up))) for across, up in array]
    if len(points) > 1:
        for (x1, y1), (x2, y2) in itertools.pairwise(points):
            yield line(x1, y1, x2, y2, colour=_SERIES[index % 4], width=2, dash=_DASHES[index % 4])
    if len(points) <= 60:
        for (px, py), (across, up) in zip(points, array.tolist(), strict=True):
            yield rect(px - 3, py - 3, 6, 6, colour=_SERIES[index % 4], tip=f"{across:g}: {up:.6g}")


def _band(points: Floats | None, x: Scale, y: Scale, index: int) -> Iterator[str]:
    for across, low, high in [] if points is None else points.tolist():
        yield line(x(across), y(low), x(across), y(high), colour=_SERIES[index % 4], width=1.5)
