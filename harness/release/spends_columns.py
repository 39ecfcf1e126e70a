"""A spend table's columns as they stand in a frame: which there must be, which there may be, and what each may hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.data.task import FIT, JUDGE, Bools
from harness.errors import InputError, nearest
from harness.records import Floats, Ids
from harness.routing.signals import SIGNALS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["GAINS", "OVERLAPS", "RERANKS", "SIGNAL", "SLICE", "Columns", "once", "spends_of"]

GAINS, OVERLAPS, RERANKS, SIGNAL, SLICE = "ndcg@10:", "jaccard@10:", "rerank_ms:", "signal:", "slice:"
NEEDED = ("query_id", "task", "cluster", "fold", "base_ms", f"{SIGNAL}entropy")
MAYBE = ("signals_ms", "cold_ms", "timed")
_SPEND = re.compile(re.escape(GAINS) + r"(0|[1-9]\d{0,5})")


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of a frame, by name; `source` names the frame in errors."""

    frame: pd.DataFrame
    source: object

    def __contains__(self, name: str) -> bool:
        return name in self.frame.columns

    def named(self, prefix: str) -> list[str]:
        """What follows a prefix, in the frame's order."""
        return [str(name).removeprefix(prefix) for name in self.frame.columns if str(name).startswith(prefix)]

    def ids(self, name: str) -> Ids:
        """(n,) text; whole numbers are read as their digits."""
        values = self.frame[name].tolist()
        made = [str(value) if type(value) is int else value for value in values]
        for row, value in enumerate(made, start=1):
            if not isinstance(value, str) or not value.strip():
                raise InputError("not an id", where=self.source, row=row, column=name,
                                 expected="text that is not blank", found=values[row - 1])
        return np.array([*made, None], dtype=object)[:-1]

    def judged(self) -> Bools:
        """(n,) true where the fold is `judge`."""
        fold = self.ids("fold")
        for row, value in enumerate(fold, start=1):
            if value not in (FIT, JUDGE):
                raise InputError("no such fold", where=self.source, row=row, column="fold", found=value,
                                 expected=f"{FIT} or {JUDGE}", hint=nearest(value, (FIT, JUDGE)))
        return np.asarray(fold == JUDGE, dtype=np.bool_)

    def truths(self, name: str) -> Bools:
        """(n,) true or false, none missing."""
        values = self.frame[name]
        for row, value in enumerate(values if values.dtype != np.bool_ else (), start=1):
            if not isinstance(value, bool | np.bool_):
                raise InputError("neither true nor false", where=self.source, row=row, column=name,
                                 expected="true or false", found=value)
        return values.to_numpy(dtype=np.bool_)

    def numbers(self, name: str, low: float = -np.inf, high: float = np.inf, *, absent: bool = False) -> Floats:
        """(n,) finite numbers from `low` to `high`; NaN only where a value may be `absent`."""
        values = self.frame[name]
        if values.dtype.kind not in "iuf":
            raise InputError("not numeric", where=self.source, column=name, expected="numbers", found=str(values.dtype))
        made = np.array(values, dtype=np.float64)
        good = (made >= low) & (made <= high) & np.isfinite(made) | (absent & np.isnan(made))
        if not good.all():
            row = int(np.argmin(good))
            bounds = f", {low:g} to {high:g}" if np.isfinite(high) else f", at least {low:g}"
            raise InputError("out of bounds", where=self.source, row=row + 1, column=name, found=float(made[row]),
                             expected=f"a finite number{bounds if np.isfinite(low) else ''}")
        return made

    def ladder(self, prefix: str, spends: Sequence[int], high: float) -> Floats:
        """(n, S) numbers from 0 to `high`, one column a spend."""
        return np.column_stack([self.numbers(f"{prefix}{spend}", 0.0, high) for spend in spends])

    def constant(self, name: str, values: NDArray[Any], must: float, why: str) -> None:
        """Refuse values that are not `must`."""
        wrong = np.flatnonzero(values != must)
        if wrong.size:
            raise InputError(why, where=self.source, row=int(wrong[0]) + 1, column=name, expected=f"{must:g}",
                             found=values[wrong[0]].item())


def spends_of(columns: Columns) -> tuple[int, ...]:
    """The spends of the ladder, ascending from 0; every column of the frame known, and those that must be there there.

    Raises:
        InputError: A missing, doubled or unknown column (the nearest known is named), a ladder that does not start
            at 0, has no step above it, or is not the same for quality, overlap and time.
    """
    names = [str(name) for name in columns.frame.columns]
    spends = tuple(sorted(int(found[1]) for name in names if (found := _SPEND.fullmatch(name))))
    ladder = [f"{GAINS}{spend}" for spend in spends or (0, 20)]
    if len(spends) < 2 or spends[0] != 0:
        raise InputError("not a ladder of spends", where=columns.source, column=f"{GAINS}SPEND",
                         expected=f"{GAINS}0 and at least one {GAINS}SPEND above", found=list(spends) or names)
    ladder += [f"{RERANKS}{spend}" for spend in spends]
    overlaps = [f"{OVERLAPS}{spend}" for spend in spends]
    needed = [*NEEDED, *ladder, *(overlaps if columns.named(OVERLAPS) else ())]
    missing = next((name for name in needed if name not in names), None)
    if missing is not None:
        raise InputError("missing column", where=columns.source, column=missing,
                         expected=f"{', '.join(NEEDED)}, and at every spend {GAINS} and {RERANKS}",
                         hint=nearest(missing, [name for name in names if name not in needed]))
    _all_known(columns, names, [*needed, *overlaps, *MAYBE, *(f"{SIGNAL}{name}" for name in SIGNALS)])
    return spends


def _all_known(columns: Columns, names: list[str], given: list[str]) -> None:
    known = list(dict.fromkeys(given))
    for name in names:
        if names.count(name) > 1:
            raise InputError("column stands twice", where=columns.source, column=name, expected="each name once")
        if name.startswith("__index_level"):
            raise InputError("the frame's index was written as a column", where=columns.source, column=name,
                             expected="to_parquet(…, index=False)")
        if name not in known and not (name.startswith(SLICE) and len(name) > len(SLICE)):
            raise InputError("unknown column", where=columns.source, column=name, hint=nearest(name, known),
                             expected=f"{SLICE}NAME or one of {', '.join(known)}")


def once(tasks: Ids, queries: Ids, source: object) -> None:
    """Refuse a query that stands twice in a task."""
    seen: dict[tuple[str, str], int] = {}
    for row, pair in enumerate(zip(tasks.tolist(), queries.tolist(), strict=True), start=1):
        if seen.setdefault(pair, row) != row:
            raise InputError("query stands twice in its task", where=source, row=row, column="query_id",
                             expected=f"each query once (first in row {seen[pair]})", found=pair[1])
