"""Accumulators by slice: one state for each named subset, merged name by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import InputError
from harness.estimators._check import grid, labels, same_length

__all__ = ["Accumulator", "BySlice"]


class Accumulator(Protocol):
    """Anything with a merge that is associative and commutative."""

    def merge(self, other: Self) -> Self:
        """The state of both batches together."""
        ...


State = TypeVar("State", bound=Accumulator)


@dataclass(frozen=True)
class BySlice(Generic[State]):
    """States by slice name; its size grows with the slices, not with the rows. A slice never seen is absent, not zero.

    A definition, without source: each state keeps its own unit.

    >>> from harness.estimators.tally import Tally
    >>> cold = BySlice.of([1, 0, 1], ["cold", "warm", "warm"], into=Tally.of)
    >>> {name: state.n for name, state in cold.merge(cold).states.items()}
    {'cold': 2, 'warm': 4}
    """

    states: Mapping[str, State] = field(default_factory=dict)

    @classmethod
    def of(cls, x: ArrayLike, slices: ArrayLike, *, into: Callable[[Any], State]) -> BySlice[State]:
        """One state for each distinct name in `slices` (n,), made by `into` from the rows of `x` (n,) under it.

        Raises:
            InputError: Names missing or of two kinds, lengths that differ, and what `into` raises.
        """
        names, values = labels(slices, "slices"), grid(x, "x", "one dimension")
        if values.ndim != 1:
            raise InputError("wrong shape", where="x", expected="one dimension", found=values.shape)
        same_length(x=values, slices=names)
        distinct, code = np.unique(names, return_inverse=True)
        return cls({str(name): into(values[code == at]) for at, name in enumerate(distinct)})

    def merge(self, other: BySlice[State]) -> BySlice[State]:
        """The states of both, name by name, in order of name."""
        both = {**self.states, **other.states}
        for name in self.states.keys() & other.states.keys():
            both[name] = self.states[name].merge(other.states[name])
        return BySlice(dict(sorted(both.items())))
