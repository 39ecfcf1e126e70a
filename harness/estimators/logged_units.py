"""A log whose rows belong together (a user's, a session's, a slate's), as an accumulator of four sums a unit.

Rows of one unit are one independent observation: intervals are by the delta method over units. The state grows with
the units, not with the rows: 32 bytes and a label each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators._check import Floats, labels, same_length
from harness.estimators.closed import ratio_shape
from harness.estimators.counterfactual import logged_rows
from harness.estimators.logged import Audit
from harness.estimators.overlap import MEAN_CONFIDENCE, MOST_SHARE, WeightCheck
from harness.estimators.ratios import ratio_interval

__all__ = ["LoggedUnits"]


def _no_ids() -> NDArray[Any]:
    return np.empty(0, dtype=np.int64)


def _no_sums() -> Floats:
    return np.empty((0, 4))


@dataclass(frozen=True, eq=False)
class LoggedUnits:
    """Sums over each unit's rows: what a ratio of sums over units needs (Deng et al., KDD 2018).

    Attributes:
        ids: (units,) distinct labels, ascending.
        sums: (units, 4) rows, Σ r, Σ w, Σ w r of each.

    >>> one = LoggedUnits.of([1, 0, 1], [0.5] * 3, [0.5] * 3, ["ann", "ann", "bob"])
    >>> both = one.merge(LoggedUnits.of([1], [0.5], [0.25], ["bob"]))
    >>> both.ids.tolist(), both.sums.tolist()
    (['ann', 'bob'], [[2.0, 1.0, 2.0, 1.0], [2.0, 2.0, 1.5, 1.5]])
    """

    ids: NDArray[Any] = field(default_factory=_no_ids)
    sums: Floats = field(default_factory=_no_sums)

    @classmethod
    def of(cls, reward: ArrayLike, propensity: ArrayLike, target: ArrayLike, units: ArrayLike) -> LoggedUnits:
        """The state of a batch: columns (n,) as `counterfactual.snips` takes them, `units` (n,) labels.

        Raises:
            InputError: As `counterfactual.snips`; labels missing or of two kinds, or lengths that differ.
        """
        earned, weights = logged_rows(reward, propensity, target, least=0)
        names = labels(units, "units")
        same_length(reward=earned, units=names)
        return cls(*_grouped(names, np.column_stack([np.ones(len(earned)), earned, weights, weights * earned])))

    def merge(self, other: LoggedUnits) -> LoggedUnits:
        """The state of both batches together: units of the same label are one."""
        if not len(self.ids) or not len(other.ids):
            return self if len(self.ids) else other
        if self.ids.dtype.kind != other.ids.dtype.kind:
            raise InputError("labels of two kinds", where="units", expected=self.ids.dtype.name,
                             found=other.ids.dtype.name)  # fmt: skip
        return LoggedUnits(*_grouped(np.concatenate([self.ids, other.ids]), np.concatenate([self.sums, other.sums])))

    def audit(self, by_row: Audit, *, name: str = "unit", confidence: float = 0.9, unit: str = "1") -> Audit:
        """The audit of the same rows with intervals by unit, and a refusal where one unit holds too much weight.

        Values, ESS/N and κ stay those of the rows, and so do their refusals. What changes: intervals of IPS, SNIPS,
        the log's own mean and the mean weight; `carried` and `rewarded`, which count units. A log without weight is
        returned as it is.

        Args:
            by_row: Of `LoggedRows.audit`.
            name: What a unit is called in sentences.
            confidence: Two-sided.
            unit: Of the reward.
        """
        rows, earned, mass, product = self.sums.T
        if not mass.sum() > 0.0:
            return by_row
        ips, snips, logged = (
            _interval(above, below, f"{word}, delta by {name}", confidence, unit)
            for above, below, word in ((product, rows, "IPS"), (product, mass, "self-normalised"),
                                       (earned, rows, "mean"))
        )  # fmt: skip
        mean = _interval(mass, rows, f"mean by {name}", MEAN_CONFIDENCE, "1")
        bend = ratio_shape(mass, product - snips.value * mass)[1].acceleration if math.isfinite(snips.low) else 0.0
        squares = float(product @ product)
        return Audit(
            ips, snips, logged, self._check(by_row.check, mean._replace(low=max(0.0, mean.low)), name),
            1.0 / (36.0 * bend**2) if bend else math.inf,
            float(product.sum()) ** 2 / squares if squares > 0.0 else 0.0,
        )  # fmt: skip

    def _check(self, check: WeightCheck, mean: Estimate, name: str) -> WeightCheck:
        mass = self.sums[:, 2]
        most = float(mass.max() / mass.sum())
        one = () if most <= MOST_SHARE else (f"one {name} holds {most:.1%} of the weight, more than {MOST_SHARE:g}",)
        doubts = tuple(words for words in check.doubts if not words.startswith("mean weight"))
        if not mean.low <= 1.0 <= mean.high:
            side = "propensities too small" if mean.low > 1.0 else "propensities too large, or actions never logged"
            doubts += (f"mean weight {mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}] excludes 1: {side}",)
        return check._replace(mean=mean, refusals=check.refusals + one, doubts=doubts)


def _interval(above: Floats, below: Floats, method: str, confidence: float, unit: str) -> Estimate:
    """A ratio of sums over units; without ends where a single unit makes the denominator."""
    n, whole = len(above), float(below.sum())
    if n < 2 or float(below.max()) > (1.0 - 1e-9) * whole:
        return Estimate(float(above.sum()) / whole, -math.inf, math.inf, n, confidence, "under two units", unit)
    found = ratio_interval(above, below, confidence=confidence, unit=unit)
    return found if found.method == "no variation seen" else found._replace(method=method)


def _grouped(names: NDArray[Any], sums: Floats) -> tuple[NDArray[Any], Floats]:
    """Rows of one label added up, labels ascending."""
    ids, code = np.unique(names, return_inverse=True)
    return ids, np.column_stack([np.bincount(code, weights=column, minlength=len(ids)) for column in sums.T])
