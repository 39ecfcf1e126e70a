"""What the target policy earned on a log of its own, beside what was estimated of it from another policy's log."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness.columns import Floats
from harness.data.log_models import Robust, unit_error
from harness.data.log_table import Batch, LogTable, column_of_labels, column_of_numbers
from harness.data.logs import Audits, Roles, basics, parts_of
from harness.data.store import sha256_file
from harness.data.stream import Progress
from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators.intervals import mean_interval

__all__ = ["CHANCE", "Beside", "Distance", "beside_truth", "require_another_log"]

_TELLING = 20  # rows; fewer may well be the same by chance
CHANCE = 0.0027  # of refusing a sound audit, all slices together: three standard errors, of one


class Distance(NamedTuple):
    """Of one estimator: its value less the truth, the standard error of that, and how many of them it is."""

    gap: float
    error: float
    z: float


class Beside(NamedTuple):
    """The truth of one slice, and how far the estimators lie from it.

    Attributes:
        truth: What the target earned on its own log.
        distances: By estimator: IPS, SNIPS, and DR and DM where they were asked for. That of DM knows nothing of its
            bias.
        limit: Of |z| of SNIPS.
    """

    truth: Estimate
    distances: Mapping[str, Distance]
    limit: float

    @property
    def refused(self) -> bool:
        """Whether SNIPS lies further from the truth than chance allows."""
        return abs(self.distances["SNIPS"].z) > self.limit


def beside_truth(table: LogTable, truth: LogTable, roles: Roles, audits: Audits, robust: Mapping[str, Robust], *,
                 confidence: float = 0.9, progress: Progress | None = None) -> dict[str, Beside]:
    """Distances by slice, where the truth has the slice too and the log has weight in it.

    The truth is a table of rewards under the log's own column name; columns of slices and units count where it has
    them. Both errors count, sqrt(se² + se_truth²), each by unit. |z| of SNIPS is held to the normal quantile at .0027,
    shared by all slices. Held in memory: what the audit reads of either table.

    Raises InputError by file, row and column, as the audit does.
    """
    shared = [name for name in roles.slices if name in truth.names]
    unit = roles.units if roles.units in truth.names else None
    earned = truth.held([roles.reward, *shared, *([unit] if unit else [])], progress)
    rewards, batch = column_of_numbers(earned, roles.reward), table.held(roles.columns, progress)
    known = {name: (rewards[here], _units(earned, unit, here))
             for name, here in parts_of(earned, tuple(shared)).items()}  # fmt: skip
    log, parts = basics(batch, roles), parts_of(batch, roles.slices)
    told = [name for name in audits if name in known and log[2][parts[name]].any()]
    found = {}
    for name in told:
        here, (own, own_units) = parts[name], known[name]
        mean = mean_interval(own, clusters=own_units, confidence=confidence)
        rows = _estimators(audits[name].ips.value, audits[name].snips.value, robust.get(name),
                           tuple(column[here] for column in log), _units(batch, roles.units, here))
        spread = unit_error(own - own.mean(), own_units)
        found[name] = Beside(mean, {one: _distance(value - mean.value, math.hypot(error, spread))
                                    for one, value, error in rows}, _limit(len(told)))  # fmt: skip
    return found


def require_another_log(table: LogTable, truth: LogTable, columns: Sequence[str], *,
                        progress: Progress | None = None) -> None:
    """Raises InputError where the truth is the log itself: the same bytes, or the same rows whatever their order.

    Rows are compared in those of `columns` that both tables have. What the log's own policy earned is the truth of that
    policy, and of no other.
    """
    if not _same_bytes(table.path, truth.path):
        shared = [name for name in dict.fromkeys(columns) if name in table.names and name in truth.names]
        if not shared or not _same_rows(table.held(shared, progress), truth.held(shared, progress)):
            return
    raise InputError("the truth is the log itself", where=truth.path, found=f"the rows of {table.path}",
                     expected="what the target policy earned on a log of its own")


def _same_bytes(one: Path | str, other: Path | str) -> bool:
    """Whether both files are the same to the byte; a file that is not there is told where it is read."""
    paths = Path(one), Path(other)
    if not all(path.is_file() for path in paths) or paths[0].stat().st_size != paths[1].stat().st_size:
        return False
    return sha256_file(one) == sha256_file(other)


def _same_rows(one: Batch, other: Batch) -> bool:
    """In the same order and not all alike; or in another one, and mostly distinct: else chance might make them so."""
    pairs = [(one.columns[name], other.columns[name]) for name in one.columns]
    n = len(pairs[0][0])
    if n < _TELLING or n != len(pairs[0][1]):
        return False
    codes = [np.unique(_plain(*pair), return_inverse=True)[1].reshape(2, n) for pair in pairs]
    rows = np.unique(np.stack(codes, axis=2).reshape(2 * n, len(codes)), axis=0, return_inverse=True)[1].reshape(2, n)
    if np.array_equal(rows[0], rows[1]):
        return len(np.unique(rows[0])) > 1
    return np.array_equal(np.sort(rows[0]), np.sort(rows[1])) and 2 * len(np.unique(rows[0])) >= n


def _plain(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """Both columns end to end, as numbers where they are, whichever format they come from; else as text."""
    try:
        return np.concatenate([one.astype(np.float64), other.astype(np.float64)])
    except (TypeError, ValueError):
        return np.concatenate([one.astype(np.str_), other.astype(np.str_)])


def _estimators(
    ips: float, snips: float, robust: Robust | None, log: tuple[Floats, ...], units: NDArray[Any] | None
) -> Iterator[tuple[str, float, float]]:  # fmt: skip
    """Name, value and standard error, by the influence of each row: w r - V, and w (r - V) over the mean weight."""
    reward, weight = log[0], log[2] / log[1]
    yield "IPS", ips, unit_error(weight * reward - ips, units)
    yield "SNIPS", snips, unit_error(weight * (reward - snips) / weight.mean(), units)
    if robust is not None:
        yield "DR", robust.dr.value, robust.error
        yield "DM", robust.dm.estimate.value, robust.dm.sampling_error


def _distance(gap: float, error: float) -> Distance:
    return Distance(gap, error, gap / error if error > 0.0 else math.nan)


def _limit(slices: int) -> float:
    from scipy.special import ndtri

    return float(ndtri(1.0 - CHANCE / 2.0 / max(slices, 1)))


def _units(batch: Batch, name: str | None, here: Any) -> NDArray[Any] | None:
    return None if name is None else column_of_labels(batch, name, "an id")[here]

