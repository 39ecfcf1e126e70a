"""What a treatment changed: differences of means, shares and ratios of two arms, one look at the planned end."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators._check import Floats, count, labels, level, numbers, same_length, varies
from harness.estimators.proportions import wilson

__all__ = ["Effect", "cuped", "mean_effect", "ratio_effect", "share_effect"]


class Effect(NamedTuple):
    """A difference treated minus control.

    Attributes:
        estimate: With its interval; n counts the units of both arms.
        p: Two-sided, of no difference; NaN where it cannot be computed.
    """

    estimate: Estimate
    p: float


def mean_effect(treated: ArrayLike, control: ArrayLike, *, confidence: float = 0.95, unit: str = "1") -> Effect:
    """Difference of means by Welch's t (Biometrika 34, 1947): one row per unit, variances unequal.

    mean t - mean c, -+ t quantile sqrt(s_t**2 / n + s_c**2 / m), degrees of freedom by Welch and Satterthwaite.

    Args:
        treated: (n,) finite numbers, one per unit.
        control: (m,) the same.
        confidence: Two-sided.
        unit: Of the values.

    Returns:
        Under two units in an arm, or without any variation, infinite ends and p NaN.

    Raises:
        InputError: An empty arm, NaN or infinite values, or confidence outside (0, 1).

    >>> round(mean_effect([2.0, 3.0, 4.0], [1.0, 2.0, 3.0]).p, 3)
    0.288
    """
    one, two = numbers(treated, "treated"), numbers(control, "control")
    gap = float(one.mean() - two.mean())
    parts = [(_square(x - x.mean(), x), len(x) - 1) for x in (one, two)]
    return _welch(gap, parts, n=len(one) + len(two), confidence=confidence, method="Welch", unit=unit)


def _welch(gap: float, parts: list[tuple[float, int]], *, n: int, confidence: float, method: str, unit: str) -> Effect:
    """From each arm's squared standard error and degrees of freedom."""
    from scipy.special import stdtr, stdtrit

    tail, square = level(confidence), sum(part for part, _ in parts)
    if not 0.0 < square < math.inf:
        return Effect(Estimate(gap, -math.inf, math.inf, n, confidence, "too little variation", unit), math.nan)
    freedom = 1.0 / sum((part / square) ** 2 / units for part, units in parts)
    reach = float(stdtrit(freedom, 1.0 - tail)) * math.sqrt(square)
    p = 2.0 * float(stdtr(freedom, -abs(gap) / math.sqrt(square)))
    return Effect(Estimate(gap, gap - reach, gap + reach, n, confidence, method, unit), p)


def share_effect(
    hits_treated: float, n_treated: float, hits_control: float, n_control: float, *, confidence: float = 0.95
) -> Effect:
    """Difference of two shares: Newcombe's hybrid score interval (Statistics in Medicine 17, 1998), pooled z for p.

    Args:
        hits_treated: Whole, 0 to `n_treated`.
        n_treated: Units, at least 1.
        hits_control: Whole, 0 to `n_control`.
        n_control: Units, at least 1.
        confidence: Two-sided.

    Raises:
        InputError: Counts that are not whole, hits above their units, an empty arm, or confidence outside (0, 1).

    >>> found = share_effect(20, 100, 10, 100)
    >>> round(found.estimate.value, 12), round(found.estimate.low, 4), round(found.p, 4)
    (0.1, 0.0001, 0.0477)
    """
    from scipy.special import ndtr

    sizes = count(n_treated, "n_treated", least=1), count(n_control, "n_control", least=1)
    hits = count(hits_treated, "hits_treated", most=sizes[0]), count(hits_control, "hits_control", most=sizes[1])
    one, two = (wilson(k, n, confidence=confidence) for k, n in zip(hits, sizes, strict=True))
    gap, pooled = one.value - two.value, sum(hits) / sum(sizes)
    low = gap - math.hypot(one.value - one.low, two.high - two.value)
    high = gap + math.hypot(one.high - one.value, two.value - two.low)
    error = math.sqrt(pooled * (1.0 - pooled) * (1.0 / sizes[0] + 1.0 / sizes[1]))
    p = 2.0 * float(ndtr(-abs(gap) / error)) if error > 0.0 else math.nan
    return Effect(Estimate(gap, low, high, sum(sizes), confidence, "Newcombe"), p)


def ratio_effect(
    numerator: ArrayLike,
    denominator: ArrayLike,
    treated: ArrayLike,
    users: ArrayLike,
    *,
    confidence: float = 0.95,
    unit: str = "1",
) -> Effect:
    """Difference of two ratios of sums, such as clicks per view, whose units are users (Deng et al., KDD 2018).

    Rows are summed to users; a user's influence is (numerator - ratio * denominator) / mean denominator, and the
    influences of the arms meet in Welch's t. Rows taken for units would make a difference of what is one busy user.

    Args:
        numerator: (n,) finite numbers.
        denominator: (n,) numbers >= 0, above 0 in sum in each arm.
        treated: (n,) 0 or 1, the same in all rows of a user.
        users: (n,) labels.
        confidence: Two-sided.
        unit: Of the ratio.

    Raises:
        InputError: Bad columns, lengths that differ, a user in two arms, an arm whose denominators sum to 0, or
            confidence outside (0, 1).

    >>> rows = dict(numerator=[1, 0, 2, 1], denominator=[2, 2, 4, 2], treated=[1, 1, 0, 0], users=list("abcd"))
    >>> ratio_effect(**rows).estimate.value
    -0.25
    """
    above, below = numbers(numerator, "numerator"), numbers(denominator, "denominator", low=0.0)
    arm, names = numbers(treated, "treated", low=0.0, high=1.0), labels(users, "users")
    same_length(numerator=above, denominator=below, treated=arm, users=names)
    code = np.unique(names, return_inverse=True)[1]
    rows = np.bincount(code)
    sums, sizes, share = (np.bincount(code, weights=column).astype(np.float64) for column in (above, below, arm))
    if not ((share == 0) | (share == rows)).all() or not np.isin(arm, (0.0, 1.0)).all():
        raise InputError("not one arm per user", where="treated", expected="0 or 1, the same for all rows of a user",
                         found="users in two arms")  # fmt: skip
    halves = [_ratio(sums[mine], sizes[mine], name) for mine, name in ((share > 0, "treated"), (share == 0, "control"))]
    gap, parts = halves[0][0] - halves[1][0], [half[1:] for half in halves]
    method = f"delta, Welch over {len(rows)} users"
    return _welch(gap, parts, n=len(rows), confidence=confidence, method=method, unit=unit)


def _ratio(sums: Floats, sizes: Floats, arm: str) -> tuple[float, float, int]:
    """Ratio, its squared standard error, and degrees of freedom."""
    total = float(sizes.sum())
    if total <= 0.0:
        raise InputError(f"sums to nothing in {arm}", where="denominator", expected="a sum above 0", found=total)
    value, units = float(sums.sum()) / total, len(sums)
    return value, _square((sums - value * sizes) / (total / units), sums / (total / units)), units - 1


def _square(influence: Floats, values: Floats) -> float:
    """Squared standard error of a mean; 0 where units differ by no more than rounding, infinite for a single one."""
    n = len(influence)
    if n < 2:
        return math.inf
    return float(influence @ influence) / (n - 1) / n if varies(influence, values) else 0.0


def cuped(y: ArrayLike, before: ArrayLike) -> Floats:
    """`y` (n,) less what a covariate measured before the experiment explains (Deng et al., WSDM 2013): same mean.

    y - t (x - mean x) with t = cov(x, y) / var(x) over both arms together; its variance is 1 - r**2 of that of y, r
    their correlation. Pass both arms in one call and split afterwards: a slope or mean per arm would take effect away.
    `before` must be known before assignment, else it explains away the effect. A constant covariate changes nothing.

    Args:
        y: (n,) outcomes of all units of both arms.
        before: (n,) covariate, untouched by the treatment.

    Raises:
        InputError: NaN or infinite values, no unit, or lengths that differ.

    >>> cuped([1.0, 2.0, 3.0], [10.0, 20.0, 30.0]).tolist()
    [2.0, 2.0, 2.0]
    """
    outcome, covariate = numbers(y, "y"), numbers(before, "before")
    same_length(y=outcome, before=covariate)
    d = covariate - covariate.mean()
    squares = float(d @ d)
    slope = float(d @ (outcome - outcome.mean())) / squares if squares > 0.0 else 0.0
    return np.asarray(outcome - slope * d)
