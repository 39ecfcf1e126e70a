"""A guard as a small picture over the last looks: its value and interval, its limit across, the allowed side shaded."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from harness.rollout.shapes import Reading

__all__ = ["plot_of"]

_WIDTH, _HEIGHT, _EDGE = 180.0, 44.0, 5.0


def plot_of(looks: Sequence[Reading]) -> str:
    """SVG text of one guard's readings, oldest first; where nothing was observed, the limit alone.

    Ends without a bound run to the edge. A look that showed nothing leaves a gap.

    >>> from harness.release.policy import Limit
    >>> from harness.rollout.shapes import Guarded
    >>> guard = Guarded("errors", "error rate", "all", Limit("at_most", 0.01, "ucb"))
    >>> plot_of([Reading(guard, "missing", None, None, None, 0, None, "")]).count("<line")
    1
    """
    last = looks[-1]
    limit, y = last.guard.limit, _scale(looks)
    bar = y(limit.bound)
    top, height = (0.0, bar) if limit.direction == "at_least" else (bar, _HEIGHT - bar)
    parts = [f'<rect class="allowed" x="0" y="{top:g}" width="{_WIDTH:g}" height="{height:g}"/>']
    for run in _runs(looks):
        parts += _drawn(run, len(looks), y)
    parts.append(f'<line class="limit" x1="0" x2="{_WIDTH:g}" y1="{bar:g}" y2="{bar:g}"/>')
    if last.value is not None:
        parts.append(f'<circle class="value {last.state}" cx="{_x(len(looks) - 1, len(looks)):g}" '
                     f'cy="{y(last.value):g}" r="3.5"/>')
    told = escape(f"{last.guard.name}: {last.state}", quote=True)
    return (f'<svg role="img" aria-label="{told}" width="{_WIDTH:g}" height="{_HEIGHT:g}" '
            f'viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}">{"".join(parts)}</svg>')


def _scale(looks: Sequence[Reading]) -> Callable[[float], float]:
    """Numbers to pixels, greater ones higher: the limit, every value and the last interval are to be seen."""
    last = looks[-1]
    seen = [value for value in (last.guard.limit.bound, last.low, last.high, *(one.value for one in looks))
            if value is not None and math.isfinite(value)]
    room = 0.1 * (max(seen) - min(seen)) or 0.1 * abs(last.guard.limit.bound) or 1.0
    low, high = min(seen) - room, max(seen) + room

    def y(value: float) -> float:
        return round(_HEIGHT * (1.0 - min(max((value - low) / (high - low), 0.0), 1.0)), 1)

    return y


def _runs(looks: Sequence[Reading]) -> list[list[tuple[int, Reading]]]:
    """Looks that showed something, with their places, broken where one showed nothing."""
    runs: list[list[tuple[int, Reading]]] = [[]]
    for place, one in enumerate(looks):
        if one.value is None:
            runs.append([])
        else:
            runs[-1].append((place, one))
    return [run for run in runs if run]


def _drawn(run: Sequence[tuple[int, Reading]], looks: int, y: Callable[[float], float]) -> list[str]:
    """The interval as a band, the value as a line; a single look as a bar."""
    high = [f"{_x(place, looks):g},{y(math.inf if one.high is None else one.high):g}" for place, one in run]
    low = [f"{_x(place, looks):g},{y(-math.inf if one.low is None else one.low):g}" for place, one in run]
    line = " ".join(f"{_x(place, looks):g},{y(one.value):g}" for place, one in run if one.value is not None)
    return [f'<polygon class="interval" points="{" ".join((*high, *low[::-1]))}"/>',
            f'<polyline class="course" points="{line}"/>']


def _x(place: int, looks: int) -> float:
    return round(_EDGE + (_WIDTH - 2.0 * _EDGE) * (place / (looks - 1) if looks > 1 else 1.0), 1)
