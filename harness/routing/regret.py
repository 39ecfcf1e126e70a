"""What a router's decisions bring, query by query: against its teacher's, and against spending at random."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InputError
from harness.records import Floats

__all__ = ["chosen", "over_random", "regret", "share_kept"]


def chosen(score: Any, *, share: float) -> Floats:
    """(n,) in [0, 1]: 1 for the `share` of queries with the highest score; ties at the cut share what is left.

    A constant score so spends `share` on every query, which is random spending in expectation.

    Raises InputError for scores that are not finite, none at all, or a share outside [0, 1].

    >>> chosen([0.9, 0.1, 0.5, 0.5], share=0.5).tolist()
    [1.0, 0.0, 0.5, 0.5]
    """
    value = _column(score, None, "score")
    if not 0.0 <= share <= 1.0:
        raise InputError("not a share", where="chosen", expected="0 to 1", found=share)
    most = share * len(value)
    order = np.sort(value)[::-1]
    cut = order[min(int(most), len(value) - 1)]
    above, level = value > cut, value == cut
    return np.where(above, 1.0, np.where(level, (most - above.sum()) / level.sum(), 0.0))


def regret(gain: Any, distilled: Any, full: Any) -> Floats:
    """(n,) nDCG units that the distilled router's decision brought more than its teacher's; negative is regret.

    Args:
        gain: (n,) measured gain of a rerank.
        distilled: (n,) share of a rerank the distilled router gave each query: its decisions, 0 or 1.
        full: (n,) the teacher's.

    Raises:
        InputError: Lengths that differ, or values that are not finite.

    >>> regret([0.3, -0.1], distilled=[0, 1], full=[1, 0]).tolist()
    [-0.3, -0.1]
    """
    gained = _column(gain, None, "gain")
    return np.asarray(gained * (_column(distilled, len(gained), "distilled") - _column(full, len(gained), "full")))


def over_random(gain: Any, decisions: Any) -> Floats:
    """(n,) nDCG units that the decisions brought more than spending the same share on queries drawn at random.

    The mean is mean(gain x decision) - mean(gain) x share; each query's value is (gain - mean gain) x (decision -
    share), so that a mean with clusters has the right variance to first order.

    Raises:
        InputError: Lengths that differ, or values that are not finite.

    >>> over_random([0.4, 0.0], decisions=[1, 0]).mean().round(3).item()
    0.1
    """
    gained = _column(gain, None, "gain")
    decided = _column(decisions, len(gained), "decisions")
    return np.asarray((gained - gained.mean()) * (decided - decided.mean()))


def share_kept(gain: Any, decisions: Any) -> float:
    """Lift of the decisions as a share of the lift of reranking every query.

    NaN where reranking everything lifts nothing; an oracle can exceed 1, since it leaves losses out.

    >>> share_kept([0.4, -0.2, 0.2], decisions=[1, 0, 0])
    1.0
    """
    gained = _column(gain, None, "gain")
    whole = float(gained.sum())
    return float((gained * _column(decisions, len(gained), "decisions")).sum() / whole) if whole > 0 else float("nan")


def _column(values: Any, n: int | None, name: str) -> NDArray[np.float64]:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("not numbers", where="regret", column=name, expected="(n,) numbers",
                         found=str(error)) from None
    if column.ndim != 1 or not column.size or (n is not None and len(column) != n) or not np.isfinite(column).all():
        raise InputError("not a column", where="regret", column=name, expected=f"{n or 'n'} finite numbers",
                         found=column.shape)
    return column
