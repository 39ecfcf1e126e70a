"""The router's teacher: boosted trees for what a rerank brings and costs, monotone where it was promised.

Three models over the same signals. `gain`: the measured gain. `tau`: price x the measured cost, the gain below which a
rerank is not worth its price. `spend`: whether the gain exceeded that. Each tree looks at one signal only and
cuts it at one of a few places, so that the teacher is a sum of stairs, one a signal: what a table of 16 segments can
hold step by step, for equal decisions. On the embedded queries neither costs anything that can be seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from harness.data.store import atomic_write_text, sha256_bytes
from harness.errors import InputError
from harness.records import Floats
from harness.routing.boosting import booster_of, fitted_text, scores_of, steps_of
from harness.routing.files import read_object, read_text
from harness.routing.routed import MONOTONE, OUTPUTS, SPANS, Monotone, Routed, checked_matrix, checked_names, signs_of

__all__ = ["RouterTeacher"]

_HEADER = "router_teacher.json"
_KEYS = ("format", "monotone", "names", "options", "price", "sha256")
_FORMAT = "signoff/router-teacher/v1"


class RouterTeacher:
    """LightGBM with monotone constraints, deterministic: one thread, seeded, a fixed number of rounds.

    Args:
        seed: Of every draw LightGBM makes.
        price: nDCG units a millisecond; None takes the price at which `share` of the fitted queries would be reranked.
        share: Inside (0, 1), used where `price` is None.
        trees: Boosting rounds of each output.
        leaves: Leaves a tree.
        rate: Shrinkage of each tree.
        bins: Most stairs of a signal; 8 have 7 rises, which 16 segments can hold with the levels between.
        monotone: Output → feature → +1 (never falls) or -1 (never rises); by default entropy lowers none of them.

    >>> rng = np.random.default_rng(0)
    >>> signal = rng.random((400, 2))
    >>> teacher = RouterTeacher(trees=20).fit(signal, ("entropy", "margin"), signal[:, 0] - 0.5, np.full(400, 3.0))
    >>> low, high = teacher.predict([[0.1, 0.5], [0.9, 0.5]]).spend
    >>> bool(low < high)
    True
    """

    def __init__(self, seed: int = 42, *, price: float | None = None, share: float = 0.25, trees: int = 120,
                 leaves: int = 4, rate: float = 0.05, bins: int = 8, monotone: Monotone = MONOTONE) -> None:
        self.seed, self.trees = _whole(seed, "seed", 0), _whole(trees, "trees")
        self.leaves = _whole(leaves, "leaves", 2)
        self.bins = _whole(bins, "bins", 2)
        self.rate, self.share = _inside(rate, "rate"), _inside(share, "share")
        self.price = None if price is None else _positive(price)
        self.monotone = {output: dict(asked) for output, asked in monotone.items()}
        self.names: tuple[str, ...] = ()
        self._texts: dict[str, str] = {}
        self._boosters: dict[str, Any] = {}

    def fit(self, features: Any, names: Sequence[str], gain: Any, cost: Any) -> Self:
        """Learn from (n, F) signals, (n,) gains in nDCG units and (n,) costs of a rerank in ms.

        The gains must come from rerankers that never saw the query, or the router learns what the reranker knew by
        heart. Raises InputError for shapes that differ, NaN, costs that are not above 0, or fewer than 50 rows.
        """
        self.names = checked_names(names, where="router teacher")
        matrix = checked_matrix(features, self.names, where="router teacher")
        signs = signs_of(self.monotone, self.names, where="router teacher")
        gained, cost_ms = _column(gain, len(matrix), "gain"), _column(cost, len(matrix), "cost")
        if len(matrix) < 50 or cost_ms.min() <= 0:
            raise InputError("nothing to learn from", where="router teacher", column="cost",
                             expected="at least 50 rows, costs above 0 ms", found=[len(matrix), *cost_ms[:1].tolist()])
        self._learn("gain", matrix, gained, signs)
        if self.price is None:
            self.price = _price(scores_of(self._boosters["gain"], matrix) / cost_ms, self.share)
        self._learn("tau", matrix, self.price * cost_ms, signs)
        self._learn("spend", matrix, (gained > self.price * cost_ms).astype(np.float64), signs)
        return self

    def predict(self, features: Any) -> Routed:
        """`Routed` of (n, F) signals, columns as they were fitted."""
        self._needs_fit()
        matrix = checked_matrix(features, self.names, where="router teacher")
        return Routed(*(np.clip(column, *SPANS[output]) for output, column
                        in zip(OUTPUTS, self.sums(matrix), strict=True)))

    def sums(self, features: Any) -> Routed:
        """`predict` before it is held inside its spans: what is a sum of one stair a signal."""
        self._needs_fit()
        matrix = checked_matrix(features, self.names, where="router teacher")
        return Routed(*(scores_of(self._boosters[output], matrix) for output in OUTPUTS))

    def steps(self, output: str) -> tuple[tuple[float, ...], ...]:
        """(F,) of each signal, ascending, the places of the stair's rises: up to and with each, and beyond."""
        return steps_of(self.booster(output))

    def booster(self, output: str) -> Any:
        """LightGBM's own model of one of `OUTPUTS`, for comparisons."""
        self._needs_fit()
        return self._boosters[output]

    def save(self, folder: Path) -> None:
        """Write `tau.txt`, `spend.txt`, `gain.txt` (LightGBM's text) and last `router_teacher.json` with their sums."""
        import json

        self._needs_fit()
        for output, text in self._texts.items():
            atomic_write_text(Path(folder) / f"{output}.txt", text)
        options = {"seed": self.seed, "trees": self.trees, "leaves": self.leaves, "rate": self.rate,
                   "bins": self.bins, "share": self.share}
        held = {"format": _FORMAT, "names": self.names, "monotone": self.monotone, "price": self.price,
                "options": options, "sha256": {name: sha256_bytes(text.encode()) for name, text in self._texts.items()}}
        atomic_write_text(Path(folder) / _HEADER, json.dumps(held, sort_keys=True, indent=1, allow_nan=False) + "\n")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote. Raises InputError where a file is missing, cut, changed, or of other features."""
        where = Path(folder) / _HEADER
        held = read_object(where, keys=_KEYS, kind=_FORMAT)
        try:
            made = cls(price=held["price"], monotone=held["monotone"], **held["options"])
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError("not a router teacher", where=where, expected="its own options",
                             found=str(error)) from None
        made.names = checked_names(held["names"], where=where)
        signs_of(made.monotone, made.names, where=where)
        for output in OUTPUTS:
            made._take(output, read_text(Path(folder) / f"{output}.txt"), held["sha256"], Path(folder))
        return made

    def _take(self, output: str, text: str, sums: Any, folder: Path) -> None:
        digest = sha256_bytes(text.encode())
        if not isinstance(sums, dict) or sums.get(output) != digest:
            raise InputError("the model is not the one that was saved", where=folder / f"{output}.txt",
                             expected=str(sums.get(output)) if isinstance(sums, dict) else "a digest", found=digest)
        self._texts[output] = text
        self._boosters[output] = booster_of(text, width=len(self.names), where=folder / f"{output}.txt")

    def _learn(self, output: str, matrix: Floats, target: Floats, signs: dict[str, tuple[int, ...]]) -> None:
        text = fitted_text(matrix, target, signs=signs[output], seed=self.seed, trees=self.trees, leaves=self.leaves,
                           rate=self.rate, bins=self.bins)
        self._texts[output] = text
        self._boosters[output] = booster_of(text, width=len(self.names), where=f"router teacher, {output}")

    def _needs_fit(self) -> None:
        if not self._boosters:
            raise InputError("the teacher is not fitted", where="router teacher", expected="fit or load first")


def _price(worth: Floats, share: float) -> float:
    """What `share` of the queries would bring a ms at least, never below 0: a loss is not bought."""
    return max(float(np.quantile(worth, 1.0 - share)), 1e-9)


def _column(values: Any, n: int, name: str) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (n,) or not np.isfinite(column).all():
        raise InputError("not a column to learn from", where="router teacher", column=name,
                         expected=f"{n} finite numbers", found=column.shape)
    return column


def _whole(value: Any, name: str, low: int = 1) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise InputError("option out of range", where="router teacher", column=name,
                         expected=f"a whole number from {low}", found=value)
    return value


def _inside(value: Any, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < 1.0:
        raise InputError("option out of range", where="router teacher", column=name, expected="inside (0, 1)",
                         found=value)
    return float(value)


def _positive(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 < value < np.inf:
        raise InputError("option out of range", where="router teacher", column="price",
                         expected="nDCG units a ms, above 0", found=value)
    return float(value)
