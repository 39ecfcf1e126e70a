"""Mondrian conformal prediction: a threshold for each group, so that each group has the promise and not their average.

One threshold for all covers 95 % of rows and may cover 70 % of the hard ones. Calibrated within groups the promise
holds in each (Vovk et al. 2003); a group too small has an infinite threshold, and a group never calibrated has none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.errors import InputError, nearest
from harness.estimators._check import Floats, Labels, labels, numbers, same_length, share
from harness.estimators._codes import coded, places
from harness.estimators.conformal import conformal_rank, needed_for_threshold

__all__ = ["GroupThresholds", "mondrian"]

@dataclass(frozen=True, eq=False)
class GroupThresholds:
    """What calibration found in each group, groups ascending.

    Attributes:
        groups: (G,) distinct labels.
        counts: (G,) calibration rows of each.
        values: (G,) thresholds in the score's unit; +inf where a group is too small.
        coverage: Promised in each group.

    >>> found = mondrian(range(40), [0, 1] * 20, coverage=0.9)
    >>> found.at([1, 0]).tolist(), found.short()
    ([37.0, 36.0], {})
    """

    groups: Labels
    counts: NDArray[np.int64]
    values: Floats
    coverage: float

    def at(self, groups: ArrayLike) -> Floats:
        """(m,) the threshold of each new row's group; a group unseen in calibration is an InputError, never a guess.

        Raises:
            InputError: A group unseen in calibration, by name; labels of another kind.
        """
        wanted = labels(groups, "groups")
        if not len(wanted):
            return np.empty(0)
        if wanted.dtype.kind != self.groups.dtype.kind:
            raise InputError(
                "labels of two kinds",
                where="groups",
                expected=f"labels like {self.groups[0].item()!r}",
                found=wanted[0].item(),
            )
        place = places(self.groups, wanted)
        unseen = place < 0
        if unseen.any():
            index = int(np.argmax(unseen))
            known, name = [str(group) for group in self.groups.tolist()], wanted[index].item()
            raise InputError(
                f"index {index} is a group unseen in calibration",
                where="groups",
                found=name,
                expected=f"one of {len(known)} calibrated groups",
                hint=nearest(str(name), known),
            )
        return self.values[place]

    def short(self) -> dict[str, int]:
        """Calibration rows that each group with an infinite threshold still lacks; empty where all are finite."""
        need = needed_for_threshold(self.coverage)
        endless = np.isinf(self.values)
        rows = zip(self.groups[endless].tolist(), self.counts[endless].tolist(), strict=True)
        return {str(group): need - n for group, n in rows}


def mondrian(scores: ArrayLike, groups: ArrayLike, *, coverage: float = 0.95) -> GroupThresholds:
    """`split_threshold` within each group of calibration rows.

    In group g the ceil((n_g + 1) coverage)-th smallest of its scores (Vovk et al. 2003), in the score's unit.

    Args:
        scores: (n,) finite numbers, larger where the prediction is worse.
        groups: (n,) labels, text or whole numbers, that are known of a new row before its truth is.
        coverage: Promised in each group, inside (0, 1).

    Raises:
        InputError: No rows, lengths that differ, labels missing or of two kinds.

    >>> found = mondrian([1.0] * 20 + [9.0] * 30 + [5.0], ["easy"] * 20 + ["hard"] * 30 + ["rare"])
    >>> found.at(["hard", "easy", "rare"]).tolist(), found.short()
    ([9.0, 1.0, inf], {'rare': 18})
    """
    values, names = numbers(scores, "scores"), labels(groups, "groups")
    same_length(scores=values, groups=names)
    promised = share(coverage, "coverage")
    distinct, code = coded(names)
    counts = np.bincount(code, minlength=len(distinct)).astype(np.int64)
    sorted_in_group = values[np.argsort(code, kind="stable")]
    ends = np.cumsum(counts)
    found = [_threshold(sorted_in_group[end - n : end], promised) for n, end in zip(counts, ends, strict=True)]
    return GroupThresholds(distinct, counts, np.array(found), promised)


def _threshold(values: Floats, coverage: float) -> float:
    """The split threshold of values that are ours to reorder."""
    rank = conformal_rank(len(values), coverage)
    if rank > len(values):
        return np.inf
    values.partition(rank - 1)
    return float(values[rank - 1])
