"""The spend table: what each query's answer is worth, and takes, at each number of candidates reranked.

One row a query, measured at every spend of a ladder that starts at 0 (no rerank). Router, spend rule, latency and
their gates all read this one table; it keeps per-query values, so that they can be resampled and broken on purpose.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data.store import atomic_writer
from harness.data.task import FIT, JUDGE, Bools
from harness.errors import InputError
from harness.records import Floats, Ids
from harness.release.spends_columns import GAINS, OVERLAPS, RERANKS, SIGNAL, SLICE, Columns, once, spends_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SpendTable"]


@dataclass(frozen=True, eq=False)
class SpendTable:
    """Queries at each spend; n rows, S spends. Made by `of`, `from_parquet` or `spending.spend_table`.

    Attributes:
        queries: (n,) query ids, each once within its task.
        tasks: (n,) names.
        clusters: (n,) the unit that is resampled, such as the query's module.
        judged: (n,) true in the judge fold, false in the fit fold.
        slices: Name → (n,) bool; `all` is always there.
        signals: Name (of `routing.signals.SIGNALS`) → (n,) finite; `entropy` is always there.
        spends: Candidates reranked, ascending from 0.
        quality: (n, S) nDCG@10, 0 to 1.
        jaccard: (n, S) overlap at 10 with the hits at spend 0, 0 to 1; NaN throughout where it is lacking.
        base_ms: (n,) encode and search, warm; NaN where not measured.
        signals_ms: (n,) making the signals; NaN throughout where it is lacking.
        rerank_ms: (n, S) time on top of that at each spend; 0 at spend 0.
        cold_ms: (n,) encode and search on an index freshly mapped, its pages dropped; NaN where not measured.
        timed: (n,) true where the times are this query's own, false where they are its stage's median.
    """

    queries: Ids
    tasks: Ids
    clusters: Ids
    judged: Bools
    slices: Mapping[str, Bools]
    signals: Mapping[str, Floats]
    spends: tuple[int, ...]
    quality: Floats
    jaccard: Floats
    base_ms: Floats
    signals_ms: Floats
    rerank_ms: Floats
    cold_ms: Floats
    timed: Bools

    def __len__(self) -> int:
        return len(self.queries)

    def at(self, spend: int) -> int:
        """The column of a spend in `quality`, `jaccard` and `rerank_ms`. Raises InputError for one not measured."""
        if spend not in self.spends:
            near = min(self.spends, key=lambda known: abs(known - spend))
            raise InputError("no such spend", where="spend table", expected=", ".join(map(str, self.spends)),
                             found=spend, hint=str(near))
        return self.spends.index(spend)

    def gain(self, spend: int) -> Floats:
        """(n,) nDCG@10 at this spend less that at 0, -1 to 1. Raises InputError for a spend not measured."""
        return np.asarray(self.quality[:, self.at(spend)] - self.quality[:, 0], dtype=np.float64)

    @property
    def lacking(self) -> tuple[str, ...]:
        """Optional parts that hold nothing, so that whoever needs one can say what to record."""
        held = {"jaccard@10": np.isfinite(self.jaccard).any(), "signals_ms": np.isfinite(self.signals_ms).any(),
                "cold_ms": np.isfinite(self.cold_ms).any(), "slices": bool(set(self.slices) - {"all"})}
        return tuple(name for name, there in held.items() if not there)

    def where(self, mask: Any) -> SpendTable:
        """The rows where `mask` (n,) is true, or those at the given positions. Raises InputError where none is."""
        rows = np.flatnonzero(mask) if np.asarray(mask).dtype == np.bool_ else np.asarray(mask, dtype=np.intp)
        if not rows.size or (np.asarray(mask).dtype == np.bool_ and len(mask) != len(self)):
            raise InputError("no rows are left" if not rows.size else "the mask is not of this table",
                             where="spend table", expected=f"some of {len(self)} rows", found=len(mask))
        cut = {name: value[rows] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return SpendTable(**cut, spends=self.spends, slices={name: held[rows] for name, held in self.slices.items()},
                          signals={name: values[rows] for name, values in self.signals.items()})

    def with_spends(self, spends: Sequence[int]) -> SpendTable:
        """The table of these spends alone, ascending from 0. Raises InputError for one not measured."""
        kept = tuple(sorted(spends))
        if len(set(kept)) < max(2, len(kept)) or kept[0] != 0:
            raise InputError("not a ladder of spends", where="spend table", found=list(spends),
                             expected="distinct spends from 0, two or more")
        at = [self.at(spend) for spend in kept]
        return replace(self, spends=kept, quality=self.quality[:, at], jaccard=self.jaccard[:, at],
                       rerank_ms=self.rerank_ms[:, at])

    def frame(self) -> pd.DataFrame:
        """A row a query, columns as `of` reads them; optional parts that are lacking are left out."""
        import pandas as pd

        columns: dict[str, Any] = {"query_id": self.queries, "task": self.tasks, "cluster": self.clusters,
                                   "fold": np.where(self.judged, JUDGE, FIT).astype(object)}
        columns |= {f"{SLICE}{name}": held for name, held in self.slices.items()}
        columns |= {f"{SIGNAL}{name}": values for name, values in self.signals.items()}
        lacking = self.lacking
        ladders = {GAINS: self.quality, OVERLAPS: self.jaccard, RERANKS: self.rerank_ms}
        for prefix, values in ladders.items():
            if prefix.removesuffix(":") not in lacking:
                columns |= {f"{prefix}{spend}": values[:, at] for at, spend in enumerate(self.spends)}
        columns["base_ms"] = self.base_ms
        columns |= {name: getattr(self, name) for name in ("signals_ms", "cold_ms") if name not in lacking}
        return pd.DataFrame(columns | {"timed": self.timed})

    @classmethod
    def of(cls, frame: pd.DataFrame, *, source: object = "spend table") -> SpendTable:
        """Validate a frame: query_id, task, cluster, fold (fit, judge), base_ms, `signal:entropy`, and a ladder of
        `ndcg@10:SPEND` and `rerank_ms:SPEND` from spend 0.

        May be there: `jaccard@10:SPEND`, `signal:NAME`, `slice:NAME`, signals_ms, cold_ms (NaN: not measured), timed.

        Raises:
            InputError: No rows; a column that is missing, unknown, of the wrong type or out of bounds; a query twice in
                a task; by source, row and column, with the nearest known name.

        >>> import pandas as pd
        >>> table = SpendTable.of(pd.DataFrame({
        ...     "query_id": ["q1", "q2"], "task": "search", "cluster": ["a", "b"], "fold": ["fit", "judge"],
        ...     "signal:entropy": [0.2, 0.9], "ndcg@10:0": [1.0, 0.5], "ndcg@10:20": [1.0, 0.75],
        ...     "base_ms": [0.8, 0.9], "rerank_ms:0": 0.0, "rerank_ms:20": [2.0, 2.5]}))
        >>> table.gain(20).tolist(), table.lacking
        ([0.0, 0.25], ('jaccard@10', 'signals_ms', 'cold_ms', 'slices'))
        """
        columns = Columns(frame.reset_index(drop=True), source)
        if not len(frame):
            raise InputError("no rows", where=source, expected="at least one query")
        spends = spends_of(columns)
        queries, tasks = columns.ids("query_id"), columns.ids("task")
        once(tasks, queries, source)
        return cls(queries, tasks, columns.ids("cluster"), columns.judged(), _slices(columns), _signals(columns),
                   spends, columns.ladder(GAINS, spends, 1.0), _overlaps(columns, spends),
                   columns.numbers("base_ms", 0.0, absent=True), _maybe(columns, "signals_ms", absent=False),
                   _reranks(columns, spends), _maybe(columns, "cold_ms", absent=True),
                   columns.truths("timed") if "timed" in columns else np.ones(len(queries), dtype=np.bool_))

    def to_parquet(self, path: Path | str) -> Path:
        """Write `frame` whole or not at all; the same table gives the same bytes. Returns the path."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.Table.from_pandas(self.frame(), preserve_index=False).replace_schema_metadata(None)
        with atomic_writer(path) as stream:
            pq.write_table(table, stream)
        return Path(path)

    @classmethod
    def from_parquet(cls, path: Path | str) -> SpendTable:
        """Read a Parquet file strictly. Raises InputError as `of` does, by file, row and column."""
        from harness.data.tables import read_parquet

        table = read_parquet(path)
        names = table.column_names
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:  # pandas would keep both, and each look-up find a pair
            raise InputError("column stands twice", where=path, column=twice, expected="each name once")
        return cls.of(table.to_pandas(ignore_metadata=True), source=path)


def _slices(columns: Columns) -> dict[str, Bools]:
    held = {name: columns.truths(f"{SLICE}{name}") for name in columns.named(SLICE)}
    everyone = np.ones(len(columns.frame), dtype=np.bool_)
    columns.constant(f"{SLICE}all", held.get("all", everyone), True, "the slice all leaves a query out")
    return {"all": everyone} | held


def _signals(columns: Columns) -> dict[str, Floats]:
    return {name: columns.numbers(f"{SIGNAL}{name}") for name in columns.named(SIGNAL)}


def _overlaps(columns: Columns, spends: tuple[int, ...]) -> Floats:
    if not columns.named(OVERLAPS):
        return np.full((len(columns.frame), len(spends)), np.nan)
    overlaps = columns.ladder(OVERLAPS, spends, 1.0)
    columns.constant(f"{OVERLAPS}0", overlaps[:, 0], 1.0, "hits that are not their own")
    return overlaps


def _reranks(columns: Columns, spends: tuple[int, ...]) -> Floats:
    times = columns.ladder(RERANKS, spends, np.inf)
    columns.constant(f"{RERANKS}0", times[:, 0], 0.0, "no rerank takes time")
    return times


def _maybe(columns: Columns, name: str, *, absent: bool) -> Floats:
    held = name in columns
    return columns.numbers(name, 0.0, absent=absent) if held else np.full(len(columns.frame), np.nan)
