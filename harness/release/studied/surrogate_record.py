"""What the study `surrogate` holds: requests with their features and latencies, divided at random, and the surrogate.

Rows are divided within a state of the cache, so that the covered among its new rows follow the law of conformal
coverage exactly, whatever the latencies and however the requests depended on each other (Vovk 2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError, nearest
from harness.estimators.conformal import Bands, cqr_bands, cqr_scores
from harness.estimators.conformal_groups import mondrian
from harness.latency.features import FEATURES, STATES, states_of
from harness.latency.surrogate import LatencySurrogate
from harness.records import Floats
from harness.release.observed import Bools
from harness.shown import brief

__all__ = ["CALIBRATE", "LOAD", "NEW", "SPEND", "TRAIN", "SurrogateObserved", "Widths", "drawn_folds",
           "repeated"]

TRAIN, CALIBRATE, NEW = 0, 1, 2
LOAD, SPEND = FEATURES.index("load"), FEATURES.index("spend")
_BESIDE = {"load": LOAD, "spend": SPEND}


class Widths(NamedTuple):
    """(m,) widths in milliseconds of the new rows' intervals, and of one interval for all of a state."""

    own: Floats
    constant: Floats


@dataclass(frozen=True, eq=False)
class SurrogateObserved:
    """Requests, and the surrogate that was fitted to one part of them, calibrated on another, and faces the rest.

    Attributes:
        surrogate: As loaded back from its files.
        features: (n, 10) as `RequestFeatures`.
        ms: (n,) milliseconds that each took.
        fold: (n,) `TRAIN`, `CALIBRATE` or `NEW`.
        own: (n,) true for requests at the release's own settings, warm, one in flight.
        own_ms: (k,) milliseconds of those requests: live, the fastest of each one's repeats; recorded, as they were.
        predict_ms: (m,) milliseconds that one prediction took.
        states: States of the cache that were asked for, whether or not any request met them.
        alpha: Chance, at most, that any of the states is refused though all are sound.
        train: Requests of a state that were to fit it.
        rows: Requests of a state that were to calibrate it, and as many that were to be new.
    """

    surrogate: LatencySurrogate
    features: Floats
    ms: Floats
    fold: NDArray[np.int64]
    own: Bools
    own_ms: Floats
    predict_ms: Floats
    states: tuple[str, ...] = STATES
    alpha: float = 0.05
    train: int = 1200
    rows: int = 1650

    __repr__ = brief

    @cached_property
    def groups(self) -> NDArray[np.str_]:
        """(n,) state of the cache that each request was said to meet."""
        return states_of(self.features)

    @cached_property
    def new(self) -> Bools:
        """(n,) the rows that nothing was fitted or calibrated on."""
        found: Bools = self.fold == NEW
        return found

    @cached_property
    def bands(self) -> Bands:
        """(m,) low and high milliseconds of the new rows."""
        return self.surrogate.interval(self.features[self.new])

    @cached_property
    def covered(self) -> Bools:
        """(m,) whether each new row lies in its interval."""
        taken = self.ms[self.new]
        found: Bools = (self.bands.low <= taken) & (taken <= self.bands.high)
        return found

    def mask(self, name: str) -> Bools:
        """(m,) new rows of a slice: `all`, `cache=warm`, `load=2`, `spend=20`. Raises InputError for no such slice."""
        kind, _, value = name.partition("=")
        new = self.features[self.new]
        if name == "all":
            return np.ones(len(new), dtype=np.bool_)
        if kind == "cache" and value in self.states:
            return np.asarray(self.groups[self.new] == value)
        if kind in _BESIDE and name in self.slices():
            return np.asarray(new[:, _BESIDE[kind]] == float(value))
        known = ("all", *self.slices())
        raise InputError("no such slice", where="surrogate", expected=", ".join(known), found=name,
                         hint=nearest(name, known))

    def slices(self) -> tuple[str, ...]:
        """States of the cache, then loads and spends that new rows had."""
        new = self.features[self.new]
        return (*(f"cache={state}" for state in self.states),
                *(f"{kind}={value:g}" for kind, column in _BESIDE.items() for value in np.unique(new[:, column])))

    def counts(self, name: str) -> tuple[int, int, int]:
        """Covered, new and calibration rows of a slice.

        >>> from fixtures.surrogate import surrogate_of
        >>> covered, new, calibrated = surrogate_of().counts("cache=cold")
        >>> new, calibrated
        (1650, 1650)
        """
        rows = self.mask(name)
        kind, _, value = name.partition("=")
        held = self.features[self.fold == CALIBRATE]
        if kind == "cache":
            known = self.surrogate.thresholds
            calibrated = dict(zip(known.groups.tolist(), known.counts.tolist(), strict=True)).get(value, 0)
        else:
            calibrated = len(held) if name == "all" else int((held[:, _BESIDE[kind]] == float(value)).sum())
        return int(self.covered[rows].sum()), int(rows.sum()), int(calibrated)

    @cached_property
    def widths(self) -> Widths:
        """Of the surrogate, and of the constant interval that promises the same: both conformalised alike."""
        own = np.maximum(self.bands.high - self.bands.low, 0.0)
        constant = np.full(len(own), np.nan)
        for state in self.states:
            here = self.groups == state
            constant[here[self.new]] = self._constant(here)
        return Widths(own, constant)

    def _constant(self, here: Bools) -> float:
        """Width of a state's interval without features; infinite where rows are too few for one."""
        logs, miss = np.log(self.ms), 1.0 - self.surrogate.coverage
        train, held = logs[here & (self.fold == TRAIN)], logs[here & (self.fold == CALIBRATE)]
        if not len(train) or not len(held):
            return float("inf")
        low, high = np.quantile(train, [miss / 2.0, 1.0 - miss / 2.0])
        scores = cqr_scores(held, np.full(len(held), low), np.full(len(held), high))
        reach = mondrian(scores, ["one"] * len(held), coverage=self.surrogate.coverage).values[0]
        ends = cqr_bands([low], [high], reach)
        return float(np.exp(ends.high[0]) - np.exp(ends.low[0]))


def repeated(features: Floats, ms: Floats) -> Bools:
    """(n,) true for each row, (n, 10) features and (n,) milliseconds, that stands more than once.

    >>> repeated(np.array([[1.0] * 10, [2.0] * 10, [1.0] * 10]), np.array([5.0, 5.0, 5.0])).tolist()
    [True, False, True]
    """
    _, code, counts = np.unique(np.column_stack([features, ms]), axis=0, return_inverse=True, return_counts=True)
    return np.asarray(counts[code.ravel()] > 1)


def drawn_folds(states: NDArray[np.str_], *, rows: int, train: int, rng: np.random.Generator,
                copies: Bools | None = None) -> NDArray[np.int64]:
    """(n,) folds drawn within each state: up to `rows` new and as many to calibrate, the rest to train.

    Where a state has fewer than `train` + 2 `rows`, each fold has its share of what there is. Rows of which there are
    `copies` (n,) train: in one fold they tell another nothing, and those drawn remain exchangeable, each by itself.

    >>> folds = drawn_folds(np.array(["warm"] * 10), rows=3, train=4, rng=np.random.default_rng(1))
    >>> np.bincount(folds).tolist()
    [4, 3, 3]
    """
    found = np.full(len(states), TRAIN, dtype=np.int64)
    for state in STATES:
        here = np.flatnonzero(states == state)
        places = rng.permutation(here if copies is None else here[~copies[here]])
        each = min(rows, len(here) * rows // (train + 2 * rows), len(places) // 2)
        found[places[:each]], found[places[each : 2 * each]] = NEW, CALIBRATE
    return found
