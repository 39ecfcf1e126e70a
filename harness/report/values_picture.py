"""The value of the target policy as a picture: every estimator's interval by slice, the truth across them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from harness.errors import InputError
from harness.release.studied.policy_values import PolicyValue
from harness.report.svg import Scale, circle, diamond, document, fitted, line, text, ticks

__all__ = ["values_svg"]

WIDTH = 480.0
_LEFT, _RIGHT, _TOP, _BOTTOM, _ROW, _HEAD = 64.0, 12.0, 40.0, 40.0, 17.0, 24.0
_COLOURS = {"IPS": "muted", "SNIPS": "accent", "DR": "second", "DM": "muted"}


def values_svg(rows: Sequence[PolicyValue], *, title: str) -> str:
    """A forest: a line an estimator with its interval, the truth of a slice as an upright line through its own.

    DM has no interval and is drawn as a diamond.

    Args:
        rows: As `policy_values` gives them, slice by slice.
        title: Of the picture.

    Raises:
        InputError: No finite value among them.

    >>> row = PolicyValue("all", "SNIPS", 0.5, 0.4, 0.6, 99, 0.5, 0.1, "yes", 0.52, 0.05, -0.4)
    >>> picture = values_svg([row, row._replace(estimator="DM", low=-math.inf, high=math.inf)], title="Values")
    >>> picture.startswith("<svg") and "truth 0.52" in picture
    True
    """
    seen = [end for row in rows for end in (row.value, row.low, row.high, row.truth) if math.isfinite(end)]
    if not seen:
        raise InputError("nothing to draw", where="values picture", expected="a finite value", found=len(rows))
    groups = [(name, list(found)) for name, found in groupby(rows, key=lambda row: row.slice)]
    height = _TOP + _BOTTOM + sum(_HEAD + _ROW * len(found) for _, found in groups)
    x = Scale(min(seen), max(seen), _LEFT, WIDTH - _RIGHT)
    parts, y, told = [*_frame(x, height)], _TOP, []
    for name, found in groups:
        parts += _group(name, found, x, y)
        y += _HEAD + _ROW * len(found)
        told.append(f"{name}: " + ", ".join(f"{row.estimator} {row.value:.4g}" for row in found) + _truth(found[0]))
    return document(WIDTH, height, parts, title=title, desc="; ".join(told))


def _truth(row: PolicyValue) -> str:
    return "" if math.isnan(row.truth) else f", truth {row.truth:.4g}"


def _frame(x: Scale, height: float) -> Iterator[str]:
    for value in ticks(x.low, x.high):
        yield line(x(value), _TOP - 8, x(value), height - _BOTTOM)
        yield text(x(value), height - _BOTTOM + 16, f"{value:g}", colour="muted", anchor="middle")
    yield text((_LEFT + WIDTH - _RIGHT) / 2, height - 6, "mean reward of the target policy", colour="muted",
               anchor="middle")
    yield text(0, 16, "intervals by estimator; upright: what it earned in truth; DM decides nothing", colour="muted")


def _group(name: str, found: Sequence[PolicyValue], x: Scale, y: float) -> Iterator[str]:
    """A slice: its name and what its weights carry, then a line an estimator."""
    first = found[0]
    agree = {"yes": "SNIPS and DR agree", "no": "SNIPS and DR disagree", "": "no DR"}[first.agree]
    words = f"{name} · n {first.n:,} · ESS/N {first.ess_share:.3f} · {agree}"
    yield text(0, y + 15, fitted(words, WIDTH), bold=True)
    if math.isfinite(first.truth):
        yield line(x(first.truth), y + _HEAD - 2, x(first.truth), y + _HEAD + _ROW * len(found) - 2, colour="ink",
                   width=1.5, dash="4 3")
    for place, row in enumerate(found):
        yield from _estimator(row, x, y + _HEAD + _ROW * (place + 0.5))


def _estimator(row: PolicyValue, x: Scale, y: float) -> Iterator[str]:
    colour = _COLOURS[row.estimator]
    yield text(_LEFT - 8, y + 4, row.estimator, colour="muted", anchor="end")
    if not math.isfinite(row.value):
        yield text(_LEFT, y + 4, "nothing to value: no overlap", colour="inconclusive")
        return
    if math.isfinite(row.low) and math.isfinite(row.high):
        yield line(x(row.low), y, x(row.high), y, colour=colour, width=2.0)
    tip = f"{row.estimator} {row.value:.5g} [{row.low:.5g}, {row.high:.5g}]" + (
        "" if math.isnan(row.z) else f", {row.z:+.2f} standard errors from the truth")
    yield diamond(x(row.value), y, 4.5, colour=colour) if row.estimator == "DM" else circle(
        x(row.value), y, 4.5, colour=colour, tip=tip)
