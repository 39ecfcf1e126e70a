"""A sample of units, and the statistics of its resamples: the mean by sums alone, any other by drawing rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.estimators._check import Floats
from harness.estimators._draws import chunks, index_rows, resampled_sums

__all__ = ["Sample"]


@dataclass(frozen=True)
class Sample:
    """Values, the code of each one's cluster (0 to G - 1) or None, and a statistic or None for the mean."""

    x: Floats
    codes: NDArray[np.intp] | None
    statistic: Callable[[Floats], Floats] | None

    @cached_property
    def sizes(self) -> Floats:
        """Rows of each unit."""
        return np.ones(len(self.x)) if self.codes is None else np.bincount(self.codes).astype(np.float64)

    @property
    def units(self) -> int:
        """Independent units: rows, or clusters."""
        return len(self.sizes)

    @cached_property
    def value(self) -> float:
        """The statistic of the sample itself."""
        if self.statistic is None:
            return float(self.x[0] + (self.x - self.x[0]).mean())
        return float(self._of(self.x[None, :])[0])

    @cached_property
    def influence(self) -> Floats:
        """Each unit's summed deviation from the mean."""
        deviation = self.x - self.value
        if self.codes is None:
            return deviation
        return np.bincount(self.codes, weights=deviation).astype(np.float64, copy=False)

    @property
    def constant(self) -> bool:
        """Whether no two units differ, so that resampling shows nothing."""
        if self.statistic is not None:
            return bool(np.ptp(self.x) == 0.0)
        return bool(np.abs(self.influence).max() <= 1e-12 * max(1.0, abs(self.value)))

    def resampled(self, draws: int, rng: np.random.Generator) -> Floats:
        """Statistics of `draws` samples of units with replacement."""
        if self.statistic is not None:
            return self._drawn(draws, rng)
        if self.codes is None:
            return self.value + resampled_sums(self.influence[:, None], draws, rng)[:, 0] / self.units
        sums = resampled_sums(np.stack([self.influence, self.sizes], axis=1), draws, rng)
        return self.value + sums[:, 0] / sums[:, 1]

    def resampled_t(self, draws: int, rng: np.random.Generator) -> Floats:
        """Studentised means of `draws` samples; one without spread lies infinitely far off, or on the mean."""
        u, n = self.influence, self.sizes
        if self.codes is None:
            one, two = resampled_sums(np.stack([u, u * u], axis=1), draws, rng).T
            all_rows = np.full(draws, float(self.units))
            sums = np.stack([one, all_rows, two, one, all_rows], axis=1)
        else:
            sums = resampled_sums(np.stack([u, n, u * u, u * n, n * n], axis=1), draws, rng)
        shift = sums[:, 0] / sums[:, 1]
        spread = sums[:, 2] - 2.0 * shift * sums[:, 3] + shift**2 * sums[:, 4]
        flat = spread <= 1e-12 * float(u @ u)
        error = np.sqrt(np.where(flat, 1.0, spread) * self.units / (self.units - 1)) / sums[:, 1]
        return np.where(flat, np.where(shift == 0.0, 0.0, np.copysign(np.inf, shift)), shift / error)

    def error(self) -> float:
        """Linearised standard error of the mean."""
        return math.sqrt(float(self.influence @ self.influence) * self.units / (self.units - 1)) / len(self.x)

    def acceleration(self) -> float:
        """BCa's a: from the influences of the mean, from the jackknife of any other statistic."""
        pull = self.influence if self.statistic is None else self._jackknifed()
        pull = pull - pull.mean()
        squares = float(pull @ pull)
        return float((pull**3).sum()) / squares / math.sqrt(squares) / 6.0 if squares > 0.0 else 0.0

    def _of(self, rows: Floats) -> Floats:
        mean_or_other = self.statistic or (lambda samples: samples.mean(axis=-1))
        values: Floats = np.asarray(mean_or_other(rows), dtype=np.float64)
        if values.shape != rows.shape[:1] or not np.isfinite(values).all():
            expected = f"{len(rows)} finite numbers from {len(rows)} samples"
            raise InputError("not a statistic along the last axis", where="statistic", expected=expected, found=values)
        return values

    def _drawn(self, draws: int, rng: np.random.Generator) -> Floats:
        drawn = index_rows(self.units, draws, rng)
        if self.codes is None:
            return np.concatenate([self._of(self.x.take(index)) for index in drawn])
        members = self._members
        return np.array(
            [self._of(np.concatenate([members[unit] for unit in row])[None, :])[0] for index in drawn for row in index]
        )

    @cached_property
    def _members(self) -> list[Floats]:
        order = np.argsort(np.zeros(0) if self.codes is None else self.codes, kind="stable")
        return np.split(self.x[order], np.cumsum(self.sizes.astype(np.intp))[:-1])

    def _jackknifed(self) -> Floats:
        """Minus the statistic without each unit, up to a constant."""
        if self.codes is not None:
            rest = (np.concatenate(self._members[:unit] + self._members[unit + 1 :]) for unit in range(self.units))
            return -np.array([self._of(rows[None, :])[0] for rows in rest])
        kept, left, start = np.arange(self.units - 1), [], 0
        for rows in chunks(self.units, self.units):
            out = np.arange(start, start + rows)[:, None]
            left.append(self._of(self.x.take(kept + (kept >= out))))
            start += rows
        return -np.concatenate(left)
