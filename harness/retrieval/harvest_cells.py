"""What each setting of the harvest gives and costs, and which one is taken: a decision on numbers alone.

A setting is taken only where its quality holds, its p95 is shown lower than the default's, warm and cold, and no tail
hides behind the p95. The bounds of the latency hold for all settings at once (Bonferroni): the fastest of many is not
the luckiest of many.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from harness.errors import InputError
from harness.estimate import Estimate
from harness.retrieval.harvest_timing import Setting

__all__ = ["Cell", "Choice", "Limits", "Verdict", "blamed", "choose", "frontier"]

Verdict = Literal["PASS", "INCONCLUSIVE", "REFUSE"]


@dataclass(frozen=True)
class Limits:
    """What a setting must keep.

    Attributes:
        delta: Least lower bound of the change in quality against the baseline.
        jaccard: Least lower bound of the Jaccard of the first ten hits with the baseline's.
        tail: Largest p99 / p95 of warm latency.

    Raises:
        InputError: A limit that no measurement could break or keep.

    >>> Limits().jaccard
    0.8
    """

    delta: float = 0.0
    jaccard: float = 0.8
    tail: float = 2.0

    def __post_init__(self) -> None:
        """Refuse limits outside what they limit."""
        for name, low, high in (("delta", -1.0, 1.0), ("jaccard", 0.0, 1.0), ("tail", 1.0, math.inf)):
            if not (low <= getattr(self, name) <= high and math.isfinite(getattr(self, name))):
                raise InputError("out of bounds", where="limits", column=name, found=getattr(self, name),
                                 expected=f"a finite number from {low:g} to {high:g}")


@dataclass(frozen=True)
class Cell:
    """One setting, measured.

    Attributes:
        setting: ef and topk.
        delta: Change in quality, paired by query with the baseline.
        jaccard: Of the first ten hits with the baseline's.
        p95: Warm p95, ms, best of repeats.
        warm: Its difference from the default's, ms.
        worst: The same difference of the worst of repeats: where a tail that comes and goes shows.
        cold: The difference with pages dropped; None where they could not be dropped, and for a setting that neither
            differs from the default when warm nor is the fastest, which nothing cold could decide on.
        tail: p99 / p95, warm.
    """

    setting: Setting
    delta: Estimate
    jaccard: Estimate
    p95: Estimate
    warm: Estimate
    worst: Estimate
    cold: Estimate | None
    tail: float

    @property
    def cold_low(self) -> float:
        """Lower end of the cold difference; -inf where none was measured."""
        return -math.inf if self.cold is None else self.cold.low


class Choice(NamedTuple):
    """The setting to serve with, the verdict on the harvest, and why."""

    setting: Setting
    verdict: Verdict
    reason: str


def blamed(cell: Cell, limits: Limits) -> list[str]:
    """Why a setting may not serve, by quality and tail; empty where it may.

    Raises nothing.

    >>> sure, none = Estimate(0.9, 0.85, 0.95, 99, 0.9, "t"), Estimate(0.0, 0.0, 0.0, 99, 0.9, "t")
    >>> blamed(Cell(Setting(8, 4), sure, sure, sure, none, none, None, 3.0), Limits())
    ['p99 / p95 is 3.00, over 2']
    """
    told = []
    if not cell.delta.low >= limits.delta:
        told.append(f"change in quality {cell.delta.value:+.4f}, lower bound {cell.delta.low:+.4f} under "
                    f"{limits.delta:g} (n {cell.delta.n})")
    if not cell.jaccard.low >= limits.jaccard:
        told.append(f"Jaccard {cell.jaccard.value:.3f}, lower bound {cell.jaccard.low:.3f} under {limits.jaccard:g}")
    if not cell.tail <= limits.tail:
        told.append(f"p99 / p95 is {cell.tail:.2f}, over {limits.tail:g}")
    if not cell.worst.low <= 0.0:
        told.append(f"a tail that comes and goes: p95 of the worst repeats {cell.worst.value:+.3f} ms")
    return told


def choose(cells: Sequence[Cell], default: Setting, limits: Limits) -> Choice:
    """The fastest setting that is shown better and costs nothing that was promised, or the default.

    Among those whose p95 lies within the interval of the fastest's, the one that asks for most hits and walks furthest
    is taken: what noise cannot tell apart, noise does not choose between.

    Raises:
        StopIteration: The default is none of the cells, which `harvest` sees to.

    >>> sure, none = Estimate(0.9, 0.85, 0.95, 99, 0.9, "t"), Estimate(0.0, 0.0, 0.0, 99, 0.9, "t")
    >>> less = Estimate(-0.2, -0.3, -0.1, 99, 0.9, "t", "ms")
    >>> slow = Cell(Setting(9, 4), sure, sure, sure, none, none, none, 1.1)
    >>> fast = Cell(Setting(8, 4), sure, sure, sure, less, less, less, 1.1)
    >>> choose([slow, fast], Setting(9, 4), Limits()).setting
    Setting(ef=8, topk=4)
    """
    serving = [cell for cell in cells if not blamed(cell, limits)]
    better = [cell for cell in serving if cell.warm.high < 0.0 and cell.cold is not None and cell.cold.high < 0.0]
    if better:
        fastest = min(better, key=lambda cell: cell.p95.value)
        level = [cell for cell in better if cell.p95.value <= fastest.p95.high]
        taken = max(level, key=lambda cell: (cell.setting.topk, cell.setting.ef))
        cold = taken.cold or taken.warm  # never None here
        return Choice(taken.setting, "PASS", f"p95 {taken.warm.value:+.3f} ms warm, at most {taken.warm.high:+.3f} "
                      f"(n {taken.warm.n}); {cold.value:+.3f} ms cold, at most {cold.high:+.3f} (n {cold.n})")
    return _kept(next(cell for cell in cells if cell.setting == default), cells, limits)


def _kept(default: Cell, cells: Sequence[Cell], limits: Limits) -> Choice:
    """The default, and what that says: it fails itself, nothing was decided, or it was shown to be best."""
    others = [cell for cell in cells if cell.setting != default.setting]
    serving = [cell for cell in others if not blamed(cell, limits)]
    verdict: Verdict = "INCONCLUSIVE"
    if _refused(default, limits):
        verdict, why = "REFUSE", "and fails itself: " + "; ".join(blamed(default, limits))
    elif blamed(default, limits):
        why = "not shown to hold itself: " + "; ".join(blamed(default, limits))
    elif default.cold is None:
        why = "pages of the index could not be dropped, so nothing is known of a cold start"
    elif all(cell.warm.low > 0.0 or cell.cold_low > 0.0 or _refused(cell, limits) for cell in others):
        verdict, why = "PASS", f"each of {len(others)} other settings is slower, warm or cold, or may not serve"
    else:
        why = f"none of {len(serving)} other settings that may serve is faster beyond noise, warm and cold"
        why += _settling(serving)
    return Choice(default.setting, verdict, f"default kept; {why}")


def _settling(serving: Sequence[Cell]) -> str:
    """How many requests would decide on the setting that is nearest to it, if its difference is what it seems."""
    pairs = [(cell.warm, cell.cold) for cell in serving if cell.cold is not None]
    wanted = [max(math.ceil(one.n * ((one.high - one.value) / one.value) ** 2) for one in pair) for pair in pairs
              if all(one.value < 0.0 and one.high < math.inf for one in pair)]
    return f"; if the nearest is as it seems, {min(wanted)} requests would settle it" if wanted else ""


def _refused(cell: Cell, limits: Limits) -> bool:
    """Whether it is shown that a setting may not serve, not only left open."""
    return (cell.delta.high < limits.delta or cell.jaccard.high < limits.jaccard or cell.worst.low > 0.0
            or not cell.tail <= limits.tail)


def frontier(cells: Sequence[Cell]) -> list[Cell]:
    """Settings that no other beats in both p95 and quality, fastest first: each next one trades time for quality.

    Raises nothing.

    >>> sure, none = Estimate(0.9, 0.85, 0.95, 99, 0.9, "t"), Estimate(0.0, 0.0, 0.0, 99, 0.9, "t")
    >>> cells = [Cell(Setting(ef, 4), sure, sure, sure, none, none, None, 1.0) for ef in (8, 9)]
    >>> [cell.setting.ef for cell in frontier(cells)]
    [9]
    """
    def place(cell: Cell) -> tuple[float, ...]:
        return cell.p95.value, -cell.delta.value, -cell.setting.topk, -cell.setting.ef

    kept: list[Cell] = []
    for cell in sorted(cells, key=place):
        if not kept or cell.delta.value > kept[-1].delta.value:
            kept.append(cell)
    return kept
