"""The picture that people look at: every gate's interval against its limit.

All limits stand on one upright line, and the side that passes is always to its right (for an `at most` limit, smaller
numbers stand to the right). Rows of one measure share a scale; different measures do not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from harness.estimate import Estimate
from harness.release.judge import Verdict, verdict_of
from harness.release.policy import Limit
from harness.report.rows import GateRow, interval_text, limit_text, number_text
from harness.report.svg import circle, diamond, document, fitted, line, path, rect, text

__all__ = ["NARROW", "WIDE", "forest_svg"]

WIDE, NARROW = 1040, 360
_LEFT, _RIGHT = 0.34, 0.62
_SMALL = 12.0


class _Bar(NamedTuple):
    """One drawn line: a gate, or a measure that may speak in its place."""

    name: str
    place: str
    estimate: Estimate
    limit: Limit
    measure: str
    verdict: str
    broken: Estimate | None


class _Frame(NamedTuple):
    """Where things stand: the plot from `x` over `width`, rows of `row` pixels, the first at `top`."""

    x: float
    width: float
    row: float
    top: float

    @property
    def zero(self) -> float:
        """The limit's place."""
        return self.x + self.width * _LEFT


def forest_svg(rows: Sequence[GateRow], *, width: int = WIDE) -> str:
    """The forest plot as SVG; below 640 pixels of width the words stand above and below each interval."""
    bars = [bar for row in rows for bar in _bars(row)]
    wide = width >= 640
    frame = _Frame(258.0, width - 258.0 - 340.0, 42.0, 26.0) if wide else _Frame(0.0, float(width), 84.0, 22.0)
    height = frame.top + frame.row * len(bars) + 4
    parts = [*_ground(frame, height, wide=wide)]
    for index, bar in enumerate(bars):
        y = frame.top + frame.row * index
        parts += _wide_words(bar, y, width) if wide else _narrow_words(bar, y, width)
        parts += _interval(bar, frame, y + (frame.row / 2 if wide else 50.0), _unit_of(bar, bars, frame))
    told = "; ".join(f"{bar.name} {bar.place}: {_numbers(bar)}, limit {_limit(bar)}, {bar.verdict or 'alternative'}"
                     for bar in bars)
    return document(width, height, parts, title="Every gate's interval against its limit", desc=told)


def _bars(row: GateRow) -> Iterator[_Bar]:
    reading = row.finding.reading
    place = " · ".join(part for part in (row.task, row.slice) if part != "–")
    verdict = row.verdict + ("" if row.required else ", not required")
    broken = reading.control.estimate if reading.control else None
    yield _Bar(row.measure, place, reading.estimate, row.finding.limit, row.measure, verdict, broken)
    speaker = next((one for one in reading.alternatives if verdict_of(one.estimate, one.limit) is Verdict.PASS), None)
    silent = verdict_of(reading.estimate, row.finding.limit) is Verdict.PASS or speaker is None
    for other in reading.alternatives:
        told = "an alternative, not needed" if silent or other is not speaker else "speaks for the row above"
        yield _Bar(f"or {other.measure}", told, other.estimate, other.limit, other.measure, "",
                   other.broken)


def _unit_of(bar: _Bar, bars: Sequence[_Bar], frame: _Frame) -> float:
    """Pixels per unit, so that every row of the bar's measure fits on both sides of the limit."""
    like = [one for one in bars if (one.measure, one.limit.direction) == (bar.measure, bar.limit.direction)]
    offsets = [_offset(one, end) for one in like for end in one.estimate[:3] if math.isfinite(end)]
    if not any(offsets):  # all stand on their limits: what the planted defect did gives the scale
        offsets = [_offset(one, one.broken.value) for one in like if one.broken and math.isfinite(one.broken.value)]
    right, left = max(offsets, default=0.0), -min(offsets, default=0.0)
    rooms = [room / reach for room, reach in ((frame.width * (_RIGHT - 0.02), right),
                                              (frame.width * (_LEFT - 0.06), left)) if reach > 0]
    return min(rooms, default=0.0)


def _offset(bar: _Bar, number: float) -> float:
    return number - bar.limit.bound if bar.limit.direction == "at_least" else bar.limit.bound - number


def _ground(frame: _Frame, height: float, *, wide: bool) -> Iterator[str]:
    if wide:
        yield rect(frame.zero, frame.top, frame.x + frame.width - frame.zero, height - frame.top - 4, colour="good")
    yield text(frame.zero - 8, 15, "misses", colour="muted", size=_SMALL, anchor="end")
    yield text(frame.zero + 8, 15, "clears the limit", colour="muted", size=_SMALL)
    if wide:
        yield line(frame.zero, frame.top - 4, frame.zero, height - 4, colour="muted", width=1.5)


def _wide_words(bar: _Bar, y: float, width: float) -> Iterator[str]:
    right = width - 328.0
    yield line(0, y, width, y)
    yield text(0, y + 18, fitted(bar.name, 240, size=14), size=14, bold=True)
    yield text(0, y + 34, fitted(bar.place, 240), colour="muted", size=_SMALL)
    yield text(right, y + 18, fitted(_numbers(bar), 225, size=13), size=13)
    yield text(right, y + 34, f"{_limit(bar)} · n = {bar.estimate.n:,}", colour="muted", size=_SMALL)
    if bar.verdict:
        yield from _verdict_words(bar, width, y + 18)


def _narrow_words(bar: _Bar, y: float, width: float) -> Iterator[str]:
    yield line(0, y, width, y)
    yield text(0, y + 17, fitted(bar.name, 230, size=14), size=14, bold=True)
    yield text(0, y + 33, fitted(bar.place, 230), colour="muted", size=_SMALL)
    yield text(0, y + 76, fitted(_numbers(bar), 240, size=12.5), size=12.5)
    yield text(width, y + 76, _limit(bar), colour="muted", size=12.5, anchor="end")
    if bar.verdict:
        yield from _verdict_words(bar, width, y + 17)
    yield rect(width * _LEFT, y + 39, width * (1 - _LEFT), 22, colour="good")
    yield line(width * _LEFT, y + 39, width * _LEFT, y + 61, colour="muted", width=1.5)


def _verdict_words(bar: _Bar, width: float, y: float) -> Iterator[str]:
    word, _, rest = bar.verdict.partition(", ")
    yield text(width, y, word, colour=word.lower(), size=13, anchor="end", bold=True)
    if rest:
        yield text(width, y + 16, rest, colour="muted", size=_SMALL, anchor="end")


def _interval(bar: _Bar, frame: _Frame, y: float, unit: float) -> Iterator[str]:
    if math.isnan(bar.estimate.value) or bar.estimate.n <= 0:
        yield text(frame.zero + 8, y + 4, "nothing was measured", colour="inconclusive", size=_SMALL)
        return
    word = bar.verdict.partition(", ")[0].lower() or "muted"
    yield from _whisker(bar, frame, y, unit, word)
    yield _marker(word, _place(bar, frame, bar.estimate.value, unit), y)
    if bar.broken is not None:
        yield from _cross(_place(bar, frame, bar.broken.value, unit), y, at_edge=_beyond(bar, frame, unit))


def _whisker(bar: _Bar, frame: _Frame, y: float, unit: float, word: str) -> Iterator[str]:
    """The interval: a heavy cap at the end that decides, an arrow where it has no end."""
    ends = {"lcb": bar.estimate.low, "ucb": bar.estimate.high}
    places = {name: _place(bar, frame, end, unit) for name, end in ends.items()}
    yield line(places["lcb"], y, places["ucb"], y, colour=word, width=2.5)
    for name, x in places.items():
        if math.isinf(ends[name]):
            back = 7.0 if x < frame.zero else -7.0
            yield path([(x, y), (x + back, y - 5), (x + back, y + 5)], colour=word, filled=True)
        else:
            decides = name == bar.limit.by
            yield line(x, y - (8 if decides else 4.5), x, y + (8 if decides else 4.5), colour=word,
                       width=3.5 if decides else 2.0)


def _place(bar: _Bar, frame: _Frame, number: float, unit: float) -> float:
    offset = _offset(bar, number)
    x = frame.zero + (offset * unit if math.isfinite(offset) else math.copysign(math.inf, offset))
    return min(max(x, frame.x + 8), frame.x + frame.width - 4)


def _beyond(bar: _Bar, frame: _Frame, unit: float) -> bool:
    assert bar.broken is not None
    offset = _offset(bar, bar.broken.value)
    return not math.isfinite(offset) or frame.zero + offset * unit < frame.x + 8


def _marker(word: str, x: float, y: float) -> str:
    """Verdicts differ in shape as well as in colour."""
    if word == "pass":
        return circle(x, y, 5.5, colour=word)
    if word == "refuse":
        return rect(x - 5, y - 5, 10, 10, colour=word)
    return diamond(x, y, 6.5 if word == "inconclusive" else 4.5, colour=word)


def _cross(x: float, y: float, *, at_edge: bool) -> Iterator[str]:
    yield path([(x - 4, y - 4), (x + 4, y + 4)], colour="muted", width=1.75)
    yield path([(x - 4, y + 4), (x + 4, y - 4)], colour="muted", width=1.75)
    if at_edge:
        yield path([(x - 8, y), (x - 4, y - 3), (x - 4, y + 3)], colour="muted", filled=True)


def _numbers(bar: _Bar) -> str:
    shown = number_text(bar.estimate.value, measure=bar.measure, unit=bar.estimate.unit, limit=bar.limit.bound)
    interval = interval_text(bar.estimate, measure=bar.measure, limit=bar.limit.bound)
    return shown if interval == "–" else f"{shown} {interval}"


def _limit(bar: _Bar) -> str:
    return limit_text(bar.limit, measure=bar.measure, unit=bar.estimate.unit)
