"""Evidence at every look about counts: one rate against a limit, clicks or errors of two arms, sample ratios.

Mixtures of likelihood ratios over conjugate priors (Robbins 1970; Lindon & Malek, NeurIPS 2022): exact for independent
units at any rate, however rare, from the first unit on. Counts are cumulative, one row per look.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError
from harness.estimators._check import Floats, grid, level, numbers, real, share
from harness.estimators.sequential import ConfidenceSequence, EProcess

__all__ = ["arms_process", "rate_process", "rate_sequence", "ratio_process"]

CONCENTRATION = 100.0  # a prior as firm as 100 units: sharpest for shares some 5 points off
HALVINGS = 60


def rate_process(
    hits: ArrayLike, trials: ArrayLike, limit: float, *, prior: tuple[float, float] = (0.5, 0.5)
) -> EProcess:
    """Evidence that a rate is above `limit`: alarms at e >= 1 / alpha on rates up to it have chance alpha at most.

    The mixture of likelihood ratios q : limit over Beta(`prior`) cut off below the limit; each is falling under every
    rate up to the limit. For a rate that must not fall, count the misses. Its e is the mean over q ~ Beta,
    q > limit, of (q / limit)**hits ((1 - q) / (1 - limit))**misses (Robbins 1970).

    Args:
        hits: (looks,) cumulative successes, whole, never falling.
        trials: (looks,) cumulative trials, whole; hits grow by no more than they do.
        limit: Inside (0, 1).
        prior: Both above 0, and with some mass above the limit.

    Raises:
        InputError: Counts that fall or are not whole, hits that outgrow trials, a limit outside (0, 1), a prior not
            above 0 or without mass above the limit.

    >>> rate_process([0, 4, 12], [100, 200, 300], 0.01).alarm(0.05)
    2
    """
    from scipy.special import betaincc

    (k, n), most, (a, b) = _counts(hits, trials), share(limit, "limit"), _prior(prior)
    if not betaincc(a, b, most) > 0.0:
        raise InputError("no mass above the limit", where="prior", expected="a prior that can see it", found=prior)
    return EProcess(_above(k, n, np.full(len(k), most), (a, b)), n, "Beta mixture, one-sided")


def rate_sequence(
    hits: ArrayLike, trials: ArrayLike, *, confidence: float = 0.9, prior: tuple[float, float] = (0.5, 0.5)
) -> ConfidenceSequence:
    """Interval for a rate at every look: the limits that `rate_process`, upwards and downwards, has not yet refused.

    Arguments as there. Each end misses at any look with at most (1 - confidence) / 2. No trial: (0, 1). `hits`,
    `trials`: (looks,) cumulative, whole; `prior` both above 0 (Robbins 1970).

    Raises:
        InputError: As `rate_process`, or confidence outside (0, 1).

    >>> found = rate_sequence([10, 30], [100, 300])
    >>> bool(found.low[1] < 0.1 < found.high[1]), round(float(found.high[1]), 2)
    (True, 0.16)
    """
    (k, n), (a, b), tail = _counts(hits, trials), _prior(prior), level(confidence)
    low = np.maximum.accumulate(_lower_end(k, n, -math.log(tail), (a, b)))
    high = np.minimum.accumulate(1.0 - _lower_end(n - k, n, -math.log(tail), (b, a)))
    value = np.divide(k, n, out=np.full(len(k), np.nan), where=n > 0)
    return ConfidenceSequence(value, low, high, n, confidence, "Beta mixture sequence")


def ratio_process(
    counts: ArrayLike, shares: ArrayLike | None = None, *, concentration: float = CONCENTRATION
) -> EProcess:
    """Evidence that units do not fall to arms by `shares`: the sample-ratio check that may be read each day.

    Gamma functions of a Dirichlet(concentration * shares) mixture over the multinomial likelihood of the shares. Its e
    is the mean over q ~ Dirichlet of the product of (q_j / share_j)**count_j (Lindon & Malek, NeurIPS 2022).

    Args:
        counts: (looks, arms) cumulative units per arm, whole, never falling.
        shares: (arms,) planned, above 0, summing to 1; None is an even split.
        concentration: The prior's weight in units.

    Raises:
        InputError: A table that is not (looks, two arms or more), counts that fall or are not whole, shares that do not
            sum to 1, a concentration not above 0.

    >>> ratio_process([[5100, 4900], [10400, 9600], [16000, 14000]]).alarm(0.001)
    1
    """
    return _dirichlet(_table(counts, "counts"), shares, concentration, "Dirichlet mixture")


def arms_process(hits: ArrayLike, shares: ArrayLike | None = None, *, concentration: float = CONCENTRATION) -> EProcess:
    """Evidence that arms differ in their rate of clicks or errors: `hits` (looks, arms) cumulative, as `ratio_process`.

    Where units are assigned at random by `shares` and all arms have one rate, the arm of a unit that was hit is a draw
    by `shares`: the hits alone decide, exactly, at any rate. That takes sound assignment: check `ratio_process` of the
    units first. A unit may be hit once; of users who click more than once, count users. `shares` (arms,) summing to 1,
    `concentration` in hits (Lindon & Malek 2022).

    Raises:
        InputError: As `ratio_process`.

    >>> arms_process([[100, 90], [400, 300]]).alarm(0.05)
    1
    """
    return _dirichlet(_table(hits, "hits"), shares, concentration, "Dirichlet mixture over hits")


def _dirichlet(table: NDArray[np.int64], shares: ArrayLike | None, concentration: float, method: str) -> EProcess:
    """The evidence of (looks, arms) cumulative counts against their planned shares."""
    from scipy.special import gammaln

    planned, firm = _shares(shares, table.shape[1]), real(concentration, "concentration", above=0.0)
    weight, total = firm * planned, table.sum(axis=1)
    log_e = gammaln(firm) - gammaln(firm + total)
    log_e += (gammaln(weight + table) - gammaln(weight) - table * np.log(planned)).sum(axis=1)
    return EProcess(np.where(total > 0, log_e, 0.0), total, method)


def _above(k: NDArray[np.int64], n: NDArray[np.int64], limit: Floats, prior: tuple[float, float]) -> Floats:
    """Log e of rates above `limit`: prior and posterior mass above it turn the whole mixture into the cut one.

    Where the prior has no mass there, nothing speaks against the limit.
    """
    from scipy.special import betaincc, betaln

    a, b = prior
    before = betaincc(a, b, limit)
    with np.errstate(divide="ignore"):
        mass = np.log(betaincc(a + k, b + n - k, limit)) - np.log(before, out=np.full_like(before, np.inf),
                                                                  where=before > 0.0)  # fmt: skip
    log_e: Floats = mass + betaln(a + k, b + n - k) - betaln(a, b) - k * np.log(limit) - (n - k) * np.log1p(-limit)
    return log_e


def _lower_end(k: NDArray[np.int64], n: NDArray[np.int64], bar: float, prior: tuple[float, float]) -> Floats:
    """The least limit not refused, from below: refused at 0 wherever there was a hit, never at the share seen."""
    low = np.zeros(len(k))
    high = np.where(n > 0, k / np.maximum(n, 1), 0.0)
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        inside = (middle > 0.0) & (middle < 1.0)
        out = np.zeros(len(k), dtype=bool)
        out[inside] = _above(k[inside], n[inside], middle[inside], prior) >= bar
        low, high = np.where(out, middle, low), np.where(out, high, middle)
    return low


def _prior(prior: tuple[float, float]) -> tuple[float, float]:
    try:
        a, b = (float(one) for one in prior)
    except (TypeError, ValueError):
        a = b = math.nan
    if not (0.0 < a < math.inf and 0.0 < b < math.inf):
        raise InputError("out of bounds", where="prior", expected="two numbers above 0", found=prior)
    return a, b


def _counts(hits: ArrayLike, trials: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    k, n = _cumulative(hits, "hits"), _cumulative(trials, "trials")
    if len(k) != len(n):
        raise InputError("lengths differ", where="trials", expected=f"{len(k)} as in hits", found=len(n))
    _cumulative(n - k, "trials - hits")
    return k, n


def _cumulative(x: ArrayLike, name: str) -> NDArray[np.int64]:
    """Whole numbers that never fall."""
    values = numbers(x, name, low=0.0, high=2.0**53)
    bad = (values != np.floor(values)) | (np.diff(values, prepend=0.0) < 0.0)
    if bad.any():
        index = int(np.argmax(bad))
        raise InputError(
            f"index {index} is no cumulative count",
            where=name,
            expected="whole numbers that never fall",
            found=float(values[index]),
        )
    return values.astype(np.int64)


def _table(counts: ArrayLike, name: str) -> NDArray[np.int64]:
    table = grid(counts, name, "(looks, arms)")
    if table.ndim != 2 or table.shape[1] < 2:
        raise InputError("wrong shape", where=name, expected="(looks, arms), two arms or more", found=table.shape)
    return np.column_stack([_cumulative(table[:, arm], f"{name} of arm {arm}") for arm in range(table.shape[1])])


def _shares(shares: ArrayLike | None, arms: int) -> Floats:
    if shares is None:
        return np.full(arms, 1.0 / arms)
    planned = numbers(shares, "shares", low=1e-9, high=1.0)
    if len(planned) != arms or abs(float(planned.sum()) - 1.0) > 1e-9:
        found = f"{len(planned)} summing to {float(planned.sum()):g}"
        raise InputError("not shares of the arms", where="shares", expected=f"{arms} summing to 1", found=found)
    return planned
