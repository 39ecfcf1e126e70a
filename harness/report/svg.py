"""The few shapes that pictures are made of, as SVG text: the same bytes for the same numbers.

Colours are CSS variables with a fallback, so that one picture serves a light page, a dark page and a file of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["COLOURS", "Scale", "circle", "diamond", "document", "fitted", "line", "path", "rect", "text", "ticks",
           "width_of"]

COLOURS = {
    "ink": "var(--ink,#1c2024)", "muted": "var(--muted,#60666d)", "rule": "var(--rule,#d5d9de)",
    "pass": "var(--pass,#15803d)", "inconclusive": "var(--inconclusive,#b45309)", "refuse": "var(--refuse,#c4211c)",
    "accent": "var(--accent,#2f62c9)", "second": "var(--second,#a0522d)", "good": "var(--good,#15803d14)",
    "page": "var(--page,#ffffff)",
}
_FONT = "font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"


class Scale:
    """A straight map from numbers to pixels, clipped at both ends.

    >>> Scale(0.0, 1.0, 100.0, 200.0)(0.25)
    125.0
    """

    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        """Map `low` to `start` and `high` to `end`; a span of nothing is widened about its middle."""
        if not low < high:
            low, high = low - 0.5, high + 0.5
        self.low, self.high, self.start, self.end = low, high, start, end

    def __call__(self, value: float) -> float:
        """The pixel of a number; what lies outside stands at the edge."""
        inside = min(max(value, self.low), self.high)
        return self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)


def ticks(low: float, high: float, *, count: int = 5) -> list[float]:
    """Round numbers from `low` to `high`, about `count` of them.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        return [low] if math.isfinite(low) else []
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 12) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def document(width: float, height: float, parts: Iterable[str], *, title: str, desc: str) -> str:
    """A whole picture with its text alternative."""
    name = escape(f"{title}. {desc}", quote=True)
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
            f'height="{height:g}" role="img" aria-label="{name}" style="{_FONT};max-width:100%;height:auto">')
    return "\n".join([head, *parts, "</svg>"])


def text(x: float, y: float, words: str, *, colour: str = "ink", size: float = 12.0, anchor: str = "start",
         bold: bool = False) -> str:
    """One line of words; `anchor` is start, middle or end."""
    weight = ";font-weight:600" if bold else ""
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
            f'style="fill:{COLOURS[colour]};font-size:{size:g}px{weight}">{escape(words)}</text>')


def line(x1: float, y1: float, x2: float, y2: float, *, colour: str = "rule", width: float = 1.0,
         dash: str = "") -> str:
    """A straight line."""
    dashed = f";stroke-dasharray:{dash}" if dash else ""
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'style="stroke:{COLOURS[colour]};stroke-width:{width:g}{dashed}"/>')


def rect(x: float, y: float, width: float, height: float, *, colour: str, tip: str = "") -> str:
    """A filled box; `tip` is shown where a pointer rests on it."""
    inner = f"<title>{escape(tip)}</title>" if tip else ""
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" '
            f'style="fill:{COLOURS[colour]}">{inner}</rect>')


def circle(x: float, y: float, radius: float, *, colour: str, tip: str = "") -> str:
    """A filled circle."""
    inner = f"<title>{escape(tip)}</title>" if tip else ""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" style="fill:{COLOURS[colour]}">{inner}</circle>'


def diamond(x: float, y: float, radius: float, *, colour: str) -> str:
    """A filled diamond."""
    corners = [(x - radius, y), (x, y - radius), (x + radius, y), (x, y + radius)]
    return path(corners, colour=colour, filled=True)


def path(points: Sequence[tuple[float, float]], *, colour: str, width: float = 2.0, filled: bool = False,
         dash: str = "") -> str:
    """A line through points, or the shape they enclose."""
    steps = "L".join(f"{x:.1f},{y:.1f}" for x, y in points)
    style = f"fill:{COLOURS[colour]}" if filled else f"fill:none;stroke:{COLOURS[colour]};stroke-width:{width:g}"
    style += f";stroke-dasharray:{dash}" if dash else ""
    return f'<path d="M{steps}{"Z" if filled else ""}" style="{style}"/>'


def width_of(words: str, size: float = 12.0) -> float:
    """About how wide a line of words comes out, in pixels."""
    narrow = sum(letter in "iljtf.,:;|'[]() " for letter in words)
    return size * (0.6 * (len(words) - narrow) + 0.33 * narrow)


def fitted(words: str, room: float, *, size: float = 12.0) -> str:
    """The words, cut with an ellipsis where they would not fit into `room` pixels."""
    if width_of(words, size) <= room:
        return words
    while words and width_of(words + "…", size) > room:
        words = words[:-1]
    return words + "…"
