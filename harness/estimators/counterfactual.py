"""What a policy would have earned, from another's log: importance sampling, plain, self-normalised and clipped.

Each takes the reward, the probability that the log gave the action it took, and the one that the target policy gives
that same action: three columns, never a table of all actions. A slate is not one action: pass one row a position with
that position's own propensity (see `by_position`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError
from harness.estimate import Estimate
from harness.estimators._blocks import cross_sums
from harness.estimators._check import LARGEST, Floats, bounded, inside, labels, numbers, real, same_length, share, span
from harness.estimators.intervals import mean_interval
from harness.estimators.ratios import ratio_interval
from harness.estimators.weighted import WeightedMoments

__all__ = ["Clipped", "by_position", "clipped_ips", "importance_weights", "ips", "logged_rows", "snips"]

Support = tuple[float, float] | None


def importance_weights(propensity: ArrayLike, target: ArrayLike, *, least: int = 1) -> Floats:
    """w_i = π(a_i|x_i) / propensity_i, (n,), without unit (Horvitz & Thompson 1952).

    Args:
        propensity: (n,) in (0, 1]: the log's probability of the action that it took. 0 is impossible for an action
            that was taken, and would be an infinite weight: refused.
        target: (n,) in [0, 1]: the target policy's probability of that action.
        least: Rows asked for. 0 is for accumulators: a batch may be empty, and may be without overlap.

    Raises:
        InputError: Names parameter, index, value and bound; also where no logged action has any target probability.

    >>> importance_weights([0.5, 0.25], [0.5, 0.5]).tolist()
    [1.0, 2.0]
    """
    said, wanted = _probability(propensity, "propensity", least), _probability(target, "target", least)
    same_length(propensity=said, target=wanted)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        weights: Floats = wanted / said
    most = float(weights.max(initial=0.0))
    if not most <= LARGEST:
        _refuse_zero(said)
        numbers(weights, "target / propensity")
    if least and not most > 0.0:
        raise InputError("no overlap: none of the logged actions is the target's", where="target",
                         expected="a number above 0 somewhere", found=0.0)  # fmt: skip
    return weights


def _refuse_zero(propensity: Floats) -> None:
    zero = propensity <= 0.0
    if zero.any():
        what = f"index {int(np.argmax(zero))} is out of bounds: an action that was taken had a chance"
        raise InputError(what, where="propensity", expected="a number above 0 and at most 1", found=0.0)


def _probability(x: ArrayLike, name: str, least: int) -> Floats:
    try:
        shape = np.shape(x)
    except ValueError:
        shape = ()  # ragged: `numbers` says so
    if len(shape) > 1:
        what = "one probability a row is asked for, not a table of actions or a slate: pass one row a position"
        raise InputError(what, where=name, expected="one dimension", found=shape)
    return numbers(x, name, low=0.0, high=1.0, least=least)


def logged_rows(
    reward: ArrayLike, propensity: ArrayLike, target: ArrayLike, *, least: int = 1
) -> tuple[Floats, Floats]:
    """Rewards (n,) and weights (n,) of a log: w = target / propensity (Horvitz & Thompson 1952).

    `reward` (n,) finite; `propensity` (n,) in (0, 1]; `target` (n,) in [0, 1]. Raises, and takes `least`, as
    `importance_weights`.

    >>> logged_rows([1, 0], [0.5, 0.25], [0.5, 0.5])[0].tolist()
    [1.0, 0.0]
    """
    earned, weights = numbers(reward, "reward", least=least), importance_weights(propensity, target, least=least)
    same_length(reward=earned, weights=weights)
    return earned, weights


def ips(
    reward: ArrayLike,
    propensity: ArrayLike,
    target: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    confidence: float = 0.9,
    unit: str = "1",
) -> Estimate:
    """Inverse propensity score: mean of w r (Horvitz & Thompson 1952). Unbiased; not bounded by the rewards.

    Args:
        reward: (n,) finite numbers.
        propensity: (n,) in (0, 1], as `importance_weights` takes it.
        target: (n,) in [0, 1], likewise.
        clusters: (n,) labels (user, session): rows of one label are one independent unit.
        confidence: Two-sided; each end alone holds with (1 + confidence) / 2.
        unit: Of the reward.

    Raises:
        InputError: As `logged_rows`; labels, or confidence outside (0, 1).

    >>> ips([1, 0, 1, 0], [0.5] * 4, [0.75, 0.25, 0.75, 0.25]).value
    0.75
    """
    earned, weights = logged_rows(reward, propensity, target)
    found = mean_interval(weights * earned, clusters=clusters, confidence=confidence, unit=unit)
    return found._replace(method=f"IPS, {found.method}")


def snips(
    reward: ArrayLike,
    propensity: ArrayLike,
    target: ArrayLike,
    *,
    clusters: ArrayLike | None = None,
    confidence: float = 0.9,
    unit: str = "1",
    support: Support = None,
) -> Estimate:
    """Self-normalised IPS (= weighted importance sampling): Σ w r / Σ w (Swaminathan & Joachims 2015).

    Its influence is w (r - V) / Σ w (Owen, ch. 9): the normaliser moves in the interval. One that freezes it is several
    times too wide at a mean reward of .95. Bias of order 1 / ESS.

    `reward` (n,) finite, in `unit`; `propensity` (n,) in (0, 1]; `target` (n,) in [0, 1]; `clusters` (n,) labels
    or None; `support` the least and greatest possible reward: the interval is kept within.

    Raises:
        InputError: As `ips`; a support whose ends are out of order, or that does not hold every reward.

    >>> round(snips([1, 0, 1, 0], [0.5] * 4, [0.9, 0.3, 0.9, 0.3]).value, 12)
    0.75
    """
    earned, weights = logged_rows(reward, propensity, target)
    inside(earned, "reward", support)
    if clusters is None:
        state = WeightedMoments.of_sums(cross_sums(earned, weights))
        return state.estimate(confidence=confidence, unit=unit, support=support)
    found = ratio_interval(weights * earned, weights, clusters=clusters, confidence=confidence, unit=unit)
    within = span(support)
    if within:
        found = found._replace(low=max(found.low, within[0]), high=min(found.high, within[1]))
    return found._replace(method=f"self-normalised, {found.method}")


class Clipped(NamedTuple):
    """Clipped IPS and what the clip may have cost.

    Attributes:
        estimate: Mean of min(w, M) r; its interval covers the target's value, bias included.
        lost: Share of the target's mass that the clip took, 1 - E[min(w, M)]: the bias is lost x (a reward in the
            support).
        bias: Least and greatest bias (estimate's mean minus the truth) that `lost.high` allows.
    """

    estimate: Estimate
    lost: Estimate
    bias: tuple[float, float]


def clipped_ips(
    reward: ArrayLike,
    propensity: ArrayLike,
    target: ArrayLike,
    *,
    at: float,
    support: tuple[float, float] = (0.0, 1.0),
    clusters: ArrayLike | None = None,
    confidence: float = 0.9,
    unit: str = "1",
) -> Clipped:
    """IPS with weights cut at M = `at` (Ionides 2008), the bias bounded and inside the interval.

    As E[w] = 1, the mass lost is 1 - E[min(w, M)], the mean of a *bounded* column, however heavy the tail was; its
    bias is that mass times a reward of the support. Half of the miss rate pays for each of the two intervals.

    `reward` (n,) within `support`; `propensity` (n,) in (0, 1]; `target` (n,) in [0, 1]; `clusters` (n,) or None; `at`
    above 0, a weight; `confidence` is that of value and bias together.

    Raises:
        InputError: As `ips`; a reward outside `support`, or a clip not above 0.

    >>> rows = [0.1] * 10 + [0.9] * 90
    >>> found = clipped_ips([1] * 10 + [0] * 90, rows, [0.5] * 100, at=2.0)
    >>> round(found.estimate.value, 3), round(found.lost.value, 3), found.estimate.high > 0.5
    (0.2, 0.3, True)
    """
    within, at = bounded(support), real(at, "at", above=0.0)
    numbers(reward, "reward", low=within[0], high=within[1])
    earned, weights = logged_rows(reward, propensity, target)
    cut, joint = np.minimum(weights, at), (1.0 + share(confidence, "confidence")) / 2.0
    kept = mean_interval(cut, clusters=clusters, confidence=joint)
    lost = _lost(kept)
    found = mean_interval(cut * earned, clusters=clusters, confidence=joint, unit=unit)
    down, up = lost.high * min(within[0], 0.0), lost.high * max(within[1], 0.0)
    name = f"IPS clipped at {at:g}, bias within"
    return Clipped(Estimate(found.value, found.low + down, found.high + up, found.n, confidence, name, unit), lost,
                   (-up, -down))  # fmt: skip


def _lost(kept: Estimate) -> Estimate:
    """The mass that a clip took, from what it kept."""
    value, low, high = (min(1.0, max(0.0, 1.0 - one)) for one in (kept.value, kept.high, kept.low))
    return Estimate(value, low, high, kept.n, kept.confidence, "1 - mean clipped weight")


def by_position(
    reward: ArrayLike,
    propensity: ArrayLike,
    target: ArrayLike,
    *,
    position: ArrayLike,
    confidence: float = 0.9,
    unit: str = "1",
) -> dict[str, Estimate]:
    """SNIPS of each position of a slate log, one row a position with that position's own propensity.

    Holds where a position's reward depends on the item there alone (the independence that Li et al. 2018 call
    item-position). A joint propensity repeated on the rows of its slate is not one: it answers a smaller policy space.
    `reward` (n,) finite, in `unit`; `propensity` (n,) in (0, 1]; `target` (n,) in [0, 1]; `position` (n,) labels. Per
    position Σ w r / Σ w (Swaminathan & Joachims 2015).

    Raises:
        InputError: As `logged_rows`; positions missing, or of another length.

    >>> found = by_position([1, 0, 1, 1], [0.5] * 4, [0.5] * 4, position=[1, 2, 1, 2])
    >>> {name: one.value for name, one in found.items()}
    {'1': 1.0, '2': 0.5}
    """
    earned, weights = logged_rows(reward, propensity, target)
    place: NDArray[np.generic] = labels(position, "position")
    same_length(reward=earned, position=place)
    return {
        str(one): WeightedMoments.of(earned[place == one], weights[place == one]).estimate(
            confidence=confidence, unit=unit
        )
        for one in np.unique(place)
    }
