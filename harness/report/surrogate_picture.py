"""The latency surrogate as a picture: what each new request took over the end it was told, by state of the cache."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from harness.errors import InputError
from harness.records import Floats
from harness.report.svg import Scale, circle, document, line, path, text, width_of

__all__ = ["Told", "surrogate_svg"]

WIDTH, HEIGHT = 480.0, 320.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 16.0, 44.0, 44.0
_COLOURS = ("accent", "second")


class Told(NamedTuple):
    """(m,) milliseconds each of new requests of a state: the ends of their intervals, and what they took."""

    low: Floats
    high: Floats
    ms: Floats


def surrogate_svg(told: Mapping[str, Told], *, title: str) -> str:
    """Each request at the upper end it was told (across) and what it took (up), on logarithms; misses in red.

    Under the line the upper end held; a miss below it is a request that was faster than its lower end.

    Args:
        told: State → what was told and taken, at most two states.
        title: Of the picture.

    Raises:
        InputError: No state or more than two, no request, or milliseconds that are not finite and above 0.

    >>> one = Told(np.array([1.0, 1.0]), np.array([2.0, 2.0]), np.array([1.5, 3.0]))
    >>> "1 of 2 covered" in surrogate_svg({"warm": one}, title="Told and taken")
    True
    """
    if not 1 <= len(told) <= len(_COLOURS):
        raise InputError("states cannot be told apart", where="surrogate picture", expected="one or two",
                         found=len(told))
    columns = {name: Told(*(_logs(column, name) for column in one)) for name, one in told.items()}
    seen = np.concatenate([np.concatenate([one.high, one.ms]) for one in columns.values()])
    low, high = float(seen.min()) - 0.05, float(seen.max()) + 0.05
    x, y = Scale(low, high, _LEFT, WIDTH - _RIGHT), Scale(low, high, HEIGHT - _BOTTOM, _TOP)
    held = {name: (one.low <= one.ms) & (one.ms <= one.high) for name, one in columns.items()}
    parts = [*_frame(x, y), *_legend(list(columns))]
    for colour, (name, one) in zip(_COLOURS, columns.items(), strict=False):
        parts += [circle(x(end), y(taken), 1.8, colour=colour if inside else "refuse")
                  for end, taken, inside in zip(one.high, one.ms, held[name], strict=True)]
    words = "; ".join(f"{name}: {int(found.sum()):,} of {len(found):,} covered" for name, found in held.items())
    return document(WIDTH, HEIGHT, parts, title=title, desc=words)


def _logs(column: Floats, name: str) -> Floats:
    values = np.asarray(column, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not (np.isfinite(values) & (values > 0.0)).all():
        raise InputError("cannot be drawn", where="surrogate picture", column=name,
                         expected="finite milliseconds above 0", found=values.shape)
    found: Floats = np.log10(values)
    return found


def _frame(x: Scale, y: Scale) -> Iterator[str]:
    for value in _round(x.low, x.high):
        place = math.log10(value)
        yield line(x(place), _TOP, x(place), HEIGHT - _BOTTOM)
        yield line(_LEFT, y(place), WIDTH - _RIGHT, y(place))
        yield text(x(place), HEIGHT - _BOTTOM + 16, f"{value:g}", colour="muted", anchor="middle")
        yield text(_LEFT - 6, y(place) + 4, f"{value:g}", colour="muted", anchor="end")
    yield path([(x(x.low), y(x.low)), (x(x.high), y(x.high))], colour="muted", width=1.0, dash="4 3")
    yield text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 8, "upper end told, ms", colour="muted", anchor="middle")
    yield text(WIDTH - _RIGHT, 34, "taken, ms", colour="muted", anchor="end")


def _round(low: float, high: float) -> list[float]:
    """Round milliseconds between two logarithms: 1, 2, 5, 10, …; the tens alone over a wide range."""
    steps: Sequence[float] = (1.0, 2.0, 5.0) if high - low < 2.5 else (1.0,)
    every = [step * 10.0**power for power in range(math.floor(low), math.ceil(high) + 1) for step in steps]
    return [value for value in every if low <= math.log10(value) <= high]


def _legend(names: list[str]) -> Iterator[str]:
    left = 0.0
    for name, colour in zip([*names, "missed"], [*_COLOURS[: len(names)], "refuse"], strict=True):
        yield circle(left + 5, 12, 4, colour=colour)
        yield text(left + 14, 16, name)
        left += 30 + width_of(name)
