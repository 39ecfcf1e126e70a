"""A guard as a small picture: its interval and value on a line, its limit across, the side that is allowed shaded."""

from __future__ import annotations

import math
from html import escape

from harness.rollout.shapes import Reading

__all__ = ["plot_of"]

_WIDTH, _HEIGHT, _EDGE = 180.0, 26.0, 8.0


def plot_of(one: Reading) -> str:
    """SVG text; where nothing was observed, the limit alone. Ends without a bound run to the edge.

    >>> from harness.release.policy import Limit
    >>> from harness.rollout.shapes import Guarded
    >>> guard = Guarded("errors", "error rate", "all", Limit("at_most", 0.01, "ucb"))
    >>> plot_of(Reading(guard, "missing", None, None, None, 0, None, "")).count("<line")
    1
    """
    limit = one.guard.limit
    low, high = _span(one)

    def x(value: float) -> float:
        at = min(max((value - low) / (high - low), 0.0), 1.0)
        return round(_EDGE + at * (_WIDTH - 2 * _EDGE), 1)

    bar = x(limit.bound)
    start, end = (bar, _WIDTH) if limit.direction == "at_least" else (0.0, bar)
    parts = [f'<rect class="allowed" x="{start:g}" y="0" width="{end - start:g}" height="{_HEIGHT:g}"/>',
             f'<line class="limit" x1="{bar:g}" x2="{bar:g}" y1="0" y2="{_HEIGHT:g}"/>']
    if one.value is not None and one.low is not None and one.high is not None:
        middle = _HEIGHT / 2
        parts += [f'<line class="interval" x1="{x(one.low):g}" x2="{x(one.high):g}" y1="{middle:g}" y2="{middle:g}"/>',
                  f'<circle class="value {one.state}" cx="{x(one.value):g}" cy="{middle:g}" r="4"/>']
    told = escape(f"{one.guard.name}: {one.state}", quote=True)
    return (f'<svg role="img" aria-label="{told}" width="{_WIDTH:g}" height="{_HEIGHT:g}" '
            f'viewBox="0 0 {_WIDTH:g} {_HEIGHT:g}">{"".join(parts)}</svg>')


def _span(one: Reading) -> tuple[float, float]:
    """The numbers at both edges: all that is finite and to be seen, with room about it."""
    bound = one.guard.limit.bound
    seen = [value for value in (bound, one.value, one.low, one.high) if value is not None and math.isfinite(value)]
    room = 0.15 * (max(seen) - min(seen)) or 0.1 * abs(bound) or 1.0
    return min(seen) - room, max(seen) + room
