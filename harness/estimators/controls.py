"""Negative controls: an effect where none can be tells of a confounder, and only a small one shown small clears it.

A negative-control outcome cannot be moved by the exposure; a negative-control exposure cannot move the outcome
(Lipsitch, Tchetgen Tchetgen & Cohen, Epidemiology 21, 2010). "All p above .05" over many strata fails valid data for
sure, and passes whatever has little data: p-values are combined, and an equivalence bound must hold too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators._check import numbers, real, same_length, share
from harness.estimators.closed import Shape, closed_interval
from harness.estimators.combining import bonferroni_combined, draws_needed, fisher_combined
from harness.estimators.permutation import StratumTests, permutation_tests
from harness.estimators.sample_size import needed_n
from harness.estimators.strata import Strata, quantile_bins, strata_of

__all__ = ["ControlFinding", "control_battery", "equivalent", "negative_control", "stratified_slope"]


class ControlFinding(NamedTuple):
    """What one negative control showed.

    Attributes:
        name: Of the control.
        verdict: REFUSE where an effect is seen, PASS where none is and it is shown to be under the margin, else
            INCONCLUSIVE.
        reason: In one line, with number and bound.
        slope: The effect per unit of exposure within strata, with the interval that TOST reads.
        margin: The largest effect that does not matter, in the slope's unit.
        p: Of the three that follow together: three times the smallest.
        fisher_p: Over informative strata.
        bonferroni_p: Over informative strata.
        pooled_p: Of the covariances added up: sees a common effect in strata too small to show it alone.
        strata: Informative strata.
        needed: Rows that would settle an INCONCLUSIVE, or None.
    """

    name: str
    verdict: Literal["PASS", "INCONCLUSIVE", "REFUSE"]
    reason: str
    slope: Estimate
    margin: float
    p: float
    fisher_p: float
    bonferroni_p: float
    pooled_p: float
    strata: int
    needed: int | None


def equivalent(found: Estimate, *, margin: float) -> bool:
    """Two one-sided tests (Schuirmann 1987): whether the whole interval lies inside (-margin, margin).

    Each at (1 - confidence) / 2: an estimate of confidence .9 is TOST at .05.

    Raises:
        InputError: A margin that is not above 0 and finite.

    >>> equivalent(Estimate(0.0, -0.01, 0.01, 400, 0.9, "t"), margin=0.02)
    True
    """
    limit = real(margin, "margin", above=0.0)
    return -limit < found.low and found.high < limit


def stratified_slope(
    outcome: ArrayLike, exposure: ArrayLike, strata: Strata, *, confidence: float = 0.9, unit: str = "1"
) -> Estimate:
    """The outcome's change per unit of exposure among rows of one stratum, all strata together.

    Sum of within-stratum covariances over sum of within-stratum variances of the exposure: for 0 and 1 the differences
    weighted as Mantel and Haenszel do. Its error is robust to unequal variances (HC3, MacKinnon & White 1985), with
    the skew correction of `closed`. Where the exposure varies within no stratum the value is NaN, the ends infinite.
    `outcome` and `exposure` are (n,) finite numbers, the slope is in `unit`.

    Raises:
        InputError: NaN or infinite numbers, lengths that differ, or confidence outside (0, 1).

    >>> from harness.estimators.strata import strata_of
    >>> round(stratified_slope([1, 2, 5, 6], [0, 1, 0, 1], strata_of(["a", "a", "b", "b"])).value, 12)
    1.0
    """
    y, e = numbers(outcome, "outcome"), numbers(exposure, "exposure")
    same_length(outcome=y, exposure=e, strata=strata.codes)
    ey, ee = (column - (np.bincount(strata.codes, column) / strata.counts)[strata.codes] for column in (y, e))
    spread = float(ee @ ee)
    used = np.bincount(strata.codes, ee**2)[strata.codes] > 1e-12 * max(spread, 1e-300)
    free = int(used.sum()) - len(np.unique(strata.codes[used]))
    if spread <= 1e-20 * float(e @ e) or free < 2:
        return Estimate(math.nan, -math.inf, math.inf, int(used.sum()), confidence, "exposure does not vary", unit)
    value = float(ee @ ey) / spread
    leverage = 1.0 / strata.counts[strata.codes] + ee**2 / spread
    influence = ee * (ey - value * ee) / np.maximum(1.0 - leverage, 1e-6) / spread
    squares = float(influence @ influence)
    shape = Shape(float((influence**3).sum()) / squares**1.5 / 6.0) if squares**1.5 > 0.0 else Shape()
    return closed_interval(
        value, math.sqrt(squares), shape, n=int(used.sum()), units=free, confidence=confidence, unit=unit,
        method=f"within {len(np.unique(strata.codes[used]))} strata, HC3 t",
    )  # fmt: skip


def negative_control(
    outcome: ArrayLike,
    exposure: ArrayLike,
    strata: Strata,
    *,
    margin: float,
    rng: np.random.Generator,
    name: str = "control",
    alpha: float = 0.05,
    draws: int | None = None,
    threads: int = 1,
) -> ControlFinding:
    """Judge one pair that cannot be cause and effect: see `ControlFinding` for what the verdicts say.

    After Lipsitch et al. 2010; the effect by `permutation_tests` (Phipson & Smyth 2010), its smallness by TOST
    (Schuirmann 1987).

    Args:
        outcome: (n,) finite numbers, of independent rows.
        exposure: (n,) finite numbers.
        strata: Of the same rows.
        margin: Largest slope that does not matter, > 0, in outcome units per unit of exposure.
        rng: For the permutations.
        name: Told in the finding.
        alpha: Chance of refusing valid data, and of passing an effect as large as the margin (1 - 2 alpha interval).
        draws: Permutations a stratum; None takes as many as Bonferroni needs, at least 999; too few are refused.
        threads: As in `permutation_tests`.

    Raises:
        InputError: Bad columns, a margin that is not above 0, alpha outside (0, .5), or fewer draws than Bonferroni
            needs to refuse.

    >>> import numpy as np
    >>> from harness.estimators.strata import strata_of
    >>> side = np.tile([0, 1], 400)
    >>> negative_control(np.repeat([0.0, 1.0], 400), side, strata_of(np.repeat(["a", "b"], 400)), margin=0.1,
    ...                  rng=np.random.default_rng(1)).verdict
    'INCONCLUSIVE'
    """
    share(2.0 * share(alpha, "alpha"), "2 alpha")
    wanted = max(999, draws_needed(len(strata.keys), alpha=alpha / 3.0)) if draws is None else draws
    tests = permutation_tests(outcome, exposure, strata, rng=rng, draws=wanted, threads=threads)
    informative = int(tests.informative.sum())
    if informative and tests.draws < draws_needed(informative, alpha=alpha / 3.0):
        least = draws_needed(informative, alpha=alpha / 3.0)
        raise InputError("too few to reject by Bonferroni", where="draws", expected=f"at least {least}", found=draws)
    slope = stratified_slope(outcome, exposure, strata, confidence=1.0 - 2.0 * alpha)
    return _judged(name, tests, slope, margin, alpha)


def _judged(name: str, tests: StratumTests, slope: Estimate, margin: float, alpha: float) -> ControlFinding:
    small, k = equivalent(slope, margin=margin), int(tests.informative.sum())
    if not k:
        why = "exposure or outcome varies in no stratum"
        return ControlFinding(name, "INCONCLUSIVE", why, slope, margin, math.nan, math.nan, math.nan, math.nan, 0, None)
    fisher, bonferroni = (combine(tests.p[tests.informative]) for combine in (fisher_combined, bonferroni_combined))
    parts = fisher, bonferroni, tests.pooled_p
    p = min(1.0, 3.0 * min(parts))
    told = f"p {p:.2g} over {k} strata, effect in ({slope.low:.3g}, {slope.high:.3g}), margin {margin:g}"
    if p <= alpha:
        return ControlFinding(name, "REFUSE", f"an effect where none can be: {told}", slope, margin, p, *parts, k, None)
    if small:
        return ControlFinding(name, "PASS", f"no effect: {told}", slope, margin, p, *parts, k, None)
    need = _needed(slope, margin)
    told += f", n {slope.n}" + (f", {need} would settle it" if need else "")
    return ControlFinding(name, "INCONCLUSIVE", f"not shown small: {told}", slope, margin, p, *parts, k, need)


def _needed(slope: Estimate, margin: float) -> int | None:
    if not abs(slope.value) < margin:
        return None
    both = [needed_n(slope, end) for end in (margin, -margin)]
    return None if None in both else max(need for need in both if need is not None)


def control_battery(
    outcome: ArrayLike,
    exposure: ArrayLike,
    strata: Strata,
    *,
    margins: Mapping[str, float],
    rng: np.random.Generator,
    outcomes: Mapping[str, ArrayLike] | None = None,
    exposures: Mapping[str, ArrayLike] | None = None,
    alpha: float = 0.05,
) -> list[ControlFinding]:
    """Judge every negative-control outcome against the exposure, and every control exposure against the outcome.

    Each of m controls is tested at alpha / m, so that valid data are refused at most `alpha` of the time. Control
    exposures are compared among rows of like true exposure (five equal-mass bins), whose effect is none of theirs
    (Lipsitch et al. 2010; Dunn 1961).

    Args:
        outcome: (n,) the true outcome.
        exposure: (n,) the true exposure.
        strata: Of the same rows.
        margins: The largest effect that does not matter, by control.
        rng: For the permutations.
        outcomes: Columns (n,) that the exposure cannot move, by name.
        exposures: Columns (n,) that cannot move the outcome, by name.
        alpha: Family-wise.

    Raises:
        InputError: Bad columns, no control at all, or one without a margin above 0.

    >>> import numpy as np
    >>> rng, side = np.random.default_rng(1), np.tile([0, 1], 400)
    >>> found = control_battery(rng.normal(size=800), side, strata_of(["a"] * 800), margins={"age": 0.5}, rng=rng,
    ...                         outcomes={"age": rng.normal(size=800)})
    >>> [(one.name, one.verdict) for one in found]
    [('age', 'PASS')]
    """
    same_length(outcome=numbers(outcome, "outcome"), exposure=numbers(exposure, "exposure"), strata=strata.codes)
    acts_on = {name: (column, exposure, strata) for name, column in (outcomes or {}).items()}
    within = strata_of(strata.codes, quantile_bins(exposure, bins=5)) if exposures else strata
    acted_by = {name: (outcome, column, within) for name, column in (exposures or {}).items()}
    _named_once(acts_on.keys(), acted_by.keys(), margins.keys())
    level = share(alpha, "alpha") / (len(acts_on) + len(acted_by))
    limits = {name: real(margin, f"margins[{name}]", above=0.0) for name, margin in margins.items()}
    return [
        negative_control(y, e, cells, margin=limits[name], rng=rng, name=name, alpha=level)
        for name, (y, e, cells) in (acts_on | acted_by).items()
    ]


def _named_once(outcomes: Set[str], exposures: Set[str], margins: Set[str]) -> None:
    """Refuse no control at all, one name for two, and one without a margin."""
    if not outcomes | exposures:
        raise InputError("no control", where="outcomes", expected="at least one outcome or exposure")
    for wrong, what in ((outcomes & exposures, "one name for two controls"),
                        ((outcomes | exposures) - margins, "control without a margin")):  # fmt: skip
        if wrong:
            raise InputError(what, where="margins", expected="one name and margin a control", found=min(wrong))
