"""A surrogate of latency: LightGBM's quantiles of log milliseconds, conformalised apart for warm and cold caches.

Two boosters predict the ends of an interval from ten features. What they promise is then measured on requests that
they never saw, and the interval is widened, or narrowed, by one factor per state of the cache until it holds (CQR,
Romano et al., NeurIPS 2019; within groups, Vovk et al. 2003). Logarithms make the factor a share of the latency, so
that a slow request's interval moves by more than a fast one's; quantiles keep their places under them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import InputError
from harness.estimators.conformal import Bands, cqr_bands, cqr_scores
from harness.estimators.conformal_groups import GroupThresholds, mondrian
from harness.latency.features import (
    CACHE,
    FEATURES,
    STATES,
    checked_features,
    checked_ms,
    checked_row,
    drawn_calibration,
    states_of,
)
from harness.records import Floats
from harness.routing.boosting import booster_of
from harness.shown import brief

if TYPE_CHECKING:
    from harness.latency.online import AdaptiveSurrogate

__all__ = ["Boosting", "LatencySurrogate"]


class Boosting(NamedTuple):
    """How the two boosters are grown: trees of the mean first, then trees of the quantile on what those leave.

    Quantile trees by themselves creep: away from the quantile their gradient is the same however far it is.

    Attributes:
        mean_trees: Trees of the mean, which both boosters begin with.
        mean_leaves: Leaves of each.
        trees: Trees of the quantile.
        leaves: Leaves of each.
        rate: Of learning.
        least: Rows of a leaf.
        bins: Steps that a feature is cut into.
    """

    mean_trees: int = 60
    mean_leaves: int = 7
    trees: int = 150
    leaves: int = 15
    rate: float = 0.1
    least: int = 40
    bins: int = 255


@dataclass(frozen=True, eq=False)
class LatencySurrogate:
    """Intervals of a request's latency, each state of the cache calibrated by itself.

    Attributes:
        texts: LightGBM's own text of the lower and of the upper booster, in log milliseconds.
        thresholds: By state, in log milliseconds: how far the boosters' ends are moved outwards.

    >>> rng = np.random.default_rng(1)
    >>> features = rng.random((600, 10))
    >>> features[:, CACHE] = np.arange(600) % 2
    >>> ms = (1.0 + features[:, 0] + 20.0 * features[:, CACHE]) * rng.lognormal(0.0, 0.1, 600)
    >>> surrogate = LatencySurrogate.fit(features, ms, rng=rng)
    >>> low, high = surrogate.interval(features[:2])
    >>> bool(high[0] < 4.0 < low[1]), surrogate.coverage
    (True, 0.95)
    """

    texts: tuple[str, str]
    thresholds: GroupThresholds

    __repr__ = brief

    @classmethod
    def fit(cls, features: Any, ms: ArrayLike, *, rng: np.random.Generator, calibrating: ArrayLike | None = None,
            coverage: float = 0.95, boosting: Boosting | None = None) -> Self:
        """Fit the boosters on one part of the requests and calibrate on the other.

        Args:
            features: (n, 10) as `RequestFeatures`; a DataFrame, an Arrow table or a mapping by its columns' names.
            ms: (n,) milliseconds that each took, above 0.
            rng: Draws the calibration rows where they are not given, and LightGBM's seed.
            calibrating: (n,) true where a row calibrates; a drawn half of each state where None.
            coverage: Promised in each state, inside (0, 1).
            boosting: How the boosters are grown; None as `Boosting` says.

        Raises:
            InputError: Features or latencies that cannot be read, no row to fit on or none to calibrate on.
        """
        matrix = checked_features(features)
        times = checked_ms(ms, len(matrix))
        held = drawn_calibration(states_of(matrix), rng=rng) if calibrating is None else _mask(calibrating, len(matrix))
        if held.all() or not held.any():
            raise InputError("nothing to fit on" if held.all() else "nothing to calibrate on", where="surrogate",
                             expected="rows of either kind", found=f"{int(held.sum())} of {len(held)} calibrating")
        unset = mondrian([0.0], [STATES[0]], coverage=coverage)
        seed, miss = int(rng.integers(2**31)), 1.0 - coverage
        texts = [_quantile_text(matrix[~held], np.log(times[~held]), alpha=alpha, seed=seed,
                                boosting=boosting or Boosting())
                 for alpha in (miss / 2.0, 1.0 - miss / 2.0)]
        return cls((texts[0], texts[1]), unset).recalibrated(matrix[held], times[held])

    def recalibrated(self, features: Any, ms: ArrayLike) -> Self:
        """The same boosters under thresholds from these requests, which they must not have been fitted on.

        Raises:
            InputError: Features or latencies that cannot be read, or none.
        """
        matrix = checked_features(features)
        low, high = self.ends(matrix)
        scores = cqr_scores(np.log(checked_ms(ms, len(matrix))), low, high)
        return replace(self, thresholds=mondrian(scores, states_of(matrix), coverage=self.coverage))

    @property
    def coverage(self) -> float:
        """Promised in each state."""
        return self.thresholds.coverage

    def ends(self, features: Any) -> Bands:
        """(n,) each of what the boosters say, in log milliseconds and in order, before any calibration.

        Raises:
            InputError: Features that cannot be read.
        """
        matrix = checked_features(features)
        one, two = (np.asarray(booster.predict(matrix, num_threads=1), dtype=np.float64) if len(matrix)
                    else np.empty(0) for booster in self._boosters)
        return Bands(np.minimum(one, two), np.maximum(one, two))

    def interval(self, features: Any) -> Bands:
        """(n,) low and high milliseconds; 0 to infinity in a state that was never calibrated, or too little.

        A threshold under 0 that would carry the ends past each other leaves both at their middle: low never exceeds
        high, and what holds next to nothing is 0 wide.

        Raises:
            InputError: Features that cannot be read: a missing one is no number to guess at.
        """
        matrix = checked_features(features)
        return self.banded(self.ends(matrix), states_of(matrix))

    def banded(self, ends: Bands, states: ArrayLike) -> Bands:
        """The boosters' `ends` (n,) moved by the thresholds of (n,) states, in milliseconds."""
        if not len(ends.low):
            return Bands(np.empty(0), np.empty(0))
        known = self._by_state
        reach = np.array([known.get(str(state), np.inf) for state in np.asarray(states)])
        low, high = cqr_bands(ends.low, ends.high, reach)
        middle = (ends.low + ends.high) / 2.0
        return Bands(np.exp(np.minimum(low, middle)), np.exp(np.maximum(high, middle)))

    def upper(self, features: Any) -> Floats:
        """(n,) the interval's upper end in milliseconds: exceeded no more often than the interval misses.

        Raises:
            InputError: As `interval`.
        """
        return self.interval(features).high

    def one(self, row: Any) -> tuple[float, float]:
        """`interval` of one request, (10,) features: the path of a request served, to the bit the same.

        Raises:
            InputError: As `interval`.
        """
        matrix = checked_row(row)
        one, two = (float(booster.predict(matrix, num_threads=1)[0]) for booster in self._boosters)
        reach = self._by_state.get(STATES[int(matrix[0, CACHE])], np.inf)
        middle = (one + two) / 2.0
        return float(np.exp(min(min(one, two) - reach, middle))), float(np.exp(max(max(one, two) + reach, middle)))

    def adapt(self, *, rate: float = 0.01, window: int = 500) -> AdaptiveSurrogate:
        """The surrogate as one that learns from requests as they finish (`online`)."""
        from harness.latency.online import AdaptiveSurrogate

        return AdaptiveSurrogate(self, rate=rate, window=window)

    def save(self, folder: Path) -> Path:
        """Write the JSON and both texts into a folder (`surrogate_file`); the JSON's path."""
        from harness.latency.surrogate_file import save

        return save(self.texts, self.thresholds, folder)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote. Raises InputError for a file that is torn, foreign, or not the one that was written."""
        from harness.latency.surrogate_file import load

        return cls(*load(folder))

    @cached_property
    def _boosters(self) -> tuple[Any, Any]:
        one, two = (booster_of(text, width=len(FEATURES), where=f"{end} booster")
                    for end, text in zip(("lower", "upper"), self.texts, strict=True))
        return one, two

    @cached_property
    def _by_state(self) -> dict[str, float]:
        return dict(zip(self.thresholds.groups.tolist(), self.thresholds.values.tolist(), strict=True))


def _mask(calibrating: ArrayLike, rows: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    found = np.asarray(calibrating)
    if found.dtype != np.bool_ or found.shape != (rows,):
        raise InputError("not a mask of the rows", where="calibrating", expected=f"{rows} times true or false",
                         found=f"{found.dtype} {found.shape}")
    return found


def _quantile_text(matrix: Floats, target: Floats, *, alpha: float, seed: int, boosting: Boosting) -> str:
    """LightGBM's text of the `alpha` quantile of `target` (n,), held to give the same bytes again."""
    import lightgbm

    quiet = {"verbosity": -1, "num_threads": 1}
    shared = {**quiet, "deterministic": True, "force_row_wise": True, "seed": seed, "learning_rate": boosting.rate,
              "min_data_in_leaf": max(1, min(boosting.least, len(matrix) // 10))}
    steps = {**quiet, "max_bin": boosting.bins, "min_data_in_bin": 3}
    mean = lightgbm.train({**shared, "objective": "regression", "num_leaves": boosting.mean_leaves},
                          lightgbm.Dataset(matrix, label=target, feature_name=list(FEATURES), params=steps),
                          num_boost_round=boosting.mean_trees)
    ends = lightgbm.train({**shared, "objective": "quantile", "alpha": alpha, "num_leaves": boosting.leaves},
                          lightgbm.Dataset(matrix, label=target, feature_name=list(FEATURES), params=steps),
                          num_boost_round=boosting.trees, init_model=mean)
    text: str = ends.model_to_string()
    return text
