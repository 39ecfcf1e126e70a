"""Recorded traffic as observations, from a Parquet file: what a service saw, to be watched again at any speed.

`at` is the moment of each row (UTC where it has no offset); `<stage>_ms` columns are latencies; `error`, `release`,
`assignment`, `query_id`, `ndcg_delta`, `rr_delta`, `jaccard`, `hit`, `reranked`, `weight`, `covered` are what they are
called; `cache`, `language` and `slices` (names parted by `|`) are slices; any other number is a measure by its name.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.errors import InputError
from harness.rollout.shapes import Observation

__all__ = ["names_arms", "read_observations"]

_NUMBERS = ("hit", "ndcg_delta", "rr_delta", "jaccard", "weight")
_FLAGS = ("reranked", "covered")
_SLICES = ("cache", "language")
_KNOWN = {"at", "error", "release", "assignment", "query_id", "environment", "slices", *_NUMBERS, *_FLAGS, *_SLICES}


def read_observations(path: Path, *, release: str = "candidate", environment: str = "replay") -> list[Observation]:
    """A trace's observations in order of time; a row without `release` or `assignment` is the candidate's.

    Raises: InputError naming file, row and column, for a file that is no Parquet, has no `at`, or holds what no
        observation can.
    """
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, ValueError) as error:
        raise InputError("not a Parquet file", where=path, expected="recorded traffic", found=str(error)[:80]) from None
    if "at" not in table.column_names:
        raise InputError("no column of moments", where=path, expected="a column `at`", found=table.column_names)
    base = {"release": release, "environment": environment, "assignment": "candidate"}
    found = [_observation(row, place, base, path) for place, row in enumerate(_rows(table), start=1)]
    return sorted(found, key=lambda one: one.at)


def names_arms(path: Path) -> bool:
    """Whether a trace, one that could be read, says whose each row is; without that all are the candidate's."""
    import pyarrow.parquet as pq

    return "assignment" in pq.read_schema(path).names


def _rows(table: Any) -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=10_000):
        yield from batch.to_pylist()


def _observation(row: Mapping[str, Any], place: int, base: Mapping[str, str], path: Path) -> Observation:
    there = {name: value for name, value in row.items() if not _absent(value)}
    moment = there.get("at")
    if not isinstance(moment, datetime):
        raise InputError("not a moment", where=path, row=place, column="at", expected="a timestamp", found=row["at"])
    arm = str(there.get("assignment", base["assignment"]))
    if arm not in {"stable", "candidate"}:
        raise InputError("not an arm", where=path, row=place, column="assignment", expected="stable or candidate",
                         found=arm)
    rest: dict[str, Any] = {name: _number(there[name], name, place, path) for name in _NUMBERS if name in there}
    rest |= {name: _flag(there[name], name, place, path) for name in _FLAGS if name in there}
    return Observation(
        moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC), base["environment"],
        str(there.get("release", base["release"] if arm == "candidate" else "stable")), arm,  # type: ignore[arg-type]
        {name[:-3]: _number(value, name, place, path) for name, value in there.items() if name.endswith("_ms")},
        _flag(there.get("error", False), "error", place, path), _slices(there),
        query=str(there["query_id"]) if "query_id" in there else None,
        values={name: _number(value, name, place, path) for name, value in there.items()
                if name not in _KNOWN and not name.endswith("_ms") and isinstance(value, int | float)}, **rest)


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _number(value: Any, name: str, place: int, path: Path) -> float:
    if isinstance(value, str) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError("not a number", where=path, row=place, column=name, expected="a finite number", found=value)
    return float(value)


def _flag(value: Any, name: str, place: int, path: Path) -> bool:
    """True or false; a text would be true whatever it says, `false` among others."""
    if not isinstance(value, bool | int | float) or value not in {0, 1}:
        raise InputError("not true or false", where=path, row=place, column=name, expected="a boolean, or 0 and 1",
                         found=value)
    return bool(value)


def _slices(there: Mapping[str, Any]) -> tuple[str, ...]:
    named = there.get("slices", ())
    said = named.split("|") if isinstance(named, str) else [str(one) for one in named]
    return tuple(one for one in (*said, *(f"{name}={there[name]}" for name in _SLICES if name in there)) if one)
