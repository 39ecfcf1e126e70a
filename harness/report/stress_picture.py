"""A release under stress as a picture: each kind's quality, plain and perturbed, and what is left of the gain."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from harness.errors import InputError
from harness.release.measures.stressed import DELTA
from harness.release.studied.stress_file import PERTURBED, PLAIN, StressRow
from harness.report.svg import Scale, circle, diamond, document, fitted, line, text, ticks

__all__ = ["stress_svg"]

WIDTH = 480.0
_NAMES, _GAP, _RIGHT, _TOP, _BOTTOM, _ROW, _HEAD = 152.0, 26.0, 12.0, 44.0, 40.0, 19.0, 24.0
_MIDDLE = _NAMES + (WIDTH - _NAMES - _RIGHT - _GAP) / 2
Kind = tuple[str, dict[str, StressRow]]


def stress_svg(rows: Sequence[StressRow], *, title: str) -> str:
    """A line a kind: nDCG@10 on plain and perturbed texts, and the delta with its interval.

    Families that have several kinds are left to their kinds. Where there was no baseline, the right half is empty.

    Args:
        rows: As `read_stress` gives them, task by task.
        title: Of the picture.

    Raises:
        InputError: No kind whose quality was measured.

    >>> rows = [StressRow("search", "synonym", PLAIN, 9, 0.5, 0.4, 0.6), StressRow("search", "synonym", PERTURBED, 9,
    ...         0.45, 0.4, 0.5), StressRow("search", "synonym", DELTA, 9, 0.01, -0.01, 0.03)]
    >>> picture = stress_svg(rows, title="Under stress")
    >>> picture.startswith("<svg") and "search, synonym: nDCG@10 0.5 to 0.45" in picture
    True
    """
    groups = [(task, _kinds(list(found))) for task, found in groupby(rows, key=lambda row: row.task)]
    groups = [(task, kinds) for task, kinds in groups if kinds]
    if not groups:
        raise InputError("nothing to draw", where="stress picture", expected="a kind with its quality", found=len(rows))
    seen = [own[name] for _, kinds in groups for _, own in kinds for name in (PLAIN, PERTURBED)]
    deltas = [own[DELTA] for _, kinds in groups for _, own in kinds if DELTA in own]
    height = _TOP + _BOTTOM + sum(_HEAD + _ROW * len(kinds) for _, kinds in groups)
    x = Scale(min(row.value for row in seen), max(row.value for row in seen), _NAMES, _MIDDLE)
    change = _around([end for row in deltas for end in (row.low, row.high) if math.isfinite(end)])
    parts, y, told = [*_frame(x, change, height, compared=bool(deltas))], _TOP, list[str]()
    for task, kinds in groups:
        parts.append(text(0, y + 15, fitted(task, WIDTH), bold=True))
        for place, (kind, own) in enumerate(kinds):
            parts += _kind(kind, own, x, change, y + _HEAD + _ROW * (place + 0.5))
            told.append(f"{task}, {kind}: nDCG@10 {own[PLAIN].value:.4g} to {own[PERTURBED].value:.4g}"
                        + (f", delta {own[DELTA].value:+.4g}" if DELTA in own else ""))
        y += _HEAD + _ROW * len(kinds)
    return document(WIDTH, height, parts, title=title, desc="; ".join(told))


def _kinds(rows: Sequence[StressRow]) -> list[Kind]:
    """Kind → measure → row, of the kinds whose quality was measured; a family stands where it is its only kind."""
    found: dict[str, dict[str, StressRow]] = {}
    for row in rows:
        if math.isfinite(row.value):
            found.setdefault(row.kind, {})[row.measure] = row
    whole = {kind.partition("=")[0] for kind in found if "=" in kind}
    return [(kind, own) for kind, own in found.items() if kind not in whole and {PLAIN, PERTURBED} <= own.keys()]


def _around(ends: Sequence[float]) -> Scale:
    """A scale that holds the intervals and zero."""
    return Scale(min([*ends, 0.0]), max([*ends, 0.0]), _MIDDLE + _GAP, WIDTH - _RIGHT)


def _frame(x: Scale, change: Scale, height: float, *, compared: bool) -> Iterator[str]:
    bottom = height - _BOTTOM
    for scale in (x, change) if compared else (x,):
        for value in ticks(scale.low, scale.high, count=4):
            yield line(scale(value), _TOP - 4, scale(value), bottom)
            yield text(scale(value), bottom + 16, f"{value:g}", colour="muted", anchor="middle")
    yield text(0, 16, "diamond: plain query; dot: perturbed, in red where it lost", colour="muted")
    yield text((x.start + x.end) / 2, height - 6, "nDCG@10", colour="muted", anchor="middle")
    if compared:
        yield line(change(0.0), _TOP - 4, change(0.0), bottom, colour="ink", dash="2 3")
        yield text((change.start + change.end) / 2, height - 6, "beside the baseline", colour="muted", anchor="middle")


def _short(kind: str) -> str:
    """A slip by its own name, in words; `typo=dropped_letter` has no room beside the picture."""
    return kind.removeprefix("typo=").replace("_", " ")


def _kind(kind: str, own: dict[str, StressRow], x: Scale, change: Scale, y: float) -> Iterator[str]:
    plain, now = own[PLAIN], own[PERTURBED]
    colour = "refuse" if now.value < plain.value else "accent"
    yield text(_NAMES - 8, y + 4, fitted(_short(kind), _NAMES - 14), colour="muted", anchor="end")
    yield line(x(plain.value), y, x(now.value), y, colour=colour, width=1.5)
    yield diamond(x(plain.value), y, 4.5, colour="muted")
    yield circle(x(now.value), y, 4.5, colour=colour,
                 tip=f"{kind}: plain {plain.value:.4f}, perturbed {now.value:.4f}, n {now.n:,}")
    if DELTA not in own:
        return
    delta = own[DELTA]
    if math.isfinite(delta.low) and math.isfinite(delta.high):
        yield line(change(delta.low), y, change(delta.high), y, colour="accent", width=2.0)
    yield circle(change(delta.value), y, 4.0, colour="accent",
                 tip=f"{kind}: {delta.value:+.4f} [{delta.low:+.4f}, {delta.high:+.4f}]")
