"""The one shape of every statistic: a value, its interval, and what stands behind it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Estimate"]


class Estimate(NamedTuple):
    """A measured value with a two-sided interval.

    Attributes:
        value: The point estimate; NaN where nothing could be computed.
        low: Lower end of the interval, same unit as `value`; -inf where the data cannot bound it.
        high: Upper end of the interval; +inf where the data cannot bound it.
        n: Observations that carried weight (queries, requests, rows).
        confidence: Two-sided confidence of (low, high). Each end alone holds with (1 + confidence) / 2.
        method: How the interval was made, in words short enough for a table.
        unit: `1` for shares and means of [0, 1] metrics, `ms`, `rows`, ….

    >>> Estimate(0.41, 0.38, 0.44, 1500, 0.9, "t by cluster", "1").half_width
    0.03
    """

    value: float
    low: float
    high: float
    n: int
    confidence: float
    method: str
    unit: str = "1"

    @property
    def half_width(self) -> float:
        """Half the interval's width, in the estimate's unit, rounded to 12 digits."""
        return round((self.high - self.low) / 2.0, 12)
