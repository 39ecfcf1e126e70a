"""The latency harvest as a picture: p95 against quality for every setting, the frontier, what was chosen and why."""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.estimate import Estimate
from harness.report.svg import Scale, circle, diamond, document, line, path, text, ticks
from harness.retrieval.harvest import Harvest
from harness.retrieval.harvest_cells import Cell, blamed
from harness.retrieval.harvest_timing import Setting

__all__ = ["harvest_svg"]

WIDTH, HEIGHT = 480.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 20.0, 58.0, 46.0


def harvest_svg(found: Harvest, *, title: str = "Latency harvest") -> str:
    """Each setting at its warm p95 and its change in quality, with both intervals where they are finite.

    Settings that may serve are filled in colour, the others muted; the line joins the frontier.

    Raises nothing: a harvest was checked where it was measured or read.

    >>> from harness.retrieval.harvest_cells import Limits, choose
    >>> sure, none = Estimate(0.9, 0.85, 0.95, 99, 0.9, "t"), Estimate(0.0, 0.0, 0.0, 99, 0.9, "t")
    >>> cells, at = (Cell(Setting(8, 4), sure, sure, sure, none, none, None, 1.0),), Setting(8, 4)
    >>> "8 × 4" in harvest_svg(Harvest(cells, at, Limits(), choose(cells, at, Limits())))
    True
    """
    x, y = _scale([cell.p95 for cell in found.cells], _LEFT, WIDTH - _RIGHT), _scale(
        [cell.delta for cell in found.cells], HEIGHT - _BOTTOM, _TOP, zero=True)
    frontier = [(x(cell.p95.value), y(cell.delta.value)) for cell in found.frontier]
    parts = [*_frame(x, y, found), path(frontier, colour="second", dash="6 4")]
    for cell in found.cells:
        parts += _drawn(cell, x, y, serves=not blamed(cell, found.limits))
    chosen = found.chosen
    across, up = x(chosen.p95.value), y(chosen.delta.value)
    parts += [diamond(across, up, 7, colour="ink"),
              text(across, up - 12, _name(chosen.setting), anchor="middle", bold=True)]
    told = f"{found.choice.verdict}: {_name(found.choice.setting)} (ef × hits); {found.choice.reason}"
    return document(WIDTH, HEIGHT, parts, title=title, desc=told)


def _name(setting: Setting) -> str:
    return f"{setting.ef} × {setting.topk}"


def _scale(estimates: list[Estimate], start: float, end: float, *, zero: bool = False) -> Scale:
    ends = [end for one in estimates for end in (one.value, one.low, one.high) if math.isfinite(end)]
    ends += [0.0] if zero else []
    room = 0.06 * (max(ends) - min(ends))
    return Scale(min(ends) - room, max(ends) + room, start, end)


def _drawn(cell: Cell, x: Scale, y: Scale, *, serves: bool) -> Iterator[str]:
    across, up, colour = x(cell.p95.value), y(cell.delta.value), "accent" if serves else "muted"
    if math.isfinite(cell.p95.low) and math.isfinite(cell.p95.high):
        yield line(x(cell.p95.low), up, x(cell.p95.high), up, colour=colour)
    if math.isfinite(cell.delta.low) and math.isfinite(cell.delta.high):
        yield line(across, y(cell.delta.low), across, y(cell.delta.high), colour=colour)
    yield circle(across, up, 4.5, colour=colour, tip=f"{_name(cell.setting)}: p95 {cell.p95.value:.3f} ms, "
                 f"change {cell.delta.value:+.4f}, n {cell.delta.n}")


def _frame(x: Scale, y: Scale, found: Harvest) -> Iterator[str]:
    yield text(0, 16, f"{found.choice.verdict}: {_name(found.choice.setting)}", bold=True)
    yield text(0, 34, f"ef × hits; default {_name(found.default)}; muted: may not serve", colour="muted")
    for gain in ticks(y.low, y.high):
        yield line(_LEFT, y(gain), WIDTH - _RIGHT, y(gain))
        yield text(_LEFT - 6, y(gain) + 4, f"{gain:+g}" if gain else "0", colour="muted", anchor="end")
    yield line(_LEFT, y(found.limits.delta), WIDTH - _RIGHT, y(found.limits.delta), colour="ink", dash="2 3")
    for ms in ticks(x.low, x.high):
        yield text(x(ms), HEIGHT - _BOTTOM + 17, f"{ms:g}", colour="muted", anchor="middle")
    yield text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 8, "p95 warm, ms", colour="muted", anchor="middle")
    yield text(WIDTH - _RIGHT, 50, "change in quality against the baseline", colour="muted", anchor="end")
