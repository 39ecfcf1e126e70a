"""Before an experiment: its power, the units it needs, and the least effect it can see."""

from __future__ import annotations

import math
from collections.abc import Callable

from harness.errors import InputError
from harness.estimators._check import count, real, share

__all__ = ["mean_needs", "mean_power", "mean_sees", "share_needs", "share_power", "share_sees"]

MOST = 10**10
HALVINGS = 100


def mean_power(gap: float, sd: float, n: float, *, ratio: float = 1.0, alpha: float = 0.05) -> float:
    """Chance that a two-sided pooled t test at `alpha` finds a true difference of means `gap`, by the noncentral t.

    Noncentrality |gap| / (sd sqrt(1 / n + 1 / (n ratio))) (Cohen 1988, ch. 2).

    Args:
        gap: True difference, in the unit of `sd`.
        sd: Standard deviation of a unit, above 0.
        n: Units in control, at least 2.
        ratio: Units in treatment for each in control.
        alpha: Inside (0, 1).

    Raises:
        InputError: A gap that is not finite, sd or ratio not above 0, under two units, alpha outside (0, 1).

    >>> round(mean_power(0.5, 1.0, 64), 4)
    0.8015
    """
    from scipy.special import nctdtr, stdtrit

    size, other, tail = *_sizes(n, ratio), share(alpha, "alpha") / 2.0
    shift = abs(_finite(gap, "gap")) / _positive(sd, "sd") / math.sqrt(1.0 / size + 1.0 / other)
    freedom = size + other - 2.0
    reach = float(stdtrit(freedom, 1.0 - tail))
    found = float(nctdtr(freedom, shift, -reach)) + 1.0 - float(nctdtr(freedom, shift, reach))
    return found if math.isfinite(found) else _normal_power(shift, reach)


def share_power(treated: float, control: float, n: float, *, ratio: float = 1.0, alpha: float = 0.05) -> float:
    """Chance that the pooled z test at `alpha` tells two true shares apart, by the normal law.

    Null error from the pooled share, true error from the two shares (Fleiss, Levin & Paik 2003, ch. 4).

    Args:
        treated: True share, inside (0, 1).
        control: True share, inside (0, 1).
        n: Units in treatment, at least 2.
        ratio: Units in control for each in treatment.
        alpha: Inside (0, 1).

    Raises:
        InputError: A share or alpha outside (0, 1), a ratio not above 0, under two units.

    >>> round(share_power(0.12, 0.10, 3841), 3)
    0.8
    """
    from scipy.special import ndtri

    (size, other), tail = _sizes(n, ratio), share(alpha, "alpha") / 2.0
    one, two = share(treated, "treated"), share(control, "control")
    pooled = (one * size + two * other) / (size + other)
    null = math.sqrt(pooled * (1.0 - pooled) * (1.0 / size + 1.0 / other))
    true = math.sqrt(one * (1.0 - one) / size + two * (1.0 - two) / other)
    return _normal_power(abs(one - two) / true, -float(ndtri(tail)) * null / true)


def _normal_power(shift: float, reach: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(shift - reach) + ndtr(-shift - reach))


def mean_needs(gap: float, sd: float, *, power: float = 0.8, ratio: float = 1.0, alpha: float = 0.05) -> int | None:
    """Units in control for `mean_power` to reach `power`; None beyond 10 billion.

    `gap` and `sd` in one unit; `power`, `alpha` chances; `ratio` units in treatment for each in control (Cohen 1988,
    ch. 2).

    Raises:
        InputError: As `mean_power`; power outside (0, 1).

    >>> mean_needs(0.5, 1.0)
    64
    """
    goal = share(power, "power")
    return _least(lambda n: mean_power(gap, sd, n, ratio=ratio, alpha=alpha) >= goal)


def share_needs(
    treated: float, control: float, *, power: float = 0.8, ratio: float = 1.0, alpha: float = 0.05
) -> int | None:
    """Units in treatment for `share_power` to reach `power`; None beyond 10 billion.

    `treated`, `control`: true shares; `power`, `alpha` chances; `ratio` units in control for each in treatment (Fleiss,
    Levin & Paik 2003).

    Raises:
        InputError: As `share_power`; power outside (0, 1).

    >>> share_needs(0.12, 0.10)
    3841
    """
    goal = share(power, "power")
    return _least(lambda n: share_power(treated, control, n, ratio=ratio, alpha=alpha) >= goal)


def mean_sees(sd: float, n: float, *, power: float = 0.8, ratio: float = 1.0, alpha: float = 0.05) -> float:
    """The least difference of means that is found with `power`: the minimal detectable effect, in the unit of `sd`.

    The gap at which `mean_power` is `power` (Bloom 1995); `n` units in control, `ratio` in treatment for each.

    Raises:
        InputError: As `mean_power`; power outside (alpha, 1).

    >>> round(mean_sees(1.0, 64), 3)
    0.499
    """
    goal, scale = _goal(power, alpha), _positive(sd, "sd")
    top = scale
    while mean_power(top, scale, n, ratio=ratio, alpha=alpha) < goal:
        top *= 2.0
    return _halve(lambda gap: mean_power(gap, scale, n, ratio=ratio, alpha=alpha) >= goal, top)


def share_sees(control: float, n: float, *, power: float = 0.8, ratio: float = 1.0, alpha: float = 0.05) -> float:
    """The least rise above a `control` share that is found with `power`; NaN if not even a rise to 1 is.

    Where `share_power` is `power` (Bloom 1995), a difference of shares; `n` units in treatment, `ratio` in control for
    each.

    Raises:
        InputError: As `share_power`; power outside (alpha, 1).

    >>> round(share_sees(0.10, 3841), 4)
    0.02
    """
    goal, base = _goal(power, alpha), share(control, "control")
    top = (1.0 - base) * (1.0 - 1e-9)

    def seen(gap: float) -> bool:
        return gap > 0.0 and share_power(base + gap, base, n, ratio=ratio, alpha=alpha) >= goal

    return _halve(seen, top) if seen(top) else math.nan


def _goal(power: float, alpha: float) -> float:
    goal = share(power, "power")
    if goal <= share(alpha, "alpha"):
        raise InputError("out of bounds", where="power", expected=f"above alpha {alpha:g}", found=power)
    return goal


def _halve(seen: Callable[[float], bool], top: float) -> float:
    low, high = 0.0, top
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high


def _least(enough: Callable[[int], bool]) -> int | None:
    """The least n from 2 on that is enough: doubling, then halving."""
    high = 2
    while not enough(high):
        if high > MOST:
            return None
        high *= 2
    low = max(1, high // 2)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _sizes(n: float, ratio: float) -> tuple[float, float]:
    size = count(n, "n", least=2)
    return float(size), size * _positive(ratio, "ratio")


def _finite(value: float, name: str) -> float:
    return real(value, name)


def _positive(value: float, name: str) -> float:
    return real(value, name, above=0.0)
