"""Stated probabilities against what came true, in a state that merges: calibration watched over any span.

Counts lie in a hundred equal steps of the probability; for a calibration error they are joined into bins of about
equally many rows, so that hours and days are binned alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from harness.errors import InputError
from harness.estimate import Estimate

__all__ = ["Calibrated", "Reliabilities"]

STEPS, BINS = 100, 15
_HALF = 2.0 / math.pi  # squared mean of |N(0, 1)|


class _Cell(NamedTuple):
    n: int = 0
    stated: float = 0.0  # Σ p
    noise: float = 0.0  # Σ p (1 - p)
    came: int = 0

    def plus(self, other: _Cell) -> _Cell:
        return _Cell(self.n + other.n, self.stated + other.stated, self.noise + other.noise, self.came + other.came)


class Calibrated(NamedTuple):
    """A calibration error, what a perfect model would score on average, and its error's interval.

    Attributes:
        estimate: Σ |came - stated| / n over bins, with the triangle inequality's interval.
        floor: The same of a perfect model, on average.
    """

    estimate: Estimate
    floor: float


@dataclass(frozen=True)
class Reliabilities:
    """Rows, stated and came by step of the probability.

    >>> state = Reliabilities.of([(0.25, 0), (0.25, 1)]).merge(Reliabilities.of([(0.75, 1)]))
    >>> state.n, Reliabilities.read(state.told) == state
    (3, True)
    """

    cells: Mapping[int, _Cell] = field(default_factory=dict)

    @classmethod
    def of(cls, pairs: Iterable[tuple[float, float]]) -> Reliabilities:
        """The state of (probability, 1 or 0) pairs; of none, the identity.

        Raises: InputError for a probability outside [0, 1] or an outcome that is neither 1 nor 0.
        """
        cells: dict[int, _Cell] = {}
        for stated, came in pairs:
            if not 0.0 <= stated <= 1.0 or came not in {0, 1}:
                raise InputError("not a probability and its outcome", where="calibration", found=(stated, came),
                                 expected="(in [0, 1], 0 or 1)")
            at = min(int(stated * STEPS), STEPS - 1)
            cells[at] = cells.get(at, _Cell()).plus(_Cell(1, float(stated), stated * (1.0 - stated), int(came)))
        return cls(dict(sorted(cells.items())))

    def merge(self, other: Reliabilities) -> Reliabilities:
        """The state of both batches together."""
        both = {**self.cells, **other.cells}
        for at in self.cells.keys() & other.cells.keys():
            both[at] = self.cells[at].plus(other.cells[at])
        return Reliabilities(dict(sorted(both.items())))

    @property
    def n(self) -> int:
        """Pairs counted."""
        return sum(one.n for one in self.cells.values())

    @property
    def told(self) -> list[list[Any]]:
        """The state as plain values."""
        return [[at, *cell] for at, cell in self.cells.items()]

    @classmethod
    def read(cls, told: Sequence[Sequence[Any]]) -> Reliabilities:
        """The state that `told` tells. Raises TypeError where it is none."""
        return cls({int(at): _Cell(*cell) for at, *cell in told})

    def error(self, *, confidence: float = 0.9) -> Calibrated:
        """The calibration error in `BINS` bins of about equally many rows; of no pair, NaN without bounds.

        By the triangle inequality the error is off by at most sum_b |noise_b| / n. Of normal noise that exceeds its
        mean, the floor, by sqrt(2 sum_b v_b log(1 / tail)) / n with chance `tail` at most (concentration of a
        1-Lipschitz function of Gaussians), where tail = (1 - confidence) / 2.
        """
        bins = self._bins()
        if not bins:
            return Calibrated(Estimate(math.nan, -math.inf, math.inf, 0, confidence, "nothing stated"), math.nan)
        rows = self.n
        value = sum(abs(one.came - one.stated) for one in bins) / rows
        floor = sum(math.sqrt(_HALF * one.noise) for one in bins) / rows
        tail = (1.0 - confidence) / 2.0
        reach = floor + math.sqrt(2.0 * sum(one.noise for one in bins) * math.log(1.0 / tail)) / rows
        low, high = max(0.0, value - reach), min(1.0, value + reach)
        return Calibrated(Estimate(value, low, high, rows, confidence, f"{len(bins)} bins, concentration"), floor)

    def _bins(self) -> list[_Cell]:
        rows, before = self.n, 0
        bins: dict[int, _Cell] = {}
        for cell in self.cells.values():
            at = min(BINS * (2 * before + cell.n) // (2 * rows), BINS - 1)
            bins[at], before = bins.get(at, _Cell()).plus(cell), before + cell.n
        return list(bins.values())
