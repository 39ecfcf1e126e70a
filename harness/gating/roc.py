"""The whole curve of gain against rerank share: the router's, chance's and an oracle's, and the gate's place on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from harness.columns import finite, floats, same_length
from harness.errors import InputError
from harness.gating.figures import decided, gained
from harness.gating.requests import FULL, Requests
from harness.gating.terms import Theta
from harness.records import Floats

__all__ = ["Roc", "captured", "roc"]


class Roc(NamedTuple):
    """Gain captured against share reranked in full; every curve (m,), nDCG units per request.

    Attributes:
        share: (m,) from 0 to 1.
        router: Highest predicted gain first.
        entropy: Highest entropy first.
        random: Requests drawn at random, in expectation: a straight line to the gain of reranking all.
        oracle: Highest measured gain first: no order does better.
        at_share: Share of full reranks at θ*.
        at_gain: nDCG units per request that θ* brings.
        standing: Where θ* stands between chance (0) and the oracle (1) at its own share; NaN where these are equal.
    """

    share: Floats
    router: Floats
    entropy: Floats
    random: Floats
    oracle: Floats
    at_share: float
    at_gain: float
    standing: float


def captured(score: ArrayLike, gain: ArrayLike, share: ArrayLike) -> Floats:
    """(m,) mean gain per request when the `share` of requests with the highest score is reranked.

    Requests of one score are drawn among at random, and the mean over such draws is returned.

    Args:
        score: (n,) higher first.
        gain: (n,) nDCG units.
        share: (m,) in [0, 1].

    Raises:
        InputError: Columns of unequal length, none, not finite, or a share outside [0, 1].

    >>> captured([3, 1, 1], [0.3, 0.0, 0.6], [0.0, 1 / 3, 2 / 3, 1.0]).round(3).tolist()
    [0.0, 0.1, 0.2, 0.3]
    """
    scores, gains, wanted = (floats(values, name, "roc") for values, name in
                             ((score, "score"), (gain, "gain"), (share, "share")))
    same_length("roc", score=scores, gain=gains)
    for name, column in (("score", scores), ("gain", gains), ("share", wanted)):
        finite(column, name, "roc")
    if not len(scores) or ((wanted < 0.0) | (wanted > 1.0)).any():
        raise InputError("not a curve", where="roc", expected="at least one request, shares from 0 to 1",
                         found=len(scores))
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # of each run of equal scores
    total = np.append(0.0, gains[order].cumsum()[last]) / len(order)
    return np.asarray(np.interp(wanted, np.append(0.0, (last + 1) / len(order)), total), dtype=np.float64)


def roc(requests: Requests, theta: Theta, below: Theta | None = None, *, points: int = 101) -> Roc:
    """The curves for requests, and where thresholds stand.

    Args:
        requests: What is ranked.
        theta: θ* of the full rerank.
        below: Of the early exit, whose cheap stage counts into `at_gain`; None leaves the cheap stage out.
        points: Shares drawn, evenly from 0 to 1.

    Raises:
        InputError: Fewer than two points.

    >>> asked = Requests.of([0.2, 0.9], [0.1, 0.3], [0.0, 0.4], [2.0, 1.0])
    >>> found = roc(asked, Theta(0.5, 0.2), points=3)
    >>> found.router.tolist(), found.random.tolist(), found.at_share, found.standing
    ([0.0, 0.2, 0.2], [0.0, 0.1, 0.2], 0.5, 1.0)
    """
    if points < 2:
        raise InputError("not a curve", where="roc", column="points", expected="at least 2", found=points)
    share = np.linspace(0.0, 1.0, points)
    decisions = decided(theta, theta if below is None else below, requests.entropy, requests.predicted_gain)
    at = float((decisions == FULL).mean())
    gain = float(gained(requests, decisions).mean())
    chance, best = requests.gain.mean() * at, captured(requests.gain, requests.gain, [at])[0]
    room = float(best - chance)
    standing = (gain - float(chance)) / room if room > 1e-15 else float("nan")
    return Roc(share, captured(requests.predicted_gain, requests.gain, share),
               captured(requests.entropy, requests.gain, share), share * requests.gain.mean(),
               captured(requests.gain, requests.gain, share), at, gain, standing)
