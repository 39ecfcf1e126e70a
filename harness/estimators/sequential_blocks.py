"""Two arms at every look: paired, randomised, and minutes that depend on each other on pods that differ for good.

Minutes are no independent draws: a latency that is high in one minute is high in the next, and one pod is slower than
another whatever it runs. Means of blocks that are long against the memory of the series are nearly independent, and
what two pods differ by without the change is measured before it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError
from harness.estimators._check import Floats, bounded, count, level, numbers, real, same_length, share, varies, zero_one
from harness.estimators.moments import Moments
from harness.estimators.sequential import ConfidenceSequence, betting_sequence
from harness.estimators.sequential_means import student_sequence

__all__ = [
    "PROMISES",
    "arm_scores",
    "block_length",
    "block_means",
    "block_sequence",
    "bounded_arms_sequence",
    "lag_correlation",
]

PROMISES = {
    0.0: {"minute by minute": 0.046, "blocks": 0.033, "blocks, pod offset": 0.798, "less baseline": 0.008},
    0.5: {"minute by minute": 0.542, "blocks": 0.041, "blocks, pod offset": 0.713, "less baseline": 0.004},
    0.8: {"minute by minute": 0.974, "blocks": 0.017, "blocks, pod offset": 0.488, "less baseline": 0.001},
}
"""AR(1) coefficient: false alarms at any of 1,440 minutes, for .05: Student's sequence naive, over blocks of
`block_length` minutes, the same with pods N(0, .3**2) sd apart for good, and less a baseline of as many minutes."""

SHORT = 0.1


def arm_scores(x: ArrayLike, treated: ArrayLike, *, share_treated: float = 0.5) -> Floats:
    """Scores (n,) whose mean is treated minus control, unit by unit as they arrive: for `asymptotic_sequence`.

    d + w (x - m) with d and m the difference and mean of the arms so far, w = 1 / share in the treated arm and
    -1 / (1 - share) in control (augmented inverse probability weights, Waudby-Smith et al. 2024, section 3.2).
    Unbiased, given the past, for any m; the past only narrows it.

    Args:
        x: (n,) finite numbers.
        treated: (n,) 0 or 1.
        share_treated: Planned share of treated units, inside (0, 1).

    Raises:
        InputError: NaN or infinite values, none at all, `treated` that is not 0 or 1, lengths that differ, a share
            outside (0, 1).

    >>> arm_scores([1.0, 0.0, 1.0, 0.0], [1, 0, 1, 0]).tolist()
    [2.0, 1.0, 1.0, 1.0]
    """
    values, arm = numbers(x), zero_one(treated, "treated")
    same_length(x=values, treated=arm)
    part = share(share_treated, "share_treated")
    one, two = (_mean_before(values, arm == which) for which in (1.0, 0.0))
    weight = np.where(arm == 1.0, 1.0 / part, -1.0 / (1.0 - part))
    return one - two + weight * (values - np.where(arm == 1.0, one, two))


def bounded_arms_sequence(
    x: ArrayLike,
    treated: ArrayLike,
    *,
    support: tuple[float, float] = (0.0, 1.0),
    share_treated: float = 0.5,
    confidence: float = 0.9,
    unit: str = "1",
) -> ConfidenceSequence:
    """Treated minus control for bounded outcomes of randomised units: a betting sequence of weighted outcomes.

    Exact at every look: outcomes, counted from the middle of the support, are weighted by the inverse share of their
    arm. The point estimate is theirs, not the plain difference of means.

    The mean of (x - middle) w with w = 1 / share where treated, else -1 / (1 - share) (Horvitz & Thompson 1952), by
    `betting_sequence` (Waudby-Smith & Ramdas 2024).

    Args:
        x: (n,) numbers within `support`.
        treated: (n,) 0 or 1, drawn independently with `share_treated`.
        support: Least and greatest possible value.
        share_treated: Inside (0, 1).
        confidence: Two-sided, of all looks together.
        unit: Of the values.

    Raises:
        InputError: As `arm_scores`; a value outside `support`, a support out of order, or confidence outside (0, 1).

    >>> found = bounded_arms_sequence([1, 0, 0, 1] * 500, [1, 0] * 1000)
    >>> bool(found.low[-1] < 0.0 < found.high[-1])
    True
    """
    within = bounded(support)
    values, arm = numbers(x, low=within[0], high=within[1]), zero_one(treated, "treated")
    same_length(x=values, treated=arm)
    part, half = share(share_treated, "share_treated"), (within[1] - within[0]) / 2.0
    weight = np.where(arm == 1.0, 1.0 / part, -1.0 / (1.0 - part))
    most = half / min(part, 1.0 - part)
    scores = np.clip(weight * (values - within[0] - half), -most, most)
    return betting_sequence(scores, support=(-most, most), confidence=confidence, unit=unit)


def lag_correlation(x: ArrayLike) -> float:
    """First autocorrelation of `x` (n,), n >= 3; NaN for a constant.

    Σ d_t d_{t+1} / Σ d_t², d = x - mean x, without unit (Box & Jenkins 1970).

    Raises:
        InputError: NaN or infinite values, or under three of them.

    >>> round(lag_correlation([1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]), 3)
    0.125
    """
    values = numbers(x, least=3)
    d = values - values.mean()
    squares = float(d @ d)
    return float(d[1:] @ d[:-1]) / squares if varies(d, values) else math.nan


def block_length(correlation: float, *, short: float = SHORT) -> int:
    """Minutes per block for which block means miss at most a part `short` of the long-run variance.

    In an AR(1) series of `correlation` f a block of B minutes shows all but 2 f / (B (1 - f**2)) of it. That
    follows from its autocorrelations f**k (Box & Jenkins 1970).

    Raises:
        InputError: A correlation outside (-1, 1), or `short` outside (0, 1).

    >>> block_length(0.0), block_length(0.5), block_length(0.8)
    (1, 14, 45)
    """
    f = real(correlation, "correlation", above=-1.0, below=1.0)
    memory = 2.0 * max(f, 0.0) / (1.0 - f**2)
    return max(1, math.ceil(memory / share(short, "short")))


def block_means(x: ArrayLike, size: int) -> Floats:
    """Means of consecutive blocks of `size` of `x` (n,), in order; what is left over at the end waits.

    (n // size,), in the unit of `x`: the batch means of Conway 1963.

    Raises:
        InputError: NaN or infinite values, none at all, or a size under 1.

    >>> block_means([1.0, 3.0, 5.0, 7.0, 9.0], 2).tolist()
    [2.0, 6.0]
    """
    values, width = numbers(x), count(size, "size", least=1)
    whole = len(values) // width
    return np.asarray(values[: whole * width].reshape(whole, width).mean(axis=1))


def block_sequence(
    x: ArrayLike,
    *,
    block: int,
    baseline: ArrayLike | None = None,
    confidence: float = 0.9,
    tuned_for: int = 20,
    unit: str = "1",
) -> ConfidenceSequence:
    """Mean of a series that remembers, less its mean before the change: for canary minus control, minute by minute.

    Student's sequence over means of blocks. With a `baseline`, half of the miss rate goes to the interval of its mean,
    and what canary and control differ by anyway falls out, known only as well as the baseline knows it.
    `student_sequence` (Lai 1976) of `block_means`, less the baseline's mean and Student's t about it.

    Args:
        x: (n,) finite numbers in order of time, such as canary minus control of each minute.
        block: Values per block: `block_length` of a correlation known beforehand or measured on the baseline.
        baseline: (m,) the same before the change, at least two blocks; None takes it as 0.
        confidence: Two-sided, of all looks together.
        tuned_for: Blocks at which it is narrowest.
        unit: Of the values.

    Returns:
        One look per whole block, n in values; no look if there is no whole block.

    Raises:
        InputError: NaN or infinite values, none at all, a block under 1, a baseline of under two blocks, or confidence
            outside (0, 1).

    >>> found = block_sequence([0.1, -0.1, 0.2, 0.0] * 30, block=4, baseline=[0.1, 0.0, -0.1, 0.2] * 8)
    >>> len(found.n), int(found.n[-1])
    (30, 120)
    """
    tail, means = level(confidence), block_means(x, count(block, "block", least=1))
    if not len(means):
        empty = np.empty(0)
        return ConfidenceSequence(empty, empty, empty, empty.astype(np.int64), confidence, "under one block", unit)
    part = 1.0 - 2.0 * tail if baseline is None else 1.0 - tail
    found = student_sequence(means, confidence=part, tuned_for=tuned_for, unit=unit)
    value, low, high = found.value, found.low, found.high
    if baseline is not None:
        before = Moments.of(_baseline(baseline, block)).estimate(confidence=part, unit="")
        value, low, high = value - before.value, low - before.high, high - before.low
    method = f"Student sequence, blocks of {block}" + ("" if baseline is None else ", less baseline")
    return ConfidenceSequence(value, low, high, found.n * block, confidence, method, unit)


def _baseline(baseline: ArrayLike, block: int) -> Floats:
    values = numbers(baseline, "baseline")
    means = block_means(values, block)
    if len(means) < 2:
        raise InputError("too few values", where="baseline", expected=f"at least {2 * block}", found=len(values))
    return means


def _mean_before(values: Floats, mine: NDArray[np.bool_]) -> Floats:
    """Mean of one arm's values before each unit; 0 while it has none."""
    seen: NDArray[np.int64] = np.cumsum(mine) - mine
    total = np.cumsum(np.where(mine, values, 0.0)) - np.where(mine, values, 0.0)
    means: Floats = np.divide(total, seen, out=np.zeros(len(values)), where=seen > 0)
    return means
