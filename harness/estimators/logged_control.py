"""A negative-control outcome of a log: what no policy can have changed must look the same after weighting.

A column known before the action (a length, last week's clicks) has the same mean under every policy. Where its
weighted mean differs from its plain one, the propensities are not those that the log was written with (Lipsitch,
Tchetgen Tchetgen & Cohen, Epidemiology 21, 2010).
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from numpy.typing import ArrayLike

from harness.estimate import Estimate
from harness.estimators._check import Floats, numbers, real, share
from harness.estimators.controls import equivalent
from harness.estimators.counterfactual import logged_rows
from harness.estimators.intervals import mean_interval
from harness.estimators.sample_size import needed_n

__all__ = ["LogControl", "logged_control"]


class LogControl(NamedTuple):
    """What one control column showed.

    Attributes:
        name: Of the column.
        verdict: PASS where the shift is shown to be within the margin, REFUSE where one is seen and is not shown so
            small, else INCONCLUSIVE.
        reason: In one line, with number and bound.
        shift: Weighted mean minus plain mean in standard deviations of the column, with the interval that TOST reads.
        margin: The largest shift that does not matter, in standard deviations.
        needed: Rows that would settle an INCONCLUSIVE, or None.
    """

    name: str
    verdict: Literal["PASS", "INCONCLUSIVE", "REFUSE"]
    reason: str
    shift: Estimate
    margin: float
    needed: int | None


def logged_control(
    control: ArrayLike,
    propensity: ArrayLike,
    target: ArrayLike,
    *,
    margin: float = 0.1,
    alpha: float = 0.05,
    clusters: ArrayLike | None = None,
    name: str = "control",
) -> LogControl:
    """Judge a column that no action can have moved.

    The shift is Σ w c / Σ w - mean(c); row i's influence on it is w_i (c_i - V) / mean(w) - (c_i - mean(c)), so that
    normaliser and plain mean move in the interval. PASS by two one-sided tests (Schuirmann 1987) at `alpha` each;
    else REFUSE at `alpha`, two-sided. In a large log a shift far under the margin (of rounded propensities) is seen
    for sure and refuses nothing.

    Args:
        control: (n,) finite numbers, known before the action.
        propensity: (n,) in (0, 1].
        target: (n,) in [0, 1], not all 0.
        margin: > 0, in standard deviations of the column.
        alpha: Greatest chance of refusing right propensities, and of passing a shift as large as the margin.
        clusters: (n,) labels: rows of one label are one independent unit.
        name: Told in the finding.

    Raises:
        InputError: Bad columns, a margin not above 0, or alpha outside (0, .5).

    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> side = rng.random(4000) < 0.5
    >>> logged_control(rng.normal(size=4000), np.full(4000, 0.5), np.where(side, 0.7, 0.3)).verdict
    'PASS'
    """
    margin = real(margin, "margin", above=0.0)
    share(2.0 * share(alpha, "alpha"), "2 alpha")
    values, weights = logged_rows(numbers(control, "control"), propensity, target)
    spread, scale = float(values.std()), weights / weights.mean()
    if not spread > 1e-12 * (1.0 + abs(float(values.mean()))) or not float(scale.std()) > 1e-12:
        flat = "weights do" if spread > 0.0 else "column does"
        nothing = Estimate(math.nan, -math.inf, math.inf, len(values), 1.0 - 2.0 * alpha, "nothing varies", "sd")
        return LogControl(name, "INCONCLUSIVE", f"the {flat} not vary: nothing is shown", nothing, margin, None)
    rows = _influence((values - values.mean()) / spread, scale)
    two, one = (mean_interval(rows, clusters=clusters, confidence=1.0 - times * alpha, unit="sd") for times in (1, 2))
    return _judged(name, two, one, margin)


def _influence(centred: Floats, scale: Floats) -> Floats:
    """(n,) whose mean is the shift and whose spread over √n is its error."""
    shift = float(scale @ centred) / len(scale)
    return shift + scale * (centred - shift) - centred


def _judged(name: str, two: Estimate, one: Estimate, margin: float) -> LogControl:
    told = f"shift {one.value:+.3f} sd in ({one.low:+.3f}, {one.high:+.3f}), margin {margin:g}"
    moved = two.low > 0.0 or two.high < 0.0
    if equivalent(one, margin=margin):
        why = "moved, by less than the margin" if moved else "not moved"
        return LogControl(name, "PASS", f"{why}: {told}", one, margin, None)
    if moved:
        why = f"weighting moves what no action can have moved: {told}"
        return LogControl(name, "REFUSE", why, one, margin, None)
    both = [needed_n(one, end) for end in (margin, -margin)] if abs(one.value) < margin else [None]
    need = None if None in both else max(n for n in both if n is not None)
    told += f", n {one.n}" + (f", {need} would settle it" if need else "")
    return LogControl(name, "INCONCLUSIVE", f"not shown small: {told}", one, margin, need)
