"""The router that serves: int8 tables of 16-segment curves, added up in integers, the same answer everywhere.

A signal falls into one of 16 levels of one of its 16 segments, found by comparison alone, so that a level can only rise
with the signal. Of the level the table gives the curve's value at its middle: v[s] (31 - 2p) + v[s + 1] (2p + 1), in
32nds, for place p of segment s. Each curve has an integer multiplier, each output a unit; all between is integers.
A curve has 256 levels in all: what is said of every level is said of every input. Ahead of the first request the levels
of a signal's three curves are laid over each other, so that one search answers for all three.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from harness.data.canonical import digest_of
from harness.records import Floats
from harness.routing.int8_file import parts_of, text_of
from harness.routing.routed import OUTPUTS, SPANS, Routed, checked_matrix
from harness.routing.tables import HALVES, LEVELS, Table, edges_of, level_values

__all__ = ["Int8Router"]

_BLOCK = 4096  # rows whose signals and sums stay in the nearest cache


class Int8Router:
    """A sum of curves in integers.

    Args:
        names: (F,) signals.
        tables: Output → Table, for each of tau, spend and gain.
        monotone: Output → (F,) promised signs; held to by `harness.routing.proof`.
        error_bound: Output → most that rounding moved an answer, over all inputs.
    """

    def __init__(self, names: tuple[str, ...], tables: dict[str, Table],
                 monotone: dict[str, tuple[int, ...]], error_bound: dict[str, float]) -> None:
        self.names, self.tables = names, tables
        self.monotone, self.error_bound = monotone, error_bound
        self._joined = [_joined([tables[output] for output in OUTPUTS], place) for place in range(len(names))]
        self._bias = np.array([tables[output].bias for output in OUTPUTS], dtype=np.int64)
        self._scale = tuple(tables[output].unit / HALVES for output in OUTPUTS)
        self._quick = [(edges.tolist(), list(zip(*rows.tolist(), strict=True))) for edges, rows in self._joined]

    def predict(self, features: Any) -> Routed:
        """`Routed` of (n, F) signals. Raises InputError for a wrong shape or a signal that is not finite."""
        matrix = checked_matrix(features, self.names, where="int8 router")
        total = np.broadcast_to(self._bias[:, None], (len(OUTPUTS), len(matrix))).copy()
        for start in range(0, len(matrix), _BLOCK):
            columns = np.ascontiguousarray(matrix[start:start + _BLOCK].T)
            for column, (edges, rows) in zip(columns, self._joined, strict=True):
                level = np.searchsorted(edges, column, side="right")
                for sums, row in zip(total, rows, strict=True):
                    sums[start:start + _BLOCK] += row.take(level)
        return Routed(*(np.clip(sums * scale, *SPANS[output])
                        for sums, output, scale in zip(total, OUTPUTS, self._scale, strict=True)))

    def one(self, signals: Sequence[float]) -> tuple[float, float, float]:
        """(tau, spend, gain) of one request's F signals: bit for bit what `predict` answers, without arrays.

        Raises InputError as `predict` does.
        """
        if len(signals) != len(self._quick):
            checked_matrix([signals], self.names, where="int8 router")
        tau, spend, gain = self._start
        for value, (edges, rows) in zip(signals, self._quick, strict=True):
            if value - value != 0.0:  # NaN or infinite
                checked_matrix([signals], self.names, where="int8 router")
            a, b, c = rows[bisect_right(edges, value)]
            tau += a
            spend += b
            gain += c
        u, v, w = self._scale
        return max(tau * u, 0.0), min(max(spend * v, 0.0), 1.0), min(max(gain * w, -1.0), 1.0)

    @cached_property
    def _start(self) -> tuple[int, int, int]:
        tau, spend, gain = self._bias.tolist()
        return tau, spend, gain

    @cached_property
    def body(self) -> dict[str, Any]:
        """Everything that decides an answer, as plain values: what the digest is over."""
        return {
            "names": list(self.names), "levels": LEVELS, "segments": self.tables[OUTPUTS[0]].values.shape[1] - 1,
            "outputs": {output: {"knots": table.knots.tolist(), "values": table.values.tolist(),
                                 "multipliers": table.multipliers.tolist(), "bias": table.bias, "unit": table.unit,
                                 "error_bound": self.error_bound[output], "monotone": list(self.monotone[output])}
                        for output, table in self.tables.items()},
        }

    def __eq__(self, other: object) -> bool:
        """Routers that answer alike by construction: of one digest."""
        return isinstance(other, Int8Router) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def to_json(self) -> str:
        """`router_distilled_int8.json`: the body and its digest, byte for byte the same for the same router."""
        return text_of(self.body, self.digest)

    @classmethod
    def from_json(cls, raw: str | bytes, expected: str | None = None, *, where: object = "int8 router") -> Self:
        """Read what `to_json` wrote, and believe none of it before it is checked.

        Raises InputError where the text is cut or changed, its digest is not its own or not `expected`, a table does
        not fit the curves, or a level moves against a promise.
        """
        return cls(**parts_of(raw, expected=expected, where=where))

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) over the canonical form of `body`."""
        return digest_of(self.body)


def _joined(tables: Sequence[Table], signal: int) -> tuple[Floats, NDArray[np.int64]]:
    """((m,) ascending edges of all the outputs' levels, (outputs, m + 1) what a value between them adds to each)."""
    own = [edges_of(table.knots[signal]) for table in tables]
    edges = np.unique(np.concatenate(own))
    first = np.concatenate([[-np.inf], edges])  # the lowest value of each joined level
    columns = [level_values(table)[signal][np.searchsorted(mine, first, side="right")]
               for table, mine in zip(tables, own, strict=True)]
    rows = np.stack(columns)
    new = (np.diff(rows, axis=1) != 0).any(axis=0)  # levels that add the same as the one below need no edge
    return edges[new], np.ascontiguousarray(rows[:, np.concatenate([[True], new])])
