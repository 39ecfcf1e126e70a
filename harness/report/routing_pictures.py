"""Gain captured against share reranked, as a picture: router, entropy, chance and oracle, with θ* marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from harness.errors import InputError
from harness.estimate import Estimate
from harness.records import Floats
from harness.report.svg import Scale, diamond, document, line, path, text, ticks, width_of

__all__ = ["roc_svg"]

WIDTH, HEIGHT = 400.0, 280.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 12.0, 50.0, 44.0
_LOOKS = (("accent", ""), ("second", "6 4"), ("muted", "2 3"), ("pass", "8 3 2 3"))


def roc_svg(share: Any, curves: Mapping[str, Any], *, at: tuple[float, float], title: str,
            gain: Estimate | None = None) -> str:
    """Curves of gain per request over the share reranked, and the gate's place on them.

    Args:
        share: (m,) from 0 to 1, ascending.
        curves: Name → (m,) nDCG units per request, at most four.
        at: Share and gain at θ*.
        title: Of the picture.
        gain: The gain at θ* with its interval, drawn where its ends are finite.

    Raises:
        InputError: No curve or more than four, values that are not finite, or lengths that differ from `share`.

    >>> picture = roc_svg([0, 1], {"router": [0, 0.2], "random": [0, 0.1]}, at=(0.5, 0.1), title="Gain by share")
    >>> picture.startswith("<svg") and "θ*" in picture
    True
    """
    across, place = _column(share, "share", None), _column(at, "at", 2)
    if not 1 <= len(curves) <= len(_LOOKS):
        raise InputError("curves cannot be told apart", where="roc picture", expected=f"1 to {len(_LOOKS)} curves",
                         found=len(curves))
    drawn = {name: _column(values, name, len(across)) for name, values in curves.items()}
    ends = [end for end in ((gain.low, gain.high) if gain else ()) if np.isfinite(end)]
    seen = np.concatenate([*drawn.values(), place[1:], ends, [0.0]])
    x = Scale(0.0, 1.0, _LEFT, WIDTH - _RIGHT)
    y = Scale(float(seen.min()), float(seen.max()) * 1.05, HEIGHT - _BOTTOM, _TOP)
    parts = [*_frame(x, y), *_legend(list(drawn))]
    for (colour, dash), values in zip(_LOOKS, drawn.values(), strict=False):
        parts.append(path([(x(a), y(b)) for a, b in zip(across, values, strict=True)], colour=colour, dash=dash))
    if len(ends) == 2:
        parts.append(line(x(place[0]), y(ends[0]), x(place[0]), y(ends[1]), colour="ink", width=1.5))
    parts += [diamond(x(place[0]), y(place[1]), 6, colour="ink"), _mark(x, y, place)]
    there = ", ".join(f"{name} {np.interp(place[0], across, values):.4f}" for name, values in drawn.items())
    told = f"θ* reranks {place[0]:.1%} of requests for {place[1]:.4f} nDCG per request; at that share: {there}"
    return document(WIDTH, HEIGHT, parts, title=title, desc=told)


def _column(values: Any, name: str, n: int | None) -> Floats:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        column = np.empty((0, 0))
    if column.ndim != 1 or not column.size or n not in (None, len(column)) or not np.isfinite(column).all():
        raise InputError("cannot be drawn", where="roc picture", column=name, expected=f"{n or 'some'} finite numbers",
                         found=column.shape)
    return column


def _mark(x: Scale, y: Scale, place: Floats) -> str:
    """The label of θ*, on the side where there is room."""
    left = place[0] > 0.6
    return text(x(place[0]) + (-10 if left else 10), y(place[1]) + 14, f"θ* {place[0]:.1%}, {place[1]:+.4f}",
                anchor="end" if left else "start", bold=True)


def _frame(x: Scale, y: Scale) -> Iterator[str]:
    for gain in ticks(y.low, y.high):
        yield line(_LEFT, y(gain), WIDTH - _RIGHT, y(gain))
        yield text(_LEFT - 6, y(gain) + 4, f"{gain:g}", colour="muted", anchor="end")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        yield text(x(share), HEIGHT - _BOTTOM + 17, f"{share:.0%}", colour="muted", anchor="middle")
    yield text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 8, "share of requests reranked", colour="muted", anchor="middle")
    yield text(WIDTH - _RIGHT, 36, "gain in nDCG per request", colour="muted", anchor="end")


def _legend(names: list[str]) -> Iterator[str]:
    left = 0.0
    for name, (colour, dash) in zip(names, _LOOKS, strict=False):
        yield line(left, 12, left + 18, 12, colour=colour, width=3, dash=dash)
        yield text(left + 23, 16, name)
        left += 38 + width_of(name)
